"""An authored chat completion: one JSON body, or a stream of chunks."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mockserver import tokens
from mockserver.answers.authored import content_filter
from mockserver.answers.authored.authored_answer import (
    AnswerContext,
    AuthoredAnswer,
    Filter,
    Finish,
    count_of_choices,
    fragments,
)
from mockserver.answers.authored.logprobs import logprobs
from mockserver.exchange import Answer, Event
from mockserver.sse import split_events


def chat_completion(authored: AuthoredAnswer, context: AnswerContext) -> Answer:
    """The answer to a chat completion request."""
    draft, first_ms = _Completion(authored, context), authored.pace.first_ms
    if context.body.get("stream") is not True:
        headers = context.ids.headers("application/json", azure=context.azure)
        return Answer(200, headers, (Event(0, draft.whole()),), head_after_ms=first_ms)
    events = tuple(
        Event(authored.pace.each_ms if paced and first else 0, data)
        for paced, joined in draft.stream()
        for first, data in zip(itertools.chain([True], itertools.repeat(False)), split_events(joined), strict=False)
    )
    content_type = "text/event-stream" if context.azure else "text/event-stream; charset=utf-8"
    headers = context.ids.headers(content_type, azure=context.azure)
    return Answer(200, headers, events, head_after_ms=first_ms)


class _Completion:
    """One chat completion: what all its chunks share, and the backend's layout.

    Source: layouts of OpenAI (2025-04 to 2026-06) and of Azure api-version 2024-10-21 (2025-11) as recorded. Azure
    sorts keys, sends its prompt filter first, with empty `choices`, and ends JSON with a newline.
    """

    def __init__(self, authored: AuthoredAnswer, context: AnswerContext) -> None:
        self.authored, self.context = authored, context
        self.body, self.ids, self.azure = context.body, context.ids, context.azure
        self.filter = authored.filter if context.azure else Filter.NONE
        self.shared: dict[str, Any] = {
            "id": f"chatcmpl-{self.ids.letters(29)}",
            "created": int(context.at_s),
            "model": context.model,
            "system_fingerprint": f"fp_{self.ids.hex(10)}",
        }
        if not self.azure:
            self.shared["service_tier"] = service_tier(self.body)
        self.count = count_of_choices(self.body)  # every choice has the same text
        self.call_ids = [f"call_{self.ids.letters(24)}" for _ in authored.calls]
        options = self.body.get("stream_options") or {}
        self.wants_usage = options.get("include_usage") is True
        self.obfuscates = options.get("include_obfuscation") is not False

    # --- one body ---

    def whole(self) -> bytes:
        message: dict[str, Any] = {"role": "assistant", "content": self.authored.text}
        if self.authored.reasoning_content is not None:
            message["reasoning_content"] = self.authored.reasoning_content
        if self.authored.calls:
            message["tool_calls"] = [self.call(index) for index in range(len(self.authored.calls))]
        message |= {"refusal": self.authored.refusal, "annotations": self.annotations()} | self.own_data()
        if self.filter is Filter.STOPPED:
            message = {"refusal": None, "role": "assistant"}  # no `content` at all, as recorded 2025-01-21
        choice = {
            "message": message,
            "logprobs": self.logprobs(self.authored.pieces),
            "finish_reason": self.finish_reason,
        }
        completion = {**self.shared, "object": "chat.completion", "usage": self.usage()}
        if self.azure and self.filter is not Filter.NONE:
            choice["content_filter_results"] = (
                content_filter.CATEGORIES | content_filter.PROTECTED if self.authored.text else {}
            )
            completion["prompt_filter_results"] = content_filter.PROMPT_RESULTS
        completion["choices"] = [{"index": index, **choice} for index in range(self.count)]
        return self.json(completion) + (b"\n" if self.azure else b"")

    def annotations(self) -> list[dict[str, Any]]:
        """The pages that the answer cites; there is no other kind in a chat completion."""
        text, annotations = self.authored.text or "", []
        for citation in self.authored.citations:
            start, end = citation.place(text)
            page = {"end_index": end, "start_index": start, "title": citation.title, "url": citation.url or ""}
            annotations.append({"type": "url_citation", "url_citation": page})
        return annotations

    def own_data(self) -> dict[str, Any]:
        """What On Your Data adds, which only Azure has."""
        return {"context": self.authored.context} if self.azure and self.authored.context is not None else {}

    def call(self, index: int) -> dict[str, Any]:
        call = self.authored.calls[index]
        function = {"name": call.name, "arguments": call.arguments_json}
        return {"id": self.call_ids[index], "type": "function", "function": function}

    # --- a stream ---

    def stream(self) -> Iterator[tuple[bool, bytes]]:
        """Events in order, each with whether the pace applies to it: to the model's own text, not to the frame around it."""
        if self.filter is not Filter.NONE:
            nothing = {"id": "", "object": "", "created": 0, "model": "", "choices": []}
            yield False, self.event({**nothing, "prompt_filter_results": content_filter.PROMPT_RESULTS})
        refusal = self.authored.refusal
        opening = {"role": "assistant", "content": None if self.authored.text is None else ""}
        yield False, self.chunk(opening | {"refusal": None if refusal is None else ""} | self.own_data())
        for piece in tokens.words(self.authored.reasoning_content or ""):
            yield True, self.chunk({"reasoning_content": piece})
        pieces = self.authored.pieces
        stops = self.filter in (Filter.STOPPED, Filter.ASYNCHRONOUS_STOPPED)
        for piece in pieces[: len(pieces) // 2] if stops else pieces:
            yield True, self.chunk({"content": piece})
        for piece in tokens.words(refusal or ""):
            yield True, self.chunk({"refusal": piece})
        if self.authored.citations and not stops:
            yield False, self.chunk({"annotations": self.annotations()})
        if stops:
            last = self.verdicts() if self.filter.asynchronous else [self.chunk({}, "content_filter")]
            yield from ((False, event) for event in (*last, b"data: [DONE]\n\n"))
            return
        for index in range(len(self.authored.calls)):
            call = self.call(index)
            arguments = call["function"]["arguments"]
            call["function"]["arguments"] = ""
            yield True, self.chunk({"tool_calls": [{"index": index, **call}]})
            for piece in fragments(arguments):
                yield True, self.chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
        yield False, self.chunk({}, self.finish_reason)
        if self.filter.asynchronous:
            yield from ((False, event) for event in self.verdicts())
        if self.wants_usage:
            yield False, self.event({**self.frame(), "choices": [], "usage": self.usage()})
        yield False, b"data: [DONE]\n\n"

    def chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        pieces = [delta["content"]] if delta.get("content") else []
        choice: dict[str, Any] = {"delta": delta, "logprobs": self.logprobs(pieces), "finish_reason": finish_reason}
        if self.filter in (Filter.DEFAULT, Filter.STOPPED):
            choice["content_filter_results"] = content_filter.CATEGORIES if pieces else {}
        usage = {"usage": None} if self.wants_usage else {}
        frames = ({**self.frame(), "choices": [{"index": index, **choice}], **usage} for index in range(self.count))
        return b"".join(map(self.event, frames))

    def verdicts(self) -> list[bytes]:
        """The asynchronous filter's verdicts on the text; offsets count from the beginning of the prompt."""
        start = sum(len(str(message.get("content"))) for message in self.body.get("messages", ()))
        end = start + len(self.authored.text or "")
        return [self.event(chunk) for chunk in content_filter.verdicts(self.filter, start, end)]

    def frame(self) -> dict[str, Any]:
        padding = {"obfuscation": self.ids.padding()} if self.obfuscates else {}
        return {**self.shared, "object": "chat.completion.chunk", **padding}

    def event(self, payload: dict[str, Any]) -> bytes:
        return b"data: " + self.json(payload) + b"\n\n"

    # --- both ---

    @property
    def finish_reason(self) -> str:
        if self.filter is Filter.STOPPED:
            return Finish.CONTENT_FILTER
        if self.authored.finish is not None:
            return self.authored.finish
        if self.authored.calls:  # "stop" where `tool_choice` names the function; recorded from Azure, 2024-12-05
            choice = self.body.get("tool_choice")
            return Finish.STOP if isinstance(choice, dict) and "function" in choice else Finish.TOOL_CALLS
        return Finish.STOP

    def logprobs(self, pieces: Iterable[str]) -> dict[str, Any] | None:
        if not self.body.get("logprobs"):
            return None
        content = logprobs(pieces, self.body.get("top_logprobs") or 0)
        return {"content": content, "refusal": None} if content else None

    def usage(self) -> dict[str, Any]:
        model, given = self.context.model, self.authored.usage
        prompt = tokens.count_messages(self.body.get("messages", ()), model) if given.input is None else given.input
        completion = self.count * self.authored.output_tokens(model)
        details = {
            "accepted_prediction_tokens": 0,
            "audio_tokens": 0,
            "reasoning_tokens": self.count * self.authored.reasoning_tokens(model),
            "rejected_prediction_tokens": 0,
        }
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": given.cached or 0},
            "completion_tokens_details": details,
        }

    def json(self, payload: dict[str, Any]) -> bytes:
        ordered = _sorted(payload) if self.azure else payload
        return json.dumps(ordered, ensure_ascii=False, separators=(",", ":")).encode()


def service_tier(body: Mapping[str, Any]) -> str:
    """The tier that served a request: the one it asks for by name, else the default. Source: API reference, 2026-11."""
    asked = body.get("service_tier")
    return asked if asked in ("flex", "priority", "scale") else "default"


def _sorted(value: Any) -> Any:
    """JSON with its keys in Azure's order: alphabetical, except inside the content filter's results."""
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    if isinstance(value, dict):
        return {key: value[key] if key.endswith("filter_results") else _sorted(value[key]) for key in sorted(value)}
    return value
