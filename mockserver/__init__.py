"""Dress Rehearsal: the whole of an Azure chat app on one machine, with no key, no subscription and no network."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mockserver.harness.function_app import FunctionApp
    from mockserver.harness.mock_server import MockServer
    from mockserver.harness.model_endpoint import ModelEndpoint
    from mockserver.harness.whole_app import WholeApp
    from mockserver.harness.wsgi import model_app, site_app
    from mockserver.journal.journal import Journal

__version__ = "0.1.0"
__all__ = ["FunctionApp", "Journal", "MockServer", "ModelEndpoint", "WholeApp", "model_app", "site_app"]

#: Imported when they are asked for: a command needs a part of this, and pytest nothing before a test does.
_MODULES = {
    "FunctionApp": "mockserver.harness.function_app",
    "Journal": "mockserver.journal.journal",
    "MockServer": "mockserver.harness.mock_server",
    "ModelEndpoint": "mockserver.harness.model_endpoint",
    "WholeApp": "mockserver.harness.whole_app",
    "model_app": "mockserver.harness.wsgi",
    "site_app": "mockserver.harness.wsgi",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
