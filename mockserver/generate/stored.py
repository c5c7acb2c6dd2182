"""The operations on what is stored, without a store: an id gets the same made-up content whenever it is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

from contracts.operations import Address, Backend, address_of
from mockserver import tokens
from mockserver.exchange import Answer, Event, Request, json_answer
from mockserver.generate.wanted import written
from mockserver.say.chat import chat_completion
from mockserver.say.responses import response
from mockserver.say.said import Asked, Ids

Stored = Callable[[Request, str, float], Answer]

_ASKED = "What was asked is not kept by the mock."
_HOUR_S = 3600


def _completion(request: Request, model: str, at_s: float, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """A stored chat completion, an hour old."""
    address = _address(request)
    name = address.resource or "chatcmpl-made-up"
    answer = chat_completion(written({"messages": []}, model, seed=name), _asked(address, {}, model, at_s, name))
    whole: dict[str, Any] = json.loads(answer.body)
    return {**whole, "id": name, "metadata": (body or {}).get("metadata") or {}}


def _get_completion(request: Request, model: str, at_s: float) -> Answer:
    return json_answer(200, _completion(request, model, at_s, request.json_object()))


def _list_completions(request: Request, model: str, at_s: float) -> Answer:
    query = parse_qs(request.query)
    asked_model = query.get("model", [model])[0]
    names = [] if "after" in query else ["chatcmpl-made-up-1", "chatcmpl-made-up-2"][: _limit(query)]
    whole = _completion(request, asked_model, at_s)
    return _list([{**whole, "id": name} for name in names])


def _completion_messages(_request: Request, _model: str, _at_s: float) -> Answer:
    return _list([])  # what was asked is not kept, and is no assistant's message, which the contract wants


def _response(request: Request, model: str, at_s: float) -> Answer:
    """A stored response; as a stream, from the event after `starting_after` on."""
    query, address = parse_qs(request.query), _address(request)
    name, streams = address.resource or "", query.get("stream") == ["true"]
    options = {"include_obfuscation": query.get("include_obfuscation") != ["false"]}
    body = {"stream": streams, "stream_options": options}
    answer = response(written({"input": ""}, model, seed=name), _asked(address, body, model, at_s, name))
    made_id = json.loads(answer.body)["id"] if not streams else _first_event(answer)["response"]["id"]
    skipped = _number(query, "starting_after", -1) + 1 if streams else 0
    events = (Event(each.after_ms, each.data.replace(made_id.encode(), name.encode())) for each in answer.events)
    return replace(answer, events=tuple(events)[skipped:])


def _cancel(request: Request, model: str, at_s: float) -> Answer:
    whole = json.loads(_response(request, model, at_s).body)
    return json_answer(200, {**whole, "background": True, "status": "cancelled", "output": [], "usage": None})


def _input_items(request: Request, _model: str, _at_s: float) -> Answer:
    query, name = parse_qs(request.query), _address(request).resource
    content = [{"type": "input_text", "text": _ASKED}]
    item = {"id": f"msg_{name}", "type": "message", "role": "user", "status": "completed", "content": content}
    return _list([] if "after" in query else [item][: _limit(query)])


def _count(request: Request, model: str, _at_s: float) -> Answer:
    counted = tokens.count_input(request.json_object() or {}, model)
    return json_answer(200, {"object": "response.input_tokens", "input_tokens": counted})


def _compact(request: Request, model: str, at_s: float) -> Answer:
    """The user's messages as they were, and one item in place of all that was answered."""
    body = request.json_object() or {}
    given, ids = body.get("input") or [], Ids(request.body.decode("utf-8", "replace"))
    messages = [{"role": "user", "content": given}] if isinstance(given, str) else given
    kept = [
        {"id": f"msg_{ids.hex(50)}", "type": "message", "role": "user", "status": "completed", "content": _parts(each)}
        for each in messages
        if isinstance(each, dict) and each.get("role") == "user"
    ]
    summary = {"id": f"cmp_{ids.hex(50)}", "type": "compaction", "encrypted_content": ids.letters(120)}
    read = tokens.count_input(body, model)
    usage = {"input_tokens": read, "output_tokens": 30, "total_tokens": read + 30}
    details = {
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }
    compacted = {"id": f"resp_{ids.hex(50)}", "object": "response.compaction", "created_at": int(at_s)}
    return json_answer(200, {**compacted, "output": [*kept, summary], "usage": {**usage, **details}})


def _deleted(kind: str) -> Stored:
    def answer(request: Request, _model: str, _at_s: float) -> Answer:
        return json_answer(200, {"id": _address(request).resource, "object": kind, "deleted": True})

    return answer


def _model(request: Request, _model: str, _at_s: float) -> Answer:
    name = _address(request).resource
    return json_answer(200, {"id": name, "object": "model", "created": 0, "owned_by": "mock"})


STORED: dict[str, Stored] = {
    "getChatCompletion": _get_completion,
    "updateChatCompletion": _get_completion,
    "listChatCompletions": _list_completions,
    "getChatCompletionMessages": _completion_messages,
    "deleteChatCompletion": _deleted("chat.completion.deleted"),
    "getResponse": _response,
    "cancelResponse": _cancel,
    "deleteResponse": _deleted("response"),
    "listInputItems": _input_items,
    "countInputTokens": _count,
    "compactResponse": _compact,
    "retrieveModel": _model,
    "deleteModel": _deleted("model"),
}


def _address(request: Request) -> Address:
    return address_of(request.method, request.raw_path, request.query)


def _asked(address: Address, body: dict[str, Any], model: str, at_s: float, seed: str) -> Asked:
    return Asked(body, address.backend is Backend.AZURE, model, at_s - _HOUR_S, Ids(seed))


def _limit(query: dict[str, list[str]]) -> int:
    return _number(query, "limit", 20)


def _number(query: dict[str, list[str]], name: str, usual: int) -> int:
    value = query.get(name, [""])[0]
    return int(value) if value.isdecimal() else usual


def _list(data: list[dict[str, Any]]) -> Answer:
    """A page; the second one, asked for by `after`, is always empty, so that loops over pages end."""
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": "", "last_id": ""}
    return json_answer(200, {"object": "list", "data": data, **ends, "has_more": False})


def _parts(message: dict[str, Any]) -> list[Any]:
    content = message.get("content") or ""
    return [{"type": "input_text", "text": content}] if isinstance(content, str) else content


def _first_event(answer: Answer) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(answer.events[0].data.partition(b"data: ")[2])
    return parsed
