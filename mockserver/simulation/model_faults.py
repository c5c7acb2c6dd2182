"""What can go wrong at the model: a closed table of pure functions from answer to answer."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import Any

from mockserver.contract import refusals, throttling
from mockserver.contract.addresses import Address
from mockserver.contract.answer_rules import an_object
from mockserver.contract.refusals import Refusal
from mockserver.contract.throttling import Exceeded
from mockserver.exchange import Answer, End, Event, Headers, json_answer
from mockserver.simulation.fault import RETRY_AFTER, Fault
from mockserver.sse import event_json

#: How much of an answer is split into bytes: each takes a hundred times its size.
_SPLIT_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class FaultContext:
    """What a fault may go by: where the request went, the model that would have answered, and when."""

    address: Address
    model: str
    at_s: float


ModelFault = Callable[[Fault, Answer, FaultContext], Answer]


def apply(fault: Fault, answer: Answer, context: FaultContext) -> Answer:
    """The answer with the fault in it, which it names."""
    return replace(MODEL_FAULTS[fault.kind](fault, answer, context), faults=(*answer.faults, fault.kind))


# --- instead of the answer -------------------------------------------------------------------------------------------


def _rate_limited(fault: Fault, _answer: Answer, context: FaultContext) -> Answer:
    """429 in the backend's newest words, with `retry-after` (default: 1 second)."""
    return _limited(fault, throttling.rate_limited, context)


def _rate_limited_2024(fault: Fault, _answer: Answer, context: FaultContext) -> Answer:
    """429 in Azure's words until mid 2025, code "429"; OpenAI's are the same as ever."""
    return _limited(fault, throttling.rate_limited_2024, context)


def _limited(fault: Fault, refusal: Callable[[Address, str, Exceeded], Refusal], context: FaultContext) -> Answer:
    seconds, headers = _retry_after(fault.retry_after or "1s", context.at_s)
    answer = refusal(context.address, context.model, Exceeded(wait_s=seconds))
    return _instead(replace(answer, headers=(*answer.headers, *headers)))


def _retry_after(written: str, at_s: float) -> tuple[float, Headers]:
    match_ = RETRY_AFTER.fullmatch(written)
    if match_ is None or match_["number"] is None:
        return 1, ()
    number, text = float(match_["number"]), match_["number"]
    match match_["unit"]:
        case "ms":
            return number / 1000, (("retry-after-ms", text),)
        case "s as a date":
            return number, (("retry-after", formatdate(at_s + number, usegmt=True)),)
    return number, (("retry-after", text),)


def _quota_exceeded(_fault: Fault, _answer: Answer, context: FaultContext) -> Answer:
    """429 that waiting does not end: OpenAI's insufficient_quota, Azure's with a day to wait."""
    return _instead(throttling.quota_exceeded(context.address, context.model))


def _server_error(_fault: Fault, _answer: Answer, context: FaultContext) -> Answer:
    """500 in the backend's words."""
    return _instead(throttling.server_error(context.address))


def _overloaded(_fault: Fault, _answer: Answer, context: FaultContext) -> Answer:
    """503 in the backend's words."""
    return _instead(throttling.overloaded(context.address))


def _bad_gateway(_fault: Fault, _answer: Answer, _context: FaultContext) -> Answer:
    """502 with the HTML page of a proxy in between."""
    page = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n"
    return Answer(502, (("content-type", "text/html"),), (Event(0, page),))


def _refused(_fault: Fault, _answer: Answer, _context: FaultContext) -> Answer:
    """The connection is reset before anything is answered."""
    return Answer(0, end=End.RESET)


def _key_expired(_fault: Fault, _answer: Answer, context: FaultContext) -> Answer:
    """401 as for an expired key."""
    return _instead(refusals.wrong_key(context.address, "sk-expired-key-0000"))


def _deployment_gone(_fault: Fault, _answer: Answer, context: FaultContext) -> Answer:
    """404 or 400 as for a model or deployment that does not exist."""
    return _instead(refusals.unknown_model(context.address, context.address.deployment or context.model))


def _firewall(_fault: Fault, _answer: Answer, _context: FaultContext) -> Answer:
    """Azure's 403 for an address that its network rules do not allow."""
    return _instead(refusals.firewall())


def _role_missing(_fault: Fault, _answer: Answer, _context: FaultContext) -> Answer:
    """Azure's 401 for an identity without the role."""
    return _instead(refusals.role_missing())


def _token_expired(_fault: Fault, _answer: Answer, _context: FaultContext) -> Answer:
    """Azure's 401 for an Entra token that is bad or old, without the `error` around it."""
    return _instead(refusals.token_expired())


def _context_length_exceeded(_fault: Fault, _answer: Answer, _context: FaultContext) -> Answer:
    """400 for a conversation that is longer than the model's context."""
    return _instead(refusals.context_length_exceeded())


def _instead(refusal: Refusal) -> Answer:
    return Answer(refusal.status, refusal.headers, (Event(0, refusal.body),))


# --- in its time -----------------------------------------------------------------------------------------------------


def _slow_first_token(fault: Fault, answer: Answer, _context: FaultContext) -> Answer:
    """The head comes `wait_ms` later (default: 10 seconds)."""
    return replace(answer, head_after_ms=answer.head_after_ms + _or(fault.wait_ms, 10_000))


def _slow_events(fault: Fault, answer: Answer, _context: FaultContext) -> Answer:
    """Every event comes `wait_ms` later (default: 1 second)."""
    wait_ms = _or(fault.wait_ms, 1000)
    return replace(answer, events=tuple(replace(event, after_ms=event.after_ms + wait_ms) for event in answer.events))


