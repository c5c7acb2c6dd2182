"""Starting an app anew when one of its files changes: the process replaces itself, because Python loads a module once."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

_EVERY_S = 0.4
_AGAIN = "MOCKSERVER_STARTED_ANEW"
_SUFFIXES = frozenset({".py", ".json", ".txt"})
_LEFT_OUT = frozenset({".venv", "__pycache__", ".git", "node_modules"})


def changed(folder: Path, stopped: threading.Event) -> None:
    """Return once a file of the app has changed, come or gone, or it is stopped."""
    before = _stamps(folder)
    while not stopped.wait(_EVERY_S) and _stamps(folder) == before:
        pass


def started_anew() -> bool:
    """Whether this process has replaced an earlier one: then an app that cannot be loaded is waited for."""
    return _AGAIN in os.environ


def start_anew(port: int, folder: Path) -> None:
    """Replace this process by the same command, given in the same folder, on the port it has."""
    os.chdir(folder)  # loading an app makes its folder the working one
    os.environ[_AGAIN] = "1"
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "mockserver", *sys.argv[1:], "--port", str(port)])  # noqa: S606  ourselves


def _stamps(folder: Path) -> dict[str, tuple[int, int]]:
    found = {}
    for where, folders, files in os.walk(folder):
        folders[:] = [each for each in folders if each not in _LEFT_OUT]
        for name in files:
            path = Path(where, name)
            if path.suffix in _SUFFIXES and path.is_file():
                stat = path.stat()
                found[str(path)] = (stat.st_mtime_ns, stat.st_size)
    return found
