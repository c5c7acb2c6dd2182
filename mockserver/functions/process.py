"""The Functions host as a process of its own: one function app per interpreter."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mockserver.crash import Crash
from mockserver.errors import UserError

_PAUSED = "debugger   has paused the API: the gate's 45 s do not count down"
_RESUMED = "debugger   has resumed the API"
_STOP_S = 5


class StartError(UserError):
    """A process that we started did not get ready; its own output says why."""


@dataclass(frozen=True, slots=True)
class InvocationRecord:
    """One call of a function; its `end` is "eof" or "client left". `function` is empty if no route fits; `ids` are the request's
    headers that join it with others; `sent_ms` is when each piece of the body was sent; `error` is an exception's name; `span_id` is
    the call's own span, where there are spans."""

    function: str
    method: str
    path: str
    ids: dict[str, str]
    status: int
    end: str
    took_s: float
    sent_ms: list[float]
    error: str = ""
    span_id: str = ""


class HostReports:
    """What a host says of itself: on the console, as it is here, or to the process that started it."""

    def say(self, line: str) -> None:
        """Say what an engineer wants to know."""
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    def ready(self, url: str) -> None:
        """Say that the host answers at a URL."""
        self.say(f"ready {url}")

    def ended(self, record: InvocationRecord) -> None:
        """Say that a call has ended."""

    def paused(self, *, paused: bool) -> None:
        """Say that a debugger has paused or resumed the app."""
        self.say(_PAUSED if paused else _RESUMED)

    def crashed(self, crash: Crash) -> None:
        """Say that the host itself has failed."""
        sys.stderr.write(f"{crash}\n{crash.traceback}")

    def hand_over(self) -> None:
        """Prepare for this process to be replaced by another one of the same command."""
        sys.stdout.flush()


class ReportsToParent(HostReports):
    """Reports as JSON, one object a line, on what was standard output. What the app prints goes to the error output instead:
    nothing that an app prints, on whatever level, is taken for a report."""

    def __init__(self) -> None:
        self._pipe = os.dup(1)  # no process that the app starts inherits it
        os.dup2(2, 1)
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(line_buffering=True)
        self._lock = threading.Lock()

    def say(self, line: str) -> None:
        """Have the parent print it."""
        self._send(line=line)

    def ready(self, url: str) -> None:
        """Tell it the URL."""
        self._send(ready=url)

    def ended(self, record: InvocationRecord) -> None:
        """Tell it of a call."""
        self._send(ended=dataclasses.asdict(record))

    def paused(self, *, paused: bool) -> None:
        """Tell it that its patience has to wait, or not any more."""
        self._send(paused=paused)

    def crashed(self, crash: Crash) -> None:
        """Tell it that this host has failed."""
        self._send(crashed=dataclasses.asdict(crash))

    def hand_over(self) -> None:
        """Give the next process the pipe as its standard output."""
        super().hand_over()
        os.dup2(self._pipe, 1)

    def _send(self, **report: Any) -> None:
        rest = memoryview(f"{json.dumps(report)}\n".encode())
        with self._lock, contextlib.suppress(OSError):  # a parent that is gone ends this process too
            while rest:
                rest = rest[os.write(self._pipe, rest) :]


class FunctionsProcess:
    """A running Functions host. It ends with this process, however that ends: it watches its standard input."""

    def __init__(
        self,
        app: Path,
        *,
        port: int,
        environment: Mapping[str, str],
        report: Callable[[InvocationRecord], None] = lambda _record: None,
        crashed: Callable[[Crash], None] = lambda _crash: None,
        options: Sequence[str] = (),
        inherited: Mapping[str, str] | None = None,
    ) -> None:
        """Start the host without waiting for it; `wait_until_ready` waits. `environment` goes before what is `inherited`, which
        is this process's own where it is None.

        `report` gets each call of a function that has ended, `crashed` each fault of the host's own code or of `report`.
        """
        self._report, self._crashed = report, crashed
        command = [sys.executable, "-m", "mockserver", "functions", "--stop-on-eof", *options]
        command += ["--app", str(app), "--port", str(port)]
        self._process = subprocess.Popen(
            command,
            env={**(os.environ if inherited is None else inherited), **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
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
        self._reader.join(_STOP_S)
        if (
            self._process.stdout is not None and not self._reader.is_alive()
        ):  # a process of the app may still hold the pipe
            self._process.stdout.close()

    def _read_output(self) -> None:
        """Read what the host reports until it ends. What is no report, such as Python's own errors before the host runs, is shown."""
        for line in self._process.stdout or ():
            report = _report_of(line)
            try:
                self._take(report)
            except Exception as error:  # noqa: BLE001  what reads reports must not end with one: the host would wait
                self._crashed(Crash.of(f"the host's report {report}", error))
        self._started_or_ended.set()

    def _take(self, report: Report) -> None:
        match report:
            case InvocationRecord():
                self._report(report)
            case Crash():
                self._crashed(report)
            case _Ready(url):  # again after each restart
                self._url = url
                self._started_or_ended.set()
            case bool():
                self.paused = report
                _show(_PAUSED if report else _RESUMED)
            case str():
                _show(report)


@dataclass(frozen=True, slots=True)
class _Ready:
    url: str


#: What a line of a host says: of a call, of a fault of its own, that it is ready or paused, or words to show.
Report = InvocationRecord | Crash | _Ready | bool | str


def _report_of(line: bytes) -> Report:
    """The report in a line, or the line itself if it is not a report."""
    kinds: dict[str, Callable[[Any], Report]] = {
        "ended": lambda fields: InvocationRecord(**fields),
        "crashed": lambda fields: Crash(**fields),
        "ready": _Ready,
        "paused": bool,
        "line": str,
    }
    try:
        ((kind, value),) = json.loads(line).items()
        return kinds[kind](value)
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return line.decode(errors="replace").rstrip("\n")


def _show(line: str) -> None:
    """Print a line. A console that is gone, or that lacks a letter, must not end who reads the reports: the host would wait.

    Without `file`, Python before 3.13.3 may crash where another thread changes sys.stdout, as a test's capture does. Source:
    cpython#130163.
    """
    with contextlib.suppress(OSError, ValueError):
        print(line, file=sys.stdout, flush=True)
