"""What can go wrong: a closed table of pure functions from answer to answer at the model, and one of mishaps before it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from email.utils import formatdate
from typing import Any

from contracts import errors, limits
from contracts.errors import Refusal
from contracts.limits import Exceeded
from contracts.operations import Address
from mockserver.exchange import Answer, End, Event, Headers

#: How `retry_after` is written: seconds, milliseconds, a date so many seconds ahead, or not at all.
_RETRY_AFTER = re.compile(r"(?P<number>\d+(?:\.\d+)?) ?(?P<unit>s|ms|s as a date)?|never")


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault to apply. `after` counts the events that still arrive, `wait_ms` is how long it makes one wait, `retry_after`
    is when the service says to come back; None leaves each to the fault."""

    kind: str
    after: int | None = None
    wait_ms: int | None = None
    retry_after: str | None = None

    def __post_init__(self) -> None:
        known = (*FAULTS, *SITE_FAULTS)
        if self.kind not in known:
            near = "".join(f" (did you mean {each}?)" for each in get_close_matches(self.kind, known, 1))
            raise ValueError(f"unknown fault {self.kind!r}{near}; there are: {', '.join(known)}")
        if self.after is not None and self.after < 0:
            raise ValueError(f"after: {self.after} is no number of events; 0 or more is")
        if self.wait_ms is not None and self.wait_ms < 0:
            raise ValueError(f"wait_ms: {self.wait_ms} is no number of milliseconds")
        if self.retry_after is not None and not _RETRY_AFTER.fullmatch(self.retry_after):
            raise ValueError(
                f"retry_after: {self.retry_after!r} is not understood; write 3s, 250ms, 3s as a date, or never"
            )


@dataclass(frozen=True, slots=True)
class Circumstance:
    """What a fault may go by: where the request went, the model that would have answered, and when."""

    address: Address
    model: str
    at_s: float


@dataclass(frozen=True, slots=True)
class Mishap:
    """What goes wrong before the model is asked.

    The API is asked `wait_ms` milliseconds later, or not at all where there is an answer `instead`; its own breaks off
    behind `cut_after` events, None lets it through. `signed_out` makes the request nobody's.
    """

    instead: Answer | None = None
    wait_ms: int = 0
    cut_after: int | None = None
    signed_out: bool = False


#: No mishap.
NOTHING = Mishap()


def mishap(fault: Fault | None) -> Mishap:
    """What a fault of the gate or the host does; nothing where there is none."""
    return SITE_FAULTS[fault.kind](fault) if fault else NOTHING


def api_timed_out() -> Answer:
    """What Static Web Apps sends where the API has not begun to answer in 45 seconds.

    Source: a 500 with these words, as reported (static-web-apps#801, #1607)."""
    return _plain(500, "Backend call failure")


def apply(fault: Fault, answer: Answer, circumstance: Circumstance) -> Answer:
    """The answer with the fault in it."""
    return FAULTS[fault.kind](fault, answer, circumstance)


# --- instead of the answer -------------------------------------------------------------------------------------------


def _rate_limited(fault: Fault, _answer: Answer, about: Circumstance) -> Answer:
    """429 in the backend's newest words, with `retry-after` (1 second where no other is given)."""
    return _limited(fault, limits.rate_limited, about)


def _rate_limited_2024(fault: Fault, _answer: Answer, about: Circumstance) -> Answer:
    """429 in Azure's words until mid 2025, code "429"; OpenAI's are the same as ever."""
    return _limited(fault, limits.rate_limited_2024, about)


def _limited(fault: Fault, refusal: Callable[[Address, str, Exceeded], Refusal], about: Circumstance) -> Answer:
    seconds, headers = _come_back(fault.retry_after or "1s", about.at_s)
    refused = refusal(about.address, about.model, Exceeded(wait_s=seconds))
    return _instead(replace(refused, headers=(*refused.headers, *headers)))


def _come_back(text: str, at_s: float) -> tuple[float, Headers]:
    found = _RETRY_AFTER.fullmatch(text)
    if found is None or found["number"] is None:
        return 1, ()
    number = float(found["number"])
    match found["unit"]:
        case "ms":
            return number / 1000, (("retry-after-ms", f"{number:g}"),)
        case "s as a date":
            return number, (("retry-after", formatdate(at_s + number, usegmt=True)),)
    return number, (("retry-after", f"{number:g}"),)


def _quota_exceeded(_fault: Fault, _answer: Answer, about: Circumstance) -> Answer:
    """429 that no waiting helps: OpenAI's insufficient_quota, Azure's with a day to wait."""
    return _instead(limits.quota_exceeded(about.address, about.model))


def _server_error(_fault: Fault, _answer: Answer, about: Circumstance) -> Answer:
    """500 in the backend's words."""
    return _instead(limits.server_error(about.address))


def _overloaded(_fault: Fault, _answer: Answer, about: Circumstance) -> Answer:
    """503 in the backend's words."""
    return _instead(limits.overloaded(about.address))


