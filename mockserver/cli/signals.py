"""Ctrl-C, SIGTERM and a closed terminal as a threading event."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: Ctrl-C, and what ends a service.
_STOPPING = frozenset({signal.SIGINT, signal.SIGTERM})


def _stopping() -> frozenset[int]:
    """The signals that stop a command: a closed terminal too, unless `nohup` has it ignored."""
    hang_up = getattr(signal, "SIGHUP", None)  # Windows has none
    if hang_up is None or signal.getsignal(hang_up) is signal.SIG_IGN:
        return _STOPPING
    return _STOPPING | {hang_up}


class StopSignal(threading.Event):
    """An event that is set by a signal; `number` says by which."""

    number = 0


@contextmanager
def signal_socket() -> Iterator[socket.socket]:
    """A socket from which the numbers of signals can be read, once one that stops has come."""
    reader, writer = socket.socketpair()
    writer.setblocking(False)  # set_wakeup_fd requires it
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    for number in _stopping():
        signal.signal(number, lambda *_: None)
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(-1)
        writer.close()


@contextmanager
def stop_signal() -> Iterator[StopSignal]:
    """An event that Ctrl-C, SIGTERM or a closed terminal sets.

    A thread sets it, not a signal handler: a handler interrupts the main thread, which may hold the event's lock while it waits
    for the event. And on Windows a handler runs only after that wait.
    """
    stopped, stopping = StopSignal(), _stopping()

    def listen(reader: socket.socket) -> None:
        with reader:
            while numbers := reader.recv(64):
                for number in stopping.intersection(numbers):  # an app may use other signals
                    stopped.number = stopped.number or number
                    stopped.set()

    with signal_socket() as reader:
        threading.Thread(target=listen, args=(reader,), name="stop-signal", daemon=True).start()
        yield stopped
