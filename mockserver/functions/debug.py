"""A debugger's way into a function app, and whether it has paused it."""

from __future__ import annotations

import os
import sys
import threading
import time

from mockserver.functions.app import LoadError

#: The port that editors propose. Source: the documentation of VS Code's Python debugger.
PORT = 5678
PAUSED = "debugger   has paused the API: the gate's 45 s stand still"
GOES_ON = "debugger   lets the API go on"
_EVERY_S = 0.1


def listen() -> None:
    """Let a debugger attach, and print whenever one pauses the app or lets it go on.

    Raises:
        LoadError: debugpy is not installed.
    """
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # else it warns of Python's own frozen modules
    try:
        import debugpy
    except ImportError as error:
        raise LoadError("--debug needs debugpy: .venv/bin/pip install debugpy, or make setup") from error
    try:
        _, port = debugpy.listen(("127.0.0.1", PORT))
    except (OSError, RuntimeError):  # somebody else's session has the usual one
        _, port = debugpy.listen(("127.0.0.1", 0))
    print(f"debugger   attach to 127.0.0.1:{port}", flush=True)
    watcher = threading.Thread(target=_watch, daemon=True, name="mockserver-debug")
    # A debugger stops every thread but its own kind, and this one has to see it.
    watcher.pydev_do_not_trace = watcher.is_pydev_daemon_thread = True  # type: ignore[attr-defined]  # pydevd's marks
    watcher.start()


def _watch() -> None:
    was = False
    while True:
        time.sleep(_EVERY_S)
        if (now := _is_paused()) != was:
            was = now
            print(PAUSED if now else GOES_ON, flush=True)


def _is_paused() -> bool:
    """Whether a thread stands at a breakpoint: pydevd notes it on the thread itself. Source: pydevd, `additional_info`."""
    infos = [getattr(thread, "additional_info", None) for thread in threading.enumerate()]
    suspended = getattr(sys.modules.get("_pydevd_bundle.pydevd_constants"), "STATE_SUSPEND", 2)
    return any(getattr(info, "pydev_state", None) == suspended for info in infos)
