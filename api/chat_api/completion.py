"""Asks the model: what a client may ask, the client of either backend, and the stream handed on chunk by chunk."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import openai
from openai import AsyncStream
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response

from chat_api import errors, responses
from chat_api.errors import ApiError
from chat_api.settings import Settings

log = logging.getLogger("chat_api")

_ROLES = frozenset({"user", "assistant", "system"})
MAX_MESSAGES = 200
_DONE = b"data: [DONE]\n\n"


def client_for(settings: Settings) -> openai.AsyncOpenAI:
    """The client of the backend the settings name. Make it once a process: it keeps connections, and its identity's tokens.

    Raises:
        ApiError: 503 `not_configured`, naming the missing settings.
    """
    if missing := settings.missing_for_model:
        raise ApiError(503, "not_configured", f"The app is not set up: {', '.join(missing)} is missing.")
    http_client = openai.DefaultAsyncHttpxClient(event_hooks={"response": [_tell_at_once]})
    timing: dict[str, Any] = {"timeout": settings.timeout_s, "max_retries": 1, "http_client": http_client}
    if not settings.azure_endpoint:
        return openai.AsyncOpenAI(api_key=settings.api_key, base_url=settings.base_url, **timing)
    key: Any = _identity() if settings.identity else settings.api_key
    if not settings.api_version:
        return openai.AsyncOpenAI(api_key=key, base_url=f"{settings.azure_endpoint}/openai/v1/", **timing)
    dated: dict[str, Any] = {"azure_endpoint": settings.azure_endpoint, "api_version": settings.api_version, **timing}
    if settings.identity:
        return openai.AsyncAzureOpenAI(azure_ad_token_provider=key, **dated)
    return openai.AsyncAzureOpenAI(api_key=key, **dated)


async def _tell_at_once(response: Any) -> None:
    """Keep the SDK from waiting out a rate limit: the page shows how long it takes, and tries again itself."""
    if response.status_code == 429:
        response.headers["x-should-retry"] = "false"


def _identity() -> Callable[[], Awaitable[str]]:
    """Gives a token of the app's managed identity, or of whoever is signed in on a developer's machine; kept until it expires."""
    from azure.identity import DefaultAzureCredential, get_bearer_token_provider

    # Source: Azure OpenAI's documentation of keyless access; the role is Cognitive Services OpenAI User.
    token = get_bearer_token_provider(DefaultAzureCredential(), "https://cognitiveservices.azure.com/.default")
    return lambda: asyncio.to_thread(token)  # the first one is fetched, and must not hold up others


def upstream_request(body: object, settings: Settings, *, own_prompt: bool = False) -> dict[str, Any]:
    """The arguments to ask the model with, from a client's request body.

    The system prompt is the app's, unless the client may send its own; the model is one of the app's; usage is always
    asked for.

    Raises:
        ApiError: 400 `bad_request`, naming the field.
    """
    if not isinstance(body, dict):
        raise _bad("The body must be a JSON object.")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise _bad("messages must be a list of at least one message.")
    if len(messages) > MAX_MESSAGES:
        raise ApiError(400, "context_length_exceeded", "This conversation is too long for the model.")
    for index, message in enumerate(messages):
        if not _is_message(message):
            raise _bad(f"messages[{index}] must have a role (user or assistant) and a text as content.")
    if not isinstance(body.get("stream", False), bool):
        raise _bad("stream must be true or false.")
    if not isinstance(body.get("stream_options") or {}, dict):
        raise _bad("stream_options must be an object.")
    sent = [{"role": each["role"], "content": each["content"]} for each in messages]
    asked = [each for each in sent if each["role"] != "system"]
    system = [each for each in sent if each["role"] == "system"] if own_prompt else []
    if not system and settings.system_prompt:
        system = [{"role": "system", "content": settings.system_prompt}]
    request: dict[str, Any] = {"model": _model(body.get("model"), settings), "messages": [*system, *asked]}
    if body.get("stream"):
        request |= {"stream": True, "stream_options": {"include_usage": True}}
    return request


def _model(asked: object, settings: Settings) -> str:
    """The model to ask: the client's where it is one of the app's, the first where it names none or the app has but one."""
    first = next(iter(settings.models), "")
    if asked in settings.models:
        return str(asked)
    if not asked or len(settings.models) <= 1:
        return first
    raise _bad(f"model must be one of: {', '.join(settings.models)}.")


async def complete(
    client: openai.AsyncOpenAI, request: Mapping[str, Any], request_id: str, settings: Settings
) -> dict[str, Any]:
    """The whole answer, as a `chat.completion` object.

    Raises:
        ApiError: what the model's refusal means to the client.
    """
    answer = await _ask(client, request, request_id, settings)
    if isinstance(answer, Response):
        made = responses.completion(answer)
    elif isinstance(answer, ChatCompletion):
        made = answer.model_dump(mode="json", exclude_unset=True)
    else:  # a 200 that is neither: a proxy's page, most likely
        raise errors.unavailable()
    _note("answered", request_id, usage=made.get("usage"))
    return made


async def open_stream(
    client: openai.AsyncOpenAI, request: Mapping[str, Any], request_id: str, settings: Settings
) -> Stream:
    """The stream once the model has begun to answer.

    Raises:
        ApiError: what the model's refusal means to the client.
    """
    stream = await _ask(client, request, request_id, settings)
    return Stream(stream.close, responses.chunks(stream) if settings.responses else _dumped(stream))


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer under way: its chunks as JSON, and what ends it early."""

    close: Callable[[], Awaitable[None]]
    chunks: AsyncIterator[dict[str, Any]]


