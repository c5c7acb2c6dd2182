"""What the messages of a request say: its prompts, its system text, and the tools that were called for the last prompt."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

_TEXT_TYPES = ("text", "input_text", "output_text")
_IMAGE_TYPES = ("image_url", "input_image")
_SYSTEM_ROLES = ("system", "developer")


@dataclass(frozen=True)
class Conversation:
    """The messages of a chat completion or the input items of a response, oldest first.

    `earlier` are the items of the responses that this one continues. Messages of any other shape are left out.
    """

    body: Mapping[str, Any]
    earlier: Sequence[Any] = field(default=())

    @cached_property
    def items(self) -> list[Mapping[str, Any]]:
        """Every message and item; a text alone is a user's message."""
        text = self.body.get("input")
        if text is None and isinstance(self.body.get("prompt"), str):  # a legacy completion, an image
            text = self.body["prompt"]
        given = [{"role": "user", "content": text}] if isinstance(text, str) else self.body.get("messages", text)
        return [
            item for item in (*self.earlier, *(given if isinstance(given, list) else ())) if isinstance(item, Mapping)
        ]

    @cached_property
    def prompts(self) -> list[list[str]]:
        """The user's messages, each as the texts of its parts."""
        return [_texts(item) for item in self.items if item.get("role") == "user"]

    @cached_property
    def has_images(self) -> bool:
        """Whether any of the user's messages has an image."""
        users = (item.get("content") for item in self.items if item.get("role") == "user")
        return any(
            isinstance(part, Mapping) and part.get("type") in _IMAGE_TYPES
            for content in users
            if isinstance(content, list)
            for part in content
        )

    @cached_property
    def last_prompt(self) -> list[str] | None:
        """The texts of the user's last message; None if the user has said nothing."""
        last = next((item for item in reversed(self.items) if item.get("role") == "user"), None)
        return None if last is None else _texts(last)

    @cached_property
    def system(self) -> str:
        """The system's and developer's messages and the instructions, one after the other."""
        instructions = self.body.get("instructions")
        texts = [text for item in self.items if item.get("role") in _SYSTEM_ROLES for text in _texts(item)]
        return "\n".join([*([instructions] if isinstance(instructions, str) else []), *texts])

    @cached_property
    def results(self) -> list[str]:
        """The results of tools at the end of the request; empty if it does not end with any."""
        results: list[str] = []
        for item in reversed(self.items):
            if (result := _result(item)) is None:
                break
            results.insert(0, result)
        return results

    @cached_property
    def calls(self) -> list[tuple[str, Any]]:
        """The function and the arguments of every call that was made since the user's last message."""
        calls: list[tuple[str, Any]] = []
        for item in self.items:
            calls = [] if item.get("role") == "user" else [*calls, *_calls(item)]
        return calls


def _texts(item: Mapping[str, Any]) -> list[str]:
    content = item.get("content")
    if isinstance(content, str):
        return [content]
    parts = content if isinstance(content, list) else []
    return [
        part["text"]
        for part in parts
        if isinstance(part, Mapping) and part.get("type") in _TEXT_TYPES and isinstance(part.get("text"), str)
    ]


def _result(item: Mapping[str, Any]) -> str | None:
    """The result of a tool, as text; None for any other item."""
    if item.get("role") in ("tool", "function"):
        return "\n".join(_texts(item))
    if not str(item.get("type")).endswith("_call_output"):
        return None
    output = item.get("output")
    return output if isinstance(output, str) else "\n".join(_texts({"content": output}))


def _calls(item: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    calls: Iterable[Any] = ()
    if item.get("type") == "function_call":
        calls = (item,)
    elif item.get("role") == "assistant":
        made = item.get("tool_calls")
        calls = [call.get("function") for call in made if isinstance(call, Mapping)] if isinstance(made, list) else ()
        calls = (*calls, item.get("function_call"))
    for call in calls:
        if isinstance(call, Mapping):
            yield str(call.get("name")), _arguments(call.get("arguments"))


def _arguments(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return text
