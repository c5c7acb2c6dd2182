"""Cassettes of Ruby's VCR, the model of vcrpy: `http_interactions`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from mockserver.cassette_tools.importers.raw import RawInteraction
from mockserver.cassette_tools.importers.vcr import exchange


def entries(document: Any) -> list[Callable[[], RawInteraction]] | None:
    """The exchanges under `http_interactions`; None if the document has another format."""
    if not isinstance(document, dict) or not isinstance(document.get("http_interactions"), list):
        return None
    return [partial(exchange, entry) for entry in document["http_interactions"]]
