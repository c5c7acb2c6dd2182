"""Whether an answer conforms to the contract: each event to its schema, the whole answer to its request."""

from __future__ import annotations

from typing import Any

from mockserver.contract.answer_rules import assembled, impossible
from mockserver.contract.violation import Violation
from mockserver.contract.violations import answer_violations, event_violations
from mockserver.exchange import Answer, End, parse_json
from mockserver.matching.call import Call, whole_letters
from mockserver.sse import event_json


def violations(call: Call, answer: Answer) -> tuple[Violation, ...]:
    """Every violation in a complete, successful answer; empty for a refusal, or for an answer that a fault cuts off.

    Examples: a call of a tool that the request does not offer, or text where the request requires JSON.
    """
    address, operation = call.address, call.operation
    if operation is None or answer.status != 200 or answer.end is not End.EOF:
        return ()
    if not answer.streams and operation.answer is None:  # bytes, or one of several shapes
        return ()
    if answer.streams:
        events = [whole_letters(payload) for event in answer.events if (payload := event_json(event.data)) is not None]
        by_schema = tuple(violation for event in events for violation in event_violations(address, event))
    else:
        whole = whole_letters(parse_json(answer.body))
        if whole is None:
            return (Violation("", "no-json", "the body is not JSON"),)
        by_schema = answer_violations(address, whole)
    if any(violation.rule == "type" for violation in by_schema):  # the rules below rely on the types
        return by_schema
    if answer.streams:
        whole = _completed_response(events) if operation.event_union else assembled(events)
    return (*by_schema, *impossible(operation, call.body or {}, whole))


def _completed_response(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The response in the last `response.completed` event; empty without such an event."""
    completed = (event.get("response") or {} for event in reversed(events) if event.get("type") == "response.completed")
    return next(completed, {})
