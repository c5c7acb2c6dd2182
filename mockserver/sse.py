"""Server-sent events: splitting a stream into events, and reading the JSON of one."""

from __future__ import annotations

import re
from typing import Any

from mockserver.exchange import Answer, parse_json

#: An event ends with a blank line; lines end in LF, CRLF or CR.
_EVENT_END = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")
_LONGEST_END = 4
_CR = 0x0D

#: The last event of a stream of chat completion chunks; clients leave when they have read it.
DONE_EVENT = b"data: [DONE]\n\n"
_LAST_TYPES = ("response.completed", "response.incomplete", "response.failed", "error")


class EventSplitter:
    """Splits a stream after every blank line, as its bytes come: into the same events however it was cut."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._searched = 0

    def add(self, chunk: bytes) -> list[bytes]:
        """The events that end in this chunk."""
        pending, events, start = self._pending, [], 0
        pending += chunk
        for match in _EVENT_END.finditer(pending, self._searched):
            if match.end() == len(pending) and pending[-1] == _CR:
                break  # maybe the first half of a CRLF
            events.append(bytes(pending[start : match.end()]))
            start = match.end()
        self._searched = max(0, len(pending) - start - _LONGEST_END + 1)
        del pending[:start]
        return events

    @property
    def rest(self) -> bytes:
        """What came after the last blank line."""
        return bytes(self._pending)


def split_events(body: bytes) -> tuple[bytes, ...]:
    """The body split after every blank line; the rest after the last blank line is one more event. Joined, they are the body."""
    splitter = EventSplitter()
    events = splitter.add(body)
    return (*events, splitter.rest) if splitter.rest else tuple(events)


def event_json(event: bytes) -> dict[str, Any] | None:
    """The JSON object in a server-sent event; None for a comment, for `[DONE]` and for anything else."""
    lines = [line.removeprefix(b"data:").strip() for line in event.splitlines() if line.startswith(b"data:")]
    parsed = parse_json(b"\n".join(lines))
    return parsed if isinstance(parsed, dict) else None


def ends_stream(event: bytes) -> bool:
    """Whether clients leave when they have read this event."""
    if event == DONE_EVENT:
        return True
    return any(kind.encode() in event for kind in _LAST_TYPES) and (event_json(event) or {}).get("type") in _LAST_TYPES


def text_of(event: bytes) -> str:
    """The text that an event adds to an answer, of chat completion chunks and of Responses; empty where it adds none."""
    fields = event_json(event) or {}
    if fields.get("type") == "response.output_text.delta":
        return str(fields.get("delta", ""))
    return "".join(str(delta["content"]) for delta in _deltas(fields) if delta.get("content"))


def pieces_of(answer: Answer) -> tuple[int, ...]:
    """Where the pieces of an answer end, as numbers of events: after each with some text, reasoning, refusal or tool call. An
    answer that is no stream is one piece."""
    if not answer.streams:
        return (len(answer.events),) if answer.events else ()
    return tuple(number for number, event in enumerate(answer.events, 1) if _is_piece(event.data))


def _is_piece(event: bytes) -> bool:
    fields = event_json(event) or {}
    if str(fields.get("type", "")).endswith(".delta"):
        return True
    return any(
        delta.get(name)
        for delta in _deltas(fields)
        for name in ("content", "reasoning_content", "refusal", "tool_calls")
    )


def _deltas(fields: dict[str, Any]) -> list[dict[str, Any]]:
    choices = fields.get("choices")
    found = [each.get("delta") for each in choices if isinstance(each, dict)] if isinstance(choices, list) else []
    return [each for each in found if isinstance(each, dict)]
