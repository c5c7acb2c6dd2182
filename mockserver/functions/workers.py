"""Which worker runs an app: Microsoft's own where this Python takes it, else ours."""

from __future__ import annotations

import importlib.util
import sys
from enum import StrEnum
from importlib.metadata import version

from mockserver.functions.app import AppFolder, LoadError
from mockserver.functions.host import Worker

_PACKAGE = "azure_functions_runtime"
#: Source: `azure-functions-runtime` on the registry, Requires-Python.
_FROM = (3, 13)


class WorkerKind(StrEnum):
    """A worker that can be asked for."""

    AUTO = "auto"
    MICROSOFT = "microsoft"
    INPROCESS = "inprocess"


def start_worker(app: AppFolder, wanted: WorkerKind) -> tuple[Worker, str]:
    """A worker with the app in it, and in words which it is and why.

    Raises:
        LoadError: the app cannot be loaded, or Microsoft's worker was asked for and is not here.
    """
    python = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    why_not = ""
    if sys.version_info < _FROM:
        why_not = f"Microsoft's worker needs Python 3.13; this is {python}"
    elif importlib.util.find_spec(_PACKAGE) is None:
        why_not = "Microsoft's worker is not installed: pip install azure-functions-runtime"
    if wanted is WorkerKind.MICROSOFT and why_not:
        raise LoadError(f"--worker microsoft: {why_not}")
    if wanted is WorkerKind.INPROCESS or why_not:
        from mockserver.functions.inprocess import InProcessWorker

        because = f" ({why_not})" if wanted is WorkerKind.AUTO else ""
        return InProcessWorker(app), f"the in-process worker on {python}{because}"
    from mockserver.functions.microsoft import MicrosoftWorker

    return MicrosoftWorker(app), f"Microsoft's worker {version('azure-functions-runtime')} on {python}"
