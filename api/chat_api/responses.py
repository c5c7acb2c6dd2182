"""The model through the Responses API: requests in its format, answers converted to chat completions."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import openai
from openai import BaseModel
from openai.types.responses import Response

from chat_api import errors
from chat_api.errors import ApiError

#: What stands between two parts of a summary.
_BETWEEN_PARTS = "\n\n"
_ENDS = {"max_output_tokens": "length", "content_filter": "content_filter"}
#: Parameters of a chat completion with the same name and meaning.
_SAME = (
    "temperature",
    "top_p",
    "parallel_tool_calls",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "user",
)
#: Values of others that ask for what is done anyway.
_USUAL: Mapping[str, tuple[object, ...]] = {
    "n": (1,),
    "stop": ([],),
    "logprobs": (False,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
}
_TRANSLATED = (
    "max_completion_tokens",
    "max_tokens",
    "reasoning_effort",
    "response_format",
    "tool_choice",
    "tools",
    "verbosity",
)
_OTHER = ("messages", "model", "stream", "stream_options")


def arguments(request: Mapping[str, Any], summary: str = "") -> dict[str, Any]:
    """The arguments for `responses.create` that correspond to a chat completion's; the response is not stored. `summary` is how
    much of the model's reasoning is summed up, empty for nothing.

    Raises:
        ApiError: 400 `bad_request`: a parameter that the Responses API does not have.
    """
    known = (*_SAME, *_TRANSLATED, *_OTHER)
    if other := next(
        (name for name in request if name not in known and request[name] not in _USUAL.get(name, ())), None
    ):
        raise ApiError(400, "bad_request", f"This app does not offer {other} with its model.", parameter=other)
    items = [item for message in request["messages"] for item in _items(message)]
    result: dict[str, Any] = {"model": request["model"], "input": items, "store": False}
    result |= {name: request[name] for name in _SAME if name in request}
    longest = min((request[name] for name in ("max_completion_tokens", "max_tokens") if name in request), default=None)
    text = {"verbosity": request["verbosity"]} if "verbosity" in request else {}
    text |= {"format": _text_format(request["response_format"])} if "response_format" in request else {}
    result |= {"max_output_tokens": longest} if longest else {}
    reasoning = {"effort": request["reasoning_effort"]} if "reasoning_effort" in request else {}
    reasoning |= {"summary": summary} if summary else {}
    result |= {"reasoning": reasoning} if reasoning else {}
    result |= {"text": text} if text else {}
    result |= {"tools": [_flat(tool) for tool in request["tools"]]} if "tools" in request else {}
    result |= {"tool_choice": _flat(request["tool_choice"])} if "tool_choice" in request else {}
    return result


def _items(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A message as input items: what was said, calls that the model made, and their results."""
    role, content = message["role"], message.get("content")
    if role == "function" or (unknown := next((name for name in ("name", "function_call") if name in message), "")):
        what = "messages of the role function" if role == "function" else f"{unknown} in messages"
        raise ApiError(400, "bad_request", f"This app does not offer {what} with its model.", parameter="messages")
    if role == "tool":
        yield {"type": "function_call_output", "call_id": message["tool_call_id"], "output": _text(content)}
        return
    parts = [_part(part, role) for part in content] if isinstance(content, list) else []
    if refusal := message.get("refusal"):
        parts = [*parts, *([{"type": "output_text", "text": content}] if isinstance(content, str) else [])]
        parts += [{"type": "refusal", "refusal": refusal}]
    if parts or isinstance(content, str):
        yield {"role": role, "content": parts or content}
    for call in message.get("tool_calls", ()):
        function = call["function"]
        yield {
            "type": "function_call",
            "call_id": call["id"],
            "name": function["name"],
            "arguments": function["arguments"],
        }


def _part(part: Mapping[str, Any], role: str) -> dict[str, Any]:
    if part["type"] == "image_url":
        image = part["image_url"]
        return {"type": "input_image", "image_url": image["url"], "detail": image.get("detail", "auto")}
    if part["type"] == "refusal":
        return {"type": "refusal", "refusal": part["refusal"]}
    return {"type": "output_text" if role == "assistant" else "input_text", "text": part["text"]}


def _text(content: object) -> str:
    parts = content if isinstance(content, list) else []
    return content if isinstance(content, str) else "".join(part["text"] for part in parts)


