"""The model: the SDK client of each backend, and its answers, whole or chunk by chunk. Loaded with the first question."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import openai
from openai import AsyncStream
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response

from chat_api import errors, model_errors, responses, telemetry
from chat_api.errors import ApiError
from chat_api.settings import Settings
from chat_api.wire import json_bytes

log = logging.getLogger("chat_api")
logging.getLogger("httpx2").setLevel(logging.WARNING)  # a line for each request; ours says more

_DONE = b"data: [DONE]\n\n"


def client_for(settings: Settings) -> openai.AsyncOpenAI:
    """The SDK client for the configured backend. Create one per process: it keeps connections, and the identity's tokens.

    Raises:
        ApiError: 503 `not_configured`, with the settings that are missing or not valid.
    """
    if missing := settings.missing_for_model:
        raise ApiError(503, "not_configured", f"The app is not configured. Missing: {', '.join(missing)}.")
    if settings.unreadable:  # a limit that cannot be read must not become none
        raise ApiError(
            503, "not_configured", f"The app is not configured. Not valid: {', '.join(settings.unreadable)}."
        )
    hooks: dict[str, Any] = {"request": [_count_retry], "response": [_report_rate_limits_at_once]}
    http_client = openai.DefaultAsyncHttpxClient(event_hooks=hooks)
    telemetry.watch(http_client)
    options: dict[str, Any] = {"timeout": settings.timeout_s, "max_retries": 1, "http_client": http_client}
    if not settings.azure_endpoint:
        return openai.AsyncOpenAI(api_key=settings.api_key, base_url=settings.base_url, **options)
    key: Any = _identity() if settings.identity else settings.api_key
    if not settings.api_version:
        return openai.AsyncOpenAI(api_key=key, base_url=f"{settings.azure_endpoint}/openai/v1/", **options)
    dated: dict[str, Any] = {"azure_endpoint": settings.azure_endpoint, "api_version": settings.api_version, **options}
    if settings.identity:
        return openai.AsyncAzureOpenAI(azure_ad_token_provider=key, **dated)
    return openai.AsyncAzureOpenAI(api_key=key, **dated)


async def _count_retry(request: Any) -> None:
    telemetry.count_retry(request)


async def _report_rate_limits_at_once(response: Any) -> None:
    """Stop the SDK from waiting until a rate limit ends: the page shows the time that is left, and retries by itself."""
    if response.status_code == 429:
        response.headers["x-should-retry"] = "false"


def _identity() -> Callable[[], Awaitable[str]]:
    """A function that gives a token of the app's managed identity, or of the developer who is signed in; it caches the token."""
    from azure.identity import DefaultAzureCredential, get_bearer_token_provider

    # Source: Azure OpenAI's documentation of keyless access; the role is Cognitive Services OpenAI User.
    token = get_bearer_token_provider(DefaultAzureCredential(), "https://cognitiveservices.azure.com/.default")
    return lambda: asyncio.to_thread(token)  # fetching a token must not block other requests


async def complete(
    client: openai.AsyncOpenAI, request: Mapping[str, Any], request_id: str, settings: Settings
) -> dict[str, Any]:
    """The complete answer, as a `chat.completion` object.

    Raises:
        ApiError: the model failed or refused; as the client sees it.
    """
    answer = await _ask(client, request, request_id, settings)
    if isinstance(answer, Response):
        body = _converted(answer, request_id)
    elif isinstance(answer, ChatCompletion) and _is_whole(answer):
        body = answer.model_dump(mode="json", exclude_unset=True, warnings=False)
        body.pop("error", None)  # a provider's own words
        _name_reasoning(body["choices"], "message")
    else:  # a 200 that is neither: a proxy's page, or JSON of another kind
        _log("refused", request_id, why="the answer is not a completion")
        raise errors.unavailable()
    _log("answered", request_id, usage=body.get("usage"), finish=body["choices"][0].get("finish_reason"))
    return body


def _converted(response: Response, request_id: str) -> dict[str, Any]:
    """A response as a completion.

    Raises:
        ApiError: it failed, or is not a response: the SDK accepts any JSON.
    """
    try:
        return responses.completion(response)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        _log("refused", request_id, why="the answer is not a response")
        raise errors.unavailable() from error


def _is_whole(answer: ChatCompletion) -> bool:
    """Whether it is one, with an answer: the SDK takes any JSON for what was asked."""
    choices: Any = answer.choices
    return (
        bool(choices)
        and isinstance(choices, list)
        and all(hasattr(getattr(each, "message", None), "role") for each in choices)
    )


async def open_stream(
    client: openai.AsyncOpenAI, request: Mapping[str, Any], request_id: str, settings: Settings
) -> Stream:
    """The stream, as soon as the model has begun to answer.

    Raises:
        ApiError: the model failed or refused; as the client sees it.
    """
    stream = await _ask(client, request, request_id, settings)
    return Stream(stream.close, responses.chunks(stream) if settings.responses else _chunks(stream))


@dataclass(frozen=True, slots=True)
class Stream:
    """A running answer: its chunks as JSON, and `close` to end it early."""

    close: Callable[[], Awaitable[None]]
    chunks: AsyncIterator[dict[str, Any]]


