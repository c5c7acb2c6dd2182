"""A dev server's command, started and ended with all it started."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from mockserver.functions.process import StartError

_UP_WITHIN_S = 120


_ENDS_WITHIN_S = 5


@contextmanager
def running(command: str | None, app: Path | str, stopped: threading.Event) -> Iterator[None]:
    """A dev server's command, ended with all it started.

    Raises:
        StartError: it ended at once, or nothing answered where the app was said to be.
    """
    if command is None:
        yield
        return
    started = subprocess.Popen(command, shell=True, start_new_session=True)  # noqa: S602  the user's own command
    try:
        if isinstance(app, str):
            _wait_for(app, started, command, stopped)
        yield
    finally:
        if started.poll() is None or os.name != "nt":
            _end(started)


def _wait_for(url: str, started: subprocess.Popen[bytes], command: str, stopped: threading.Event) -> None:
    address, until_s = (urlsplit(url).hostname or "", urlsplit(url).port or 80), time.monotonic() + _UP_WITHIN_S
    while not stopped.wait(0.1):
        try:
            socket.create_connection(address, timeout=1).close()
            return
        except OSError as error:
            if (status := started.poll()) is not None:
                raise StartError(f"--run {command!r} ended with status {status} before {url} answered.") from error
            if time.monotonic() > until_s:
                raise StartError(f"--run {command!r} runs, but nothing answers at {url}.") from error


def _end(started: subprocess.Popen[bytes]) -> None:
    if os.name == "nt":
        started.terminate()
    else:
        try:
            os.killpg(started.pid, signal.SIGTERM)
        except ProcessLookupError:
            return
    until_s = time.monotonic() + _ENDS_WITHIN_S
    while time.monotonic() < until_s:
        if started.poll() is not None and not _group_lives(started.pid):
            return
        time.sleep(0.05)
    with contextlib.suppress(OSError):
        started.kill() if os.name == "nt" else os.killpg(started.pid, signal.SIGKILL)


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (OSError, AttributeError):  # OSError: it ended (macOS words it its own way); AttributeError: Windows
        return False
    return True
