"""Whether the uvicorn installed here has what we use of it, some of which it does not document."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mockserver.errors import UserError

_TESTED = ">=0.36,<=0.54"
#: Methods that ours override or that we call, with their parameters.
_PROTOCOL_METHODS = {
    "on_message_begin": ("self",),
    "on_message_complete": ("self",),
    "pause_writing": ("self",),
    "resume_writing": ("self",),
    "timeout_keep_alive_handler": ("self",),
    "connection_lost": ("self", "exc"),
    "connection_made": ("self", "transport"),
    "_should_upgrade": ("self",),
    "data_received": ("self", "data"),
    "_unsupported_upgrade_warning": ("self",),
}
_SERVER_METHODS = {
    "serve": ("self", "sockets"),
    "startup": ("self", "sockets"),
    "shutdown": ("self", "sockets"),
    "capture_signals": ("self",),
}
#: Attributes of their instances, which the constructors set.
_PROTOCOL_ATTRIBUTES = (
    "scope",
    "transport",
    "parser",
    "app",
    "client",
    "cycle",
    "loop",
    "timeout_keep_alive",
    "timeout_keep_alive_task",
)
_SERVER_ATTRIBUTES = ("server_state", "should_exit")


def check_uvicorn(settings: Iterable[str]) -> None:
    """Check uvicorn; `settings` are the parameters of `uvicorn.Config` that we pass.

    Raises:
        UserError: something is missing; says what, and in which version.
    """
    missing = missing_parts(HttpToolsProtocol, uvicorn.Server, uvicorn.Config, settings)
    if missing:
        raise UserError(
            f"uvicorn {uvicorn.__version__} cannot be used, because it lacks {', '.join(missing)}. "
            f"Install a version that dress-rehearsal was tested with: pip install 'uvicorn{_TESTED}'"
        )


def missing_parts(
    protocol: type[Any], server: type[Any], config: Callable[..., Any], settings: Iterable[str]
) -> list[str]:
    """What these classes lack of what we use, as it is written in Python; empty if nothing is missing."""
    parameters = inspect.signature(config).parameters
    return [
        *_missing_methods(protocol, _PROTOCOL_METHODS),
        *_missing_attributes(protocol, _PROTOCOL_ATTRIBUTES),
        *_missing_methods(server, _SERVER_METHODS),
        *_missing_attributes(server, _SERVER_ATTRIBUTES),
        *(f"{config.__name__}({name}=…)" for name in settings if name not in parameters),
    ]


def _missing_methods(owner: type[Any], methods: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for name, parameters in methods.items():
        method = getattr(owner, name, None)
        if not callable(method) or tuple(inspect.signature(method).parameters) != tuple(parameters):
            yield f"{owner.__name__}.{name}({', '.join(parameters)})"


def _missing_attributes(owner: type[Any], names: Sequence[str]) -> Iterator[str]:
    """Attributes that no constructor of the class names. A constructor in C cannot be read and is trusted."""
    constructors = [inspect.unwrap(vars(base)["__init__"]) for base in owner.__mro__[:-1] if "__init__" in vars(base)]
    codes = [getattr(constructor, "__code__", None) for constructor in constructors]
    for name in names:
        if not hasattr(owner, name) and not any(code is None or name in code.co_names for code in codes):
            yield f"{owner.__name__}().{name}"
