"""A stub as people write it: the keys of a scenario's entry, in YAML and in JSON."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType, field

from mockserver.documents import Strict
from mockserver.simulation.fault import FaultKind

FilterName = Literal[
    "default",
    "none",
    "stopped",
    "asynchronous",
    "asynchronous_stopped",
    "asynchronous_blocklist",
    "prompt",
    "prompt_without_details",
]
FinishName = Literal["stop", "length", "content_filter", "tool_calls"]
#: Tool calls by function name; a list calls the same function twice.
ToolCalls = dict[str, dict[str, Any]]
Count = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Milliseconds = Annotated[float, Meta(ge=0)]
#: Where there is no `body`, which may be null.
NO_BODY = UNSET


class WhenEntry(Strict, frozen=True):
    """Which requests are answered: all of what is given must be so."""

    prompt: Annotated[str | None, Meta(description="The last user message, or one of its parts, exactly.")] = None
    contains: Annotated[str | None, Meta(description="A text in the last user message.")] = None
    pattern: Annotated[str | None, Meta(description="A regular expression, found in the last user message.")] = None
    turn: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="Which user message of the conversation it is, from 1.")
    ] = None
    images: Annotated[bool | None, Meta(description="Whether any of the user's messages has an image.")] = None
    tool_result: Annotated[
        str | None, Meta(description="A text in a tool's result, with which the request ends; '' is any result.")
    ] = None
    system: Annotated[str | None, Meta(description="A text in the system message or the instructions.")] = None
    operation: Annotated[str | None, Meta(description="The operation's name, as createResponse.")] = None
    model: Annotated[str | None, Meta(description="The model or deployment.")] = None
    path: Annotated[str | None, Meta(description="The address without its query.")] = None


class PaceEntry(Strict, frozen=True):
    """How fast an authored answer comes."""

    first_ms: Annotated[Milliseconds, Meta(description="Milliseconds before the head of the answer.")] = 0
    each_ms: Annotated[Milliseconds, Meta(description="Milliseconds before each later event with text.")] = 0


class UsageEntry(Strict, frozen=True):
    """Counts of tokens that are not to be counted."""

    input: Annotated[Count | None, Meta(description="Of the request.")] = None
    cached: Annotated[Count | None, Meta(description="Of the request, from a cache.")] = None
    output: Annotated[Count | None, Meta(description="Of the answer, with its reasoning.")] = None
    reasoning: Annotated[Count | None, Meta(description="Of the reasoning.")] = None


class CitationEntry(Strict, frozen=True):
    """A source: a page with its `url`, or a file with its `file_id`."""

    url: str | None = None
    file_id: str | None = None
    title: Annotated[str, Meta(description="The page's title, or the file's name.")] = ""
    quote: Annotated[str | None, Meta(description="The part of the answer that cites it; without it, its end.")] = None


class StubEntry(Strict, frozen=True):
    """One entry of a scenario."""

    when: WhenEntry = WhenEntry()
    say: Annotated[str | None, Meta(description="The text of the answer.")] = None
    call: Annotated[
        ToolCalls | list[ToolCalls] | None, Meta(description="Tool calls: {get_weather: {city: Oslo}}; or a list.")
    ] = None
    refusal: Annotated[str | None, Meta(description="The model's refusal, in place of a text or after it.")] = None
    reasoning: Annotated[str | None, Meta(description="The summary of the model's reasoning.")] = None
    reasoning_content: Annotated[
        str | None, Meta(description="The reasoning in a chat completion, as DeepSeek's models send it.")
    ] = None
    citations: Annotated[list[CitationEntry], Meta(description="What the text cites.")] = field(default_factory=list)
    context: Annotated[dict[str, Any] | None, Meta(description="What Azure's On Your Data adds to the message.")] = None
    finish: Annotated[FinishName | None, Meta(description="Why the answer ends.")] = None
    usage: UsageEntry = UsageEntry()
    pace: PaceEntry = PaceEntry()
    filter: Annotated[FilterName, Meta(description="What Azure's content filter does to the answer.")] = "default"
    status: Annotated[
        Annotated[int, Meta(ge=200, le=599)] | None, Meta(description="The status, of an error or of a raw answer.")
    ] = None
    error: Annotated[
        str | dict[str, Any] | None, Meta(description="An error in the service's form: its message, or its fields.")
    ] = None
    body: Annotated[Any | UnsetType, Meta(description="A raw answer: JSON, or a text as it is.")] = NO_BODY
    events: Annotated[
        list[str | dict[str, Any]] | None, Meta(description="A raw stream: JSON or texts, an event each.")
    ] = None
    headers: Annotated[dict[str, str], Meta(description="In place of the service's headers, or beside them.")] = field(
        default_factory=dict
    )
    fault: Annotated[FaultKind | None, Meta(description="What goes wrong.")] = None
    after: Annotated[Count | None, Meta(description="How many events still arrive.")] = None
    wait_ms: Annotated[Count | None, Meta(description="How long the fault makes the client wait.")] = None
    retry_after: Annotated[
        str | float | None, Meta(description="3s, 250ms, '3s as a date' or never; a number is seconds.")
    ] = None
    times: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="How often it answers; without it, always.")
    ] = None
