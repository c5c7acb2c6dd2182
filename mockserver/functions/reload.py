"""Restarts an app when one of its files changes: the process replaces itself, because Python loads a module once."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

_INTERVAL_S = 0.4
_RESTARTED = "MOCKSERVER_RESTARTED"
_SUFFIXES = frozenset({".py", ".json", ".txt"})
_IGNORED = frozenset({".venv", "__pycache__", ".git", "node_modules"})


def wait_for_change(folder: Path, stopped: threading.Event) -> None:
    """Return when a file of the app has been changed, added or removed, or on `stopped`."""
    before = _file_states(folder)
    while not stopped.wait(_INTERVAL_S) and _file_states(folder) == before:
        pass


def restarted() -> bool:
    """Whether this process has replaced an earlier one: then a broken app is not an error, but waits for a change."""
    return _RESTARTED in os.environ


def restart(port: int, folder: Path) -> None:
    """Replace this process with the same command, in the same folder, on the same port."""
    os.chdir(folder)  # loading an app makes its folder the working directory
    os.environ[_RESTARTED] = "1"
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "mockserver", *sys.argv[1:], "--port", str(port)])  # noqa: S606  ourselves


def _file_states(folder: Path) -> dict[str, tuple[int, int]]:
    """The modification time, in nanoseconds, and the size of each file."""
    states = {}
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _IGNORED]
        for name in files:
            path = Path(parent, name)
            if path.suffix in _SUFFIXES and path.is_file():
                stat = path.stat()
                states[str(path)] = (stat.st_mtime_ns, stat.st_size)
    return states
