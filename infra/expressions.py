"""The language of ARM templates' expressions: `[concat(parameters('name'), '-api')]`, parsed and evaluated offline.

Source: Microsoft's reference of template functions, https://learn.microsoft.com/azure/azure-resource-manager/templates/template-functions (2026-11-24).
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+)|(?P<word>[A-Za-z_]\w*)|(?P<sign>[(),.\[\]]))")


class TemplateError(Exception):
    """Something in a template that Azure would refuse; says what and where."""


class AtDeployment(str):
    """A value that only a deployment knows, such as a key or a host name; shown by where it comes from."""

    __slots__ = ()


@dataclass(slots=True)
class ExpressionScope:
    """What an expression can ask for: parameters and variables as given, functions by name in lower case.

    `asked` collects the ids of resources whose state an evaluation asked for.
    """

    parameters: Mapping[str, Any]
    variables: dict[str, Any] = field(default_factory=dict)
    indexes: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


def is_expression(value: object) -> bool:
    """Whether a template's value is one; a text that begins with `[[` is itself, without the first."""
    return isinstance(value, str) and value.startswith("[") and value.endswith("]") and not value.startswith("[[")


def evaluated(value: Any, scope: ExpressionScope) -> Any:
    """A template's value with every expression in it evaluated.

    Raises:
        TemplateError: one cannot be.
    """
    if isinstance(value, dict):
        plain = {key: evaluated(each, scope) for key, each in value.items() if key != "copy"}
        return plain | {each["name"]: _copied(each, scope) for each in value.get("copy", ())}
    if isinstance(value, list):
        return [evaluated(each, scope) for each in value]
    if not is_expression(value):
        return value
    try:
        return _Reader(value[1:-1], scope).whole()
    except TemplateError as error:
        raise TemplateError(f"{error}, in {value}") from None


def _copied(loop: dict[str, Any], scope: ExpressionScope) -> list[Any]:
    made = []
    for index in range(evaluated(loop["count"], scope)):
        scope.indexes[loop["name"]] = index
        made.append(evaluated(loop["input"], scope))
    return made


@dataclass(slots=True)
class _Reader:
    """Reads an expression and evaluates it on the way; of `if`, only the branch that is taken, as Azure does."""

    text: str
    scope: ExpressionScope
    at: int = 0
    skipping: int = 0

    def whole(self) -> Any:
        value = self._value()
        if self.text[self.at :].strip():
            raise TemplateError(f"{self.text[self.at :].strip()!r} is too much")
        return value

    def _next(self, kind: str, sign: str = "") -> str:
        found = _TOKEN.match(self.text, self.at)
        said = found[kind] if found and found.lastgroup == kind else None
        if found is None or said is None or (sign and said != sign):
            raise TemplateError(
                f"{sign or 'a ' + kind} is missing at {self.text[self.at : self.at + 20].strip() or 'the end'!r}"
            )
        self.at = found.end()
        return said

    def _peek(self) -> tuple[str | None, str]:
        found = _TOKEN.match(self.text, self.at)
        return (found.lastgroup, found[found.lastgroup or 0]) if found else (None, "")

    def _value(self) -> Any:
        kind, _ = self._peek()
        value: Any
        if kind == "text":
            value = self._next("text")[1:-1].replace("''", "'")
        elif kind == "number":
            value = int(self._next("number"))
        else:
            value = self._call(self._next("word"))
        while self._peek()[1] in (".", "["):
            if self._next("sign") == ".":
                value = self._member(value, self._next("word"))
            else:
                value = self._member(value, self._value())
                self._next("sign", "]")
        return value

    def _member(self, value: Any, key: Any) -> Any:
        if self.skipping:
            return None
        if isinstance(value, AtDeployment):
            return AtDeployment(f"{value}.{key}")
        if isinstance(value, dict) and isinstance(key, str):
            found = [each for name, each in value.items() if name.lower() == key.lower()]
            if found:
                return found[0]
        if isinstance(value, list) and isinstance(key, int) and key < len(value):
            return value[key]
        raise TemplateError(f"there is no {key!r} in {value!r}")

    def _call(self, name: str) -> Any:
        self._next("sign", "(")
        arguments: list[Any] = []
        while self._peek()[1] != ")":
            if arguments:
                self._next("sign", ",")
            branch = name.lower() == "if" and bool(arguments)
            not_taken = branch and bool(arguments[0]) == (len(arguments) == 2)
            self.skipping += not_taken
            arguments.append(self._value())
            self.skipping -= not_taken
        self._next("sign", ")")
        if name.lower() not in FUNCTIONS:
            raise TemplateError(f"there is no function {name!r}")
        return None if self.skipping else FUNCTIONS[name.lower()](self.scope, *arguments)


