"""The HTTP routes."""

from __future__ import annotations

import functools
import re
import uuid
from typing import Any

import azure.functions as func
import openai
from azurefunctions.extensions.http.fastapi import JSONResponse, Request, Response, StreamingResponse

from chat_api import completion
from chat_api.errors import ApiError
from chat_api.principal import HEADER, principal_of, require_role
from chat_api.settings import Settings, load_settings

routes = func.Blueprint()  # type: ignore[no-untyped-call]  # the library's own

_REQUEST_ID = re.compile(r"[\w.-]{1,64}")


@functools.cache
def settings() -> Settings:
    """The process's settings, read at the first request."""
    return load_settings()


@functools.cache
def client() -> openai.AsyncOpenAI:
    """The process's model client, made at the first question."""
    return completion.client_for(settings())


@routes.route(route="chat/completions", methods=["POST"])
async def chat_completions(req: Request) -> Response:
    """A chat completion, streamed or whole, in OpenAI's shape; errors too."""
    request_id = _request_id(req)
    headers = {"x-request-id": request_id, "cache-control": "no-cache, no-transform", "x-accel-buffering": "no"}
    try:
        require_role(principal_of(req.headers.get(HEADER)), settings().required_role)
        body = await _json(req)
        asked = completion.upstream_request(body, settings())
        if not asked.get("stream"):
            return JSONResponse(await completion.complete(client(), asked, request_id), headers=headers)
        stream = await completion.open_stream(client(), asked, request_id)
    except ApiError as error:
        if error.retry_after_s is not None:
            headers["retry-after"] = str(error.retry_after_s)
        return JSONResponse(error.body(), error.status, headers=headers)
    include_usage = (body.get("stream_options") or {}).get("include_usage") is True
    events = completion.events(stream, include_usage=include_usage, request_id=request_id)
    return StreamingResponse(events, headers=headers, media_type="text/event-stream")


@routes.route(route="health", methods=["GET"])
async def health(req: Request) -> Response:
    """Whether the app can ask a model, and which settings are missing."""
    del req
    missing = settings().missing
    return JSONResponse(
        {"status": "not configured" if missing else "ok", "missing": list(missing)}, 503 if missing else 200
    )


async def _json(req: Request) -> Any:
    try:
        return await req.json()
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "bad_request", "The body is no JSON.") from error


def _request_id(req: Request) -> str:
    """The caller's id where it is one, else a new one."""
    given = req.headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else str(uuid.uuid4())