async def _chunks(stream: AsyncStream[ChatCompletionChunk]) -> AsyncIterator[dict[str, Any]]:
    async for chunk in stream:
        fields = chunk.model_dump(mode="json", exclude_unset=True, warnings=False) if _is_chunk(chunk) else {}
        if "choices" not in fields or not all(isinstance(choice, dict) for choice in fields["choices"] or ()):
            raise ValueError("an event is not a chunk of a completion")  # the SDK accepts any JSON
        _name_reasoning(fields["choices"] or (), "delta")
        yield fields


def _name_reasoning(choices: Iterable[dict[str, Any]], holder: str) -> None:
    """Give the reasoning one name. Source: `reasoning_content` of DeepSeek and Foundry's models; vLLM and OpenRouter say `reasoning`."""
    for choice in choices:
        message = choice.get(holder)
        if isinstance(message, dict) and isinstance(message.get("reasoning"), str):
            message.setdefault("reasoning_content", message.pop("reasoning"))


def _is_chunk(chunk: object) -> bool:
    return isinstance(chunk, ChatCompletionChunk) and isinstance(getattr(chunk, "choices", None), list | None)


async def events(
    stream: Stream, *, include_usage: bool, request_id: str, within_s: float, ping_s: float = 10
) -> AsyncIterator[bytes]:
    """The stream as server-sent events: the model's chunks, an error event where it fails, and always `[DONE]` at the end.

    `include_usage` is whether the client wants the last chunk, with usage and without choices. After `within_s` seconds
    an error ends the answer, before a proxy on the way cuts the connection. During silence, a comment is sent every
    `ping_s` seconds, so that no proxy takes the connection for a dead one.
    """
    finish, usage = None, None
    yield b": open\n\n"
    try:
        async for chunk in _with_pings(stream.chunks, ping_s, within_s):
            if chunk is None:
                yield b": ping\n\n"
                continue
            choices = chunk.get("choices") or ()
            finish = next((choice["finish_reason"] for choice in choices if choice.get("finish_reason")), finish)
            usage = chunk.get("usage") or usage
            if choices or not chunk.get("usage") or include_usage:
                yield _event(chunk)
        if finish:
            _log("answered", request_id, usage=usage, finish=finish)
        else:
            _log("broke off", request_id, why="no finish reason")
            yield _event(errors.unavailable().body())
    except openai.OpenAIError as error:
        refusal = model_errors.from_model(error)
        _log("broke off", request_id, why=type(error).__name__, code=refusal.code)
        yield _event(refusal.body())
    except TimeoutError:
        _log("broke off", request_id, why="the answer takes too long")
        yield _event(errors.too_slow().body())
    except (AttributeError, KeyError, TypeError, ValueError):
        _log("broke off", request_id, why="an event is not a chunk")
        yield _event(errors.unavailable().body())
    finally:
        await stream.close()
    yield _DONE


async def _with_pings(
    chunks: AsyncIterator[dict[str, Any]], ping_s: float, within_s: float
) -> AsyncIterator[dict[str, Any] | None]:
    """The chunks, and None after every `ping_s` seconds without one.

    Raises:
        TimeoutError: the stream has not ended after `within_s` seconds.
    """
    deadline_s = time.monotonic() + within_s
    pending = asyncio.ensure_future(anext(chunks))
    try:
        while True:
            await asyncio.wait({pending}, timeout=max(0, min(ping_s, deadline_s - time.monotonic())))
            if time.monotonic() >= deadline_s:
                raise TimeoutError
            if not pending.done():
                yield None
                continue
            try:
                chunk = pending.result()
            except StopAsyncIteration:
                return
            pending = asyncio.ensure_future(anext(chunks))
            yield chunk
    finally:
        pending.cancel()


async def _ask(client: openai.AsyncOpenAI, request: Mapping[str, Any], request_id: str, settings: Settings) -> Any:
    headers = {"x-request-id": request_id}
    try:
        async with asyncio.timeout(settings.timeout_s):  # the client's own timeout is for each attempt
            if settings.responses:
                stream = bool(request.get("stream"))
                return await client.responses.create(
                    **responses.arguments(request, settings.reasoning_summary), stream=stream, extra_headers=headers
                )
            return await client.chat.completions.create(**request, extra_headers=headers)
    except TimeoutError as error:
        _log("refused", request_id, why="no answer in time")
        raise errors.too_slow() from error
    except ValueError as error:
        _log("refused", request_id, why="the answer is not valid JSON")
        raise errors.unavailable() from error
    except openai.OpenAIError as error:
        refusal = model_errors.from_model(error)
        _log("refused", request_id, why=type(error).__name__, code=refusal.code)
        raise refusal from error


def _log(event: str, request_id: str, **details: Any) -> None:
    """Write one line of JSON: how a request ended, without any of its content."""
    level = logging.INFO if event == "answered" else logging.WARNING
    log.log(level, "%s", json.dumps({"event": event, "request_id": request_id, **details}))
    telemetry.count_answer(event, str(details.get("code") or details.get("why") or details.get("finish")))


def _event(payload: Mapping[str, Any]) -> bytes:
    return b"data: " + json_bytes(payload) + b"\n\n"
