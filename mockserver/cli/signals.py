"""Ctrl-C and SIGTERM as a threading event."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stop_signal() -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets.

    A thread sets it, not a signal handler: a handler interrupts the main thread, which may hold the event's lock while it waits
    for the event. And on Windows a handler runs only after that wait.
    """
    stopped = threading.Event()
    reader, writer = socket.socketpair()
    writer.setblocking(False)  # set_wakeup_fd requires it

    def listen() -> None:
        with reader:
            while numbers := reader.recv(64):
                if not {signal.SIGINT, signal.SIGTERM}.isdisjoint(numbers):  # an app may use other signals
                    stopped.set()

    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    threading.Thread(target=listen, name="stop-signal", daemon=True).start()
    try:
        yield stopped
    finally:
        signal.set_wakeup_fd(-1)
        writer.close()
