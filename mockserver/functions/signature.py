"""How a function's parameters and return meet its bindings: the checks that Microsoft's worker makes, and its conversions.

Source: azure-functions-runtime 1.3.0, functions.py and bindings/; the converters themselves are those of azure.functions.
"""

from __future__ import annotations

import inspect
import json
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_HTTP_TRIGGER = "httpTrigger"


class SignatureError(Exception):
    """A function that the worker does not load; says why."""


@dataclass(frozen=True, slots=True)
class Signature:
    """The kind of binding of each input and output, by parameter; `result` is that of what is returned, None where nothing may
    be."""

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    result: str | None
    wants_context: bool

    def decoded(self, parameter: str, datum: Any, metadata: Mapping[str, Any]) -> Any:
        """What the function gets for a datum."""
        return _converter(self.inputs[parameter]).decode(datum, trigger_metadata=metadata)

    def encoded(self, parameter: str, value: Any) -> Any:
        """The datum of what was put into an output.

        Raises:
            TypeError: a value that its binding cannot take.
        """
        return _encoded(self.outputs[parameter], value)

    def returned(self, name: str, value: Any) -> Any:
        """The datum of what a function returned, None for none.

        Raises:
            RuntimeError: it may return nothing.
            TypeError: a value that its binding cannot take.
        """
        if self.result is None:
            if value is not None:
                raise RuntimeError(f"function {name!r} without a $return binding returned a non-None value")
            return None
        return _encoded(self.result, value)


class Out:
    """What a function gets for an output: `set` is what it writes."""

    def __init__(self) -> None:
        self._value: Any = None

    def set(self, value: Any) -> None:
        """Write a value."""
        self._value = value

    def get(self) -> Any:
        """The value that was written; None without one."""
        return self._value


class _Generic:
    """The conversion of a text or bytes, whatever the binding."""

    @staticmethod
    def check_input_type_annotation(kind: type) -> bool:
        return issubclass(kind, str | bytes)

    @staticmethod
    def check_output_type_annotation(kind: type) -> bool:
        return issubclass(kind, str | bytes | bytearray)

    @staticmethod
    def decode(datum: Any, *, trigger_metadata: Any) -> Any:
        del trigger_metadata
        return None if datum is None else datum.value

    @staticmethod
    def encode(value: Any, *, expected_type: Any) -> Any:
        del expected_type
        from azure.functions.meta import Datum

        match value:
            case None:
                return Datum(None, None)
            case str():
                return Datum(value, "string")
            case bytes() | bytearray():
                return Datum(bytes(value), "bytes")
            case dict() | list():
                return Datum(json.dumps(value), "json")
            case int():
                return Datum(int(value), "int")
            case float():
                return Datum(value, "double")
        raise NotImplementedError

    @staticmethod
    def has_implicit_output(kind: str | None = None) -> bool:
        return kind != "durableClient"


def signature_of(call: Callable[..., Any], bindings: typing.Sequence[Any]) -> Signature:
    """How a function's parameters and return meet its bindings.

    Raises:
        SignatureError: they do not.
    """
    hints, parameters = typing.get_type_hints(call), dict(inspect.signature(call).parameters)
    bound = {binding.name: binding for binding in bindings if binding.name != "$return"}
    wants_context = "context" in parameters and "context" not in bound
    if wants_context:
        del parameters["context"]
        if "context" in hints and getattr(hints["context"], "__name__", "") != "Context":
            raise SignatureError(f"the parameter 'context' must be func.Context, is {hints['context']!r}")
    if extra := parameters.keys() - bound.keys():
        raise SignatureError(f"has a parameter {sorted(extra)[0]!r} without a binding")
    if missing := bound.keys() - parameters.keys():
        raise SignatureError(f"has no parameter {sorted(missing)[0]!r} for its binding")
    inputs, outputs = dict[str, str](), dict[str, str]()
    for name in parameters:
        (outputs if _is_out(bound[name]) else inputs)[name] = _kind_of(
            bound[name], hints.get(name), annotated=name in hints
        )
    return Signature(inputs, outputs, _result_of(bindings, hints), wants_context)


