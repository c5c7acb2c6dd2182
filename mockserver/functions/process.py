"""The Functions host as a process of its own: one function app per interpreter."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

READY = "ready "  # begins the line that a started host prints, before its URL
_STOP_S = 5


class StartError(Exception):
    """A process of ours did not start; what it said stands above."""


class FunctionsProcess:
    """A running Functions host. It ends with this process, however that ends: its standard input is our life line."""

    def __init__(self, app: Path, *, port: int, environment: Mapping[str, str]) -> None:
        """Start the host; the caller may do something else until it calls `wait_until_ready`."""
        command = [
            sys.executable,
            "-m",
            "mockserver",
            "functions",
            "--app",
            str(app),
            "--port",
            str(port),
            "--stop-on-eof",
        ]
        self._process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def wait_until_ready(self) -> str:
        """The URL the host answers at.

        Raises:
            StartError: it ended instead; its error output went to ours.
        """
        assert self._process.stdout is not None  # noqa: S101  for the type checker
        line = self._process.stdout.readline()
        if not line.startswith(READY):
            self.stop()
            raise StartError("The Functions host did not start; the reason stands above.")
        return line.removeprefix(READY).strip()

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
        if self._process.stdout is not None:
            self._process.stdout.close()
