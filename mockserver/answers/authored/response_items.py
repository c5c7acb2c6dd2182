"""The output items of an authored response, each with the events by which a stream sends it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mockserver import tokens
from mockserver.answers.authored.authored_answer import (
    AnswerContext,
    AuthoredAnswer,
    Citation,
    Found,
    ToolCall,
    fragments,
)
from mockserver.answers.authored.ids import Ids
from mockserver.answers.authored.logprobs import logprobs
from mockserver.matching.conversation import Conversation

#: An event's type and its fields, without its number.
ItemEvent = tuple[str, dict[str, Any]]


class ReasoningItem:
    """The model's reasoning: encrypted, and summarised, for those who ask for it.

    Source: recorded 2025-09 to 2026-08 (gpt-5, gpt-5-nano, gpt-5.5).
    """

    def __init__(self, authored: AuthoredAnswer, context: AnswerContext) -> None:
        self.ids = context.ids
        self.id = f"rs_{self.ids.hex(50)}"
        asked = context.body.get("reasoning") or {}
        wants_summary = asked.get("summary") or asked.get("generate_summary")
        self.summary = authored.reasoning if wants_summary and authored.reasoning else ""
        encrypted = "reasoning.encrypted_content" in (context.body.get("include") or ())
        self.more = {"content": [], "encrypted_content": f"gAAAAA{self.ids.letters(194)}"} if encrypted else {}

    def whole(self) -> dict[str, Any]:
        """The item at its end."""
        return self.item([_summary(self.summary)] if self.summary else [])

    def item(self, summary: list[dict[str, Any]]) -> dict[str, Any]:
        """The item with a summary."""
        return {"id": self.id, "type": "reasoning", **self.more, "summary": summary}

    def events(self, index: int) -> Iterator[ItemEvent]:
        """The events before the one that it is done."""
        yield "response.output_item.added", {"output_index": index, "item": self.item([])}
        if not self.summary:
            return
        place = {"item_id": self.id, "output_index": index, "summary_index": 0}
        yield "response.reasoning_summary_part.added", {**place, "part": _summary("")}
        for piece in tokens.words(self.summary):
            yield "response.reasoning_summary_text.delta", {**place, "delta": piece}
        yield "response.reasoning_summary_text.done", {**place, "text": self.summary}
        yield "response.reasoning_summary_part.done", {**place, "part": _summary(self.summary)}


class MessageItem:
    """The message: a text with what it cites, a refusal, or both. `complete` False ends it in the middle."""

    def __init__(
        self, authored: AuthoredAnswer, context: AnswerContext, *, pieces: Iterable[str], complete: bool
    ) -> None:
        self.authored = authored
        self.id = f"msg_{context.ids.hex(50)}"
        self.pieces = tuple(pieces)
        self.top_logprobs = context.body.get("top_logprobs") or 0
        self.wants_logprobs = "message.output_text.logprobs" in (context.body.get("include") or ())
        self.status = "completed" if complete else "incomplete"
        text = "".join(self.pieces)
        self.annotations = [_annotation(citation, text) for citation in authored.citations] if complete else []

    def whole(self) -> dict[str, Any]:
        """The item at its end."""
        parts = [] if self.authored.text is None else [self._text(self.pieces, self.annotations)]
        if self.authored.refusal is not None:
            parts.append({"type": "refusal", "refusal": self.authored.refusal})
        return self.item(self.status, parts)

    def item(self, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
        """The item at some time."""
        return {"id": self.id, "type": "message", "status": status, "content": content, "role": "assistant"}

    def _text(self, pieces: Iterable[str], annotations: list[dict[str, Any]]) -> dict[str, Any]:
        text, found = "".join(pieces), self._logprobs(pieces)
        return {"type": "output_text", "annotations": annotations, "logprobs": found, "text": text}

    def _logprobs(self, pieces: Iterable[str]) -> list[dict[str, Any]]:
        return logprobs(pieces, self.top_logprobs) if self.wants_logprobs else []

    def events(self, index: int) -> Iterator[ItemEvent]:
        """The events before the one that it is done."""
        yield "response.output_item.added", {"output_index": index, "item": self.item("in_progress", [])}
        for number, part in enumerate(self.whole()["content"]):
            place = {"item_id": self.id, "output_index": index, "content_index": number}
            text = part["type"] == "output_text"
            yield (
                "response.content_part.added",
                {**place, "part": self._text((), []) if text else {**part, "refusal": ""}},
            )
            yield from self._text_events(part, place) if text else self._refusal_events(part, place)
            yield "response.content_part.done", {**place, "part": part}

    def _text_events(self, part: dict[str, Any], place: dict[str, Any]) -> Iterator[ItemEvent]:
        for piece in self.pieces:
            yield "response.output_text.delta", {**place, "delta": piece, "logprobs": self._logprobs([piece])}
        for number, annotation in enumerate(self.annotations):
            added = {**place, "annotation_index": number, "annotation": annotation}
            yield "response.output_text.annotation.added", added
        yield "response.output_text.done", {**place, "text": part["text"], "logprobs": part["logprobs"]}

    def _refusal_events(self, part: dict[str, Any], place: dict[str, Any]) -> Iterator[ItemEvent]:
        for piece in tokens.words(part["refusal"]):
            yield "response.refusal.delta", {**place, "delta": piece}
        yield "response.refusal.done", {**place, "refusal": part["refusal"]}


class SearchItem:
    """A search in the files of vector stores, before the text that it was for."""

    def __init__(self, authored: AuthoredAnswer, context: AnswerContext) -> None:
        self.id = f"fs_{context.ids.hex(50)}"
        self.queries = ["\n".join(Conversation(context.body).last_prompt or ())]
        wanted = "file_search_call.results" in (context.body.get("include") or ())
        self.results = [_result(found) for found in authored.found] if wanted else None

    def whole(self) -> dict[str, Any]:
        """The item at its end."""
        return self.item("completed", self.results)

    def item(self, status: str, results: list[dict[str, Any]] | None) -> dict[str, Any]:
        """The item at some time."""
        return {
            "id": self.id,
            "type": "file_search_call",
            "status": status,
            "queries": self.queries,
            "results": results,
        }

    def events(self, index: int) -> Iterator[ItemEvent]:
        """The events before the one that it is done."""
        yield "response.output_item.added", {"output_index": index, "item": self.item("in_progress", None)}
        place = {"output_index": index, "item_id": self.id}
        for status in ("in_progress", "searching", "completed"):
            yield f"response.file_search_call.{status}", place


class CallItem:
    """A call of a function."""

    def __init__(self, call: ToolCall, ids: Ids) -> None:
        self.call = call
        self.id, self.call_id = f"fc_{ids.hex(50)}", f"call_{ids.letters(24)}"

    def whole(self) -> dict[str, Any]:
        """The item at its end."""
        return self.item("completed", self.call.arguments_json)

    def item(self, status: str, arguments: str) -> dict[str, Any]:
        """The item at some time."""
        named = {"arguments": arguments, "call_id": self.call_id, "name": self.call.name}
        return {"id": self.id, "type": "function_call", "status": status, **named}

    def events(self, index: int) -> Iterator[ItemEvent]:
        """The events before the one that it is done."""
        yield "response.output_item.added", {"output_index": index, "item": self.item("in_progress", "")}
        place = {"item_id": self.id, "output_index": index}
        for piece in fragments(self.call.arguments_json):
            yield "response.function_call_arguments.delta", {**place, "delta": piece}
        yield "response.function_call_arguments.done", {**place, "arguments": self.call.arguments_json}


OutputItem = ReasoningItem | SearchItem | MessageItem | CallItem


def _summary(text: str) -> dict[str, Any]:
    return {"type": "summary_text", "text": text}


def _result(found: Found) -> dict[str, Any]:
    return {
        "attributes": found.attributes,
        "file_id": found.file_id,
        "filename": found.filename,
        "score": found.score,
        "text": found.text,
    }


def _annotation(citation: Citation, text: str) -> dict[str, Any]:
    start, end = citation.place(text)
    if citation.file_id is not None:
        return {"type": "file_citation", "file_id": citation.file_id, "filename": citation.title, "index": end}
    page = {"start_index": start, "end_index": end, "title": citation.title, "url": citation.url or ""}
    return {"type": "url_citation", **page}
