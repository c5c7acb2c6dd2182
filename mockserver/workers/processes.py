"""The processes of one command: forked when everything is loaded, and restarted where one ends by itself."""

from __future__ import annotations

import logging
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from multiprocessing.process import BaseProcess
from typing import Self

from mockserver.errors import UserError

log = logging.getLogger("mockserver")

_START_S, _STOP_S, _AGAIN_S = 60, 10, 2.0


class WorkersError(UserError):
    """Workers that cannot be started; says why."""


@dataclass(frozen=True, slots=True)
class _Worker:
    process: BaseProcess
    pipe: connection.Connection


class Processes:
    """So many processes, each inside its own `work(number)` until they are told to stop. The process that starts them has no
    other threads, and does nothing but wait."""

    def __init__(self, count: int, work: Callable[[int], AbstractContextManager[object]]) -> None:
        """Nothing is started yet."""
        self._count, self._work = count, work
        self._workers: dict[int, _Worker] = {}
        self._again_s: dict[int, float] = {}  # when those that have ended are restarted, by their numbers

    def __enter__(self) -> Self:
        """Start all of them, and return once each is ready.

        Raises:
            WorkersError: one ended, or is not ready in time; it has said why.
        """
        try:
            for number in range(self._count):
                self._start(number)
            for worker in self._workers.values():
                _await_ready(worker)
        except BaseException:
            self.__exit__()
            raise
        return self

    def watch(self, stopped: socket.socket) -> None:
        """Start each again that ends by itself, a while later where it had not got ready, until something can be read from
        `stopped`."""
        ready = set(self._workers)
        while True:
            running = {number: each for number, each in self._workers.items() if number not in self._again_s}
            by_sentinel = {each.process.sentinel: number for number, each in running.items()}
            by_pipe = {each.pipe: number for number, each in running.items() if number not in ready}
            wait_s = min(self._again_s.values()) - time.monotonic() if self._again_s else None
            came = connection.wait([stopped, *by_sentinel, *by_pipe], max(0, wait_s) if wait_s is not None else None)
            if stopped in came:
                return
            ready |= {number for pipe, number in by_pipe.items() if pipe in came and _has_said_ready(pipe)}
            for number in [by_sentinel[each] for each in came if isinstance(each, int)]:
                process = self._workers[number].process
                process.join()  # its files are closed a moment before it has ended
                words = "worker %d ended with status %s and is restarted; its streams broke off"
                log.warning(words, number + 1, process.exitcode)
                self._again_s[number] = time.monotonic() + (0 if number in ready else _AGAIN_S)
                ready.discard(number)
            for number in [number for number, at_s in self._again_s.items() if at_s <= time.monotonic()]:
                del self._again_s[number]
                self._start(number)

    def __exit__(self, *_: object) -> None:
        for worker in self._workers.values():
            with suppress(OSError):  # it has ended
                worker.pipe.send("stop")
        until_s = time.monotonic() + _STOP_S
        for worker in self._workers.values():
            worker.process.join(max(0, until_s - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()

    def _start(self, number: int) -> None:
        ours, theirs = connection.Pipe()
        process = get_context("fork").Process(target=self._run, args=(number, theirs), name=f"worker-{number + 1}")
        process.start()
        theirs.close()
        self._workers[number] = _Worker(process, ours)

    def _run(self, number: int, pipe: connection.Connection) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; the first process tells us to stop
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # it leaves the group in good order
        parent = parent_process()
        assert parent is not None  # noqa: S101  for the type checker
        try:
            with self._work(number):
                pipe.send("ready")
                connection.wait([pipe, parent.sentinel])
        except UserError as error:
            print(f"Error: {error}", file=sys.stderr)
            sys.exit(1)


def _await_ready(worker: _Worker) -> None:
    ready = connection.wait([worker.pipe, worker.process.sentinel], _START_S)
    if not ready:
        raise WorkersError(f"a worker is not ready after {_START_S} s")
    if not _has_said_ready(worker.pipe):
        raise WorkersError("a worker has ended at its start; it has said why")


def _has_said_ready(pipe: connection.Connection) -> bool:
    try:
        return bool(pipe.recv())
    except (EOFError, OSError):
        return False
