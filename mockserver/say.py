"""An answer said by hand, expanded into the events the backend would really send for it."""

from __future__ import annotations

import hashlib
import json
import random
import re
import string
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from contracts.operations import Backend, address_of
from mockserver.exchange import Answer, Event, Headers, Request
from mockserver.matching import model_of

_SAFE = {"filtered": False, "severity": "safe"}
_CATEGORIES = dict.fromkeys(("hate", "self_harm", "sexual", "violence"), _SAFE)
_NOT_DETECTED = {"filtered": False, "detected": False}
_PROMPT_FILTER = [
    {"prompt_index": 0, "content_filter_results": dict(sorted({**_CATEGORIES, "jailbreak": _NOT_DETECTED}.items()))}
]


@dataclass(frozen=True, slots=True)
class Pace:
    """Milliseconds before the head of the answer, and before each later event that carries text."""

    first_ms: float = 0
    each_ms: float = 0


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call: the function's name and its arguments."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """What an answer says, before anyone asked for it as JSON or as a stream, of OpenAI or of Azure.

    Either a text, or tool calls, or both; `text` is None where only tools are called.
    """

    text: str | None
    calls: tuple[Call, ...] = ()
    pace: Pace = Pace()


def pieces(text: str) -> list[str]:
    """The text in the bits a stream carries: words with the space before them. Joined, they are the text."""
    return re.findall(r"\s*\S+|\s+$", text)


def expand(said: Said, request: Request, *, seed: str, at_s: float) -> Answer:
    """The answer to a chat completion request, streamed or not as it asks; the same `seed` gives the same ids."""
    return _Completion(said, request, seed, at_s).answer()


class _Completion:
    """One chat completion being written: what all its chunks share, and the backend's way of putting it.

    Source: layouts of OpenAI (2025-04 to 2026-06) and of Azure api-version 2024-10-21 (2025-11, default filter) as
    recorded. Azure sorts keys, sends its prompt filter first, with empty `choices`, and ends JSON with a newline.
    """

    def __init__(self, said: Said, request: Request, seed: str, at_s: float) -> None:
        address = address_of(request.method, request.raw_path, request.query)
        self.asked = request.json_object() or {}
        self.said = said
        self.azure = address.backend is Backend.AZURE
        self.random = random.Random(hashlib.sha256(seed.encode()).digest())  # noqa: S311  ids to tell apart, not secrets
        model = model_of(address, self.asked)
        self.shared: dict[str, Any] = {
            "id": f"chatcmpl-{self.letters(29)}",
            "created": int(at_s),
            "model": model,
            "system_fingerprint": f"fp_{self.random.getrandbits(40):010x}",
        }
        if not self.azure:
            self.shared["service_tier"] = "default"
        self.call_ids = [f"call_{self.letters(24)}" for _ in said.calls]
        options = self.asked.get("stream_options") or {}
        self.wants_usage = options.get("include_usage") is True
        self.obfuscates = options.get("include_obfuscation") is not False

    def answer(self) -> Answer:
        pace = self.said.pace
        if self.asked.get("stream") is not True:
            return Answer(200, self.headers("application/json"), (Event(0, self.whole()),), head_after_ms=pace.first_ms)
        events = [Event(pace.each_ms if paced else 0, data) for paced, data in self.stream()]
        type_ = "text/event-stream" if self.azure else "text/event-stream; charset=utf-8"
        return Answer(200, self.headers(type_), tuple(events), head_after_ms=pace.first_ms)

    # --- one body ---

    def whole(self) -> bytes:
        message: dict[str, Any] = {"role": "assistant", "content": self.said.text}
        if self.said.calls:
            message["tool_calls"] = [self.call(index) for index in range(len(self.said.calls))]
        message |= {"refusal": None, "annotations": []}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self.finish_reason}
        completion = {**self.shared, "object": "chat.completion", "choices": [choice], "usage": self.usage()}
        if self.azure:
            protected = {f"protected_material_{kind}": _NOT_DETECTED for kind in ("code", "text")}
            choice["content_filter_results"] = _CATEGORIES | protected if self.said.text else {}
            completion["prompt_filter_results"] = _PROMPT_FILTER
        return self.json(completion) + b"\n"

    def call(self, index: int) -> dict[str, Any]:
        call = self.said.calls[index]
        return {
            "id": self.call_ids[index],
            "type": "function",
            "function": {"name": call.name, "arguments": json.dumps(call.arguments, ensure_ascii=False)},
        }

    # --- a stream ---

    def stream(self) -> Iterator[tuple[bool, bytes]]:
        """Events in order, each with whether the pace applies to it: to what the model writes, not to what frames it."""
        if self.azure:
            empty = {
                "id": "",
                "object": "",
                "created": 0,
                "model": "",
                "choices": [],
                "prompt_filter_results": _PROMPT_FILTER,
            }
            yield False, self.event(empty)
        opening = {"role": "assistant", "content": None if self.said.text is None else "", "refusal": None}
        yield False, self.chunk(opening)
        for piece in pieces(self.said.text or ""):
            yield True, self.chunk({"content": piece})
        for index in range(len(self.said.calls)):
            call = self.call(index)
            arguments = call["function"]["arguments"]
            call["function"]["arguments"] = ""
            yield True, self.chunk({"tool_calls": [{"index": index, **call}]})
            for piece in re.findall(r"\W+|\w+", arguments):
                yield True, self.chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
        yield False, self.chunk({}, self.finish_reason)
        if self.wants_usage:
            yield False, self.event({**self.frame(), "choices": [], "usage": self.usage()})
        yield False, b"data: [DONE]\n\n"

    def chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice: dict[str, Any] = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        if self.azure:
            choice["content_filter_results"] = _CATEGORIES if delta.get("content") else {}
        usage = {"usage": None} if self.wants_usage else {}
        return self.event({**self.frame(), "choices": [choice], **usage})

    def frame(self) -> dict[str, Any]:
        padding = {"obfuscation": self.letters(self.random.randrange(1, 17))} if self.obfuscates else {}
        return {**self.shared, "object": "chat.completion.chunk", **padding}

    def event(self, payload: dict[str, Any]) -> bytes:
        return b"data: " + self.json(payload) + b"\n\n"

    # --- both ---

    @property
    def finish_reason(self) -> str:
        return "tool_calls" if self.said.calls else "stop"

    def usage(self) -> dict[str, Any]:
        """Token counts, taking a piece for a token: the right size, not the tokenizer's number."""
        prompt = len(pieces(json.dumps(self.asked.get("messages", []), ensure_ascii=False)))
        written = [self.said.text or "", *(json.dumps(call.arguments) for call in self.said.calls)]
        completion = sum(len(pieces(text)) for text in written)
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

    def headers(self, content_type: str) -> Headers:
        request_id = uuid.UUID(int=self.random.getrandbits(128), version=4)
        if self.azure:
            return (
                ("content-type", content_type),
                ("apim-request-id", str(request_id)),
                ("x-request-id", str(uuid.UUID(int=self.random.getrandbits(128), version=4))),
                ("x-ms-region", "East US"),
                ("x-ms-rai-invoked", "true"),
                ("x-accel-buffering", "no"),
                ("x-content-type-options", "nosniff"),
                ("strict-transport-security", "max-age=31536000; includeSubDomains; preload"),
            )
        return (
            ("content-type", content_type),
            ("openai-version", "2020-10-01"),
            ("x-request-id", f"req_{request_id.hex}"),
            ("x-content-type-options", "nosniff"),
        )

    def letters(self, count: int) -> str:
        return "".join(self.random.choices(string.ascii_letters + string.digits, k=count))

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
