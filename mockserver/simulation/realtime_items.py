"""What a realtime session is told, as Responses has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def is_tool(tool: Any) -> bool:
    """Whether a session can offer a tool."""
    if not isinstance(tool, dict) or not isinstance(tool.get("type"), str):
        return False
    named = tool["type"] != "function" or isinstance(tool.get("name"), str)
    return named and isinstance(tool.get("parameters"), dict | None)


def as_input(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item of a conversation as Responses has it: what was heard is its transcript."""
    kept = {key: value for key, value in item.items() if key not in ("object", "status")}
    content = kept.get("content")
    if isinstance(content, list):
        role = "output_text" if item.get("role") == "assistant" else "input_text"
        texts = [part.get("text") or part.get("transcript") or "" for part in content if isinstance(part, Mapping)]
        kept["content"] = [{"type": role, "text": text} for text in texts]
    return kept
