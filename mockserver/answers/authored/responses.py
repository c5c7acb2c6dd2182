"""A response (Responses API) said by hand: one JSON body, or events by type."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from mockserver import tokens
from mockserver.answers.authored.authored_answer import AnswerContext, AuthoredAnswer, ToolCall, fragments
from mockserver.answers.authored.logprobs import logprobs
from mockserver.exchange import Answer, Event

#: Kinds of events that carry what the model writes; the pace applies to these.
_WRITTEN = ("response.output_text.delta", "response.function_call_arguments.delta")


def response(said: AuthoredAnswer, asked: AnswerContext) -> Answer:
    """The answer to a response request.

    Source: OpenAI's sequence of events and Azure's layout (api-version 2025-03-01-preview) as recorded 2025-11; there
    is no `[DONE]`. JSON is indented by two, Azure's with non-ASCII letters escaped. In the background, JSON is what
    is there at once: nothing yet.
    """
    writing, first_ms = _Response(said, asked), said.pace.first_ms
    streams = asked.body.get("stream") is True
    kind = "text/event-stream; charset=utf-8" if streams else "application/json"
    head = asked.ids.headers(kind, azure=asked.azure, chat=False)
    if streams:
        events = (_event(number, kind, fields) for number, (kind, fields) in enumerate(writing.stream()))
        paced = tuple(Event(said.pace.each_ms if each.kind in _WRITTEN else 0, each.data) for each in events)
        return Answer(200, head, paced, head_after_ms=first_ms)
    state = writing.state("queued") if asked.body.get("background") else writing.finished()
    body = json.dumps(state, indent=2, ensure_ascii=asked.azure).encode()
    return Answer(200, head, (Event(0, body),), head_after_ms=first_ms)


@dataclass(frozen=True, slots=True)
class _Sent:
    kind: str
    data: bytes


def _event(number: int, kind: str, fields: dict[str, Any]) -> _Sent:
    text = json.dumps({"type": kind, "sequence_number": number, **fields}, ensure_ascii=False, separators=(",", ":"))
    return _Sent(kind, f"event: {kind}\ndata: {text}\n\n".encode())


class _Response:
    """One response being written."""

    def __init__(self, said: AuthoredAnswer, asked: AnswerContext) -> None:
        self.said, self.asked, self.ids = said, asked, asked.ids
        self.id = f"resp_{self.ids.hex(50)}"
        self.message_id = f"msg_{self.ids.hex(50)}"
        self.calls = [(call, f"fc_{self.ids.hex(50)}", f"call_{self.ids.letters(24)}") for call in said.calls]
        self.top_logprobs = asked.body.get("top_logprobs") or 0
        self.wants_logprobs = "message.output_text.logprobs" in (asked.body.get("include") or ())
        self.obfuscates = (asked.body.get("stream_options") or {}).get("include_obfuscation") is not False
        self.end = "incomplete" if said.cut else "completed"

    def items(self) -> list[dict[str, Any]]:
        """The finished output items."""
        text = self.said.text
        message = [] if text is None else [self.message(self.end, [self.part(text, self.said.pieces)])]
        return message + [_function_call(*each, "completed", each[0].arguments_json) for each in self.calls]

    def stream(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The kinds and fields of the events in order."""
        begins = ["response.created", "response.queued"] if self.asked.body.get("background") else ["response.created"]
        for kind in (*begins, "response.in_progress"):
            status = "queued" if kind != "response.in_progress" and len(begins) > 1 else "in_progress"
            yield kind, {"response": self.state(status)}
        for index, item in enumerate(self.items()):
            written = self.text(item, index) if item["type"] == "message" else self.arguments(item, index)
            yield from written
            yield "response.output_item.done", {"output_index": index, "item": item}
        yield f"response.{self.end}", {"response": self.finished()}

    def text(self, item: dict[str, Any], index: int) -> Iterator[tuple[str, dict[str, Any]]]:
        yield "response.output_item.added", {"output_index": index, "item": self.message("in_progress", [])}
        place = {"item_id": item["id"], "output_index": index, "content_index": 0}
        yield "response.content_part.added", {**place, "part": self.part("", ())}
        for piece in self.said.pieces:
            found = {"delta": piece, "logprobs": self.logprobs([piece]), **self.padding()}
            yield "response.output_text.delta", {**place, **found}
        part = item["content"][0]
        yield "response.output_text.done", {**place, "text": part["text"], "logprobs": part["logprobs"]}
        yield "response.content_part.done", {**place, "part": part}

    def arguments(self, item: dict[str, Any], index: int) -> Iterator[tuple[str, dict[str, Any]]]:
        empty = {**item, "status": "in_progress", "arguments": ""}
        yield "response.output_item.added", {"output_index": index, "item": empty}
        place = {"item_id": item["id"], "output_index": index}
        for piece in fragments(item["arguments"]):
            yield "response.function_call_arguments.delta", {**place, "delta": piece, **self.padding()}
        yield "response.function_call_arguments.done", {**place, "arguments": item["arguments"]}

    def finished(self) -> dict[str, Any]:
        """The response as a whole, at its end."""
        reason = {"reason": "max_output_tokens"} if self.said.cut else None
        return self.state(self.end) | {"incomplete_details": reason, "output": self.items(), "usage": self.usage()}

    def state(self, status: str) -> dict[str, Any]:
        """The response as a whole, with nothing written yet."""
        asked = {key: value for key, value in self.asked.body.items() if value is not None}
        return {
            "id": self.id,
            "object": "response",
            "created_at": int(self.asked.at_s),
            "status": status,
            "background": asked.get("background") or False,
            **({"content_filters": None} if self.asked.azure else {}),
            "error": None,
            "incomplete_details": None,
            "instructions": asked.get("instructions"),
            "max_output_tokens": asked.get("max_output_tokens"),
            "max_tool_calls": asked.get("max_tool_calls"),
            "model": self.asked.model,
            "output": [],
            "parallel_tool_calls": asked.get("parallel_tool_calls", True),
            "previous_response_id": asked.get("previous_response_id"),
            "prompt_cache_key": asked.get("prompt_cache_key"),
            "reasoning": {"effort": None, "summary": None},
            "safety_identifier": asked.get("safety_identifier"),
            "service_tier": "auto" if status in ("queued", "in_progress") else "default",
            "store": asked.get("store", True),
            "temperature": asked.get("temperature", 1.0),
            "text": asked.get("text") or {"format": {"type": "text"}, "verbosity": "medium"},
            "tool_choice": asked.get("tool_choice", "auto"),
            "tools": asked.get("tools", []),
            "top_logprobs": self.top_logprobs,
            "top_p": asked.get("top_p", 1.0),
            "truncation": asked.get("truncation", "disabled"),
            "usage": None,
            "user": asked.get("user"),
            "metadata": asked.get("metadata") or {},
        }

    def usage(self) -> dict[str, Any]:
        model = self.asked.model
        read, written = tokens.count_request(self.asked.body, model), self.said.count_tokens(model)
        return {
            "input_tokens": read,
            "input_tokens_details": {"cached_tokens": 0, **({} if self.asked.azure else {"cache_write_tokens": 0})},
            "output_tokens": written,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": read + written,
        }

    def logprobs(self, pieces: Iterable[str]) -> list[dict[str, Any]]:
        return logprobs(pieces, self.top_logprobs) if self.wants_logprobs else []

    def padding(self) -> dict[str, str]:
        return {"obfuscation": self.ids.padding()} if self.obfuscates else {}

    def message(self, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self.message_id,
            "type": "message",
            "status": status,
            "content": content,
            "role": "assistant",
        }

    def part(self, text: str, pieces: Iterable[str]) -> dict[str, Any]:
        return {"type": "output_text", "annotations": [], "logprobs": self.logprobs(pieces), "text": text}


def _function_call(call: ToolCall, item_id: str, call_id: str, status: str, arguments: str) -> dict[str, Any]:
    return {
        "id": item_id,
        "type": "function_call",
        "status": status,
        "arguments": arguments,
        "call_id": call_id,
        "name": call.name,
    }
