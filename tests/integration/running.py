"""Our commands as processes."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from tests.polling import wait_until

ROOT = Path(__file__).parents[2]
STATE = Path(tempfile.mkdtemp(prefix="dress-rehearsal-"))
atexit.register(shutil.rmtree, STATE, ignore_errors=True)


class Running:
    """A command of ours in a process group of its own, with what it has printed so far."""

    def __init__(
        self, *arguments: str, folder: Path = ROOT, limits: Mapping[int, int] | None = None, **environment: str
    ) -> None:
        """`limits` are limits of the process, by their number in `resource`."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mockserver", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "XDG_STATE_HOME": str(STATE), "CI": "", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=partial(_limit, limits) if limits else None,  # noqa: PLW1509  no thread of this process holds a lock
        )
        self.lines: list[str] = []

    def read_until(self, pattern: str) -> re.Match[str]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if match := re.search(pattern, line):
                return match
        raise AssertionError("\n".join(self.lines))

    def exit_status(self) -> int:
        """The exit status, after reading all output."""
        assert self.process.stdout is not None
        self.lines += self.process.stdout.read().splitlines()
        return self.process.wait(30)

    def group_is_empty(self) -> bool:
        """Whether no process of the command's group is left."""
        return gone(self.process.pid, os.killpg)


def _limit(limits: Mapping[int, int]) -> None:
    import resource

    for number, limit in limits.items():
        resource.setrlimit(number, (limit, limit))


def gone(number: int, ask: Callable[[int, int], None] = os.kill) -> bool:
    """Whether a process, or with `killpg` a group, has ended; the kernel may take a moment."""

    def ended() -> bool:
        try:
            ask(number, 0)
        except ProcessLookupError:
            return True
        return False

    try:
        return wait_until(ended, within_s=5)
    except AssertionError:
        return False
