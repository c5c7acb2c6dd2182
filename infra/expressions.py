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
    """Azure would refuse the template; the message says what and where."""


class DeploymentValue(str):
    """A value that is known only during a deployment, such as a key or a host name; the text says where it comes from:
    `<Microsoft.Web/sites/chat-api.identity.principalId>`."""

    __slots__ = ()


@dataclass(slots=True)
class ExpressionScope:
    """What an expression can read; `references` collects the ids of the resources whose state an evaluation read."""

    parameters: Mapping[str, Any]
    variables: dict[str, Any] = field(default_factory=dict)
    indexes: dict[str, int] = field(default_factory=dict)
    references: list[str] = field(default_factory=list)


def is_expression(value: object) -> bool:
    """Whether a template's value is an expression; a string that begins with `[[` is a literal that begins with `[`."""
    return isinstance(value, str) and value.startswith("[") and value.endswith("]") and not value.startswith("[[")


def evaluate(value: Any, scope: ExpressionScope) -> Any:
    """A template's value with every expression in it evaluated.

    Raises:
        TemplateError: an expression cannot be evaluated.
    """
    if isinstance(value, dict):
        plain = {key: evaluate(member, scope) for key, member in value.items() if key != "copy"}
        return plain | {loop.get("name"): _copies(loop, scope) for loop in value.get("copy", ())}
    if isinstance(value, list):
        return [evaluate(item, scope) for item in value]
    if not is_expression(value):
        return value
    try:
        return _Evaluator(value[1:-1], scope).evaluate()
    except TemplateError as error:
        raise TemplateError(f"{error}, in {value}") from None


def _copies(loop: dict[str, Any], scope: ExpressionScope) -> list[Any]:
    if missing := {"name", "count", "input"} - set(loop):
        raise TemplateError(f"a copy has no {' and no '.join(sorted(missing))}")
    copies = []
    for index in range(evaluate(loop["count"], scope)):
        scope.indexes[loop["name"]] = index
        copies.append(evaluate(loop["input"], scope))
    return copies


@dataclass(slots=True)
class _Evaluator:
    """Parses and evaluates an expression in one pass; of `if`, it evaluates only the chosen branch, as Azure does."""

    text: str
    scope: ExpressionScope
    at: int = 0
    skipping: int = 0

    def evaluate(self) -> Any:
        value = self._value()
        if self._rest():
            raise TemplateError(f"unexpected {self._rest()!r}")
        return value

    def _rest(self) -> str:
        return self.text[self.at :].strip()

    def _next(self, kind: str, sign: str = "") -> str:
        token = _TOKEN.match(self.text, self.at)
        if token is None or token.lastgroup != kind or (sign and token[kind] != sign):
            raise TemplateError(
                f"expected {repr(sign) if sign else f'a {kind}'}, got {self._rest()[:20] or 'the end'!r}"
            )
        self.at = token.end()
        return token[kind]

    def _peek(self) -> tuple[str | None, str]:
        token = _TOKEN.match(self.text, self.at)
        return (token.lastgroup, token[token.lastgroup or 0]) if token else (None, "")

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
        if isinstance(value, DeploymentValue):
            return DeploymentValue(f"{value[:-1]}.{key}>")
        if isinstance(value, dict) and isinstance(key, str):
            members = [member for name, member in value.items() if name.lower() == key.lower()]
            if members:
                return members[0]
        if isinstance(value, list) and isinstance(key, int) and key < len(value):
            return value[key]
        raise TemplateError(f"{value!r} has no member {key!r}")

    def _call(self, name: str) -> Any:
        self._next("sign", "(")
        arguments: list[Any] = []
        while self._peek()[1] != ")":
            if arguments:
                self._next("sign", ",")
            branch = name.lower() == "if" and bool(arguments)
            not_chosen = branch and bool(arguments[0]) == (len(arguments) == 2)
            self.skipping += not_chosen
            arguments.append(self._value())
            self.skipping -= not_chosen
        self._next("sign", ")")
        if name.lower() not in FUNCTIONS:
            raise TemplateError(f"unknown function {name!r}")
        return None if self.skipping else FUNCTIONS[name.lower()](self.scope, *arguments)


