"""Stored responses: read back, continued, cancelled while they run in the background, deleted."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mockserver.answers.authored.ids import Ids
from mockserver.contract import refusals
from mockserver.contract.addresses import Backend
from mockserver.contract.violation import Violation
from mockserver.exchange import Answer, Event, json_answer, json_bytes, parse_json, whole_number
from mockserver.matching.call import Call, whole_letters
from mockserver.sse import event_json
from mockserver.stored.items import as_items, stored_items
from mockserver.stored.store import NotStoredError, Store
from mockserver.stored.stored_call import Handler, StoredCall, refused

KIND = "response"
_ID = re.compile(rb'"id": ?"(resp_[\w-]+)"')
#: How long a stream can be read again. Source: openai-python#2828 (2026-01-22), in these words.
_STREAMED_FOR_S = 300


@dataclass(slots=True)
class StoredResponse:
    """A response with its request's body and the items that it continues. `kept` False is one that the client did not want
    stored: only its ids are known."""

    request: bytes
    earlier: list[Any]
    answer: Answer
    at_s: float
    kept: bool
    in_background: bool
    cancelled: bool = False

    @property
    def done_at_s(self) -> float:
        """When it is complete."""
        answer = self.answer
        return self.at_s + (answer.head_after_ms + sum(event.after_ms for event in answer.events)) / 1000

    def input(self) -> list[dict[str, Any]]:
        """The items of its request, as the service keeps them."""
        body = parse_json(self.request)
        items = as_items(body.get("input") if isinstance(body, dict) else None)
        return stored_items(items, Ids(str(self.whole().get("id"))))

    def said(self) -> list[dict[str, Any]]:
        """The items of its request and of its output."""
        output = self.whole().get("output")
        items = output if isinstance(output, list) and not self.cancelled else []
        said: list[dict[str, Any]] = whole_letters([*self.input(), *(item for item in items if isinstance(item, dict))])
        return said

    def whole(self) -> dict[str, Any]:
        """The response at its end; empty where a raw answer is none."""
        if not self.answer.streams:
            parsed = parse_json(self.answer.body)
            return parsed if isinstance(parsed, dict) else {}
        events = (event_json(event.data) or {} for event in reversed(self.answer.events))
        return next((event["response"] for event in events if isinstance(event.get("response"), dict)), {})

    def at(self, now_s: float) -> dict[str, Any]:
        """The response as it is at a time."""
        whole = self.whole()
        if self.cancelled:
            return {**whole, "status": "cancelled", "output": [], "usage": None}
        if self.in_background and now_s < self.done_at_s and whole.get("status") not in ("queued", "in_progress"):
            return {**whole, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
        return whole


def remember(store: Store, call: Call, answer: Answer, at_s: float) -> Answer:
    """Keep a response; the answer that its client gets, which in the background is not the whole one."""
    found = next((match for event in answer.events if (match := _ID.search(event.data))), None)
    body = call.body or {}
    if found is None:
        return answer
    in_background = body.get("background") is True
    kept = StoredResponse(
        call.request.body, list(call.earlier), answer, at_s, body.get("store") is not False, in_background
    )
    size = len(call.request.body) + sum(len(event.data) for event in answer.events)
    store.put(KIND, found[1].decode(), kept, size)
    if (name := conversation_of(body)) and (conversation := store.get("conversation", name)) is not None:
        conversation.pending.append((kept.done_at_s if in_background else at_s, kept.said))
        conversation.settle(at_s)
        store.grow("conversation", name, size)
    return _queued(answer, call) if in_background and not answer.streams else answer


def _queued(answer: Answer, call: Call) -> Answer:
    """What a client gets at once for a response in the background."""
    whole = parse_json(answer.body)
    if not isinstance(whole, dict) or whole.get("status") in ("queued", "in_progress", "failed"):  # as it was said
        return answer
    azure = call.address.backend is Backend.AZURE
    state = {**whole, "status": "queued", "output": [], "usage": None, "incomplete_details": None}
    events = (Event(0, json_bytes(state, indent=2, ascii_only=azure)),)
    return replace(answer, events=events, head_after_ms=0)


def conversation_of(body: Mapping[str, Any]) -> str | None:
    """The id of the conversation that a request continues; None for none."""
    named = body.get("conversation")
    name = named.get("id") if isinstance(named, Mapping) else named
    return name if isinstance(name, str) else None


def continued(store: Store, call: Call) -> NotStoredError | None:
    """Give a call the items that it continues; what is missing of them, or None.

    Source: messages as in agent-framework#6419 (previous_response_id) and codex#10489 (items).
    """
    body = call.body or {}
    previous, conversation = body.get("previous_response_id"), conversation_of(body)
    if isinstance(previous, str):
        stored = store.get(KIND, previous)
        if stored is None or not stored.kept:
            deleted = stored is not None or store.was_deleted(KIND, previous)
            return NotStoredError(refusals.previous_not_found(previous), deleted=deleted)
        call.earlier = [*stored.earlier, *stored.said()]
    elif conversation is not None:
        holder = store.get("conversation", conversation)
        if holder is None:
            deleted = store.was_deleted("conversation", conversation)
            return NotStoredError(refusals.conversation_not_found(conversation), deleted=deleted)
        call.earlier = list(holder.items)
    return None


def input_items(say: StoredCall) -> Answer:
    """The items of a response's request."""
    return say.page(_kept(say).input())


