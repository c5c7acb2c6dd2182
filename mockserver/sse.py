"""Server-sent events: where one ends, and the JSON it carries."""

from __future__ import annotations

import json
import re
from typing import Any

#: An event ends with a blank line; lines end in LF, CRLF or CR.
_EVENT_END = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")


def split_events(body: bytes) -> tuple[bytes, ...]:
    """The body cut behind every blank line; what follows the last blank line is the last event. Joined, they are the body."""
    cuts = [0, *(match.end() for match in _EVENT_END.finditer(body))]
    pieces = [body[start:end] for start, end in zip(cuts, [*cuts[1:], len(body)], strict=True)]
    return tuple(piece for piece in pieces if piece)


def event_json(event: bytes) -> dict[str, Any] | None:
    """The JSON object of a server-sent event; None of a comment, of `[DONE]`, and of anything else."""
    lines = [line.removeprefix(b"data:").strip() for line in event.splitlines() if line.startswith(b"data:")]
    try:
        parsed = json.loads(b"\n".join(lines))
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None
