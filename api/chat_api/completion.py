"""Asks the model: what a client may ask, the client of either backend, and the stream handed on chunk by chunk."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

import openai
from openai import AsyncStream
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from chat_api import errors
from chat_api.errors import ApiError
from chat_api.settings import Settings

log = logging.getLogger("chat_api")

_ROLES = frozenset({"user", "assistant", "system"})
_MAX_MESSAGES = 200
_DONE = b"data: [DONE]\n\n"


def client_for(settings: Settings) -> openai.AsyncOpenAI:
    """The client of the backend the settings name. Make it once a process: it keeps connections.

    Raises:
        ApiError: 503 `not_configured`, naming the missing settings.
    """
    if settings.missing:
        raise ApiError(503, "not_configured", f"The app is not set up: {', '.join(settings.missing)} is missing.")
    timing: dict[str, Any] = {"timeout": settings.timeout_s, "max_retries": 1}
    if not settings.azure_endpoint:
        return openai.AsyncOpenAI(api_key=settings.api_key, base_url=settings.base_url, **timing)
    if settings.api_version:
        return openai.AsyncAzureOpenAI(
            azure_endpoint=settings.azure_endpoint, api_key=settings.api_key, api_version=settings.api_version, **timing
        )
    return openai.AsyncOpenAI(api_key=settings.api_key, base_url=f"{settings.azure_endpoint}/openai/v1/", **timing)


def upstream_request(body: object, settings: Settings) -> dict[str, Any]:
    """The arguments to ask the model with, from a client's request body.

    The system prompt and the model are the app's; usage is always asked for.

    Raises:
        ApiError: 400 `bad_request`, naming the field.
    """
    if not isinstance(body, dict):
        raise _bad("The body must be a JSON object.")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise _bad("messages must be a list of at least one message.")
    if len(messages) > _MAX_MESSAGES:
        raise ApiError(400, "context_length_exceeded", "This conversation is too long for the model.")
    for index, message in enumerate(messages):
        if not _is_message(message):
            raise _bad(f"messages[{index}] must have a role (user or assistant) and a text as content.")
    if not isinstance(body.get("stream", False), bool):
        raise _bad("stream must be true or false.")
    if not isinstance(body.get("stream_options") or {}, dict):
        raise _bad("stream_options must be an object.")
    asked = [{"role": each["role"], "content": each["content"]} for each in messages if each["role"] != "system"]
    system = [{"role": "system", "content": settings.system_prompt}] if settings.system_prompt else []
    request: dict[str, Any] = {"model": settings.model, "messages": [*system, *asked]}
    if body.get("stream"):
        request |= {"stream": True, "stream_options": {"include_usage": True}}
    return request


async def complete(client: openai.AsyncOpenAI, request: Mapping[str, Any], request_id: str) -> dict[str, Any]:
    """The whole answer, as a `chat.completion` object.

    Raises:
        ApiError: what the model's refusal means to the client.
    """
    answer = await _ask(client, request, request_id)
    if not isinstance(answer, ChatCompletion):  # a 200 that is no completion: a proxy's page, most likely
        raise errors.unavailable()
    return answer.model_dump(mode="json", exclude_unset=True)


async def open_stream(
    client: openai.AsyncOpenAI, request: Mapping[str, Any], request_id: str
) -> AsyncStream[ChatCompletionChunk]:
    """The stream once the model has begun to answer.

    Raises:
        ApiError: as `complete`; past this point errors travel inside the stream.
    """
    return await _ask(client, request, request_id)  # type: ignore[no-any-return]  # the SDK's union of overloads


async def events(
    stream: AsyncStream[ChatCompletionChunk], *, include_usage: bool, request_id: str
) -> AsyncIterator[bytes]:
    """The stream as server-sent events: the model's chunks, an error in their place where it fails, `[DONE]` always.

    `include_usage` says whether the client asked for the last chunk, the one with usage and no choice.
    """
    finished, usage = False, None
    yield b": open\n\n"
    try:
        async with stream:
            async for chunk in stream:
                finished = finished or any(choice.finish_reason for choice in chunk.choices)
                usage = chunk.usage or usage
                if chunk.choices or not chunk.usage or include_usage:
                    yield _event(chunk.model_dump(mode="json", exclude_unset=True))
        if not finished:
            yield _event(errors.unavailable().body())
    except openai.OpenAIError as error:
        log.warning("the stream of %s broke off: %s", request_id, type(error).__name__)
        yield _event(errors.from_model(error).body())
    except ValueError:
        log.warning("the stream of %s broke off: an event is no JSON", request_id)
        yield _event(errors.unavailable().body())
    if usage is not None:
        log.info("%s: %d tokens in, %d out", request_id, usage.prompt_tokens, usage.completion_tokens)
    yield _DONE


async def _ask(client: openai.AsyncOpenAI, request: Mapping[str, Any], request_id: str) -> Any:
    try:
        return await client.chat.completions.create(**request, extra_headers={"x-request-id": request_id})
    except ValueError as error:
        log.warning("the answer to %s is no JSON", request_id)
        raise errors.unavailable() from error
    except openai.OpenAIError as error:
        log.warning("the model refused %s: %s", request_id, type(error).__name__)
        raise errors.from_model(error) from error


def _is_message(message: object) -> bool:
    """Whether it has a role we know and a text that can be sent; half a surrogate pair cannot."""
    if not isinstance(message, dict) or not isinstance(message.get("role"), str) or message["role"] not in _ROLES:
        return False
    content = message.get("content")
    return isinstance(content, str) and _is_unicode(content)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _event(payload: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def _bad(message: str) -> ApiError:
    return ApiError(400, "bad_request", message)
