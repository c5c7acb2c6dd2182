"""What every command shares: paths and ports as arguments, an end on Ctrl-C, and errors in one sentence instead of a traceback."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from mockserver.carry import CarryError
from mockserver.cassette import CassetteError
from mockserver.functions.process import StartError
from mockserver.last_run import NoRunError
from mockserver.latency import LatencyError
from mockserver.library import ConflictError
from mockserver.limits import LimitError
from mockserver.question import IgnoreError
from mockserver.recorder import RecordingError
from mockserver.rehearsal import SetUpError
from mockserver.scenarios import ScenarioError
from mockserver.server import AddressError, PortTakenError
from mockserver.stub import StubError
from mockserver.swa.config import ConfigError
from mockserver.swa.personas import PersonaError
from mockserver.swa.start import StartConfigError
from mockserver.swa.states import StatesError

PATH = click.Path(path_type=Path)
PORT = click.IntRange(0, 65535)

#: What people can mend: each of these says what, where and how in its message.
_EXPLAINED = (
    CarryError,
    CassetteError,
    ConfigError,
    ConflictError,
    IgnoreError,
    LatencyError,
    LimitError,
    NoRunError,
    PersonaError,
    StatesError,
    AddressError,
    PortTakenError,
    RecordingError,
    ScenarioError,
    SetUpError,
    StartConfigError,
    StartError,
    StubError,
    OSError,
)


@contextmanager
def explained() -> Iterator[None]:
    """Turns what people can mend into one message and exit status 1."""
    try:
        yield
    except _EXPLAINED as error:
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
            heard.recv(1)
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