def get(say: StoredCall) -> Answer:
    """A response; as a stream, from the event after `starting_after` on."""
    stored = _kept(say)
    if say.query.get("stream", [""])[0] != "true":
        return json_answer(200, stored.at(say.at_s))
    # Source: openai-python#2579 (2025-08-22), in these words.
    if not (stored.in_background and stored.answer.streams):
        words = "This response cannot be streamed because it was not created with background=true."
        return refused(Violation("stream", "not-in-background", words, "invalid_request_error"))
    if say.at_s > stored.done_at_s + _STREAMED_FOR_S:
        words = "This response can no longer be streamed because it is more than 5 minutes old"
        return refused(Violation("stream", "too-old", words, "invalid_request_error"))
    after = say.query.get("starting_after", [""])[0]
    number = whole_number(after)
    first = 0 if number is None else number + 1
    due_s, events = stored.at_s + stored.answer.head_after_ms / 1000, []
    sent_s = say.at_s
    for number, event in enumerate(stored.answer.events):
        due_s += event.after_ms / 1000
        if number >= first:
            events.append(Event(max(0.0, due_s - sent_s) * 1000, event.data))
            sent_s = max(sent_s, due_s)
    return replace(stored.answer, events=tuple(events), head_after_ms=0, decided_by="")


def cancel(say: StoredCall) -> Answer:
    """A response of the background stops; one that has ended stays as it is."""
    stored = _kept(say)
    if not stored.in_background:
        words = "Cannot cancel a synchronous response."
        return refused(Violation("", "synchronous", words))
    stored.cancelled = stored.cancelled or say.at_s < stored.done_at_s
    return json_answer(200, stored.at(say.at_s))


def delete(say: StoredCall) -> Answer:
    """The response is gone."""
    _kept(say)
    return say.delete(KIND, "response")


def _kept(say: StoredCall) -> StoredResponse:
    stored: StoredResponse = say.find(KIND)
    if not stored.kept:
        raise NotStoredError(refusals.not_found(KIND, say.id), deleted=True)
    return stored


def missing_item(store: Store, call: Call) -> NotStoredError | None:
    """The first item that a request names by its id alone and that is not kept; None if all are."""
    known = {name for item in call.earlier if isinstance(item, Mapping) and isinstance(name := item.get("id"), str)}
    for item in as_items((call.body or {}).get("input")):
        if not isinstance(item, Mapping) or not isinstance(name := item.get("id"), str) or name in known:
            continue
        if item.get("type") == "item_reference" or (
            item.get("type") == "reasoning" and not item.get("encrypted_content")
        ):
            written = json.dumps(name).encode()
            mentions = [stored for stored in store.all(KIND) if written in stored.answer.body]
            if mentions and not any(stored.kept for stored in mentions):
                return NotStoredError(refusals.item_not_kept(name), deleted=True)
            if not mentions and not any(holder.has(name) for holder in store.all("conversation")):
                unkept = (call.body or {}).get("store") is False and item.get("type") == "reasoning"
                refusal = refusals.item_not_kept(name) if unkept else refusals.not_found("item", name)
                return NotStoredError(refusal, deleted=False)
    return None


HANDLERS: dict[str, Handler] = {
    "getResponse": get,
    "cancelResponse": cancel,
    "deleteResponse": delete,
    "listInputItems": input_items,
}
