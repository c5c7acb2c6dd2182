"""The model through the Responses API: requests in its format, answers converted to chat completions."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import openai
from openai.types.responses import Response

from chat_api import errors

_ENDS = {"max_output_tokens": "length", "content_filter": "content_filter"}


def arguments(request: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments for `responses.create` that correspond to a chat completion's; the response is not stored."""
    return {"model": request["model"], "input": request["messages"], "store": False}


def completion(response: Response) -> dict[str, Any]:
    """A complete response as a `chat.completion`.

    Raises:
        ApiError: the model failed.
    """
    if response.status == "failed":
        raise errors.unavailable()
    message = {"role": "assistant", "content": response.output_text}
    choice = {"index": 0, "message": message, "finish_reason": _finish(response)}
    return {**_head(response.id, response.model, "chat.completion"), "choices": [choice], "usage": _usage(response)}


async def chunks(stream: AsyncIterator[Any]) -> AsyncIterator[dict[str, Any]]:
    """The events of a streamed response as `chat.completion.chunk`s, the last one with the usage.

    Raises:
        openai.APIError: the model failed in the middle.
    """
    head: dict[str, Any] = {}
    failed, code = False, None
    async for event in stream:
        if event.type == "response.created":
            head = _head(event.response.id, event.response.model, "chat.completion.chunk")
            yield {**head, "choices": [_choice({"role": "assistant", "content": ""})]}
        elif event.type == "response.output_text.delta":
            yield {**head, "choices": [_choice({"content": event.delta})]}
        elif event.type in ("response.completed", "response.incomplete"):
            yield {**head, "choices": [_choice({}, _finish(event.response))]}
            yield {**head, "choices": [], "usage": _usage(event.response)}
        elif event.type in ("response.failed", "error"):
            failed, code = True, _code(event) or code
    if failed:
        # The SDK's own exception, so that it is handled like those that the SDK raises.
        raise openai.APIError("the model failed", request=None, body={"code": code})  # type: ignore[arg-type]  # nothing reads it


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
    return _ENDS.get(why or "", "stop")


def _usage(response: Response) -> dict[str, int] | None:
    if response.usage is None:
        return None
    usage = response.usage
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }
