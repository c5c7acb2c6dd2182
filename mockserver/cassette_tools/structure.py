"""The shape of an answer: which fields there are and of which types, whatever they say."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mockserver.exchange import Answer, first
from mockserver.sse import event_json

#: Headers that clients go by.
_RELIED_ON = (
    "content-type",
    "retry-after",
    "retry-after-ms",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-tokens",
)
_TYPES = {
    bool: "boolean",
    int: "number",
    float: "number",
    str: "string",
    list: "list",
    dict: "object",
    type(None): "null",
}
#: Maps whose keys are the user's own, or the model's.
_OPEN = ("metadata", "arguments", "logit_bias", "schema", "parameters")


#: The types of every field, by the kind of event it is in (empty for JSON) and its path.
Fields = dict[tuple[str, str], set[str]]


@dataclass(frozen=True, slots=True)
class StructureChange:
    """One way in which a shape has changed: `kind` is status, header, event, added, removed or retyped."""

    kind: str
    field: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.field}: {self.before} -> {self.after}"


def changes(before: Answer, after: Answer) -> tuple[StructureChange, ...]:
    """How the shape of an answer differs from that of another; empty where only the prose does.

    What is null here and absent there is a change; a list that is empty on one side says nothing of its items.
    """
    return tuple(_changes(before, after))


def _changes(before: Answer, after: Answer) -> Iterator[StructureChange]:
    if before.status != after.status:
        yield StructureChange("status", "status", str(before.status), str(after.status))
        return
    for name in _RELIED_ON:
        one, other = (_header(each, name) for each in (before, after))
        if one != other and (name == "content-type" or "absent" in (one, other)):
            yield StructureChange("header", name, one, other)
    if before.streams == after.streams:
        yield from _field_changes(_fields(before), _fields(after))


def _header(answer: Answer, name: str) -> str:
    value = first(answer.headers, name) or "absent"
    return value.partition(";")[0] if name == "content-type" else value


def _field_changes(before: Fields, after: Fields) -> Iterator[StructureChange]:
    events, events_now = {event for event, _ in before}, {event for event, _ in after}
    for event in sorted(events ^ events_now):
        there = event in events
        yield StructureChange("event", event, "sent" if there else "absent", "absent" if there else "sent")
    for event, path in sorted({*before, *after}):
        if event not in events & events_now:
            continue
        one, other = before.get((event, path), set()), after.get((event, path), set())
        field = f"{event} {path}".strip()
        shown, instead = ", ".join(sorted(one)) or "absent", ", ".join(sorted(other)) or "absent"
        if one and other:
            if not one & other and {"null"} not in (one, other):
                yield StructureChange("retyped", field, shown, instead)
        elif _has_place(event, path, after if one else before):
            yield StructureChange("removed" if one else "added", field, shown, instead)


def _has_place(event: str, path: str, fields: Fields) -> bool:
    """Whether a field that is missing there would have a place: everything around it is there, and neither null nor an
    empty list."""
    if path.endswith("[]"):
        return False
    around = [path[: found.start()] for found in re.finditer(r"\.|\[\]", path)]
    around += [path[: found.end()] for found in re.finditer(r"\[\]", path)]
    return all(fields.get((event, each), {"null"}) != {"null"} for each in around)


def _fields(answer: Answer) -> Fields:
    found: Fields = defaultdict(set)
    events = [event_json(event.data) for event in answer.events] if answer.streams else [_json(answer)]
    for event in events:
        if isinstance(event, dict):
            kind = str(event.get("type") or event.get("object") or "event") if answer.streams else ""
            for path, type_ in _walk(event, ""):
                found[kind, path].add(type_)
    return dict(found)


def _walk(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if path:
        yield path, _TYPES.get(type(value), "?")
    if isinstance(value, dict) and path.rpartition(".")[2] not in _OPEN:
        for key, each in value.items():
            yield from _walk(each, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for each in value:
            yield from _walk(each, f"{path}[]")


def _json(answer: Answer) -> Any:
    try:
        return json.loads(answer.body)
    except ValueError:
        return None