async def _dumped(stream: AsyncStream[ChatCompletionChunk]) -> AsyncIterator[dict[str, Any]]:
    async for chunk in stream:
        yield chunk.model_dump(mode="json", exclude_unset=True)


async def events(
    stream: Stream, *, include_usage: bool, request_id: str, within_s: float, ping_s: float = 10
) -> AsyncIterator[bytes]:
    """The stream as server-sent events: the model's chunks, an error in their place where it fails, `[DONE]` always.

    `include_usage` says whether the client asked for the last chunk, the one with usage and no choice. After `within_s`
    seconds the answer is ended with an error, before somebody on the way breaks it off. A comment fills every `ping_s`
    seconds of silence, so that nothing between here and the page takes it for a dead connection.
    """
    finished, usage = False, None
    yield b": open\n\n"
    try:
        async for chunk in _with_pings(stream.chunks, ping_s, within_s):
            if chunk is None:
                yield b": ping\n\n"
                continue
            choices = chunk.get("choices") or ()
            finished = finished or any(choice.get("finish_reason") for choice in choices)
            usage = chunk.get("usage") or usage
            if choices or not chunk.get("usage") or include_usage:
                yield _event(chunk)
        if not finished:
            yield _event(errors.unavailable().body())
    except openai.OpenAIError as error:
        _note("broke off", request_id, why=type(error).__name__)
        yield _event(errors.from_model(error).body())
    except TimeoutError:
        _note("broke off", request_id, why="the answer takes too long")
        yield _event(errors.too_slow().body())
    except ValueError:
        _note("broke off", request_id, why="an event is no JSON")
        yield _event(errors.unavailable().body())
    finally:
        await stream.close()
    _note("answered", request_id, usage=usage)
    yield _DONE


async def _with_pings(
    chunks: AsyncIterator[dict[str, Any]], ping_s: float, within_s: float
) -> AsyncIterator[dict[str, Any] | None]:
    """The chunks, and None for every so many seconds without one.

    Raises:
        TimeoutError: there is more after `within_s` seconds.
    """
    over_s = time.monotonic() + within_s
    awaited = asyncio.ensure_future(anext(chunks))
    try:
        while True:
            await asyncio.wait({awaited}, timeout=max(0, min(ping_s, over_s - time.monotonic())))
            if time.monotonic() >= over_s:
                raise TimeoutError
            if not awaited.done():
                yield None
                continue
            try:
                chunk = awaited.result()
            except StopAsyncIteration:
                return
            awaited = asyncio.ensure_future(anext(chunks))
            yield chunk
    finally:
        awaited.cancel()


async def _ask(client: openai.AsyncOpenAI, request: Mapping[str, Any], request_id: str, settings: Settings) -> Any:
    headers = {"x-request-id": request_id}
    try:
        async with asyncio.timeout(settings.timeout_s):  # the client's own is for one try
            if settings.responses:
                stream = bool(request.get("stream"))
                return await client.responses.create(**responses.asked(request), stream=stream, extra_headers=headers)
            return await client.chat.completions.create(**request, extra_headers=headers)
    except TimeoutError as error:
        _note("refused", request_id, why="no answer in time")
        raise errors.too_slow() from error
    except ValueError as error:
        _note("refused", request_id, why="the answer is no JSON")
        raise errors.unavailable() from error
    except openai.OpenAIError as error:
        _note("refused", request_id, why=type(error).__name__)
        raise errors.from_model(error) from error


def _note(what: str, request_id: str, **more: Any) -> None:
    """One line of JSON in the log: what became of which request, never what it said."""
    level = logging.INFO if what == "answered" else logging.WARNING
    log.log(level, "%s", json.dumps({"event": what, "request_id": request_id, **more}))


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