def _stall(fault: Fault, answer: Answer, _context: FaultContext) -> Answer:
    """Nothing comes after `after` events (default: half of them), and the connection stays open."""
    return replace(answer, events=answer.events[: _half(fault, answer)], end=End.STALL)


# --- in its events ---------------------------------------------------------------------------------------------------


def _dropped(fault: Fault, answer: Answer, _context: FaultContext) -> Answer:
    """The connection is reset after `after` events (default: half of them)."""
    return replace(answer, events=answer.events[: _half(fault, answer)], end=End.RESET)


def _cut_short(fault: Fault, answer: Answer, _context: FaultContext) -> Answer:
    """The stream ends properly after `after` events, without its last one (default: all but the last)."""
    after = len(answer.events) - 1 if fault.after is None else fault.after
    return replace(answer, events=answer.events[:after])


def _truncated_event(fault: Fault, answer: Answer, _context: FaultContext) -> Answer:
    """The stream ends properly in the middle of the event after `after` (default: half of them)."""
    after = _half(fault, answer)
    half = tuple(replace(event, data=event.data[: len(event.data) // 2]) for event in answer.events[after : after + 1])
    return replace(answer, events=(*answer.events[:after], *half))


def _malformed_event(fault: Fault, answer: Answer, _context: FaultContext) -> Answer:
    """An event that is not valid JSON comes after `after` others (default: half of them)."""
    after = _half(fault, answer)
    broken = Event(0, b'data: {"choices":[{"index":0,"delta":{"content":\n\n' if answer.streams else b'{"choices":')
    rest = answer.events[after:] if answer.streams else ()
    return replace(answer, events=(*answer.events[:after], broken, *rest))


def _split_events(_fault: Fault, answer: Answer, _context: FaultContext) -> Answer:
    """Every byte leaves by itself, of the first 64 kB: lines, events and letters arrive in pieces."""
    pieces: list[Event] = []
    for event in answer.events:
        alone = max(0, _SPLIT_BYTES - len(pieces))
        waits = itertools.chain([event.after_ms], itertools.repeat(0))
        parts = [event.data[index : index + 1] for index in range(min(alone, len(event.data)))]
        parts += [event.data[alone:]] if event.data[alone:] else []
        pieces += [Event(after_ms, part) for after_ms, part in zip(waits, parts, strict=False)]
    return replace(answer, events=tuple(pieces))


def _merged_events(_fault: Fault, answer: Answer, _context: FaultContext) -> Answer:
    """All events leave together, when the last one is due: a proxy that buffers."""
    whole = Event(sum(event.after_ms for event in answer.events), answer.body)
    return replace(answer, events=(whole,) if answer.events else ())


def _empty(_fault: Fault, answer: Answer, _context: FaultContext) -> Answer:
    """The head is right, and nothing follows it."""
    return replace(answer, events=())


def _wrong_content_type(_fault: Fault, answer: Answer, _context: FaultContext) -> Answer:
    """The answer says that it is `text/plain`."""
    others = tuple(header for header in answer.headers if header[0] != "content-type")
    return replace(answer, headers=(("content-type", "text/plain"), *others))


def _rate_limited_in_stream(fault: Fault, answer: Answer, _context: FaultContext) -> Answer:
    """The status is 200, and the rate limit comes as an event after `after` others (default: the first).

    Source: Azure's Responses, 2026-08-11 (earendil-works/pi#7983, fields as the reporter reduced them): `response.failed`
    without an error, then a nested `error`; `retry-after` among the headers. In a stream of chunks there is one with
    `error`, which the official client raises. An answer that is not a stream stays as it is.
    """
    if not answer.streams or not answer.events:
        return answer
    kept = answer.events[: _or(fault.after, 1)]
    message = "Your requests to the deployment have exceeded rate limit."
    error: dict[str, Any] = {"code": "rate_limit_exceeded", "message": message, "param": None}
    first = answer.events[0].data
    if first.startswith(b"event: response."):
        response = an_object((event_json(first) or {}).get("response"))
        failed = {"response": {**response, "status": "failed"}, "sequence_number": len(kept)}
        nested = {"type": "too_many_requests", "headers": {"x-ms-fe-error": "true"}, **error}
        last = [("response.failed", failed), ("error", {"error": nested, "sequence_number": len(kept) + 1})]
        events = [f"event: {kind}\ndata: {_compact({'type': kind, **fields})}\n\n" for kind, fields in last]
    else:
        events = [f"data: {_compact({'error': {'type': 'too_many_requests', **error}})}\n\n"]
    headers = (*answer.headers, ("retry-after", "1"))
    return replace(answer, headers=headers, events=(*kept, *(Event(0, event.encode()) for event in events)))


def _half(fault: Fault, answer: Answer) -> int:
    return _or(fault.after, len(answer.events) // 2)


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def _compact(value: Any) -> str:
    return json_answer(200, value).body.decode()


def _by_name(*faults: ModelFault) -> dict[str, ModelFault]:
    return {fault.__name__.removeprefix("_"): fault for fault in faults}


_BROKEN = _by_name(
    *(_rate_limited_in_stream, _slow_first_token, _slow_events, _stall),
    *(_dropped, _cut_short, _truncated_event, _malformed_event, _split_events, _merged_events),
    *(_empty, _wrong_content_type),
)
# They answer in place of the model: what it would have said does not matter, nor whether there is anything.
INSTEAD = _by_name(
    *(_rate_limited, _rate_limited_2024, _quota_exceeded, _server_error, _overloaded, _bad_gateway, _refused),
    *(_key_expired, _deployment_gone, _firewall, _role_missing, _token_expired, _context_length_exceeded),
)
MODEL_FAULTS = INSTEAD | _BROKEN
