"""An authored answer: text, tool calls, pace and content filter, independent of the form in which it is sent."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mockserver import tokens
from mockserver.answers.authored.ids import Ids


class Filter(StrEnum):
    """What Azure's content filter does to an answer; OpenAI has no such filter, and its answers ignore this."""

    DEFAULT = "default"
    NONE = "none"
    STOPPED = "stopped"
    ASYNCHRONOUS = "asynchronous"
    ASYNCHRONOUS_STOPPED = "asynchronous_stopped"
    ASYNCHRONOUS_BLOCKLIST = "asynchronous_blocklist"
    PROMPT = "prompt"
    PROMPT_WITHOUT_DETAILS = "prompt_without_details"

    @property
    def asynchronous(self) -> bool:
        """Whether the verdicts are sent separately from the text."""
        return self.value.startswith("asynchronous")


@dataclass(frozen=True, slots=True)
class Pace:
    """Milliseconds before the head of the answer, and before each later event that carries text."""

    first_ms: float = 0
    each_ms: float = 0


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call: the function's name and its arguments."""

    name: str
    arguments: dict[str, Any]

    @property
    def arguments_json(self) -> str:
        """The arguments as the model writes them."""
        return json.dumps(self.arguments, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class AuthoredAnswer:
    """What an answer says, independent of its form: JSON or a stream, from OpenAI or from Azure.

    A text, tool calls, or both; `text` is None if only tools are called. `parts` are the pieces in which a stream
    sends the text, empty for words; `cut` says that the text ends at the token limit.
    """

    text: str | None
    calls: tuple[ToolCall, ...] = ()
    pace: Pace = Pace()
    filter: Filter = Filter.DEFAULT
    parts: tuple[str, ...] = ()
    cut: bool = False

    @property
    def pieces(self) -> tuple[str, ...]:
        """The pieces in which a stream sends the text. Joined, they are the text."""
        return self.parts or tuple(tokens.words(self.text or ""))

    def count_tokens(self, model: str) -> int:
        """The number of output tokens: of the text, and of each call's name and JSON arguments (an estimate)."""
        texts = [self.text or "", *(call.name + call.arguments_json for call in self.calls)]
        return sum(tokens.count(text, model) for text in texts)


@dataclass(frozen=True, slots=True)
class AnswerContext:
    """What an answer is written for: the request's body, its backend, the model that answers, the time, and ids."""

    body: Mapping[str, Any]
    azure: bool
    model: str
    at_s: float
    ids: Ids


def fragments(text: str) -> list[str]:
    """The pieces in which a stream sends a call's arguments."""
    return re.findall(r"\W+|\w+", text)
