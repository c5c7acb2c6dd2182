"""What one exchange held, without secrets: headers, bodies, and each event with the moment at which it left."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from mockserver.exchange import Headers, shortened
from mockserver.journal.entry import Entry
from mockserver.redaction.exchanges import shown_answer, shown_request
from mockserver.redaction.redaction import clean
from mockserver.wire.play import schedule

_MAX_BYTES = 20_000


@dataclass(frozen=True, slots=True)
class SentEvent:
    """One event as it is shown: when it was sent, None if never; when it was due; and its text."""

    sent_ms: float | None
    due_ms: float
    text: str


@dataclass(frozen=True, slots=True)
class Contents:
    """The request and the answer of an exchange as they are shown; of long ones, the beginning."""

    request_headers: Headers
    request_body: str
    answer_headers: Headers
    events: tuple[SentEvent, ...]


def contents(entry: Entry) -> Contents:
    """What an exchange held."""
    answer, request = shown_answer(entry.answer) if entry.answer else None, shown_request(entry.request)
    due = list(schedule(answer)) if answer else []
    sent: list[float | None] = [*entry.sent_ms, *([None] * max(0, len(due) - len(entry.sent_ms)))]
    left_bytes, events = _MAX_BYTES, []
    for (due_s, data), sent_ms in zip(due, sent, strict=False):
        events.append(SentEvent(sent_ms, due_s * 1000, _text(data[:left_bytes])))
        left_bytes -= min(left_bytes, len(data))
    body = _text(request.body)[:_MAX_BYTES]
    return Contents(request.headers, body, answer.headers if answer else (), tuple(events))


def as_json(entry: Entry) -> dict[str, Any]:
    """What an exchange held as JSON; `miss` says what came nearest where no stub answered it."""
    miss = entry.miss
    why = miss and {
        "nearest": miss.nearest,
        "reason": clean(miss.reason),
        "differences": clean([asdict(each) for each in miss.differences]),
        "acceptable": miss.acceptable,
    }
    return {"number": entry.number, **asdict(contents(entry)), "miss": why}


def _text(data: bytes) -> str:
    """The data as text, indented if it is JSON, without secrets."""
    text = data.decode("utf-8", "replace")
    try:
        return json.dumps(clean(shortened(json.loads(text))), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return str(clean(text))
