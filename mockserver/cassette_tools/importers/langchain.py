"""Cassettes of LangChain: a list of requests beside a list of answers, addresses and headers often redacted."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from mockserver.cassette_tools.importers.raw import RawInteraction
from mockserver.cassette_tools.importers.vcr import exchange


def entries(document: Any) -> list[Callable[[], RawInteraction]] | None:
    """The pairs of `requests` and `responses`; None if the document has another format."""
    if not isinstance(document, dict):
        return None
    requests, responses = document.get("requests"), document.get("responses")
    if not isinstance(requests, list) or not isinstance(responses, list):
        return None
    pairs = zip(requests, responses, strict=False)
    return [partial(exchange, {"request": request, "response": response}) for request, response in pairs]
