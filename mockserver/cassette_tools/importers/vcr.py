"""Cassettes of vcrpy, old and new, and of tools that write its format with other keys: `parsed_body`, `content`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from mockserver.cassette_tools.importers.raw import RawInteraction, body_of, headers_of, mapping, status_of


def entries(document: Any) -> list[Callable[[], RawInteraction]] | None:
    """The exchanges under `interactions`; None if the document has another format."""
    if not isinstance(document, dict) or not isinstance(document.get("interactions"), list):
        return None
    return [partial(exchange, entry) for entry in document["interactions"]]


def exchange(entry: Any) -> RawInteraction:
    """One exchange: a mapping with `request` and `response`.

    Raises:
        RawError: a part of it is missing.
    """
    fields = mapping(entry, "exchange")
    request, response = mapping(fields.get("request"), "request"), mapping(fields.get("response"), "answer")
    return RawInteraction(
        str(request.get("method", "POST")),
        str(request.get("uri") or request.get("url") or ""),
        headers_of(request.get("headers")),
        body_of(_body(request)),
        status_of(response.get("status") or response.get("status_code")),
        headers_of(response.get("headers")),
        body_of(_body(response)),
    )


def _body(message: dict[str, Any]) -> Any:
    """vcrpy has a `body`; pydantic-ai writes JSON as `parsed_body`, old vcrpy what httpx returned as `content`."""
    return next((message[key] for key in ("parsed_body", "body", "content") if message.get(key) is not None), None)
