"""Lets a debugger attach to a function app, and reports when it pauses the app."""

from __future__ import annotations

import os
import sys
import threading
import time

from mockserver.functions.process import HostReports
from mockserver.functions.settings import LoadError

#: The default port of editors. Source: the documentation of VS Code's Python debugger.
PORT = 5678
_INTERVAL_S = 0.1


def listen(reports: HostReports) -> None:
    """Let a debugger attach, and report where, and when it pauses or resumes the app.

    Raises:
        LoadError: debugpy is not installed.
    """
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # or it warns of Python's own frozen modules
    try:
        import debugpy
    except ImportError as error:
        raise LoadError("--debug needs debugpy: .venv/bin/pip install debugpy, or make setup") from error
    try:
        _, port = debugpy.listen(("127.0.0.1", PORT))
    except (OSError, RuntimeError):  # another session has the default port
        _, port = debugpy.listen(("127.0.0.1", 0))
    reports.say(f"debugger   attach to 127.0.0.1:{port}")
    watcher = threading.Thread(target=_watch, args=(reports,), daemon=True, name="mockserver-debug")
    # A debugger stops every thread except its own, and this one must keep running.
    watcher.pydev_do_not_trace = watcher.is_pydev_daemon_thread = True  # type: ignore[attr-defined]  # pydevd's marks
    watcher.start()


def _watch(reports: HostReports) -> None:
    paused = False
    while True:
        time.sleep(_INTERVAL_S)
        if _is_paused() != paused:
            paused = not paused
            reports.paused(paused=paused)


def _is_paused() -> bool:
    """Whether a thread stopped at a breakpoint: pydevd marks the thread. Source: pydevd, `additional_info`."""
    infos = [getattr(thread, "additional_info", None) for thread in threading.enumerate()]
    suspended = getattr(sys.modules.get("_pydevd_bundle.pydevd_constants"), "STATE_SUSPEND", 2)
    return any(getattr(info, "pydev_state", None) == suspended for info in infos)
