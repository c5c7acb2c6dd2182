"""An authored response (Responses API): one JSON body, or a stream of events by type."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from mockserver import tokens
from mockserver.answers.authored import content_filter
from mockserver.answers.authored.authored_answer import AnswerContext, AuthoredAnswer, Filter, Finish
from mockserver.answers.authored.chat_completions import service_tier
from mockserver.answers.authored.response_items import (
    CallItem,
    ItemEvent,
    MessageItem,
    OutputItem,
    ReasoningItem,
    SearchItem,
)
from mockserver.contract.models import model_named
from mockserver.exchange import Answer, Event

#: Types of events that carry the model's own text; the pace applies to these, and they are padded.
_PACED = (
    "response.output_text.delta",
    "response.refusal.delta",
    "response.function_call_arguments.delta",
    "response.reasoning_summary_text.delta",
)
#: Why a response is incomplete, by why its text ends.
_INCOMPLETE = {Finish.LENGTH: "max_output_tokens", Finish.CONTENT_FILTER: "content_filter"}


def response(authored: AuthoredAnswer, context: AnswerContext) -> Answer:
    """The answer to a response request.

    Source: OpenAI's sequence of events and Azure's layout (api-version 2025-03-01-preview) as recorded 2025-11; there
    is no `[DONE]`. JSON is indented by two, Azure's with non-ASCII letters escaped. In the background, it is the response at
    its end.
    """
    draft, first_ms = _Response(authored, context), authored.pace.first_ms
    streams = context.body.get("stream") is True
    content_type = "text/event-stream; charset=utf-8" if streams else "application/json"
    headers = context.ids.headers(content_type, azure=context.azure, chat=False)
    if streams:
        events = tuple(
            Event(authored.pace.each_ms if kind in _PACED else 0, draft.event(number, kind, fields))
            for number, (kind, fields) in enumerate(draft.stream())
        )
        return Answer(200, headers, events, head_after_ms=first_ms)
    body = json.dumps(draft.finished(), indent=2, ensure_ascii=context.azure).encode()
    return Answer(200, headers, (Event(0, body),), head_after_ms=first_ms)


class _Response:
    """One response: its ids, its output items and its events.

    A filter that stops the answer ends it as recorded from Azure, 2025-11-06: incomplete, and without usage.
    """

    def __init__(self, authored: AuthoredAnswer, context: AnswerContext) -> None:
        self.authored, self.context, self.ids = authored, context, context.ids
        self.id = f"resp_{self.ids.hex(50)}"
        self.filter = authored.filter if context.azure else Filter.NONE
        self.stopped = self.filter in (Filter.STOPPED, Filter.ASYNCHRONOUS_STOPPED)
        self.reason = _INCOMPLETE.get(Finish.CONTENT_FILTER if self.stopped else authored.finish or Finish.STOP)
        self.obfuscates = (context.body.get("stream_options") or {}).get("include_obfuscation") is not False
        self.output = list(self.items())

    def items(self) -> Iterator[OutputItem]:
        """The output items in order. A model that reasons all its tokens away says nothing."""
        authored, context = self.authored, self.context
        if authored.reasoning_tokens(context.model):
            yield ReasoningItem(authored, context)
        searches = any(tool.get("type") == "file_search" for tool in context.body.get("tools") or ())
        if searches and (authored.found or any(citation.file_id for citation in authored.citations)):
            yield SearchItem(authored, context)
        if authored.text is not None or authored.refusal is not None:
            pieces = authored.pieces[: len(authored.pieces) // 2] if self.stopped else authored.pieces
            yield MessageItem(authored, context, pieces=pieces, complete=self.reason is None)
        yield from (CallItem(call, self.ids) for call in authored.calls if not self.stopped)

    def stream(self) -> Iterator[ItemEvent]:
        """The events in order, each as its type and its fields."""
        begins = ["created", "queued"] if self.context.body.get("background") else ["created"]
        for kind in (*begins, "in_progress"):
            status = "queued" if kind != "in_progress" and len(begins) > 1 else "in_progress"
            yield f"response.{kind}", {"response": self.state(status)}
        for index, item in enumerate(self.output):
            yield from item.events(index)
            yield "response.output_item.done", {"output_index": index, "item": item.whole()}
        finished = self.finished()
        yield f"response.{finished['status']}", {"response": finished}

    def event(self, number: int, kind: str, fields: dict[str, Any]) -> bytes:
        padding = {"obfuscation": self.ids.padding()} if self.obfuscates and kind in _PACED else {}
        payload = {"type": kind, "sequence_number": number, **fields, **padding}
        text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
        return f"event: {kind}\ndata: {text}\n\n".encode()

    def finished(self) -> dict[str, Any]:
        """The response object at its end."""
        end = self.state("completed" if self.reason is None else "incomplete")
        end |= {"output": [item.whole() for item in self.output], "usage": self.usage()}
        if self.reason is not None:
            end["incomplete_details"] = {"reason": self.reason}
        if self.filter.asynchronous:
            end["content_filters"] = content_filter.response_verdicts(self.filter, self.authored.text or "")
        return end

    def state(self, status: str) -> dict[str, Any]:
        """The response object before there is any output."""
        request = {key: value for key, value in self.context.body.items() if value is not None}
        running = status in ("queued", "in_progress") or self.stopped
        return {
            "id": self.id,
            "object": "response",
            "created_at": int(self.context.at_s),
            "status": status,
            "background": request.get("background") or False,
            **({"content_filters": None} if self.context.azure else {}),
            **({"conversation": _named(request["conversation"])} if "conversation" in request else {}),
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
            "reasoning": self.reasoning(request.get("reasoning") or {}),
            "safety_identifier": request.get("safety_identifier"),
            "service_tier": "auto" if running else service_tier(request),
            "store": request.get("store", True),
            "temperature": request.get("temperature", 1.0),
            "text": {"format": {"type": "text"}, "verbosity": "medium"} | (request.get("text") or {}),
            "tool_choice": request.get("tool_choice", "auto"),
            "tools": [_echoed(tool) for tool in request.get("tools", ())],
            "top_logprobs": request.get("top_logprobs") or 0,
            "top_p": request.get("top_p", model_named(self.context.model).top_p),
            "truncation": request.get("truncation", "disabled"),
            "usage": None,
            "user": request.get("user"),
            "metadata": request.get("metadata") or {},
        }

    def reasoning(self, asked: dict[str, Any]) -> dict[str, Any]:
        """How the model reasons: as asked, else as it does by default."""
        effort = asked.get("effort") or model_named(self.context.model).default_effort
        summary = asked.get("summary")
        return {"effort": effort, "summary": "detailed" if summary == "auto" else summary}

    def usage(self) -> dict[str, Any]:
        model, given = self.context.model, self.authored.usage
        input_tokens = tokens.count_request(self.context.body, model) if given.input is None else given.input
        output_tokens, reasoning = self.authored.output_tokens(model), self.authored.reasoning_tokens(model)
        if self.stopped:
            input_tokens = output_tokens = reasoning = 0
        cached = {"cached_tokens": given.cached or 0, **({} if self.context.azure else {"cache_write_tokens": 0})}
        return {
            "input_tokens": input_tokens,
            "input_tokens_details": cached,
            "output_tokens": output_tokens,
            "output_tokens_details": {"reasoning_tokens": reasoning},
            "total_tokens": input_tokens + output_tokens,
        }


def _named(conversation: Any) -> dict[str, Any]:
    return {"id": conversation.get("id") if isinstance(conversation, dict) else conversation}


def _echoed(tool: dict[str, Any]) -> dict[str, Any]:
    """A tool as the response repeats it, with what the client left to the service. Source: API reference, 2026-11."""
    return {"parameters": None, "strict": True, **tool} if tool.get("type") == "function" else tool
