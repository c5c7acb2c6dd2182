"""What can go wrong with an answer: a closed table of pure functions from answer to answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from contracts import errors
from contracts.errors import Refusal
from mockserver.exchange import Answer, End, Event


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault to apply. `after` counts the events that still arrive; None leaves the choice to the fault."""

    kind: str
    after: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in FAULTS:
            raise ValueError(f"unknown fault {self.kind!r}; there are: {', '.join(FAULTS)}")
        if self.after is not None and self.after < 0:
            raise ValueError(f"after: {self.after} is no number of events; 0 or more is")


def apply(fault: Fault, answer: Answer) -> Answer:
    """The answer with the fault in it."""
    return FAULTS[fault.kind](fault, answer)


def _dropped(fault: Fault, answer: Answer) -> Answer:
    """The connection is reset after `after` events; half of them where no number is given."""
    after = len(answer.events) // 2 if fault.after is None else fault.after
    return replace(answer, events=answer.events[:after], end=End.RESET)


def _rate_limited_in_stream(fault: Fault, answer: Answer) -> Answer:
    """The status is 200, and the rate limit comes as an event: after `after` of them, the first where none is given.

    Source: Azure's Responses, 2026-08-11 (earendil-works/pi#7983, fields as the reporter reduced them): `response.failed`
    without an error, then a nested `error`; `retry-after` among the headers. In a stream of chunks there is one with
    `error`, which the official client raises. An answer that is no stream stays as it is.
    """
    if not answer.streams or not answer.events:
        return answer
    kept = answer.events[: 1 if fault.after is None else fault.after]
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


def _refused(refusal: Refusal) -> Callable[[Fault, Answer], Answer]:
    """A fault that puts one of Azure's refusals in the answer's place."""
    answer = Answer(refusal.status, refusal.headers, (Event(0, refusal.body),))
    return lambda _fault, _answer: answer


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


FAULTS: dict[str, Callable[[Fault, Answer], Answer]] = {
    "dropped": _dropped,
    "rate_limited_in_stream": _rate_limited_in_stream,
    "firewall": _refused(errors.firewall()),
    "role_missing": _refused(errors.role_missing()),
    "token_expired": _refused(errors.token_expired()),
}
