"""A response (Responses API) said by hand: one JSON body, or events by type."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mockserver.exchange import Answer, Event
from mockserver.say.said import Call, Ids, Said, pieces


def response(said: Said, asked: Mapping[str, Any], ids: Ids, *, model: str, at_s: float, azure: bool) -> Answer:
    """The answer to a response request `asked`.

    Source: OpenAI's sequence of events and Azure's layout (api-version 2025-03-01-preview) as recorded 2025-11; there
    is no `[DONE]`. JSON is indented by two, Azure's with non-ASCII letters escaped.
    """
    writing = _Response(said, asked, ids, model, at_s, azure)
    if asked.get("stream") is not True:
        body = json.dumps(
            writing.state("completed", [item for item, _ in writing.items()]), indent=2, ensure_ascii=azure
        ).encode()
        head = ids.headers("application/json", azure=azure, chat=False)
        return Answer(200, head, (Event(0, body),), head_after_ms=said.pace.first_ms)
    events = tuple(Event(said.pace.each_ms if paced else 0, data) for paced, data in writing.stream())
    return Answer(
        200,
        ids.headers("text/event-stream; charset=utf-8", azure=azure, chat=False),
        events,
        head_after_ms=said.pace.first_ms,
    )


class _Response:
    """One response being written."""

    def __init__(self, said: Said, asked: Mapping[str, Any], ids: Ids, model: str, at_s: float, azure: bool) -> None:  # noqa: PLR0917  private
        self.said, self.asked, self.ids, self.azure = said, asked, ids, azure
        self.model, self.created = model, int(at_s)
        self.id = f"resp_{ids.hex(50)}"
        self.item_ids = [f"msg_{ids.hex(50)}"] if said.text is not None else []
        self.item_ids += [f"fc_{ids.hex(50)}" for _ in said.calls]
        self.call_ids = [f"call_{ids.letters(24)}" for _ in said.calls]
        self.number = -1

    def items(self) -> list[tuple[dict[str, Any], str]]:
        """The finished output items, each with the text it carries: a message's, or a call's arguments."""
        done: list[tuple[dict[str, Any], str]] = []
        if self.said.text is not None:
            done.append((self.message(self.item_ids[0], "completed", [self.part(self.said.text)]), self.said.text))
        for call, item_id, call_id in zip(
            self.said.calls, self.item_ids[-len(self.call_ids) or None :], self.call_ids, strict=False
        ):
            arguments = json.dumps(call.arguments, ensure_ascii=False)
            done.append((self.function_call(call, item_id, call_id, "completed", arguments), arguments))
        return done

    def stream(self) -> Iterator[tuple[bool, bytes]]:
        """Events in order, each with whether the pace applies to it."""
        for kind in ("response.created", "response.in_progress"):
            yield False, self.event(kind, response=self.state("in_progress", []))
        for index, (item, text) in enumerate(self.items()):
            place = {"item_id": item["id"], "output_index": index}
            if item["type"] == "message":
                yield (
                    False,
                    self.event(
                        "response.output_item.added",
                        output_index=index,
                        item=self.message(item["id"], "in_progress", []),
                    ),
                )
                place["content_index"] = 0
                yield False, self.event("response.content_part.added", **place, part=self.part(""))
                for piece in pieces(text):
                    yield (
                        True,
                        self.event(
                            "response.output_text.delta",
                            **place,
                            delta=piece,
                            logprobs=[],
                            obfuscation=self.ids.padding(),
                        ),
                    )
                yield False, self.event("response.output_text.done", **place, text=text, logprobs=[])
                yield False, self.event("response.content_part.done", **place, part=self.part(text))
            else:
                empty = {**item, "status": "in_progress", "arguments": ""}
                yield False, self.event("response.output_item.added", output_index=index, item=empty)
                for piece in re.findall(r"\W+|\w+", text):
                    yield (
                        True,
                        self.event(
                            "response.function_call_arguments.delta",
                            **place,
                            delta=piece,
                            obfuscation=self.ids.padding(),
                        ),
                    )
                yield False, self.event("response.function_call_arguments.done", **place, arguments=text)
            yield False, self.event("response.output_item.done", output_index=index, item=item)
        yield (
            False,
            self.event("response.completed", response=self.state("completed", [item for item, _ in self.items()])),
        )

    def event(self, kind: str, **fields: Any) -> bytes:
        self.number += 1
        payload = {"type": kind, "sequence_number": self.number, **fields}
        text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
        return f"event: {kind}\ndata: {text}\n\n".encode()

    def state(self, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
        """The response as a whole, at this point of it."""
        asked = self.asked
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "status": status,
            "background": False,
            **({"content_filters": None} if self.azure else {}),
            "error": None,
            "incomplete_details": None,
            "instructions": asked.get("instructions"),
            "max_output_tokens": asked.get("max_output_tokens"),
            "max_tool_calls": None,
            "model": self.model,
            "output": output,
            "parallel_tool_calls": asked.get("parallel_tool_calls", True),
            "previous_response_id": asked.get("previous_response_id"),
            "prompt_cache_key": None,
            "reasoning": {"effort": None, "summary": None},
            "safety_identifier": None,
            "service_tier": "auto" if status == "in_progress" else "default",
            "store": asked.get("store", True),
            "temperature": asked.get("temperature", 1.0),
            "text": asked.get("text") or {"format": {"type": "text"}, "verbosity": "medium"},
            "tool_choice": asked.get("tool_choice", "auto"),
            "tools": asked.get("tools", []),
            "top_logprobs": 0,
            "top_p": asked.get("top_p", 1.0),
            "truncation": asked.get("truncation", "disabled"),
            "usage": self.usage() if status == "completed" else None,
            "user": None,
            "metadata": asked.get("metadata") or {},
        }

    def usage(self) -> dict[str, Any]:
        """Token counts, taking a piece for a token: the right size, not the tokenizer's number."""
        read = len(pieces(json.dumps(self.asked.get("input", ""), ensure_ascii=False)))
        written = sum(len(pieces(text)) for _, text in self.items())
        return {
            "input_tokens": read,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": written,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": read + written,
        }

    @staticmethod
    def message(item_id: str, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
        return {"id": item_id, "type": "message", "status": status, "content": content, "role": "assistant"}

    @staticmethod
    def part(text: str) -> dict[str, Any]:
        return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}

    @staticmethod
    def function_call(call: Call, item_id: str, call_id: str, status: str, arguments: str) -> dict[str, Any]:
        return {
            "id": item_id,
            "type": "function_call",
            "status": status,
            "arguments": arguments,
            "call_id": call_id,
            "name": call.name,
        }
