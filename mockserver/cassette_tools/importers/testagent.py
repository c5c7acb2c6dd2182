"""Recordings of Datadog's test agent: one exchange in each JSON file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from mockserver.cassette_tools.importers.raw import RawInteraction
from mockserver.cassette_tools.importers.vcr import exchange


def entries(document: Any) -> list[Callable[[], RawInteraction]] | None:
    """The one exchange of the file; None if the document has another format."""
    if not isinstance(document, dict) or not {"request", "response"} <= set(document):
        return None
    return [partial(exchange, document)]