# --- the functions ---------------------------------------------------------------------------------------------------

SUBSCRIPTION = "/subscriptions/00000000-0000-0000-0000-000000000000"
GROUP = "rehearsal"
TENANT = "11111111-1111-1111-1111-111111111111"


def resource_id(*parts: Any) -> str:
    """The id of a resource in this group, or in another group whose name comes before the type."""
    group, (resource_type, *names) = (GROUP, parts) if "/" in parts[0] else (parts[0], parts[1:])
    return f"{SUBSCRIPTION}/resourceGroups/{group}/providers/{_path(resource_type, names)}"


def _path(resource_type: str, names: list[str] | tuple[str, ...]) -> str:
    provider, *segments = resource_type.split("/")
    if len(segments) != len(names):
        raise TemplateError(f"{resource_type}: the number of names must be {len(segments)}, got {len(names)}")
    return "/".join([provider, *(part for pair in zip(segments, names, strict=True) for part in pair)])


def _unique(*parts: Any) -> str:
    # As long as Azure's, with the same letters; its hash function is not published.
    return hashlib.sha256("-".join(parts).encode()).hexdigest()[:13]


def _parameter(scope: ExpressionScope, name: str) -> Any:
    if name not in scope.parameters:
        raise TemplateError(f"unknown parameter {name!r}")
    return scope.parameters[name]


def _variable(scope: ExpressionScope, name: str) -> Any:
    if name not in scope.variables:
        raise TemplateError(f"unknown variable {name!r}")
    return scope.variables[name]


def _index(scope: ExpressionScope, name: str) -> int:
    if name not in scope.indexes:
        raise TemplateError(f"unknown copy {name!r}")
    return scope.indexes[name]


def _state(scope: ExpressionScope, id_: str, *_rest: Any) -> DeploymentValue:
    scope.references.append(id_)
    return DeploymentValue(f"<{id_.rpartition('/providers/')[2]}>")


def _keys(scope: ExpressionScope, id_: str, *_rest: Any) -> DeploymentValue:
    return DeploymentValue(f"<keys of {_state(scope, id_)[1:]}")


def _union(_scope: ExpressionScope, first: Any, *others: Any) -> Any:
    merged = first.copy()
    for other in others:
        merged = merged | other if isinstance(merged, dict) else [*merged, *(new for new in other if new not in merged)]
    return merged


def _concat(_scope: ExpressionScope, *parts: Any) -> Any:
    if parts and isinstance(parts[0], list):
        return [item for part in parts for item in part]
    text = "".join(map(str, parts))
    return DeploymentValue(text) if any(isinstance(part, DeploymentValue) for part in parts) else text


def _empty(_scope: ExpressionScope, value: Any) -> bool:
    return value is None or len(value) == 0


_Function = Callable[..., Any]
FUNCTIONS: dict[str, _Function] = {
    "and": lambda _, *of: all(of),
    "concat": _concat,
    "copyindex": _index,
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
    "extensionresourceid": lambda _, base, kind, *names: f"{base}/providers/{_path(kind, names)}",
    "resourceid": lambda _, *parts: resource_id(*parts),
    "subscription": lambda _: {"id": SUBSCRIPTION, "tenantId": TENANT},
    "subscriptionresourceid": lambda _, kind, *names: f"{SUBSCRIPTION}/providers/{_path(kind, names)}",
    "take": lambda _, value, count: value[:count],
    "tolower": lambda _, text: text.lower(),
    "true": lambda _: True,
    "union": _union,
    "uniquestring": lambda _, *of: _unique(*of),
    "variables": _variable,
}
