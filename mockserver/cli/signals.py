"""Ctrl-C and SIGTERM as an event to wait for."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stop_signal() -> Iterator[threading.Event]:
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
