"""The items of a conversation as the service keeps them: each with an id, and with its text in parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mockserver.answers.authored.ids import Ids

#: How ids begin, by the type of their item.
_PREFIXES = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
    "file_search_call": "fs",
}


def as_items(value: Any) -> list[Any]:
    """An input as a list of items: a text alone is a user's message."""
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    return value if isinstance(value, list) else []


def stored_items(items: Iterable[Any], ids: Ids) -> list[dict[str, Any]]:
    """The items with what the service adds: ids, types, statuses, parts."""
    return [stored_item(item, ids) for item in items if isinstance(item, Mapping)]


def stored_item(item: Mapping[str, Any], ids: Ids) -> dict[str, Any]:
    """An item with what the service adds."""
    kind = str(item.get("type") or "message")
    given = item.get("id")
    name = given if isinstance(given, str) and given else f"{_PREFIXES.get(kind, 'item')}_{ids.hex(50)}"
    whole = {"id": name, "type": kind, **{key: value for key, value in item.items() if key not in ("id", "type")}}
    if kind == "message":
        content = item.get("content")
        if isinstance(content, str):
            text: dict[str, Any] = {"type": "input_text", "text": content}
            if item.get("role") == "assistant":
                text = {"type": "output_text", "text": content, "annotations": [], "logprobs": []}
            whole["content"] = [text]
        whole.setdefault("status", "completed")
    elif kind.endswith("_output") or kind.endswith("_call"):
        whole.setdefault("status", "completed")
    return whole
