"""What is said, and the small things every way of saying it needs."""

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
    """What Azure's content filter does to an answer; OpenAI has none, and nothing of it is sent for OpenAI."""

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
        """Whether the verdicts come beside the text, not with it."""
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
    """What an answer says, before anyone asked for it as JSON or as a stream, of OpenAI or of Azure.

    Either a text, or tool calls, or both; `text` is None where only tools are called. `parts` is the text in the bits
    a stream carries, where it is not to be words; `cut` says that the text ends because it was long enough.
    """

    text: str | None
    calls: tuple[ToolCall, ...] = ()
    pace: Pace = Pace()
    filter: Filter = Filter.DEFAULT
    parts: tuple[str, ...] = ()
    cut: bool = False

    @property
    def pieces(self) -> tuple[str, ...]:
        """The text in the bits a stream carries. Joined, they are the text."""
        return self.parts or tuple(tokens.words(self.text or ""))

    def count_tokens(self, model: str) -> int:
        """How many tokens the model wrote to say it. Source for a text: the tokenizer; for a call, its JSON's."""
        written = [self.text or "", *(each.name + each.arguments_json for each in self.calls)]
        return sum(tokens.count(text, model) for text in written)


@dataclass(frozen=True, slots=True)
class AnswerContext:
    """What an answer is written for: the request's body and its backend, the `model` that answers and when."""

    body: Mapping[str, Any]
    azure: bool
    model: str
    at_s: float
    ids: Ids


def fragments(text: str) -> list[str]:
    """A call's arguments in the bits a stream carries."""
    return re.findall(r"\W+|\w+", text)