def _kind_of(binding: Any, hint: Any, *, annotated: bool) -> str:
    """The kind by which a parameter is converted."""
    is_out = getattr(typing.get_origin(hint), "__name__", getattr(hint, "__name__", "")) == "Out"
    if is_out:
        if len(given := typing.get_args(hint)) != 1:
            raise SignatureError(f"binding {binding.name!r} has an invalid Out annotation {hint!r}")
        hint = given[0]
    if is_client(hint):
        return str(binding.type)
    generic = typing.get_origin(hint) is not None
    if annotated and not isinstance(hint, type) and not generic:
        raise SignatureError(f"binding {binding.name!r} has an annotation that is not a type: {hint!r}")
    if annotated and is_out != _is_out(binding):
        word = "must be func.Out" if _is_out(binding) else "cannot be func.Out"
        raise SignatureError(
            f"the annotation of {binding.name!r} {word}: its binding is {'an output' if _is_out(binding) else 'an input'}"
        )
    implicit = has_implicit_output(binding.type)
    kind = "generic" if annotated and hint in (str, bytes) and not implicit else str(binding.type)
    if annotated and not _fits(kind, hint, out=is_out):
        raise SignatureError(f"the parameter {binding.name!r} cannot be {_named(hint)} for its binding {binding.type}")
    return kind


def _fits(kind: str, hint: Any, *, out: bool) -> bool:
    if streams() and kind in (_HTTP_TRIGGER, "http"):
        from azurefunctions.extensions import base

        tracker = base.ResponseTrackerMeta if out else base.RequestTrackerMeta
        return bool(tracker.check_type(hint))
    converter = _converter(kind)
    try:
        return bool(
            converter.check_output_type_annotation(hint) if out else converter.check_input_type_annotation(hint)
        )
    except TypeError:  # a generic type, where a class is asked for
        return False


def _result_of(bindings: typing.Sequence[Any], hints: Mapping[str, Any]) -> str | None:
    """The kind by which what is returned is converted; None where nothing may be."""
    explicit = next((str(binding.type) for binding in bindings if binding.name == "$return"), None)
    implicit = next((str(binding.type) for binding in bindings if has_implicit_output(binding.type)), None)
    if explicit is not None and "return" in hints:
        hint = hints["return"]
        if getattr(typing.get_origin(hint), "__name__", "") == "Out":
            raise SignatureError("must not return func.Out")
        if not isinstance(hint, type):
            raise SignatureError(f"has a return annotation that is not a type: {hint!r}")
        if not _fits(explicit, hint, out=True):
            raise SignatureError(
                f"must return func.HttpResponse or str, is declared to return {_named(hint)}"
                if explicit == "http"
                else f"cannot return {_named(hint)} for its binding {explicit}"
            )
    return explicit or implicit


def streams() -> bool:
    """Whether the app has imported a web extension, by which its HTTP functions take and return other types."""
    base = sys.modules.get("azurefunctions.extensions.base")
    return base is not None and bool(base.HttpV2FeatureChecker.http_v2_enabled())


def is_client(hint: Any) -> bool:
    """Whether a parameter is a client of Azure's SDK, a deferred binding."""
    base = sys.modules.get("azurefunctions.extensions.base")
    return base is not None and bool(base.get_binding_registry().check_supported_type(hint))


def has_implicit_output(kind: str) -> bool:
    """Whether what a function returns goes to a binding of that kind without one for it."""
    converter = _converter(kind)
    if converter is _Generic:
        return _Generic.has_implicit_output(kind)
    return bool(getattr(converter, "has_implicit_output", lambda: False)())


def _converter(kind: str) -> Any:
    from azure.functions import get_binding_registry

    registry: Any = get_binding_registry  # it has no types
    return registry().get(kind) or _Generic


def _encoded(kind: str, value: Any) -> Any:
    try:
        return _converter(kind).encode(value, expected_type=None)
    except NotImplementedError:
        raise TypeError(
            f"unable to encode outgoing TypedData: unsupported type {kind!r} for Python type {type(value).__name__!r}"
        ) from None


def _is_out(binding: Any) -> bool:
    return str(getattr(binding.direction, "name", binding.direction)).upper() in ("OUT", "1")


def _named(hint: Any) -> str:
    return getattr(hint, "__name__", None) or repr(hint)
