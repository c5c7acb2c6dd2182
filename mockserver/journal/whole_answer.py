"""The JSON of an answer, whether it came whole or as a stream."""

from __future__ import annotations

from typing import Any

from mockserver.contract.answer_rules import assembled
from mockserver.exchange import Answer, parse_json
from mockserver.sse import event_json


def whole_answer(answer: Answer) -> Any:
    """The answer's JSON, which a stream's events add up to; None if it is not JSON."""
    if not answer.streams:
        return parse_json(answer.body)
    events = [parsed for event in answer.events if (parsed := event_json(event.data)) is not None]
    ends = ("response.completed", "response.incomplete", "response.failed")
    final = next((event for event in reversed(events) if event.get("type") in ends), None)
    return final.get("response") if final else assembled(events)
