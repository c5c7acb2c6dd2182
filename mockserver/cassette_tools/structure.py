"""The shape of an answer: which fields it has and of which types, whatever their values are."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mockserver.exchange import Answer, first, parse_json
from mockserver.sse import event_json

#: Headers that clients act on.
_HEADERS = (
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
#: Mappings whose keys the user or the model chooses.
_FREE_KEYS = ("metadata", "arguments", "logit_bias", "schema", "parameters")


#: The types of every field, by the kind of event it is in (empty for JSON) and its path.
Fields = dict[tuple[str, str], set[str]]


@dataclass(frozen=True, slots=True)
class StructureChange:
    """One change of a shape: `kind` is status, header, event, added, removed or retyped."""

    kind: str
    field: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.field}: {self.before} -> {self.after}"


def changes(before: Answer, after: Answer) -> tuple[StructureChange, ...]:
    """How the shape changed from one answer to another; empty if only the prose changed.

    Null on one side and absent on the other is a change; a list that is empty on one side says nothing about its items.
    """
    return tuple(_changes(before, after))


def _changes(before: Answer, after: Answer) -> Iterator[StructureChange]:
    if before.status != after.status:
        yield StructureChange("status", "status", str(before.status), str(after.status))
        return
    for name in _HEADERS:
        old, new = (_header(answer, name) for answer in (before, after))
        if old != new and (name == "content-type" or "absent" in (old, new)):
            yield StructureChange("header", name, old, new)
    if before.streams == after.streams:
        yield from _field_changes(_fields(before), _fields(after))


def _header(answer: Answer, name: str) -> str:
    value = first(answer.headers, name) or "absent"
    return value.partition(";")[0] if name == "content-type" else value


def _field_changes(before: Fields, after: Fields) -> Iterator[StructureChange]:
    old_events, new_events = {event for event, _ in before}, {event for event, _ in after}
    for event in sorted(old_events - new_events):
        yield StructureChange("event", event, "sent", "absent")
    for event in sorted(new_events - old_events):
        yield StructureChange("event", event, "absent", "sent")
    for event, path in sorted({*before, *after}):
        if event not in old_events & new_events:
            continue
        old, new = before.get((event, path), set()), after.get((event, path), set())
        field = f"{event} {path}".strip()
        old_types, new_types = ", ".join(sorted(old)) or "absent", ", ".join(sorted(new)) or "absent"
        if old and new:
            if not old & new and {"null"} not in (old, new):
                yield StructureChange("retyped", field, old_types, new_types)
        elif _has_place(event, path, after if old else before):
            yield StructureChange("removed" if old else "added", field, old_types, new_types)


def _has_place(event: str, path: str, fields: Fields) -> bool:
    """Whether a missing field could be there: everything around it is, and is neither null nor an empty list."""
    if path.endswith("[]"):
        return False
    parents = [path[: match.start()] for match in re.finditer(r"\.|\[\]", path)]
    parents += [path[: match.end()] for match in re.finditer(r"\[\]", path)]
    return all(fields.get((event, parent), {"null"}) != {"null"} for parent in parents)


def _fields(answer: Answer) -> Fields:
    types: Fields = defaultdict(set)
    events = [event_json(event.data) for event in answer.events] if answer.streams else [parse_json(answer.body)]
    for event in events:
        if isinstance(event, dict):
            kind = str(event.get("type") or event.get("object") or "event") if answer.streams else ""
            for path, type_ in _walk(event, ""):
                types[kind, path].add(type_)
    return dict(types)


def _walk(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if path:
        yield path, _TYPES.get(type(value), "?")
    if isinstance(value, dict) and path.rpartition(".")[2] not in _FREE_KEYS:
        for key, item in value.items():
            yield from _walk(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item, f"{path}[]")
