"""Server-sent events: splitting a stream into events, and reading the JSON of one."""

from __future__ import annotations

import json
import re
from typing import Any

#: An event ends with a blank line; lines end in LF, CRLF or CR.
_EVENT_END = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")


def split_events(body: bytes) -> tuple[bytes, ...]:
    """The body split after every blank line; the rest after the last blank line is one more event. Joined, they are the body."""
    starts = [0, *(match.end() for match in _EVENT_END.finditer(body))]
    events = (body[start:end] for start, end in zip(starts, [*starts[1:], len(body)], strict=True))
    return tuple(event for event in events if event)


def event_json(event: bytes) -> dict[str, Any] | None:
    """The JSON object in a server-sent event; None for a comment, for `[DONE]` and for anything else."""
    lines = [line.removeprefix(b"data:").strip() for line in event.splitlines() if line.startswith(b"data:")]
    try:
        parsed = json.loads(b"\n".join(lines))
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None
