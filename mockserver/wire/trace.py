"""The trace of a request: its own span, and what it is passed on with. Source: W3C Trace Context."""

from __future__ import annotations

import secrets
from dataclasses import replace

from mockserver.exchange import Headers, Request

TRACEPARENT = "traceparent"


def own_span(request: Request) -> tuple[Request, str]:
    """The request, in a new trace where it has none, and the id of its own span, 16 hex digits.

    In a new trace the own span is the first, and the `traceparent` names it.
    """
    span_id = secrets.token_hex(8)
    if request.header(TRACEPARENT) is not None:
        return request, span_id
    new = (TRACEPARENT, f"00-{secrets.token_hex(16)}-{span_id}-01")
    return replace(request, headers=(*request.headers, new)), span_id


def passed_on(headers: Headers, span_id: str) -> Headers:
    """The headers for those that a request is passed on to: its own span is their parent. Without one they stay as they are."""
    if not span_id:
        return headers
    return tuple((name, _of_parent(value, span_id) if name == TRACEPARENT else value) for name, value in headers)


def _of_parent(traceparent: str, span_id: str) -> str:
    parts = traceparent.split("-")
    return "-".join([*parts[:2], span_id, *parts[3:]]) if len(parts) == 4 else traceparent
