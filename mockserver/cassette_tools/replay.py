"""Asks the calls of a HAR again and says in what the answers differ: status, text, calls of tools, how they end, shape."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from mockserver.cassette_tools.har_calls import HarCall
from mockserver.cassette_tools.structure import changes
from mockserver.cassettes.real_endpoint import RealEndpoint
from mockserver.clock import Clock
from mockserver.contract.answer_rules import an_object, objects
from mockserver.exchange import Answer, Request, parse_json
from mockserver.journal.whole_answer import whole_answer
from mockserver.matching.call import Call
from mockserver.redaction.exchanges import shown_answer, shown_request
from mockserver.redaction.redaction import clean
from mockserver.sse import event_json
from mockserver.wire.upstream import UpstreamError

_MAX_LINES = 40
#: What is another in each answer.
_VOLATILE = ("id", "created", "created_at", "completed_at", "system_fingerprint")


class ReplayVerdict(StrEnum):
    """The result for one call; one that was not compared is never the same."""

    SAME = "same"
    DIFFERS = "differs"
    NOT_COMPARED = "not compared"


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """One call, asked again: `differences` are lines, and `reason` says why it was not compared."""

    name: str
    verdict: ReplayVerdict
    differences: tuple[str, ...] = ()
    reason: str = ""

    def __str__(self) -> str:
        lines = [f"{self.verdict:<12}  {self.name}{f': {self.reason}' if self.reason else ''}", *self.differences]
        return "\n  ".join(lines)


@dataclass(frozen=True, slots=True)
class Said:
    """What an answer says: its text, the calls of tools in it, and why it ends."""

    text: str
    calls: tuple[str, ...] = ()
    finish: str = ""


async def replay_results(calls: Sequence[HarCall], endpoint: RealEndpoint, clock: Clock) -> tuple[ReplayResult, ...]:
    """A result for every call, in order; they are sent one after the other, and not where they cannot be compared."""
    return tuple([await _result(call, endpoint, clock) for call in calls])


async def _result(call: HarCall, endpoint: RealEndpoint, clock: Clock) -> ReplayResult:
    name = f"#{call.number} {_name(call.interaction.request)}"
    if call.missing:
        return ReplayResult(name, ReplayVerdict.NOT_COMPARED, reason=call.missing)
    try:
        now = await endpoint.answer(call.interaction.request, clock)
    except UpstreamError as error:
        return ReplayResult(name, ReplayVerdict.NOT_COMPARED, reason=str(clean(str(error))))
    found = differences(call.interaction.answer, now)
    return ReplayResult(name, ReplayVerdict.DIFFERS if found else ReplayVerdict.SAME, found)


def _name(request: Request) -> str:
    call = Call(request)
    operation, body = call.address.operation, call.body or {}
    model = call.address.deployment or call.address.resource or body.get("model")
    name = operation.name if operation else shown_request(request).target
    return str(clean(f"{name}, {model}" if model else name))


def differences(before: Answer, now: Answer) -> tuple[str, ...]:
    """In what an answer differs from the one before, in words and without secrets; empty if it says the same in the same shape."""
    old, new = shown_answer(before), shown_answer(now)
    return tuple(_differences(old, new))


def _differences(old: Answer, new: Answer) -> Iterator[str]:
    if old.status != new.status:
        yield f"status: {old.status} -> {new.status}"
    was, says = said(old), said(new)
    if was.finish != says.finish:
        yield f"finish reason: {was.finish or 'none'} -> {says.finish or 'none'}"
    yield from _diff("tool calls", was.calls, says.calls)
    yield from _diff("text", was.text.splitlines(), says.text.splitlines())
    yield from (f"shape: {change}" for change in changes(old, new) if change.kind != "status")


def _diff(what: str, old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    """The lines that differ, as a unified diff below a line that says of what."""
    if list(old) == list(new):
        return
    lines = list(difflib.unified_diff(old, new, "in the file", "now", lineterm="", n=1))
    yield f"{what}:"
    yield from (f"  {line}" for line in lines[:_MAX_LINES])
    if len(lines) > _MAX_LINES:
        yield f"  … {len(lines) - _MAX_LINES} more lines"


def said(answer: Answer) -> Said:
    """What an answer says. One that is neither a chat completion nor a response says its JSON, without ids and times."""
    whole = whole_answer(answer)
    if not isinstance(whole, dict):
        return Said(_plain(answer.body))
    if whole.get("error"):
        error = an_object(whole["error"])
        return Said(str(error.get("message") or whole["error"]), finish=f"refused: {error.get('code')}")
    if choices := objects(whole.get("choices")):
        completion = _completion(choices)
        return completion if completion.text or not answer.streams else replace(completion, text=_streamed(answer))
    if whole.get("object") == "response":
        return _response(whole)
    if answer.streams:
        return Said("\n".join(json.dumps(_steady(event_json(event.data))) for event in answer.events))
    return Said(json.dumps(_steady(whole), ensure_ascii=False, indent=1))


def _streamed(answer: Answer) -> str:
    """The text of a stream whose chunks hold it in another place than a chat's, as those of completions do."""
    chunks = [an_object(event_json(event.data)) for event in answer.events]
    return "".join(str(choice.get("text") or "") for chunk in chunks for choice in objects(chunk.get("choices")))


def _plain(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return f"{len(body):,} bytes, sha256 {hashlib.sha256(body).hexdigest()}"


def _completion(choices: Sequence[Any]) -> Said:
    messages = [an_object(choice.get("message")) for choice in choices]
    texts = [
        str(message.get("content") or message.get("refusal") or choice.get("text") or "")
        for message, choice in zip(messages, choices, strict=True)
    ]
    calls = [_call(each) for message in messages for each in objects(message.get("tool_calls"))]
    return Said("\n---\n".join(texts), tuple(calls), ", ".join(str(choice.get("finish_reason")) for choice in choices))


def _response(whole: Any) -> Said:
    items = objects(whole.get("output"))
    parts = [part for item in items if item.get("type") == "message" for part in objects(item.get("content"))]
    texts = [str(part.get("text") or part.get("refusal") or "") for part in parts]
    calls = [_call(item) for item in items if str(item.get("type")).endswith("_call")]
    why = an_object(whole.get("incomplete_details")).get("reason")
    return Said("\n".join(texts), tuple(calls), f"{whole.get('status')}{f': {why}' if why else ''}")


def _call(call: Any) -> str:
    """A call of a tool; white space in its arguments makes no difference."""
    function = an_object(call.get("function")) or call
    arguments = str(function.get("arguments", ""))
    parsed = parse_json(arguments.encode("utf-8", "replace"))
    name = function.get("name") or call.get("type")
    return f"{name}({arguments if parsed is None else json.dumps(parsed, ensure_ascii=False)})"


def _steady(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _steady(item) for key, item in value.items() if key not in _VOLATILE}
    return [_steady(item) for item in value] if isinstance(value, list) else value
