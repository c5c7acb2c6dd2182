"""The messages of the worker's protocol, as objects with attributes: Microsoft's worker asks for no more."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class Message:
    """A message of the worker's protocol: the fields it was created with, and None for every other."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "TypedData":  # the worker distinguishes values from messages by it
            raise AttributeError(name)
        return None

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802  the protocol's own name
        """The one field that is set."""
        return next(iter(self.__dict__), None)


class StatusResult(Message):
    """How an invocation, or a start, has ended."""

    Failure, Success, Cancelled = 0, 1, 2


class _BindingInfo(Message):
    undefined, out, inout = 0, 1, 2


setattr(_BindingInfo, "in", 0)  # a keyword of Python


class _Cookie(Message):
    SameSite = SimpleNamespace(**{"Lax": "lax", "Strict": "strict", "ExplicitNone": "none", "None": ""})


class ParameterBinding(Message):
    """The value of a parameter as the host sends it."""

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802  the protocol's own name
        """The field of a binding is always data."""
        return "data"


_PLAIN_MESSAGES = [
    "WorkerInitResponse",
    "WorkerMetadata",
    "FunctionMetadataResponse",
    "FunctionLoadResponse",
    "InvocationResponse",
    "RpcFunctionMetadata",
    "RpcException",
    "RpcHttp",
    "ParameterBinding",
    "RpcRetryOptions",
    "NullableString",
    "NullableBool",
    "NullableDouble",
    "NullableTimestamp",
    "Timestamp",
    "TypedData",
    "FunctionEnvironmentReloadResponse",
]
MESSAGES = SimpleNamespace(
    StatusResult=StatusResult,
    BindingInfo=_BindingInfo,
    RpcHttpCookie=_Cookie,
    **{name: type(name, (Message,), {}) for name in _PLAIN_MESSAGES},
)
