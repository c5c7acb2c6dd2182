"""Stubs: a recorded interaction, an answer said by hand or a fault, each with what it fits and how often it answers."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mockserver.exchange import Answer
from mockserver.faults import SITE_FAULTS, Fault
from mockserver.mendable import MendableError
from mockserver.say import Call, Filter, Pace, Said
from mockserver.when import ANY, When


class StubError(MendableError):
    """A stub that cannot be read; says where, what was wrong and what is known."""


@dataclass(frozen=True, slots=True)
class Stub:
    """One thing to answer with.

    `answer` None leaves the answer to the next stub that fits and only adds the fault. `times` None answers for ever.
    """

    name: str
    when: When = ANY
    answer: Answer | Said | None = None
    fault: Fault | None = None
    times: int | None = None


_WHEN = tuple(each.name for each in dataclasses.fields(When))
_KEYS = ("when", "say", "call", "pace", "filter", "fault", "after", "wait_ms", "retry_after", "times")
#: Keys that say how a fault strikes, and the kind of value each has.
_OF_FAULT: dict[str, type] = {"after": int, "wait_ms": int, "retry_after": str}


def load_stubs(path: Path, text: str, name: str = "") -> tuple[Stub, ...]:
    """The stubs of a scenario file, in order; each is named after `name`, else the file, and its place in it, from 1.

    Raises:
        StubError: the file is no list of stubs, or an entry has an unknown key or a wrong value.
    """
    try:
        entries = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise StubError(f"{path}: no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(entries, list):
        raise StubError(f"{path}: a list of stubs is needed (`- when: …`), this is {_kind(entries)}")
    return tuple(parse_stub(entry, f"{name or path.name}#{number}") for number, entry in enumerate(entries, 1))


def parse_stub(entry: object, name: str) -> Stub:
    """The stub an entry of a scenario describes: `when`, `say`, `call`, `pace`, `filter`, `fault` with
    `after`, `wait_ms` and `retry_after`, `times`.

    Raises:
        StubError: an unknown key, a wrong value, or nothing to do.
    """
    fields = _mapping(entry, name, "the entry", _KEYS)
    when = _mapping(fields.get("when", {}), name, "when", _WHEN)
    pace = _mapping(fields.get("pace", {}), name, "pace", ("first_ms", "each_ms"))
    called = fields.get("call", {})
    calls = [
        (str(tool), given)
        for each in (called if isinstance(called, list) else [called])
        for tool, given in _mapping(each, name, "call", None).items()
    ]
    text = _optional(fields, "say", str, name)
    times = _optional(fields, "times", int, name)
    if times is not None and times < 1:
        raise StubError(f"{name}: times: {times} never answers; 1 or more does")
    waits = {}
    for key, value in pace.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise StubError(f"{name}: pace.{key}: {value!r} is no number of milliseconds")
        waits[key] = float(value)
    for tool, arguments in calls:
        if not isinstance(arguments, dict):
            raise StubError(
                f"{name}: call.{tool}: the arguments are a mapping (`{{city: Oslo}}`), not {_kind(arguments)}"
            )
        try:
            json.dumps(arguments)
        except (TypeError, ValueError) as error:
            raise StubError(f"{name}: call.{tool}: {error}; put a date into quotes") from error
    filter_ = _optional(fields, "filter", str, name) or Filter.DEFAULT.value
    if filter_ not in list(Filter):
        raise StubError(f"{name}: unknown filter {filter_!r}; there are: {', '.join(Filter)}")
    said = None
    if text is not None or calls:
        said = Said(text, tuple(Call(*each) for each in calls), Pace(**waits), Filter(filter_))
    fault = _fault(fields, name)
    if said is not None and fault is not None and fault.kind in SITE_FAULTS:
        raise StubError(
            f"{name}: {fault.kind} strikes before the model is asked; give it an entry of its own, beside what is said"
        )
    if said is None and fault is None:
        raise StubError(f"{name}: nothing to do: give it `say`, `call` or `fault`")
    named = {key: _optional(when, key, str, f"{name}: when") for key in _WHEN}
    return Stub(name, When(**named), said, fault, times)


def _fault(fields: Mapping[str, Any], name: str) -> Fault | None:
    kind = _optional(fields, "fault", str, name)
    if isinstance(fields.get("retry_after"), int | float) and not isinstance(fields["retry_after"], bool):
        fields = {**fields, "retry_after": f"{fields['retry_after']}s"}
    details = {key: _optional(fields, key, kind_, name) for key, kind_ in _OF_FAULT.items()}
    given = next((key for key, value in details.items() if value is not None), None)
    if kind is None and given is not None:
        raise StubError(f"{name}: {given}: {details[given]} says how a fault strikes, but there is no fault")
    try:
        return Fault(kind, **details) if kind is not None else None
    except ValueError as error:
        raise StubError(f"{name}: {error}") from error


def _mapping(value: object, name: str, what: str, known: tuple[str, ...] | None) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise StubError(f"{name}: {what} is {_kind(value)}, not a mapping")
    unknown = [key for key in value if known is not None and key not in known]
    if unknown:
        raise StubError(f"{name}: unknown key {unknown[0]!r} in {what}; known are {', '.join(known or ())}")
    return value


def _optional(fields: Mapping[str, Any], key: str, kind: type, name: str) -> Any:
    value = fields.get(key)
    if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
        raise StubError(f"{name}: {key}: {value!r} is {_kind(value)}, not {_NAMES[kind]}")
    return value


_NAMES = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a mapping",
    type(None): "nothing",
    bool: "yes or no",
}


def _kind(value: object) -> str:
    return _NAMES.get(type(value), type(value).__name__)
