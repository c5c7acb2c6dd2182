"""An authored response (Responses API): one JSON body, or a stream of events by type."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from mockserver import tokens
from mockserver.answers.authored.authored_answer import AnswerContext, AuthoredAnswer, ToolCall, fragments
from mockserver.answers.authored.logprobs import logprobs
from mockserver.exchange import Answer, Event

#: Types of events that carry the model's own text; the pace applies to these.
_PACED = ("response.output_text.delta", "response.function_call_arguments.delta")


def response(authored: AuthoredAnswer, context: AnswerContext) -> Answer:
    """The answer to a response request.

    Source: OpenAI's sequence of events and Azure's layout (api-version 2025-03-01-preview) as recorded 2025-11; there
    is no `[DONE]`. JSON is indented by two, Azure's with non-ASCII letters escaped. In the background, the JSON is
    a queued response without output.
    """
    draft, first_ms = _Response(authored, context), authored.pace.first_ms
    streams = context.body.get("stream") is True
    content_type = "text/event-stream; charset=utf-8" if streams else "application/json"
    headers = context.ids.headers(content_type, azure=context.azure, chat=False)
    if streams:
        events = tuple(
            Event(authored.pace.each_ms if kind in _PACED else 0, _event(number, kind, fields))
            for number, (kind, fields) in enumerate(draft.stream())
        )
        return Answer(200, headers, events, head_after_ms=first_ms)
    state = draft.state("queued") if context.body.get("background") else draft.finished()
    body = json.dumps(state, indent=2, ensure_ascii=context.azure).encode()
    return Answer(200, headers, (Event(0, body),), head_after_ms=first_ms)


def _event(number: int, kind: str, fields: dict[str, Any]) -> bytes:
    text = json.dumps({"type": kind, "sequence_number": number, **fields}, ensure_ascii=False, separators=(",", ":"))
    return f"event: {kind}\ndata: {text}\n\n".encode()


class _Response:
    """One response: its ids, its output items and its events."""

    def __init__(self, authored: AuthoredAnswer, context: AnswerContext) -> None:
        self.authored, self.context, self.ids = authored, context, context.ids
        self.id = f"resp_{self.ids.hex(50)}"
        self.message_id = f"msg_{self.ids.hex(50)}"
        self.calls = [(call, f"fc_{self.ids.hex(50)}", f"call_{self.ids.letters(24)}") for call in authored.calls]
        self.top_logprobs = context.body.get("top_logprobs") or 0
        self.wants_logprobs = "message.output_text.logprobs" in (context.body.get("include") or ())
        self.obfuscates = (context.body.get("stream_options") or {}).get("include_obfuscation") is not False
        self.end = "incomplete" if authored.cut else "completed"

    def items(self) -> list[dict[str, Any]]:
        """The finished output items."""
        text = self.authored.text
        message = [] if text is None else [self.message(self.end, [self.part(text, self.authored.pieces)])]
        return message + [
            _function_call(call, item_id, call_id, "completed", call.arguments_json)
            for call, item_id, call_id in self.calls
        ]

    def stream(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The events in order, each as its type and its fields."""
        begins = (
            ["response.created", "response.queued"] if self.context.body.get("background") else ["response.created"]
        )
        for kind in (*begins, "response.in_progress"):
            status = "queued" if kind != "response.in_progress" and len(begins) > 1 else "in_progress"
            yield kind, {"response": self.state(status)}
        for index, item in enumerate(self.items()):
            yield from self.text(item, index) if item["type"] == "message" else self.arguments(item, index)
            yield "response.output_item.done", {"output_index": index, "item": item}
        yield f"response.{self.end}", {"response": self.finished()}

    def text(self, item: dict[str, Any], index: int) -> Iterator[tuple[str, dict[str, Any]]]:
        yield "response.output_item.added", {"output_index": index, "item": self.message("in_progress", [])}
        place = {"item_id": item["id"], "output_index": index, "content_index": 0}
        yield "response.content_part.added", {**place, "part": self.part("", ())}
        for piece in self.authored.pieces:
            delta = {"delta": piece, "logprobs": self.logprobs([piece]), **self.padding()}
            yield "response.output_text.delta", {**place, **delta}
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
        """The response object at its end."""
        reason = {"reason": "max_output_tokens"} if self.authored.cut else None
        return self.state(self.end) | {"incomplete_details": reason, "output": self.items(), "usage": self.usage()}

    def state(self, status: str) -> dict[str, Any]:
        """The response object before there is any output."""
        request = {key: value for key, value in self.context.body.items() if value is not None}
        return {
            "id": self.id,
            "object": "response",
            "created_at": int(self.context.at_s),
            "status": status,
            "background": request.get("background") or False,
            **({"content_filters": None} if self.context.azure else {}),
            "error": None,
            "incomplete_details": None,
            "instructions": request.get("instructions"),
            "max_output_tokens": request.get("max_output_tokens"),
            "max_tool_calls": request.get("max_tool_calls"),
            "model": self.context.model,
            "output": [],
            "parallel_tool_calls": request.get("parallel_tool_calls", True),
            "previous_response_id": request.get("previous_response_id"),
            "prompt_cache_key": request.get("prompt_cache_key"),
            "reasoning": {"effort": None, "summary": None},
            "safety_identifier": request.get("safety_identifier"),
            "service_tier": "auto" if status in ("queued", "in_progress") else "default",
            "store": request.get("store", True),
            "temperature": request.get("temperature", 1.0),
            "text": request.get("text") or {"format": {"type": "text"}, "verbosity": "medium"},
            "tool_choice": request.get("tool_choice", "auto"),
            "tools": [_echoed(tool) for tool in request.get("tools", ())],
            "top_logprobs": self.top_logprobs,
            "top_p": request.get("top_p", 1.0),
            "truncation": request.get("truncation", "disabled"),
            "usage": None,
            "user": request.get("user"),
            "metadata": request.get("metadata") or {},
        }

    def usage(self) -> dict[str, Any]:
        model = self.context.model
        input_tokens = tokens.count_request(self.context.body, model)
        output_tokens = self.authored.count_tokens(model)
        return {
            "input_tokens": input_tokens,
            "input_tokens_details": {"cached_tokens": 0, **({} if self.context.azure else {"cache_write_tokens": 0})},
            "output_tokens": output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": input_tokens + output_tokens,
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


def _echoed(tool: dict[str, Any]) -> dict[str, Any]:
    """A tool as the response repeats it, with what the client left to the service. Source: API reference, 2026-11."""
    return {"parameters": None, "strict": True, **tool} if tool.get("type") == "function" else tool


def _function_call(call: ToolCall, item_id: str, call_id: str, status: str, arguments: str) -> dict[str, Any]:
    return {
        "id": item_id,
        "type": "function_call",
        "status": status,
        "arguments": arguments,
        "call_id": call_id,
        "name": call.name,
    }