def _text_format(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """`{"type": "json_schema", "json_schema": {…}}` without the level that the Responses API does not have."""
    return {**_object(wanted.get("json_schema")), "type": wanted.get("type")}


def _flat(tool: Any) -> Any:
    """`{"type": "function", "function": {…}}` without that level; a word as it is."""
    return {**tool["function"], "type": "function"} if isinstance(tool, dict) else tool


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


# --- answers ---------------------------------------------------------------------------------------------------------


def completion(response: Response) -> dict[str, Any]:
    """A complete response as a `chat.completion`.

    Raises:
        ApiError: the model failed, or sent something else.
    """
    if response.status not in ("completed", "incomplete") or not isinstance(response.output, list):
        raise errors.unavailable()
    calls = [_call(item.call_id, item.name, item.arguments) for item in response.output if item.type == "function_call"]
    message: dict[str, Any] = {"role": "assistant", "content": response.output_text or (None if calls else "")}
    if refusal := _refusal(response):
        message |= {"refusal": refusal}
    message |= {"reasoning_content": summary} if (summary := _summary(response)) else {}
    message |= {"annotations": found} if (found := _annotations(response)) else {}
    message |= {"tool_calls": calls} if calls else {}
    choice = {"index": 0, "message": message, "finish_reason": _finish(response)}
    return {**_head(response.id, response.model, "chat.completion"), "choices": [choice], "usage": _usage(response)}


async def chunks(stream: AsyncIterator[Any]) -> AsyncIterator[dict[str, Any]]:
    """The events of a streamed response as `chat.completion.chunk`s, the last one with the usage.

    Raises:
        openai.APIError: the model failed in the middle.
        ValueError: an event has no type.
    """
    head: dict[str, Any] = {}
    failed, code, calls = False, None, list[str]()
    part: tuple[str, int] | None = None  # of the summary
    async for event in stream:
        match getattr(event, "type", None):
            case None:
                raise ValueError("an event of a response has no type")
            case "response.created":
                head = _head(event.response.id, event.response.model, "chat.completion.chunk")
                yield {**head, "choices": [_choice({"role": "assistant", "content": ""})]}
            case "response.output_text.delta":
                yield {**head, "choices": [_choice({"content": event.delta})]}
            case "response.reasoning_summary_text.delta":
                this = event.item_id, event.summary_index
                between, part = "" if part in (None, this) else _BETWEEN_PARTS, this
                yield {**head, "choices": [_choice({"reasoning_content": between + event.delta})]}
            case "response.refusal.delta":
                yield {**head, "choices": [_choice({"refusal": event.delta})]}
            case "response.output_item.added" if event.item.type == "function_call":
                calls.append(event.item.id)
                call = {"index": len(calls) - 1, **_call(event.item.call_id, event.item.name, "")}
                yield {**head, "choices": [_choice({"tool_calls": [call]})]}
            case "response.function_call_arguments.delta" if event.item_id in calls:
                piece = {"index": calls.index(event.item_id), "function": {"arguments": event.delta}}
                yield {**head, "choices": [_choice({"tool_calls": [piece]})]}
            case "response.completed" | "response.incomplete":
                for last in _end(event.response):
                    yield {**head, **last}
            case "response.failed" | "error":
                failed, code = True, _code(event) or code
    if failed:
        # The SDK's own exception, so that it is handled like those that the SDK raises.
        raise openai.APIError("the model failed", request=None, body={"code": code})  # type: ignore[arg-type]  # nothing reads it


def _end(response: Response) -> Iterator[dict[str, Any]]:
    """What the last chunks say: what the text cites, why it ends, and the usage."""
    if found := _annotations(response):  # all at once: the SDK cannot join two lists of them
        yield {"choices": [_choice({"annotations": found})]}
    yield {"choices": [_choice({}, _finish(response))]}
    if usage := _usage(response):
        yield {"choices": [], "usage": usage}


def _call(call_id: str, name: str, given: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": given}}


def _refusal(response: Response) -> str:
    parts = (part for item in response.output if item.type == "message" for part in item.content)
    return "".join(part.refusal for part in parts if part.type == "refusal")


def _summary(response: Response) -> str:
    """The summary of the model's reasoning; empty where there is none."""
    parts = (part for item in response.output if item.type == "reasoning" for part in item.summary or ())
    return _BETWEEN_PARTS.join(part.text for part in parts)


def _annotations(response: Response) -> list[dict[str, Any]]:
    """What the text cites, as a chat completion has it; places count from the start of all text."""
    found, start = [], 0
    for item in response.output or ():
        for part in item.content if item.type == "message" else ():
            if part.type == "output_text":
                found += [cited for each in part.annotations or () if (cited := _citation(each, start))]
                start += len(part.text)
    return found


def _citation(annotation: Any, start: int) -> dict[str, Any] | None:
    """An annotation as a `url_citation`, the only kind of a chat completion; a file has its name and no address. None for what
    cites nothing."""
    match annotation.to_dict() if isinstance(annotation, BaseModel) else annotation:
        case {
            "type": "url_citation",
            "title": str(title),
            "url": str(url),
            "start_index": int(first),
            "end_index": int(last),
        }:
            pass
        case {
            "type": "container_file_citation",
            "filename": str(title),
            "start_index": int(first),
            "end_index": int(last),
        }:
            url = ""
        case {"type": "file_citation", "filename": str(title), "index": int(first)}:
            url, last = "", first
        case _:
            return None
    cited = {"title": title, "url": url, "start_index": start + first, "end_index": start + last}
    return {"type": "url_citation", "url_citation": cited}


def _code(event: Any) -> str | None:
    """The error code in an event. Azure sends it in a second event, inside `error`."""
    error = getattr(getattr(event, "response", event), "error", None) or event
    code = error.get("code") if isinstance(error, dict) else getattr(error, "code", None)
    return None if code is None else str(code)


def _head(id_: str, model: str, kind: str) -> dict[str, Any]:
    return {"id": id_, "object": kind, "created": int(time.time()), "model": model}


def _choice(delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": dict(delta), "finish_reason": finish}


def _finish(response: Response) -> str:
    why = response.incomplete_details.reason if response.incomplete_details else None
    usual = "tool_calls" if any(item.type == "function_call" for item in response.output or ()) else "stop"
    return _ENDS.get(why or "", usual)


def _usage(response: Response) -> dict[str, int] | None:
    if response.usage is None:
        return None
    usage = response.usage
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }
