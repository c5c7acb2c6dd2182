"""The command of a dev server, which ends with all processes that it started."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import click

from mockserver.functions.process import StartError

_START_S = 120
_SAY_AFTER_S = 10
_STOP_S = 5


@contextmanager
def running(
    command: str | None,
    app: Path | str,
    stopped: threading.Event,
    where: str,
    *,
    folder: Path | None = None,
    option: str = "--run",
    environment: Mapping[str, str] | None = None,
) -> Iterator[Callable[[], int | None]]:
    """Run a server's command, if there is one, in a folder and in an environment, this process's own where it is None, and end
    it with all processes that it started and that are still of its group. `where` says what sets its address, and `option`
    what the command. Inside, it is asked for its exit status, which is None while it runs.

    Raises:
        StartError: it ended at once, something else answers at the URL of the app, or nothing does.
    """
    if command is None:
        yield lambda: None
        return
    if isinstance(app, str) and _answers(app):
        raise StartError(f"{option} {command!r}: something answers at {app} already; stop it, or leave {option} out")
    process = subprocess.Popen(  # noqa: S602  the user's own command
        command,
        shell=True,
        start_new_session=True,
        cwd=folder,
        env=environment,
    )
    try:
        if isinstance(app, str):
            _wait_for(app, process, f"{option} {command!r}", stopped, where)
        yield process.poll
    finally:
        if process.poll() is None or os.name != "nt":
            _end(process)


def _wait_for(url: str, process: subprocess.Popen[bytes], what: str, stopped: threading.Event, where: str) -> None:
    began_s, said = time.monotonic(), False
    advice = f"If the server has printed another address, pass that: {where}."
    while not stopped.wait(0.1):
        if _answers(url):
            return
        if (status := process.poll()) is not None:
            raise StartError(f"{what} ended with status {status} before {url} answered.")
        if time.monotonic() > began_s + _START_S:
            raise StartError(f"{what} runs, but nothing answers at {url}. {advice}")
        if not said and time.monotonic() > began_s + _SAY_AFTER_S:
            said = True
            click.secho(f"waiting    nothing answers at {url} yet. {advice}", fg="yellow", err=True)


def _answers(url: str) -> bool:
    address = urlsplit(url).hostname or "", urlsplit(url).port or (443 if url.startswith("https:") else 80)
    try:
        socket.create_connection(address, timeout=1).close()
    except OSError:
        return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    if os.name == "nt":
        process.terminate()
    else:
        try:
            os.killpg(process.pid, signal.SIGTERM)
        except ProcessLookupError:
            return
    until_s = time.monotonic() + _STOP_S
    while time.monotonic() < until_s:
        if process.poll() is not None and not _group_exists(process.pid):
            return
        time.sleep(0.05)
    with contextlib.suppress(OSError):
        if os.name == "nt":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


def _group_exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (OSError, AttributeError):  # OSError: it ended (macOS raises another subclass); AttributeError: Windows
        return False
    return True
