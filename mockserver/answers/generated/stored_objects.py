"""Answers about objects that nobody made: the same id always gets the same generated content."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

from mockserver import tokens
from mockserver.answers.authored.authored_answer import AnswerContext
from mockserver.answers.authored.chat_completions import chat_completion
from mockserver.answers.authored.ids import Ids
from mockserver.answers.authored.responses import response
from mockserver.answers.generated.compose import compose
from mockserver.answers.generated.schema_instance import instance
from mockserver.contract.addresses import Backend
from mockserver.contract.violations import definitions
from mockserver.exchange import Answer, Event, json_answer, whole_number
from mockserver.matching.call import Call

StoredObject = Callable[[Call, str, float], Answer]

_HOUR_S = 3600


def _completion(call: Call, model: str, at_s: float, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """A stored chat completion, an hour old."""
    name = call.address.resource or "chatcmpl-made-up"
    answer = chat_completion(compose({"messages": []}, model, seed=name), _context(call, {}, model, at_s, name))
    whole: dict[str, Any] = json.loads(answer.body)
    return {**whole, "id": name, "metadata": (body or {}).get("metadata") or {}}


def _get_completion(call: Call, model: str, at_s: float) -> Answer:
    return json_answer(200, _completion(call, model, at_s, call.body))


def _nothing(_call: Call, _model: str, _at_s: float) -> Answer:
    return _list([])


def _response(call: Call, model: str, at_s: float) -> Answer:
    """A stored response; as a stream, from the event after `starting_after` on."""
    query = parse_qs(call.request.query)
    name, streams = call.address.resource or "", query.get("stream") == ["true"]
    options = {"include_obfuscation": query.get("include_obfuscation") != ["false"]}
    body = {"stream": streams, "stream_options": options}
    answer = response(compose({"input": ""}, model, seed=name), _context(call, body, model, at_s, name))
    own_id = json.loads(answer.body)["id"] if not streams else _first_event(answer)["response"]["id"]
    skipped = _number(query, "starting_after", -1) + 1 if streams else 0
    events = (
        Event(event.after_ms, event.data.replace(own_id.encode(), json.dumps(name)[1:-1].encode()))
        for event in answer.events
    )
    return replace(answer, events=tuple(events)[skipped:])


def _cancel(call: Call, model: str, at_s: float) -> Answer:
    name = call.address.resource or ""
    answer = response(compose({"input": ""}, model, seed=name), _context(call, {}, model, at_s, name))
    whole = {**json.loads(answer.body), "id": name}
    return json_answer(200, {**whole, "background": True, "status": "cancelled", "output": [], "usage": None})


def _count(call: Call, model: str, _at_s: float) -> Answer:
    count = tokens.count_request(call.whole_body, model)
    return json_answer(200, {"object": "response.input_tokens", "input_tokens": count})


def _compact(call: Call, model: str, at_s: float) -> Answer:
    """The user's messages unchanged, and one compaction item in place of all answers."""
    body = call.whole_body
    input_, ids = body.get("input") or [], Ids(call.request.body.decode("utf-8", "replace"))
    messages = [{"role": "user", "content": input_}] if isinstance(input_, str) else input_
    user_messages = [
        {
            "id": f"msg_{ids.hex(50)}",
            "type": "message",
            "role": "user",
            "status": "completed",
            "content": _parts(message),
        }
        for message in messages
        if isinstance(message, dict) and message.get("role") == "user"
    ]
    summary = {"id": f"cmp_{ids.hex(50)}", "type": "compaction", "encrypted_content": ids.letters(120)}
    input_tokens = tokens.count_request(body, model)
    usage = {"input_tokens": input_tokens, "output_tokens": 30, "total_tokens": input_tokens + 30}
    details = {
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }
    compacted = {"id": f"resp_{ids.hex(50)}", "object": "response.compaction", "created_at": int(at_s)}
    return json_answer(200, {**compacted, "output": [*user_messages, summary], "usage": {**usage, **details}})


def _deleted(kind: str) -> StoredObject:
    def answer(call: Call, _model: str, _at_s: float) -> Answer:
        return json_answer(200, {"id": call.address.resource, "object": kind, "deleted": True})

    return answer


def _model(call: Call, _model: str, _at_s: float) -> Answer:
    name = call.address.resource
    return json_answer(200, {"id": name, "object": "model", "created": 0, "owned_by": "mock"})


STORED_OBJECTS: dict[str, StoredObject] = {
    "getChatCompletion": _get_completion,
    "updateChatCompletion": _get_completion,
    "getChatCompletionMessages": _nothing,
    "deleteChatCompletion": _deleted("chat.completion.deleted"),
    "getResponse": _response,
    "cancelResponse": _cancel,
    "deleteResponse": _deleted("response"),
    "listInputItems": _nothing,
    "countInputTokens": _count,
    "compactResponse": _compact,
    "retrieveModel": _model,
    "deleteModel": _deleted("model"),
}


def from_contract(call: Call, seed: str) -> Answer:
    """An object of the shape that the operation's answer has, with the id that was asked for."""
    operation = call.operation
    if operation is None or operation.answer is None:
        return Answer(200, (("content-type", "application/octet-stream"),), (Event(0, b"Made up by the mock.\n"),))
    schema = {"$ref": f"#/$defs/{operation.answer}", "$defs": definitions("openai")}
    made_up = instance(schema, seed)
    if "id" in made_up:
        made_up["id"] = call.address.item or call.address.resource or made_up["id"]
    return json_answer(200, made_up)


def _context(call: Call, body: dict[str, Any], model: str, at_s: float, seed: str) -> AnswerContext:
    azure = call.address.backend is Backend.AZURE
    return AnswerContext(body, azure, model, at_s - _HOUR_S, Ids(seed))


def _number(query: dict[str, list[str]], name: str, default: int) -> int:
    value = query.get(name, [""])[0]
    return default if (number := whole_number(value)) is None else number


def _list(data: list[dict[str, Any]]) -> Answer:
    """One page of a list. There is never another page, so that loops over pages end."""
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": "", "last_id": ""}
    return json_answer(200, {"object": "list", "data": data, **ends, "has_more": False})


def _parts(message: dict[str, Any]) -> list[Any]:
    content = message.get("content") or ""
    return [{"type": "input_text", "text": content}] if isinstance(content, str) else content


def _first_event(answer: Answer) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(answer.events[0].data.partition(b"data: ")[2])
    return parsed
