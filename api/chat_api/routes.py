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
            answer = await completion.complete(client(), asked, request_id, through_responses=settings().responses)
            return JSONResponse(answer, headers=headers)
        stream = await completion.open_stream(client(), asked, request_id, through_responses=settings().responses)
    except ApiError as error:
        if error.retry_after_s is not None:
            headers["retry-after"] = str(error.retry_after_s)
        return JSONResponse(error.body(), error.status, headers=headers)
    include_usage = (body.get("stream_options") or {}).get("include_usage") is True
    events = completion.events(stream, include_usage=include_usage, request_id=request_id)
    return StreamingResponse(events, headers=headers, media_type="text/event-stream")


@routes.route(route="config", methods=["GET"])
async def config(req: Request) -> Response:
    """What the page offers: models, limits, how answers arrive, and what to ask first."""
    del req
    limits = {"messages": completion.MAX_MESSAGES, "seconds": settings().timeout_s}
    offered = {"models": settings().models, "limits": limits, "delivery": "streamed"}
    return JSONResponse({**offered, "suggestions": settings().suggestions})


@routes.route(route="me", methods=["GET"])
async def me(req: Request) -> Response:
    """Who asks, as the API sees it, and whether that one may use it."""
    try:
        principal = require_role(principal_of(req.headers.get(HEADER)), "")
    except ApiError as error:
        return JSONResponse(error.body(), error.status)
    role = settings().required_role
    shown = {"userId": principal.user_id, "userDetails": principal.user_details, "userRoles": sorted(principal.roles)}
    return JSONResponse({**shown, "allowed": not role or role in principal.roles})


@routes.route(route="roles", methods=["POST"])
async def roles(req: Request) -> Response:
    """The roles somebody has who signs in: `rolesSource` of the site, which alone asks it, at sign-in.

    Source: Static Web Apps' documentation of function-based roles: who it is goes in, `{"roles": [...]}` comes out.
    """
    try:
        body = await _json(req)
    except ApiError as error:
        return JSONResponse(error.body(), error.status)
    address = str(body.get("userDetails", "") if isinstance(body, dict) else "").lower()
    known = {address, "@" + address.partition("@")[2]} & settings().invited
    return JSONResponse({"roles": [settings().required_role] if known and settings().required_role else []})


@routes.route(route="health", methods=["GET"])
async def health(req: Request) -> Response:
    """Whether the app can ask a model, and which settings are missing; `?live` asks only whether it runs."""
    missing = () if "live" in req.query_params else settings().missing
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
