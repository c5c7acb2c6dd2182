"""Stubs: a recorded interaction, an authored answer or a fault, each with what it answers and how often."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

from mockserver.answers.authored.authored_answer import (
    AuthoredAnswer,
    Citation,
    Filter,
    Finish,
    Pace,
    ToolCall,
    Usage,
)
from mockserver.documents import convert, parse_yaml
from mockserver.errors import UserError
from mockserver.exchange import HEADER_FORM, Answer, Event, is_header
from mockserver.matching.criteria import ANY, NAMES, Criteria, problem
from mockserver.simulation.fault import Fault, FaultError
from mockserver.simulation.stub_entry import NO_BODY, StubEntry, WhenEntry


class StubError(UserError):
    """A stub that cannot be read: which one, what is wrong, and what is known."""


@dataclass(frozen=True, slots=True)
class Stub:
    """One thing to answer with.

    `answer` None leaves the answer to the next stub that fits, and only adds the fault; one that is not authored says that this
    stub has decided on it. `times` None answers for ever.
    """

    name: str
    criteria: Criteria = ANY
    answer: Answer | AuthoredAnswer | None = None
    fault: Fault | None = None
    times: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.answer, Answer):
            object.__setattr__(self, "answer", replace(self.answer, decided_by=self.name))

    @property
    def words(self) -> str:
        """What it does, and for which requests, in a few words."""
        match self.answer:
            case AuthoredAnswer(text=str(text)):
                does = f"“{text}”"
            case AuthoredAnswer():
                does = "an authored answer"
            case Answer(status=status):
                does = f"status {status}"
            case None:
                does = ""
        fault = self.fault.kind if self.fault else ""
        when = f"to {self.criteria.words}" if self.criteria.specific else ""
        return " ".join(filter(None, (does, fault, when)))


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
    answer, fault = _answer(fields, name), _fault(fields, name)
    if answer is not None and fault is not None and fault.at_site:
        raise StubError(f"{name}: {fault.kind} happens before the model is asked; give it an entry of its own")
    if answer is None and fault is None:
        raise StubError(f"{name}: nothing to do; add `say`, `call`, `error`, `body`, `events` or `fault`")
    return Stub(name, _criteria(fields.when, name), answer, fault, fields.times)


def parse_criteria(when: object, name: str) -> Criteria:
    """Which requests `when` means, as in an entry of a scenario.

    Raises:
        StubError: an unknown key or a wrong value.
    """
    return _criteria(convert(when, WhenEntry, f"{name}.when", StubError), name)


def _criteria(when: WhenEntry, name: str) -> Criteria:
    given = {key: value for key in NAMES if (value := getattr(when, key)) is not None}
    for key, value in given.items():
        if wrong := problem(key, value):
            raise StubError(f"{name}: when.{key} {wrong}")
    return Criteria(**given)


# --- what is answered ------------------------------------------------------------------------------------------------

#: What an answer in the service's own form may say, and what a raw one or an error may.
_SAID = (
    "say",
    "call",
    "refusal",
    "reasoning",
    "reasoning_content",
    "citations",
    "context",
    "finish",
    "usage",
    "filter",
)
_KINDS = ("error", "body", "events")


def _answer(fields: StubEntry, name: str) -> Answer | AuthoredAnswer | None:
    said = [key for key in _SAID if getattr(fields, key) != _DEFAULTS[key]]
    kinds = [key for key in _KINDS if getattr(fields, key) is not _DEFAULTS[key]]
    if len(kinds) > 1 or (kinds and said):
        one, other = [*said[:1], *kinds][:2]
        raise StubError(f"{name}: {one} and {other} are two answers; give each an entry of its own")
    if not kinds and said and fields.status is not None:
        raise StubError(f"{name}: status needs an error, a body or events; what is said is always sent with 200")
    headers = tuple((key.lower(), value) for key, value in fields.headers.items())
    if wrong := next((header for header in headers if not is_header(*header)), None):
        raise StubError(f"{name}: headers: {wrong[0]!r}: {wrong[1]!r} cannot be sent: {HEADER_FORM}")
    if fields.body is not NO_BODY:
        text = fields.body if isinstance(fields.body, str) else _json(fields.body, f"{name}: body")
        kind = "text/plain; charset=utf-8" if isinstance(fields.body, str) else "application/json"
        return _raw(fields, fields.status or 200, kind, headers, [text])
    if fields.events is not None:
        return _raw(
            fields, fields.status or 200, "text/event-stream", headers, [_event(each, name) for each in fields.events]
        )
    if fields.error is not None or fields.status is not None:
        status = fields.status or 400
        text = _json({"error": _error(fields.error, status)}, f"{name}: error")
        return _raw(fields, status, "application/json", headers, [text])
    if fields.say is None and fields.call is None and fields.refusal is None:
        if said or headers:
            raise StubError(f"{name}: {[*said, 'headers'][0]} needs an answer: add `say`, `call` or `refusal`")
        return None
    return AuthoredAnswer(
        fields.say,
        tuple(_tool_calls(fields, name)),
        Pace(fields.pace.first_ms, fields.pace.each_ms),
        Filter(fields.filter),
        finish=Finish(fields.finish) if fields.finish else None,
        refusal=fields.refusal,
        reasoning=fields.reasoning,
        reasoning_content=fields.reasoning_content,
        usage=Usage(fields.usage.input, fields.usage.cached, fields.usage.output, fields.usage.reasoning),
        citations=tuple(Citation(each.url, each.title, each.file_id, each.quote) for each in fields.citations),
        context=fields.context,
        headers=headers,
    )


_DEFAULTS = {key: getattr(StubEntry(), key) for key in (*_SAID, *_KINDS)}


def _raw(
    fields: StubEntry, status: int, content_type: str, headers: tuple[tuple[str, str], ...], texts: list[str]
) -> Answer:
    own = () if any(key == "content-type" for key, _ in headers) else (("content-type", content_type),)
    waits = [0, *[fields.pace.each_ms] * (len(texts) - 1)]
    events = tuple(Event(wait, text.encode()) for wait, text in zip(waits, texts, strict=False))
    return Answer(status, (*own, *headers), events, head_after_ms=fields.pace.first_ms)


def _event(event: str | dict[str, Any], name: str) -> str:
    """An event: a text as it is, or as the data of one; JSON as the data of one, named by its `type`."""
    if isinstance(event, str):
        return event if event.endswith("\n\n") else f"data: {event}\n\n"
    kind = f"event: {event['type']}\n" if isinstance(event.get("type"), str) else ""
    return f"{kind}data: {_json(event, f'{name}: events')}\n\n"


def _error(error: str | dict[str, Any] | None, status: int) -> dict[str, Any]:
    """The fields of an error, those of the services at least."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    given = {"message": error} if isinstance(error, str) else error or {"message": _phrase(status)}
    return {"message": "", "type": kind, "param": None, "code": None, **given}


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"


def _json(value: Any, where: str) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise StubError(f"{where}: {error}; put a date in quotes") from error


def _tool_calls(fields: StubEntry, name: str) -> list[ToolCall]:
    given = fields.call if isinstance(fields.call, list) else [fields.call or {}]
    calls = [ToolCall(tool, arguments) for mapping in given for tool, arguments in mapping.items()]
    for call in calls:
        _json(call.arguments, f"{name}: call.{call.name}")
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
