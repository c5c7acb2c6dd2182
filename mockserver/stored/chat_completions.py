"""Stored chat completions: those of requests with `store: true`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from mockserver.contract.answer_rules import assembled
from mockserver.exchange import Answer, json_answer, parse_json
from mockserver.matching.call import Call
from mockserver.sse import event_json
from mockserver.stored.store import Store
from mockserver.stored.stored_call import Handler, StoredCall, updated

KIND = "chat.completion"
#: Where a body may say `store`: spelled out, escaped, or in UTF-16.
_MAY_STORE = re.compile(rb"store|\\u|\0")
_ID = re.compile(rb'"id": ?"(chatcmpl-[\w-]+)"')


@dataclass(slots=True)
class StoredCompletion:
    """A chat completion with its request."""

    name: str
    request: bytes
    answer: Answer
    metadata: dict[str, Any]

    def whole(self) -> dict[str, Any]:
        """The completion as one object."""
        if not self.answer.streams:
            parsed = parse_json(self.answer.body)
            return {**(parsed if isinstance(parsed, dict) else {}), "id": self.name, "metadata": self.metadata}
        chunks = [chunk for event in self.answer.events if (chunk := event_json(event.data)) is not None]
        first: dict[str, Any] = next((chunk for chunk in chunks if chunk.get("model")), {})
        about: dict[str, Any] = {
            key: first[key] for key in ("created", "model", "service_tier", "system_fingerprint") if key in first
        }
        return {
            "id": self.name,
            "object": KIND,
            **about,
            **assembled(chunks),
            "metadata": self.metadata,
        }

    def messages(self) -> list[dict[str, Any]]:
        """The messages of its request, each with an id."""
        body = parse_json(self.request)
        given = body.get("messages") if isinstance(body, dict) else None
        messages = [message for message in given if isinstance(message, dict)] if isinstance(given, list) else []
        return [_shown(f"{self.name}-{number}", message) for number, message in enumerate(messages)]


def _shown(name: str, message: dict[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    parts = content if isinstance(content, list) else None
    text = "".join(str(part.get("text") or "") for part in parts if isinstance(part, dict)) if parts else content
    return {**message, "id": name, "content": text, "refusal": message.get("refusal"), "content_parts": parts}


def remember(store: Store, call: Call, answer: Answer) -> None:
    """Keep a completion that its request wants stored."""
    if not _MAY_STORE.search(call.request.body):  # most do not, and need not be read again
        return
    found = next((match for event in answer.events if (match := _ID.search(event.data))), None)
    body = call.body or {}
    if found is not None and body.get("store") is True:
        name = found[1].decode()
        size = len(call.request.body) + sum(len(event.data) for event in answer.events)
        store.put(KIND, name, StoredCompletion(name, call.request.body, answer, updated(body.get("metadata"))), size)


def _get(say: StoredCall) -> Answer:
    return json_answer(200, say.find(KIND).whole())


def _update(say: StoredCall) -> Answer:
    stored = say.find(KIND)
    stored.metadata = updated(say.body.get("metadata"))
    return json_answer(200, stored.whole())


def _delete(say: StoredCall) -> Answer:
    return say.delete(KIND, "chat.completion.deleted")


def _messages(say: StoredCall) -> Answer:
    return say.page(say.find(KIND).messages(), order="asc")


def _list(say: StoredCall) -> Answer:
    wanted = {key[9:-1]: values[0] for key, values in say.query.items() if re.fullmatch(r"metadata\[.+\]", key)}
    stored = [
        whole
        for each in say.store.all(KIND)
        if wanted.items() <= each.metadata.items()
        and (whole := each.whole()).get("model") in say.query.get("model", [whole.get("model")])
    ]
    return say.page(stored, order="asc")


HANDLERS: dict[str, Handler] = {
    "listChatCompletions": _list,
    "getChatCompletion": _get,
    "updateChatCompletion": _update,
    "deleteChatCompletion": _delete,
    "getChatCompletionMessages": _messages,
}
