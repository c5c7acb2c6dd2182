"""The trace of a request: its own span, and what it is passed on with. Source: W3C Trace Context."""

from __future__ import annotations

import re
import secrets
from dataclasses import replace

from mockserver.exchange import Headers, Request

TRACEPARENT = "traceparent"
#: What comes before the parent's id, and after it. Ids of zeros and version ff are invalid, and version 00 ends with its flags.
_PARTS = re.compile(r"(?!ff|00-.{53})([0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-)(?!0{16})[0-9a-f]{16}(-[0-9a-f]{2}(?:-.*)?)")


def own_span(request: Request) -> tuple[Request, str]:
    """The request, in a new trace where it has none that is valid, and the id of its own span, 16 hex digits.

    In a new trace the own span is the first, and the `traceparent` names it.
    """
    span_id = secrets.token_hex(8)
    if _PARTS.fullmatch(request.header(TRACEPARENT) or ""):
        return request, span_id
    new = (TRACEPARENT, f"00-{secrets.token_hex(16)}-{span_id}-01")
    others = tuple(header for header in request.headers if header[0] not in (TRACEPARENT, "tracestate"))
    return replace(request, headers=(*others, new)), span_id


def passed_on(headers: Headers, span_id: str) -> Headers:
    """The headers for those that a request is passed on to: its own span is their parent. Without one they stay as they are."""
    if not span_id:
        return headers
    return tuple((name, _of_parent(value, span_id) if name == TRACEPARENT else value) for name, value in headers)


def _of_parent(traceparent: str, span_id: str) -> str:
    parts = _PARTS.fullmatch(traceparent)
    return f"{parts[1]}{span_id}{parts[2]}" if parts else traceparent
