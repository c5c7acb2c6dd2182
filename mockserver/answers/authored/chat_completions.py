"""A chat completion said by hand: one JSON body, or chunks."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any

from mockserver import tokens
from mockserver.answers.authored import content_filter
from mockserver.answers.authored.authored_answer import AnswerContext, AuthoredAnswer, Filter, fragments
from mockserver.answers.authored.logprobs import logprobs
from mockserver.exchange import Answer, Event
from mockserver.sse import split_events


def chat_completion(said: AuthoredAnswer, asked: AnswerContext) -> Answer:
    """The answer to a chat completion request."""
    writing = _Completion(said, asked)
    if asked.body.get("stream") is not True:
        head = asked.ids.headers("application/json", azure=asked.azure)
        return Answer(200, head, (Event(0, writing.whole()),), head_after_ms=said.pace.first_ms)
    events = tuple(
        Event(said.pace.each_ms if paced and first else 0, data)
        for paced, joined in writing.stream()
        for first, data in zip(itertools.chain([True], itertools.repeat(False)), split_events(joined), strict=False)
    )
    content_type = "text/event-stream" if asked.azure else "text/event-stream; charset=utf-8"
    return Answer(200, asked.ids.headers(content_type, azure=asked.azure), events, head_after_ms=said.pace.first_ms)


class _Completion:
    """One chat completion being written: what all its chunks share, and the backend's way of putting it.

    Source: layouts of OpenAI (2025-04 to 2026-06) and of Azure api-version 2024-10-21 (2025-11) as recorded. Azure
    sorts keys, sends its prompt filter first, with empty `choices`, and ends JSON with a newline.
    """

    def __init__(self, said: AuthoredAnswer, asked: AnswerContext) -> None:
        self.said, self.asked = said, asked
        self.body, self.ids, self.azure = asked.body, asked.ids, asked.azure
        self.filter = said.filter if asked.azure else Filter.NONE
        self.shared: dict[str, Any] = {
            "id": f"chatcmpl-{self.ids.letters(29)}",
            "created": int(asked.at_s),
            "model": asked.model,
            "system_fingerprint": f"fp_{self.ids.hex(10)}",
        }
        if not self.azure:
            self.shared["service_tier"] = "default"
        self.count = self.body.get("n") or 1  # every choice says the same
        self.call_ids = [f"call_{self.ids.letters(24)}" for _ in said.calls]
        options = self.body.get("stream_options") or {}
        self.wants_usage = options.get("include_usage") is True
        self.obfuscates = options.get("include_obfuscation") is not False

    # --- one body ---

    def whole(self) -> bytes:
        message: dict[str, Any] = {"role": "assistant", "content": self.said.text}
        if self.said.calls:
            message["tool_calls"] = [self.call(index) for index in range(len(self.said.calls))]
        message |= {"refusal": None, "annotations": []}
        if self.filter is Filter.STOPPED:
            message = {"refusal": None, "role": "assistant"}  # no `content` at all, as recorded 2025-01-21
        choice = {
            "message": message,
            "logprobs": self.logprobs(self.said.pieces),
            "finish_reason": self.finish_reason,
        }
        completion = {**self.shared, "object": "chat.completion", "usage": self.usage()}
        if self.azure and self.filter is not Filter.NONE:
            choice["content_filter_results"] = (
                content_filter.CATEGORIES | content_filter.PROTECTED if self.said.text else {}
            )
            completion["prompt_filter_results"] = content_filter.PROMPT_RESULTS
        completion["choices"] = [{"index": index, **choice} for index in range(self.count)]
        return self.json(completion) + (b"\n" if self.azure else b"")

    def call(self, index: int) -> dict[str, Any]:
        call = self.said.calls[index]
        function = {"name": call.name, "arguments": call.arguments_json}
        return {"id": self.call_ids[index], "type": "function", "function": function}

    # --- a stream ---

    def stream(self) -> Iterator[tuple[bool, bytes]]:
        """Events in order, each with whether the pace applies to it: to what the model writes, not to what frames it."""
        if self.filter is not Filter.NONE:
            nothing = {"id": "", "object": "", "created": 0, "model": "", "choices": []}
            yield False, self.event({**nothing, "prompt_filter_results": content_filter.PROMPT_RESULTS})
        opening = {"role": "assistant", "content": None if self.said.text is None else "", "refusal": None}
        yield False, self.chunk(opening)
        written = self.said.pieces
        stops = self.filter in (Filter.STOPPED, Filter.ASYNCHRONOUS_STOPPED)
        for piece in written[: len(written) // 2] if stops else written:
            yield True, self.chunk({"content": piece})
        if stops:
            last = self.verdicts() if self.filter.asynchronous else [self.chunk({}, "content_filter")]
            yield from ((False, each) for each in (*last, b"data: [DONE]\n\n"))
            return
        for index in range(len(self.said.calls)):
            call = self.call(index)
            arguments = call["function"]["arguments"]
            call["function"]["arguments"] = ""
            yield True, self.chunk({"tool_calls": [{"index": index, **call}]})
            for piece in fragments(arguments):
                yield True, self.chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
        yield False, self.chunk({}, self.finish_reason)
        if self.filter.asynchronous:
            yield from ((False, each) for each in self.verdicts())
        if self.wants_usage:
            yield False, self.event({**self.frame(), "choices": [], "usage": self.usage()})
        yield False, b"data: [DONE]\n\n"

    def chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        written = [delta["content"]] if delta.get("content") else []
        choice: dict[str, Any] = {"delta": delta, "logprobs": self.logprobs(written), "finish_reason": finish_reason}
        if self.filter in (Filter.DEFAULT, Filter.STOPPED):
            choice["content_filter_results"] = content_filter.CATEGORIES if written else {}
        usage = {"usage": None} if self.wants_usage else {}
        frames = ({**self.frame(), "choices": [{"index": index, **choice}], **usage} for index in range(self.count))
        return b"".join(map(self.event, frames))

    def verdicts(self) -> list[bytes]:
        """What the asynchronous filter says of the text, in offsets from the beginning of the prompt."""
        start = sum(len(str(message.get("content"))) for message in self.body.get("messages", ()))
        return [
            self.event(each) for each in content_filter.verdicts(self.filter, start, start + len(self.said.text or ""))
        ]

    def frame(self) -> dict[str, Any]:
        padding = {"obfuscation": self.ids.padding()} if self.obfuscates else {}
        return {**self.shared, "object": "chat.completion.chunk", **padding}

    def event(self, payload: dict[str, Any]) -> bytes:
        return b"data: " + self.json(payload) + b"\n\n"

    # --- both ---

    @property
    def finish_reason(self) -> str:
        if self.filter is Filter.STOPPED:
            return "content_filter"
        if self.said.calls:  # of a function that `tool_choice` names it is "stop"; recorded of Azure, 2024-12-05
            choice = self.body.get("tool_choice")
            return "stop" if isinstance(choice, dict) and "function" in choice else "tool_calls"
        return "length" if self.said.cut else "stop"

    def logprobs(self, pieces: Iterable[str]) -> dict[str, Any] | None:
        if not self.body.get("logprobs") or not (found := logprobs(pieces, self.body.get("top_logprobs") or 0)):
            return None
        return {"content": found, "refusal": None}

    def usage(self) -> dict[str, Any]:
        prompt = tokens.count_messages(self.body.get("messages", ()), self.asked.model)
        completion = self.count * self.said.count_tokens(self.asked.model)
        details = dict.fromkeys(
            ("accepted_prediction_tokens", "audio_tokens", "reasoning_tokens", "rejected_prediction_tokens"), 0
        )
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": 0},
            "completion_tokens_details": details,
        }

    def json(self, payload: dict[str, Any]) -> bytes:
        ordered = _sorted(payload) if self.azure else payload
        return json.dumps(ordered, ensure_ascii=False, separators=(",", ":")).encode()


def _sorted(value: Any) -> Any:
    """JSON with its keys in Azure's order: alphabetical, but for what the content filter says."""
    if isinstance(value, list):
        return [_sorted(each) for each in value]
    if isinstance(value, dict):
        return {key: value[key] if key.endswith("filter_results") else _sorted(value[key]) for key in sorted(value)}
    return value
