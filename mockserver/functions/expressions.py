"""Binding expressions: what `{name}`, `{rand-guid}`, `{DateTime:yyyy}` and `%SETTING%` in a binding stand for in one call.

Source: azure-webjobs-sdk, BindingTemplateParser, BindingTemplateToken, BindingParameterResolver and BindingDataPathHelper.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from mockserver.exchange import parse_json

Known = Mapping[str, Any]

_TOKEN = re.compile(r"(?P<escape>\{\{|\}\})|\{(?P<name>[^{}]*)\}|(?P<text>[^{}]+)|(?P<odd>[{}])")
_SETTING = re.compile("%([^%]+)%")
#: Source: BindingDataPathHelper; a moment without a format.
_MOMENT = "yyyy-MM-ddTHH-mm-ssK"
_GUIDS: Mapping[str, Callable[[uuid.UUID], str]] = {
    "D": str, "N": lambda value: value.hex, "B": lambda value: f"{{{value}}}", "P": lambda value: f"({value})",
}  # fmt: skip
#: .NET's formats of a moment, as Python's.
_MOMENT_PARTS: Mapping[str, Callable[[datetime], str]] = {
    "yyyy": lambda moment: f"{moment:%Y}", "yy": lambda moment: f"{moment:%y}",
    "MMMM": lambda moment: f"{moment:%B}", "MMM": lambda moment: f"{moment:%b}",
    "MM": lambda moment: f"{moment:%m}", "M": lambda moment: str(moment.month),
    "dddd": lambda moment: f"{moment:%A}", "ddd": lambda moment: f"{moment:%a}",
    "dd": lambda moment: f"{moment:%d}", "d": lambda moment: str(moment.day),
    "HH": lambda moment: f"{moment:%H}", "H": lambda moment: str(moment.hour),
    "hh": lambda moment: f"{moment:%I}", "mm": lambda moment: f"{moment:%M}", "ss": lambda moment: f"{moment:%S}",
    "fff": lambda moment: f"{moment.microsecond // 1000:03}", "ffffff": lambda moment: f"{moment:%f}",
    "tt": lambda moment: f"{moment:%p}", "K": lambda _moment: "Z",
}  # fmt: skip
_MOMENT_TOKEN = re.compile(r"'([^']*)'|([A-Za-z])\2*|[^A-Za-z']+")


class ExpressionError(ValueError):
    """A binding expression without a value; says which."""


def bound(template: str, known: Callable[[], Known]) -> str:
    """A template with its settings and expressions replaced.

    Raises:
        ExpressionError: an expression without a value, or one that cannot be read.
    """
    return filled(template, lambda name: _text(name, known))


def bound_filter(template: str, known: Callable[[], Known]) -> str:
    """A filter of a table with its expressions replaced: quotes in texts are doubled, and what is not quoted must be a number
    or true or false. Source: TableFilterFormatter.

    Raises:
        ExpressionError: as `bound`, or a value that would change the filter.
    """
    if re.fullmatch(r"\{[^{}]+\}", template):
        return bound(template, known)

    def value(name: str) -> str:
        text = _text(name, known)
        if template.count(f"'{{{name}}}'") == template.count(f"{{{name}}}"):
            return text.replace("'", "''")
        if not re.fullmatch(r"(?i)true|false|[-+]?\d+(\.\d+)?(e[-+]?\d+)?", text):
            raise ExpressionError(f"the value of {{{name}}} is neither quoted in the filter nor a number")
        return text

    return filled(template, value)


def filled(template: str, value: Callable[[str], str]) -> str:
    """A template with its settings replaced, and each expression by its `value`.

    Raises:
        ExpressionError: a setting that is not set, a brace without its partner.
    """
    parts = []
    for token in _TOKEN.finditer(_SETTING.sub(_setting, template)):
        if token["odd"] or token["name"] == "":
            raise ExpressionError(f"{template!r} is no binding expression: a brace has no partner, or no name in it")
        parts.append(token["text"] or (token["escape"] or "")[:1] or value(token["name"]))
    return "".join(parts)


def properties(text: str) -> Known:
    """The properties of a JSON object that expressions may name; none where it is not one. Source: Utility.ApplyBindingData."""
    parsed = parse_json(text.encode(errors="replace")) if text.strip().startswith("{") else None
    items = parsed.items() if isinstance(parsed, dict) else ()
    return {name: value for name, value in items if value is not None and not isinstance(value, list)}


def _setting(found: re.Match[str]) -> str:
    if (value := os.environ.get(found[1])) is None:
        raise ExpressionError(f"the app setting {found[1]} is not set")
    return value


def _text(expression: str, known: Callable[[], Known]) -> str:
    """The value of an expression; letters of either case are the same, and what is known goes before what is built in."""
    name, _, form = expression.partition(":")
    value: Any = known()
    for part in name.split("."):
        fields = {key.lower(): inner for key, inner in value.items()} if isinstance(value, Mapping) else {}
        value = fields.get(part.lower())
    if value is None:
        return _built_in(name.lower().removeprefix("sys."), form, expression)
    if isinstance(value, Mapping | list):
        raise ExpressionError(f"the value of {{{expression}}} is no single value")
    return str(value)


def _built_in(name: str, form: str, expression: str) -> str:
    if name in ("rand-guid", "randguid"):
        if shown := _GUIDS.get(form.upper() or "D"):
            return shown(uuid.uuid4())
    elif name in ("datetime", "utcnow"):
        return _moment(form or _MOMENT, expression)
    raise ExpressionError(f"nothing has the name {{{expression}}}: no part of the request or message, and no built-in")


def _moment(form: str, expression: str) -> str:
    now, parts = datetime.now(UTC), []
    for token in _MOMENT_TOKEN.finditer(form):
        letters = token[0]
        if token[1] is not None or not letters[0].isalpha():
            parts.append(token[1] if token[1] is not None else letters)
        elif letters in _MOMENT_PARTS:
            parts.append(_MOMENT_PARTS[letters](now))
        elif letters == "T":
            parts.append(letters)
        else:
            raise ExpressionError(f"{letters!r} in {{{expression}}} is a format of .NET that is not imitated")
    return "".join(parts)
