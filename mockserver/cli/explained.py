"""What every command shares: paths and ports as arguments, an end on Ctrl-C, and errors in one sentence instead of a traceback."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from mockserver.mendable import MendableError

PATH = click.Path(path_type=Path)
PORT = click.IntRange(0, 65535)


@contextmanager
def explained() -> Iterator[None]:
    """Turns what people can mend into one message and exit status 1."""
    try:
        yield
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise click.ClickException(f"a file is no UTF-8, in its line {line}: save it as UTF-8") from error
    except (MendableError, OSError) as error:
        text = str(error)
        if isinstance(error, OSError) and error.filename is not None and error.strerror is not None:
            text = f"{error.filename}: {error.strerror}"
        raise click.ClickException(text) from error


@contextmanager
def stoppable() -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets, for what runs until then.

    A thread sets it: a handler runs in the middle of whatever the main thread does, which may be waiting for this event with
    its lock in hand. And on Windows a handler runs only once that wait is over.
    """
    stopped = threading.Event()
    heard, told = socket.socketpair()
    told.setblocking(False)  # as set_wakeup_fd asks

    def listen() -> None:
        with heard:
            while numbers := heard.recv(64):
                if not {signal.SIGINT, signal.SIGTERM}.isdisjoint(numbers):  # an app may handle others
                    stopped.set()

    signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    threading.Thread(target=listen, name="stoppable", daemon=True).start()
    try:
        yield stopped
    finally:
        signal.set_wakeup_fd(-1)
        told.close()
