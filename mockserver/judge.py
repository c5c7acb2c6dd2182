"""What is wrong with an answer to a request: each event by the contract, the whole by what was asked."""

from __future__ import annotations

import json
from typing import Any

from contracts.answers import assembled, impossible
from contracts.operations import address_of
from contracts.violations import Violation, answer_violations, event_violations
from mockserver.exchange import Answer, End, Request


def violations(request: Request, answer: Answer) -> tuple[Violation, ...]:
    """Every violation in a whole, successful answer; none in a refusal, or in one that breaks off on purpose."""
    address = address_of(request.method, request.raw_path, request.query)
    operation, asked = address.operation, request.json_object() or {}
    if operation is None or answer.status != 200 or answer.end is not End.EOF:
        return ()
    if not answer.streams:
        try:
            body = json.loads(answer.body)
        except ValueError:
            return (Violation("", "no-json", "the body is no JSON"),)
        return (*answer_violations(address, body), *impossible(operation, asked, body))
    events = [parsed for event in answer.events if (parsed := payload(event.data)) is not None]
    found = [violation for event in events for violation in event_violations(address, event)]
    if operation.event_union:
        whole: dict[str, Any] = next(
            (event["response"] for event in reversed(events) if event.get("type") == "response.completed"), {}
        )
    else:
        whole = assembled(events)
    return (*found, *impossible(operation, asked, whole))


def payload(event: bytes) -> dict[str, Any] | None:
    """The JSON object of a server-sent event; None of a comment, of `[DONE]`, and of anything else."""
    lines = [line.removeprefix(b"data:").strip() for line in event.splitlines() if line.startswith(b"data:")]
    try:
        parsed = json.loads(b"\n".join(lines))
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None
