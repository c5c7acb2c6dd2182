"""Restarts an app when one of its files changes: the process replaces itself, because Python loads a module once."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from pathlib import Path

from mockserver.functions.process import HostReports

_INTERVAL_S = 0.4
_RESTARTED = "MOCKSERVER_RESTARTED"
_SUFFIXES = frozenset({".py", ".json", ".txt"})
_IGNORED = frozenset({".venv", "__pycache__", ".git", "node_modules"})


class AppFiles:
    """The files of an app as they are now. Made before the app is loaded, so that an edit during loading counts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._before = _file_states(folder)

    def wait_for_change(self, stopped: threading.Event) -> None:
        """Return when a file has been changed, added or removed since, or on `stopped`."""
        while not stopped.wait(_INTERVAL_S) and _file_states(self._folder) == self._before:
            pass


def restarted() -> bool:
    """Whether this process has replaced an earlier one: then a broken app is not an error, but waits for a change."""
    return _RESTARTED in os.environ


def restart(port: int, folder: Path, reports: HostReports) -> None:
    """Replace this process with the same command, in the same folder, on the same port."""
    os.chdir(folder)  # loading an app makes its folder the working directory
    os.environ[_RESTARTED] = "1"
    reports.hand_over()
    os.execv(sys.executable, [sys.executable, "-m", "mockserver", *sys.argv[1:], "--port", str(port)])  # noqa: S606  ourselves


def _file_states(folder: Path) -> dict[str, tuple[int, int]]:
    """The modification time, in nanoseconds, and the size of each file."""
    states = {}
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _IGNORED]
        for name in files:
            path = Path(parent, name)
            if path.suffix in _SUFFIXES:
                with contextlib.suppress(FileNotFoundError):  # an editor that saves a file may first remove it
                    stat = path.stat()
                    states[str(path)] = (stat.st_mtime_ns, stat.st_size)
    return states
