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
from mockserver.functions.debug import GOES_ON, PAUSED

READY = "ready "  # begins the line that a started host prints, before its URL
_RECORD = "mockserver call "  # begins the line it prints for each call that has ended, where it has a parent
_STOP_S = 5


class StartError(UserError):
    """A process of ours did not start; what it said stands above."""


@dataclass(frozen=True, slots=True)
class InvocationRecord:
    """One call of a function, as it ended: "eof" or "client left". `function` is empty where no route fits; `ids` are the
    request's headers that join it with others; `sent_ms` is when each piece of the body left; `error` what was raised."""

    function: str
    method: str
    path: str
    ids: dict[str, str]
    status: int
    end: str
    took_s: float
    sent_ms: list[float]
    error: str = ""


def report_to_parent(call: InvocationRecord) -> None:
    """Let the parent process know of a call."""
    sys.stdout.write(f"{_RECORD}{json.dumps(dataclasses.asdict(call))}\n")
    sys.stdout.flush()


class FunctionsProcess:
    """A running Functions host. It ends with this process, however that ends: its standard input is our life line."""

    def __init__(
        self,
        app: Path,
        *,
        port: int,
        environment: Mapping[str, str],
        report: Callable[[InvocationRecord], None] = lambda _call: None,
        options: Sequence[str] = (),
    ) -> None:
        """Start the host; the caller may do something else until it calls `wait_until_ready`."""
        self._report = report
        command = [sys.executable, "-m", "mockserver", "functions", "--stop-on-eof", *options]
        command += ["--app", str(app), "--port", str(port)]
        self._process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._url: str | None = None
        #: Whether a debugger has paused it.
        self.paused = False
        self._told = threading.Event()  # its URL, or that it has ended
        self._reader = threading.Thread(target=self._pass_on, daemon=True)
        self._reader.start()

    def wait_until_ready(self, stopped: threading.Event | None = None) -> str:
        """The URL the host answers at.

        Raises:
            StartError: it ended instead, its error output went to ours; or `stopped` was set meanwhile.
        """
        stopped = stopped or threading.Event()
        while not self._told.wait(0.1) and not stopped.is_set():
            pass
        if self._url is None:
            if stopped.wait(0.2):  # Ctrl-C ends the host too, which may be heard of first
                raise StartError("Stopped while the Functions host was starting.")
            raise StartError("The Functions host did not start; the reason stands above.")
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

    def _pass_on(self) -> None:
        """Read what the host prints until it ends: its URL and its calls for us, all else, the app's own prints, for the console."""
        for line in self._process.stdout or ():
            if line.startswith(READY):  # again after it has started anew
                self._url = line.removeprefix(READY).strip()
                self._told.set()
            elif line.startswith(_RECORD):
                self._report(InvocationRecord(**json.loads(line.removeprefix(_RECORD))))
            else:
                self.paused = line.startswith(PAUSED) or (self.paused and not line.startswith(GOES_ON))
                sys.stdout.write(line)
                sys.stdout.flush()
        self._told.set()
