"""Our commands as processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
STATE = Path(tempfile.mkdtemp(prefix="dress-rehearsal-"))


class Running:
    """A command of ours in a process group of its own, with what it has printed so far."""

    def __init__(self, *arguments: str, folder: Path = ROOT, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mockserver", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "XDG_STATE_HOME": str(STATE), "CI": "", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []

    def read_until(self, pattern: str) -> re.Match[str]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if match := re.search(pattern, line):
                return match
        raise AssertionError("\n".join(self.lines))

    def ended(self) -> int:
        assert self.process.stdout is not None
        self.lines += self.process.stdout.read().splitlines()
        return self.process.wait(30)

    def group_is_empty(self) -> bool:
        """Whether no process of the command's group is left."""
        return gone(self.process.pid, os.killpg)


def gone(number: int, ask: Callable[[int, int], None] = os.kill) -> bool:
    """Whether a process, or with `killpg` a group, is no more; the kernel may take a moment."""
    for _ in range(500):
        try:
            ask(number, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False
