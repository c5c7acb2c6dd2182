"""The Functions host as a process of its own: one function app per interpreter."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mockserver.errors import UserError
from mockserver.functions.debug import PAUSED, RESUMED

READY = "ready "  # starts the line that a host prints when it has started, before its URL
_RECORD = "mockserver call "  # starts the line that it prints for each call that has ended, if it has a parent
_STOP_S = 5


class StartError(UserError):
    """A process that we started did not get ready; its own output says why."""


@dataclass(frozen=True, slots=True)
class InvocationRecord:
    """One call of a function; its `end` is "eof" or "client left". `function` is empty if no route fits; `ids` are the request's
    headers that join it with others; `sent_ms` is when each piece of the body was sent; `error` is an exception's name."""

    function: str
    method: str
    path: str
    ids: dict[str, str]
    status: int
    end: str
    took_s: float
    sent_ms: list[float]
    error: str = ""


def report_to_parent(record: InvocationRecord) -> None:
    """Report a call to the parent process."""
    sys.stdout.write(f"{_RECORD}{json.dumps(dataclasses.asdict(record))}\n")
    sys.stdout.flush()


class FunctionsProcess:
    """A running Functions host. It ends with this process, however that ends: it watches its standard input."""

    def __init__(
        self,
        app: Path,
        *,
        port: int,
        environment: Mapping[str, str],
        report: Callable[[InvocationRecord], None] = lambda _record: None,
        options: Sequence[str] = (),
    ) -> None:
        """Start the host without waiting for it; `wait_until_ready` waits."""
        self._report = report
        command = [sys.executable, "-m", "mockserver", "functions", "--stop-on-eof", *options]
        command += ["--app", str(app), "--port", str(port)]
        self._process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._url: str | None = None
        #: Whether a debugger has paused it.
        self.paused = False
        self._started_or_ended = threading.Event()
        self._reader = threading.Thread(target=self._read_output, daemon=True)
        self._reader.start()

    def wait_until_ready(self, stopped: threading.Event | None = None) -> str:
        """The URL of the host.

        Raises:
            StartError: it ended instead, and its error output is in ours; or `stopped` was set first.
        """
        stopped = stopped or threading.Event()
        while not self._started_or_ended.wait(0.1) and not stopped.is_set():
            pass
        if self._url is None:
            if stopped.wait(0.2):  # Ctrl-C ends the host too, and its end may be seen first
                raise StartError("Stopped while the Functions host was starting.")
            raise StartError("The Functions host did not start; its own output says why.")
        return self._url

    @property
    def exit_status(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def stop(self) -> None:
        """End the process and wait for it."""
        with contextlib.suppress(BrokenPipeError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _read_output(self) -> None:
        """Read what the host prints until it ends: its URL and its calls; everything else goes to the console."""
        for line in self._process.stdout or ():
            if line.startswith(READY):  # again after each restart
                self._url = line.removeprefix(READY).strip()
                self._started_or_ended.set()
            elif line.startswith(_RECORD):
                self._report(InvocationRecord(**json.loads(line.removeprefix(_RECORD))))
            else:
                self.paused = line.startswith(PAUSED) or (self.paused and not line.startswith(RESUMED))
                sys.stdout.write(line)
                sys.stdout.flush()
        self._started_or_ended.set()