# --- what the functions answer ---------------------------------------------------------------------------------------

SUBSCRIPTION = "/subscriptions/00000000-0000-0000-0000-000000000000"
GROUP = "rehearsal"


def resource_id(*parts: Any) -> str:
    """The id of a resource of this group, or of another where its name comes before the type."""
    group, (kind, *names) = (GROUP, parts) if "/" in parts[0] else (parts[0], parts[1:])
    return f"{SUBSCRIPTION}/resourceGroups/{group}/providers/{_path(kind, names)}"


def _path(kind: str, names: list[str] | tuple[str, ...]) -> str:
    provider, *segments = kind.split("/")
    if len(segments) != len(names):
        raise TemplateError(f"{kind} wants {len(segments)} names and gets {len(names)}")
    return "/".join([provider, *(part for pair in zip(segments, names, strict=True) for part in pair)])


def _unique(*parts: Any) -> str:
    # Of the length and the letters of Azure's; not its hash, which it does not publish.
    return hashlib.sha256("-".join(parts).encode()).hexdigest()[:13]


def _parameter(scope: ExpressionScope, name: str) -> Any:
    if name not in scope.parameters:
        raise TemplateError(f"there is no parameter {name!r}")
    return scope.parameters[name]


def _variable(scope: ExpressionScope, name: str) -> Any:
    if name not in scope.variables:
        raise TemplateError(f"there is no variable {name!r}")
    return scope.variables[name]


def _state(scope: ExpressionScope, which: str, *_rest: Any) -> AtDeployment:
    scope.asked.append(which)
    return AtDeployment(f"<{which.rpartition('/providers/')[2]}>")


def _keys(scope: ExpressionScope, which: str, *_rest: Any) -> AtDeployment:
    return AtDeployment(f"<keys of {_state(scope, which)[1:]}")


def _union(_scope: ExpressionScope, first: Any, *others: Any) -> Any:
    merged = first.copy()
    for each in others:
        merged = merged | each if isinstance(merged, dict) else [*merged, *(new for new in each if new not in merged)]
    return merged


def _concat(_scope: ExpressionScope, *parts: Any) -> Any:
    if parts and isinstance(parts[0], list):
        return [each for part in parts for each in part]
    text = "".join(map(str, parts))
    return AtDeployment(text) if any(isinstance(part, AtDeployment) for part in parts) else text


def _empty(_scope: ExpressionScope, value: Any) -> bool:
    return value is None or len(value) == 0


_Function = Callable[..., Any]
FUNCTIONS: dict[str, _Function] = {
    "and": lambda _, *of: all(of),
    "concat": _concat,
    "copyindex": lambda scope, name: scope.indexes[name],
    "createarray": lambda _, *of: list(of),
    "createobject": lambda _, *of: dict(zip(of[::2], of[1::2], strict=True)),
    "empty": _empty,
    "environment": lambda _: {"suffixes": {"storage": "core.windows.net"}},
    "equals": lambda _, one, other: one == other,
    "false": lambda _: False,
    "guid": lambda _, *of: str(uuid.uuid5(uuid.NAMESPACE_URL, "-".join(of))),
    "if": lambda _, condition, yes, no: yes if condition else no,
    "length": lambda _, value: len(value),
    "listkeys": _keys,
    "newguid": lambda _: str(uuid.uuid4()),
    "not": lambda _, value: not value,
    "or": lambda _, *of: any(of),
    "parameters": _parameter,
    "reference": _state,
    "replace": lambda _, text, old, new: text.replace(old, new),
    "resourcegroup": lambda _: {
        "id": f"{SUBSCRIPTION}/resourceGroups/{GROUP}",
        "name": GROUP,
        "location": "westeurope",
    },
    "extensionresourceid": lambda _, over, kind, *names: f"{over}/providers/{_path(kind, names)}",
    "resourceid": lambda _, *parts: resource_id(*parts),
    "subscription": lambda _: {"id": SUBSCRIPTION, "tenantId": "11111111-1111-1111-1111-111111111111"},
    "subscriptionresourceid": lambda _, kind, *names: f"{SUBSCRIPTION}/providers/{_path(kind, names)}",
    "take": lambda _, value, count: value[:count],
    "tolower": lambda _, text: text.lower(),
    "true": lambda _: True,
    "union": _union,
    "uniquestring": lambda _, *of: _unique(*of),
    "variables": _variable,
}
