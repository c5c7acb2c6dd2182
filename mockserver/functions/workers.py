"""Which worker runs an app: Microsoft's own if this Python can run it, else ours."""

from __future__ import annotations

import importlib.util
import sys
from enum import StrEnum
from importlib.metadata import version

from mockserver.functions.app import AppFolder
from mockserver.functions.host import Worker
from mockserver.functions.settings import LoadError

_PACKAGE = "azure_functions_runtime"
#: Source: `azure-functions-runtime` on the registry, Requires-Python.
_MINIMUM_PYTHON = (3, 13)


class WorkerKind(StrEnum):
    """The values of `--worker`."""

    AUTO = "auto"
    MICROSOFT = "microsoft"
    INPROCESS = "inprocess"


def start_worker(app: AppFolder, kind: WorkerKind) -> tuple[Worker, str]:
    """A worker with the app in it, and a text that says which worker, and why.

    Raises:
        LoadError: the app cannot be loaded, or Microsoft's worker is required and not available.
    """
    python, why_not = _python(), why_not_microsofts()
    if kind is WorkerKind.MICROSOFT and why_not:
        raise LoadError(f"--worker microsoft: {why_not}")
    if kind is WorkerKind.INPROCESS or why_not:
        from mockserver.functions.inprocess import InProcessWorker

        reason = f" ({why_not})" if kind is WorkerKind.AUTO else ""
        return InProcessWorker(app), f"the in-process worker on {python}{reason}"
    from mockserver.functions.microsoft import MicrosoftWorker

    return MicrosoftWorker(app), f"Microsoft's worker {version('azure-functions-runtime')} on {python}"


def why_not_microsofts() -> str:
    """Why Microsoft's worker cannot run here; empty where it can."""
    if sys.version_info < _MINIMUM_PYTHON:
        return f"Microsoft's worker needs Python 3.13; this is {_python()}"
    if importlib.util.find_spec(_PACKAGE) is None:
        return "Microsoft's worker is not installed: pip install azure-functions-runtime"
    return ""


def _python() -> str:
    return f"Python {sys.version_info.major}.{sys.version_info.minor}"