def _bad_gateway(_fault: Fault, _answer: Answer, _about: Circumstance) -> Answer:
    """502 with the HTML page of a proxy in between."""
    page = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n"
    return Answer(502, (("content-type", "text/html"),), (Event(0, page),))


def _refused(_fault: Fault, _answer: Answer, _about: Circumstance) -> Answer:
    """The connection is reset before anything is answered."""
    return Answer(0, end=End.RESET)


def _key_expired(_fault: Fault, _answer: Answer, about: Circumstance) -> Answer:
    """401 as for a key that is no longer one."""
    return _instead(errors.wrong_key(about.address, "sk-expired-key-0000"))


def _deployment_gone(_fault: Fault, _answer: Answer, about: Circumstance) -> Answer:
    """404 or 400 as for a model or deployment that is not there."""
    return _instead(errors.unknown_model(about.address, about.address.deployment or about.model))


def _firewall(_fault: Fault, _answer: Answer, _about: Circumstance) -> Answer:
    """Azure's 403 for an address its network rules leave out."""
    return _instead(errors.firewall())


def _role_missing(_fault: Fault, _answer: Answer, _about: Circumstance) -> Answer:
    """Azure's 401 for an identity without the role."""
    return _instead(errors.role_missing())


def _token_expired(_fault: Fault, _answer: Answer, _about: Circumstance) -> Answer:
    """Azure's 401 for an Entra token that is bad or old, without the `error` around it."""
    return _instead(errors.token_expired())


def _context_length_exceeded(_fault: Fault, _answer: Answer, _about: Circumstance) -> Answer:
    """400 for a conversation that is longer than the model takes."""
    return _instead(errors.context_length_exceeded())


def _instead(refusal: Refusal) -> Answer:
    return Answer(refusal.status, refusal.headers, (Event(0, refusal.body),))


# --- in its time -----------------------------------------------------------------------------------------------------


def _slow_first_token(fault: Fault, answer: Answer, _about: Circumstance) -> Answer:
    """The head comes `wait_ms` later; 10 seconds where no number is given."""
    return replace(answer, head_after_ms=answer.head_after_ms + _or(fault.wait_ms, 10_000))


def _slow_events(fault: Fault, answer: Answer, _about: Circumstance) -> Answer:
    """Every event comes `wait_ms` later than it would; 1 second where no number is given."""
    wait_ms = _or(fault.wait_ms, 1000)
    return replace(answer, events=tuple(replace(each, after_ms=each.after_ms + wait_ms) for each in answer.events))


def _stall(fault: Fault, answer: Answer, _about: Circumstance) -> Answer:
    """After `after` events nothing comes any more, and the connection stays open; half of them where no number is given."""
    return replace(answer, events=answer.events[: _half(fault, answer)], end=End.STALL)


# --- in its events ---------------------------------------------------------------------------------------------------


def _dropped(fault: Fault, answer: Answer, _about: Circumstance) -> Answer:
    """The connection is reset after `after` events; half of them where no number is given."""
    return replace(answer, events=answer.events[: _half(fault, answer)], end=End.RESET)


def _cut_short(fault: Fault, answer: Answer, _about: Circumstance) -> Answer:
    """The stream ends properly after `after` events, without its last word; before the last one where no number is given."""
    after = len(answer.events) - 1 if fault.after is None else fault.after
    return replace(answer, events=answer.events[:after])


