"""What the model would see of a request: its canonical form, with what a project says does not count left out."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from contracts.operations import Address, address_of
from mockserver.exchange import Request
from mockserver.mendable import MendableError
from mockserver.redact import clean

#: Keys of a request body that change nothing in what the model sees.
IGNORED_KEYS = frozenset(
    {"metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "store", "user"}
)
#: Contents that differ from run to run, by the name they can be ignored under.
VOLATILE = {
    "date": r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?",
    "uuid": r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}",
    "call-id": r"call_\w+",
}


class IgnoreError(MendableError):
    """Something to ignore that cannot be understood; says which and how it is written."""


@dataclass(frozen=True, slots=True)
class Ignore:
    """Something that does not count: a field (`messages[*].name`), or in a field's text whatever fits a pattern."""

    text: str
    field: str
    pattern: re.Pattern[str] | None


@dataclass(frozen=True, slots=True)
class Question:
    """What the model would see; two requests with the same fingerprint get the same answer."""

    fingerprint: str
    content: dict[str, Any]

    def __str__(self) -> str:
        body = self.content["body"]
        facts = [str(self.content["model"])]
        if isinstance(messages := body.get("messages"), list):
            facts.append(f"{len(messages)} message{'s' * (len(messages) != 1)}")
        if body.get("stream"):
            facts.append("stream")
        return ", ".join(facts)


def parse_ignore(text: str) -> Ignore:
    """What `FIELD` or `FIELD=PATTERN` says not to count; a pattern is a regular expression or a name of `VOLATILE`.

    Raises:
        IgnoreError: no field, or no regular expression.
    """
    field, equals, pattern = text.partition("=")
    if not re.fullmatch(r"\w+(?:\.\w+|\[(?:\d+|\*)\])*", field):
        raise IgnoreError(f"{text!r}: a field is written messages[*].content, or messages[0].name")
    try:
        compiled = re.compile(VOLATILE.get(pattern, pattern)) if equals else None
    except re.error as error:
        raise IgnoreError(
            f"{text!r}: {pattern!r} is neither {', '.join(VOLATILE)} nor a regular expression: {error}"
        ) from error
    return Ignore(text, field, compiled)


def question_of(request: Request, ignores: Iterable[Ignore] = ()) -> Question:
    """The canonical form of a request.

    Key order, white space, the spelling of numbers, a text given as one text part, keys that are null or have the
    service's own default, and the three Azure address forms of one deployment make no difference; OpenAI and Azure
    never meet. Secrets and names are as a recording has them: taken out.
    """
    address = address_of(request.method, request.raw_path, request.query)
    body = request.json_object()
    if body is None:
        seen: Any = {"text": request.body.decode("utf-8", "replace")} if request.body else {}
    else:
        defaults = address.operation.defaults if address.operation else {}
        seen = _without(clean(_canonical(_counted(body, defaults))), tuple(ignores))
    content = {
        "backend": address.backend.value,
        "operation": address.operation.name if address.operation else f"{request.method} {request.raw_path}",
        "model": model_of(address, body),
        "body": seen | _asked_by_address(address, request.query),
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return Question(hashlib.sha256(text.encode()).hexdigest(), content)


def model_of(address: Address, body: Mapping[str, Any] | None) -> str:
    """The deployment or model the address has, else the model the body names; empty where neither does."""
    named = address.resource if address.operation and "{model}" in address.operation.path else None
    return address.deployment or named or str((body or {}).get("model", ""))


def last_prompt(body: Mapping[str, Any] | None) -> str | None:
    """The text of the last user message, None where there is none."""
    given = (body or {}).get("input")  # of a response: a text, or messages
    if isinstance(given, str):
        return given
    messages = (body or {}).get("messages", given)
    for message in reversed(messages if isinstance(messages, list) else []):
        if isinstance(message, dict) and message.get("role") == "user":
            content = _canonical(message).get("content")
            return content if isinstance(content, str) else None
    return None


def _asked_by_address(address: Address, query: str) -> dict[str, Any]:
    """The id in the path and what the query asks for, but for Azure's api-version."""
    asked = {key: values for key, values in parse_qs(query).items() if key != "api-version"}
    named = address.operation is not None and "{id}" in address.operation.path
    return ({"id": address.resource} if named else {}) | ({"query": asked} if asked else {})


def _counted(body: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in body.items()
        if key not in IGNORED_KEYS and key != "model" and value is not None and not _same(value, defaults.get(key))
    }


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal; 1 is 1.0, but not true."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _canonical(value: Any) -> Any:
    """Whole numbers spelled as such; in messages and parts no nulls, and one text part as its text."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_canonical(each) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _canonical(each) for key, each in value.items() if not ("role" in value and each is None)}
    match kept.get("content"):
        case [{"type": "text" | "input_text", "text": str(text), **rest}] if not rest:
            kept["content"] = text
    return kept


def _without(value: Any, ignores: tuple[Ignore, ...], field: str = "") -> Any:
    """The value, with the ignored fields gone and ignored contents as empty brackets."""
    if not ignores:
        return value
    if isinstance(value, dict):
        inner = {key: f"{field}.{key}" if field else key for key in value}
        return {
            key: _without(each, ignores, inner[key]) for key, each in value.items() if not _gone(inner[key], ignores)
        }
    if isinstance(value, list):
        return [_without(each, ignores, f"{field}[{index}]") for index, each in enumerate(value)]
    if isinstance(value, str):
        for ignore in ignores:
            if ignore.pattern is not None and _fits(ignore.field, field):
                value = ignore.pattern.sub("[]", value)
    return value


def _gone(field: str, ignores: tuple[Ignore, ...]) -> bool:
    return any(ignore.pattern is None and _fits(ignore.field, field) for ignore in ignores)


def _fits(pattern: str, field: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\[\*\]", r"\[\d+\]"), field) is not None
