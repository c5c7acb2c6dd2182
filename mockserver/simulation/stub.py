"""Stubs: a recorded interaction, an authored answer or a fault, each with what it answers and how often."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from mockserver.answers.authored.authored_answer import AuthoredAnswer, Filter, Pace, ToolCall
from mockserver.documents import Strict, convert, parse_yaml
from mockserver.errors import UserError
from mockserver.exchange import Answer
from mockserver.matching.criteria import ANY, Criteria
from mockserver.simulation.fault import Fault, FaultError, FaultKind

FilterName = Literal[
    "default",
    "none",
    "stopped",
    "asynchronous",
    "asynchronous_stopped",
    "asynchronous_blocklist",
    "prompt",
    "prompt_without_details",
]
#: Tool calls by function name; a list calls the same function twice.
ToolCalls = dict[str, dict[str, Any]]
Count = Annotated[int, Meta(ge=0)]
Milliseconds = Annotated[float, Meta(ge=0)]


class StubError(UserError):
    """A stub that cannot be read: which one, what is wrong, and what is known."""


@dataclass(frozen=True, slots=True)
class Stub:
    """One thing to answer with.

    `answer` None leaves the answer to the next stub that fits, and only adds the fault. `times` None answers for ever.
    """

    name: str
    criteria: Criteria = ANY
    answer: Answer | AuthoredAnswer | None = None
    fault: Fault | None = None
    times: int | None = None


# --- as people write them --------------------------------------------------------------------------------------------


class WhenEntry(Strict, frozen=True):
    """Which requests are answered: all of what is given must be so."""

    prompt: Annotated[str | None, Meta(description="The last user message, exactly.")] = None
    model: Annotated[str | None, Meta(description="The model or deployment.")] = None
    path: Annotated[str | None, Meta(description="The address without its query.")] = None


class PaceEntry(Strict, frozen=True):
    """How fast an authored answer comes."""

    first_ms: Annotated[Milliseconds, Meta(description="Milliseconds before the head of the answer.")] = 0
    each_ms: Annotated[Milliseconds, Meta(description="Milliseconds before each later event with text.")] = 0


class StubEntry(Strict, frozen=True):
    """One entry of a scenario."""

    when: WhenEntry = WhenEntry()
    say: Annotated[str | None, Meta(description="The text of the answer.")] = None
    call: Annotated[
        ToolCalls | list[ToolCalls] | None, Meta(description="Tool calls: {get_weather: {city: Oslo}}; or a list.")
    ] = None
    pace: PaceEntry = PaceEntry()
    filter: Annotated[FilterName, Meta(description="What Azure's content filter does to the answer.")] = "default"
    fault: Annotated[FaultKind | None, Meta(description="What goes wrong.")] = None
    after: Annotated[Count | None, Meta(description="How many events still arrive.")] = None
    wait_ms: Annotated[Count | None, Meta(description="How long the fault makes the client wait.")] = None
    retry_after: Annotated[
        str | float | None, Meta(description="3s, 250ms, '3s as a date' or never; a number is seconds.")
    ] = None
    times: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="How often it answers; without it, always.")
    ] = None


def load_stubs(path: Path, text: str | bytes, name: str = "") -> tuple[Stub, ...]:
    """The stubs of a scenario file, in order; each is named after `name`, else the file, and its place, from 1.

    Raises:
        StubError: the file is not a list of stubs, or an entry has an unknown key or a wrong value.
    """
    entries = convert(parse_yaml(text, str(path), StubError), list[Any], str(path), StubError)
    return tuple(parse_stub(entry, f"{name or path.name}#{number}") for number, entry in enumerate(entries, 1))


def parse_stub(entry: object, name: str) -> Stub:
    """The stub that an entry of a scenario describes.

    Raises:
        StubError: an unknown key, a wrong value, or nothing to do.
    """
    fields = convert(entry, StubEntry, name, StubError)
    calls = tuple(_tool_calls(fields, name))
    answer = None
    if fields.say is not None or calls:
        pace = Pace(fields.pace.first_ms, fields.pace.each_ms)
        answer = AuthoredAnswer(fields.say, calls, pace, Filter(fields.filter))
    fault = _fault(fields, name)
    if answer is not None and fault is not None and fault.at_site:
        raise StubError(f"{name}: {fault.kind} happens before the model is asked; give it an entry of its own")
    if answer is None and fault is None:
        raise StubError(f"{name}: nothing to do; add `say`, `call` or `fault`")
    criteria = Criteria(fields.when.prompt, fields.when.model, fields.when.path)
    return Stub(name, criteria, answer, fault, fields.times)


def _tool_calls(fields: StubEntry, name: str) -> list[ToolCall]:
    given = fields.call if isinstance(fields.call, list) else [fields.call or {}]
    calls = [ToolCall(tool, arguments) for mapping in given for tool, arguments in mapping.items()]
    for call in calls:
        try:
            json.dumps(call.arguments)
        except (TypeError, ValueError) as error:
            raise StubError(f"{name}: call.{call.name}: {error}; put a date in quotes") from error
    return calls


def _fault(fields: StubEntry, name: str) -> Fault | None:
    details: Mapping[str, Any] = {"after": fields.after, "wait_ms": fields.wait_ms, "retry_after": fields.retry_after}
    if fields.fault is None:
        if given := next((key for key, value in details.items() if value is not None), None):
            raise StubError(f"{name}: {given} needs a fault: add `fault`")
        return None
    retry_after = fields.retry_after
    if isinstance(retry_after, int | float):
        retry_after = f"{retry_after:.3f}".rstrip("0").rstrip(".") + "s"
    try:
        return Fault(fields.fault, fields.after, fields.wait_ms, retry_after)
    except FaultError as error:
        raise StubError(f"{name}: {error}") from error