def _truncated_event(fault: Fault, answer: Answer, _about: Circumstance) -> Answer:
    """The stream ends properly in the middle of the event after `after`; of half of them where no number is given."""
    after = _half(fault, answer)
    torn = tuple(replace(each, data=each.data[: len(each.data) // 2]) for each in answer.events[after : after + 1])
    return replace(answer, events=(*answer.events[:after], *torn))


def _malformed_event(fault: Fault, answer: Answer, _about: Circumstance) -> Answer:
    """An event that is no JSON comes after `after` others; half of them where no number is given."""
    after = _half(fault, answer)
    broken = Event(0, b'data: {"choices":[{"index":0,"delta":{"content":\n\n' if answer.streams else b'{"choices":')
    kept = answer.events[after:] if answer.streams else ()
    return replace(answer, events=(*answer.events[:after], broken, *kept))


def _split_events(_fault: Fault, answer: Answer, _about: Circumstance) -> Answer:
    """Every byte leaves by itself: lines, events and letters arrive in pieces."""
    pieces = [
        Event(each.after_ms if index == 0 else 0, each.data[index : index + 1])
        for each in answer.events
        for index in range(len(each.data))
    ]
    return replace(answer, events=tuple(pieces))


def _merged_events(_fault: Fault, answer: Answer, _about: Circumstance) -> Answer:
    """All events leave together, when the last one would have: a proxy that buffers."""
    whole = Event(sum(each.after_ms for each in answer.events), answer.body)
    return replace(answer, events=(whole,) if answer.events else ())


def _empty(_fault: Fault, answer: Answer, _about: Circumstance) -> Answer:
    """The head is right, and nothing follows it."""
    return replace(answer, events=())


def _wrong_content_type(_fault: Fault, answer: Answer, _about: Circumstance) -> Answer:
    """The answer says that it is `text/plain`."""
    kept = tuple(each for each in answer.headers if each[0] != "content-type")
    return replace(answer, headers=(("content-type", "text/plain"), *kept))


def _rate_limited_in_stream(fault: Fault, answer: Answer, _about: Circumstance) -> Answer:
    """The status is 200, and the rate limit comes as an event: after `after` of them, the first where none is given.

    Source: Azure's Responses, 2026-08-11 (earendil-works/pi#7983, fields as the reporter reduced them): `response.failed`
    without an error, then a nested `error`; `retry-after` among the headers. In a stream of chunks there is one with
    `error`, which the official client raises. An answer that is no stream stays as it is.
    """
    if not answer.streams or not answer.events:
        return answer
    kept = answer.events[: _or(fault.after, 1)]
    message = "Your requests to the deployment have exceeded rate limit."
    error: dict[str, Any] = {"code": "rate_limit_exceeded", "message": message, "param": None}
    first = answer.events[0].data.decode()
    if first.startswith("event: response."):
        response = json.loads(first.partition("data: ")[2])["response"]
        failed = {"response": {**response, "status": "failed"}, "sequence_number": len(kept)}
        nested = {"type": "too_many_requests", "headers": {"x-ms-fe-error": "true"}, **error}
        last = [("response.failed", failed), ("error", {"error": nested, "sequence_number": len(kept) + 1})]
        events = [f"event: {kind}\ndata: {_compact({'type': kind, **fields})}\n\n" for kind, fields in last]
    else:
        events = [f"data: {_compact({'error': {'type': 'too_many_requests', **error}})}\n\n"]
    headers = (*answer.headers, ("retry-after", "1"))
    return replace(answer, headers=headers, events=(*kept, *(Event(0, event.encode()) for event in events)))


def _half(fault: Fault, answer: Answer) -> int:
    return len(answer.events) // 2 if fault.after is None else fault.after


def _or(value: int | None, usual: int) -> int:
    return usual if value is None else value


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


FAULTS: dict[str, Callable[[Fault, Answer, Circumstance], Answer]] = {
    function.__name__.removeprefix("_"): function
    for function in (
        *(_rate_limited, _rate_limited_2024, _rate_limited_in_stream, _quota_exceeded, _server_error, _overloaded),
        *(_bad_gateway, _refused, _key_expired, _deployment_gone),
        *(_firewall, _role_missing, _token_expired, _context_length_exceeded),
        *(_slow_first_token, _slow_events, _stall),
        *(_dropped, _cut_short, _truncated_event, _malformed_event, _split_events, _merged_events),
        *(_empty, _wrong_content_type),
    )
}


# --- before the model ------------------------------------------------------------------------------------------------


def _session_expired(_fault: Fault) -> Mishap:
    """At the gate: the request counts as nobody's, as after eight hours."""
    return Mishap(signed_out=True)


def _api_timeout(fault: Fault) -> Mishap:
    """At the gate: the 45 seconds are over. A 500, or, where `after` is given, the answer breaks off behind so many events."""
    return Mishap(api_timed_out()) if fault.after is None else Mishap(cut_after=fault.after)


def _api_unreachable(_fault: Fault) -> Mishap:
    """At the gate: a 502, for an API that takes no connection."""
    return Mishap(_plain(502, "Bad Gateway"))


def _cold_start(fault: Fault) -> Mishap:
    """At the host: the API is asked `wait_ms` later, as after a start from nothing; 10 seconds where no number is given."""
    return Mishap(wait_ms=_or(fault.wait_ms, 10_000))


def _host_starting(_fault: Fault) -> Mishap:
    """At the host: a 503, while it is not up."""
    return Mishap(_plain(503, "Function host is not running."))


def _function_failed(_fault: Fault) -> Mishap:
    """At the host: an empty 500, as for an exception that the function lets through."""
    return Mishap(Answer(500, (("content-length", "0"),)))


def _function_missing(_fault: Fault) -> Mishap:
    """At the host: an empty 404, as for a function that was not found at deployment."""
    return Mishap(Answer(404, (("content-length", "0"),)))


def _plain(status: int, text: str) -> Answer:
    return Answer(status, (("content-type", "text/plain; charset=utf-8"),), (Event(0, text.encode()),))


#: Those that strike at the gate, and at the host as the gate sees it.
SITE_FAULTS: dict[str, Callable[[Fault], Mishap]] = {
    function.__name__.removeprefix("_"): function
    for function in (
        *(_session_expired, _api_timeout, _api_unreachable),
        *(_cold_start, _host_starting, _function_failed, _function_missing),
    )
}
