"""The prompt of a request: the text of its last user message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mockserver.matching.canonical import canonical_json


def last_prompt(body: Mapping[str, Any] | None) -> str | None:
    """The text of the last user message of a chat completion's or a response's body, or None."""
    given = (body or {}).get("input")  # of a response: a text, or messages
    if isinstance(given, str):
        return given
    messages = (body or {}).get("messages", given)
    for message in reversed(messages if isinstance(messages, list) else []):
        if isinstance(message, dict) and message.get("role") == "user":
            content = canonical_json(message).get("content")
            return content if isinstance(content, str) else None
    return None
