"""An app's own log lines on the console, as Azure's log stream shows them."""

from __future__ import annotations

import logging
import os

from mockserver.errors import printable

#: Source: host.json, logLevel, with .NET's names.
_LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "information": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "none": logging.CRITICAL + 10,
}
#: Loggers of the worker and of azure.functions, whose lines go to Azure and not to a console. Source: the worker's logging.py.
_SYSTEM = ("azure_functions_worker", "azure.functions")


class _Line(logging.Formatter):
    """`log        warning  the message   (its logger)`."""

    def format(self, record: logging.LogRecord) -> str:
        text = printable(super().format(record))
        return f"log        {record.levelname.lower()}  {text}{'' if record.name == 'root' else f'   ({record.name})'}"


def show_logs(lowest: str) -> None:
    """Show what the app logs from now on, from a level on; its own `basicConfig` changes nothing, as on Azure.

    Source: the worker adds a handler to the root logger, at INFO, or DEBUG with PYTHON_ENABLE_DEBUG_LOGGING, before the app is
    loaded; then the host filters by the category Function.
    """
    root, ours = logging.getLogger(), logging.getLogger("mockserver")
    ours.handlers[:], ours.propagate = root.handlers, False
    ours.setLevel(logging.WARNING)
    handler = logging.StreamHandler()
    handler.setFormatter(_Line())
    handler.setLevel(_LEVELS.get(lowest, logging.INFO))
    handler.addFilter(lambda record: not record.name.startswith(_SYSTEM))
    root.handlers[:] = [handler]
    debug = os.environ.get("PYTHON_ENABLE_DEBUG_LOGGING", "").lower() in ("1", "true")
    root.setLevel(logging.DEBUG if debug else logging.INFO)
