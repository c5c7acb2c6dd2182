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
from mockserver.exchange import Headers


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


#: Source: `maximum` of `n` in the published schemas.
_MOST_CHOICES = 128


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


class Finish(StrEnum):
    """Why an answer ends, in the words of chat completions."""

    STOP = "stop"
    LENGTH = "length"
    CONTENT_FILTER = "content_filter"
    TOOL_CALLS = "tool_calls"


@dataclass(frozen=True, slots=True)
class Usage:
    """Counts of tokens; None is counted. `output` includes `reasoning`."""

    input: int | None = None
    cached: int | None = None
    output: int | None = None
    reasoning: int | None = None


@dataclass(frozen=True, slots=True)
class Citation:
    """A source of the answer: a page, or a file where `file_id` is given; `quote` is the part of the text that cites it, None
    for the end of the text."""

    url: str | None = None
    title: str = ""
    file_id: str | None = None
    quote: str | None = None

    def place(self, text: str) -> tuple[int, int]:
        """Where in the text it is cited: start and end."""
        start = text.find(self.quote) if self.quote else -1
        return (len(text), len(text)) if start < 0 else (start, start + len(self.quote or ""))


@dataclass(frozen=True, slots=True)
class Found:
    """A part of a file that a search found, with how well it fits, from 0 to 1."""

    file_id: str
    filename: str
    score: float
    text: str
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AuthoredAnswer:
    """What an answer says, independent of its form: JSON or a stream, from OpenAI or from Azure.

    A text, a refusal, tool calls, or several of these; `text` may be None. `parts` are the pieces in which a
    stream sends the text, empty for words. `finish` None follows from the rest. `reasoning` is the summary of the model's
    reasoning; Responses sends it to those who ask. `reasoning_content` is the reasoning as other models than OpenAI's send it in a
    chat completion, before the text. `context` is what Azure's On Your Data adds to the message. `found` is what
    a search in files found. `headers` take the place of the service's own.
    """

    text: str | None
    calls: tuple[ToolCall, ...] = ()
    pace: Pace = Pace()
    filter: Filter = Filter.DEFAULT
    parts: tuple[str, ...] = ()
    finish: Finish | None = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    usage: Usage = Usage()
    citations: tuple[Citation, ...] = ()
    context: Mapping[str, Any] | None = None
    found: tuple[Found, ...] = ()
    headers: Headers = ()

    @property
    def pieces(self) -> tuple[str, ...]:
        """The pieces in which a stream sends the text. Joined, they are the text."""
        return self.parts or tuple(tokens.words(self.text or ""))

    def reasoning_tokens(self, model: str) -> int:
        """The number of tokens of the model's reasoning; what is said of it counts as all of it."""
        said = self.reasoning or self.reasoning_content or ""
        return tokens.count(said, model) if self.usage.reasoning is None else self.usage.reasoning

    def output_tokens(self, model: str) -> int:
        """The number of output tokens: of the reasoning, the text, and each call's name and JSON arguments (an estimate)."""
        if self.usage.output is not None:
            return self.usage.output
        texts = [self.text or "", self.refusal or "", *(call.name + call.arguments_json for call in self.calls)]
        return self.reasoning_tokens(model) + sum(tokens.count(text, model) for text in texts)


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


def count_of_choices(body: Mapping[str, Any]) -> int:
    """How many choices a request wants: the nearest that the services allow where `--lenient` let another number through."""
    return max(1, min(body.get("n") or 1, _MOST_CHOICES))
