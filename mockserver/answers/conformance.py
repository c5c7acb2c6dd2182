"""Whether an answer conforms to the contract: each event by its schema, the whole by what its request allows.

A call of a tool that was not offered, or text where JSON was required, is found here.
"""

from __future__ import annotations

import json
from typing import Any

from mockserver.contract.answer_rules import assembled, impossible
from mockserver.contract.violations import Violation, answer_violations, event_violations
from mockserver.exchange import Answer, End
from mockserver.matching.call import Call
from mockserver.sse import event_json


def violations(call: Call, answer: Answer) -> tuple[Violation, ...]:
    """Every violation in a whole, successful answer; none in a refusal, or in one that breaks off on purpose."""
    address, operation = call.address, call.operation
    if operation is None or answer.status != 200 or answer.end is not End.EOF:
        return ()
    if not answer.streams:
        try:
            body = json.loads(answer.body)
        except ValueError:
            return (Violation("", "not-json", "the body is not JSON"),)
        return (*answer_violations(address, body), *impossible(operation, call.body or {}, body))
    events = [parsed for event in answer.events if (parsed := event_json(event.data)) is not None]
    by_schema = [violation for event in events for violation in event_violations(address, event)]
    whole = _completed_response(events) if operation.event_union else assembled(events)
    return (*by_schema, *impossible(operation, call.body or {}, whole))


def _completed_response(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The response in its last event; empty where it did not complete."""
    completed = (event["response"] for event in reversed(events) if event.get("type") == "response.completed")
    return next(completed, {})
