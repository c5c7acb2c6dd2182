"""The operations: what each answers, whatever style of request the Functions host hands over."""

from __future__ import annotations

import functools
import json
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import openai

from chat_api import completion, principal, ticket
from chat_api.errors import ApiError
from chat_api.principal import Principal, principal_of, require_role
from chat_api.settings import Settings, load_settings

_REQUEST_ID = re.compile(r"[\w.-]{1,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
#: A browser shows a page of another origin no other headers.
_EXPOSED = {"access-control-expose-headers": "x-request-id, retry-after"}


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request as both styles have it; `headers` take a name in any case."""

    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body's JSON.

        Raises:
            ApiError: 400 `bad_request`.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise ApiError(400, "bad_request", "The body is no JSON.") from error

    @property
    def id(self) -> str:
        """The caller's id where it is one, else a new one."""
        given = self.headers.get("x-request-id", "")
        return given if _REQUEST_ID.fullmatch(given) else str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer: a whole body, or one that comes in pieces."""

    status: int
    body: bytes | AsyncIterator[bytes]
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class ApiRoute:
    """One endpoint's verb. The `name` is the function's, as Azure lists it."""

    name: str
    route: str
    method: str
    answer: Callable[[ApiRequest], Awaitable[Reply]]


@functools.cache
def settings() -> Settings:
    """The process's settings, read at the first request."""
    return load_settings()


@functools.cache
def client() -> openai.AsyncOpenAI:
    """The process's model client, made at the first question."""
    return completion.client_for(settings())


async def answer(operation: ApiRoute, request: ApiRequest) -> Reply:
    """The operation's reply, or the error that it ended with."""
    try:
        if settings().topology == "direct" and not operation.name.startswith(("chat_completions", "health")):
            raise ApiError(401, "unauthorized", "Ask the site; only its questions to the model come here.")
        return await operation.answer(request)
    except ApiError as error:
        return _refusal(error)


async def chat_completions(request: ApiRequest) -> Reply:
    """A chat completion, streamed or whole, in OpenAI's shape; errors too."""
    request_id, begun_s = request.id, time.monotonic()
    headers = {"x-request-id": request_id, "cache-control": "no-cache, no-transform", "x-accel-buffering": "no"}
    headers |= _EXPOSED if settings().topology == "direct" else {}
    try:
        who = require_role(_asker(request), settings().required_role)
        body = request.json()
        asked = completion.upstream_request(body, settings(), own_prompt=_may_prompt(who))
        if not asked.get("stream"):
            whole = await completion.complete(client(), asked, request_id, settings())
            return _json(whole, headers=headers)
        stream = await completion.open_stream(client(), asked, request_id, settings())
    except ApiError as error:
        return _refusal(error, headers)
    include_usage = (body.get("stream_options") or {}).get("include_usage") is True
    left_s = settings().answer_s - (time.monotonic() - begun_s)
    events = completion.events(stream, include_usage=include_usage, request_id=request_id, within_s=left_s)
    return Reply(200, events, headers, "text/event-stream")


async def chat_ticket(request: ApiRequest) -> Reply:
    """A ticket for the question whose body has this SHA-256, and where to ask it."""
    who = require_role(principal_of(request.headers.get(principal.HEADER)), settings().required_role)
    if not settings().direct_url or "TICKET_KEY" in settings().missing:
        raise ApiError(503, "not_configured", "This app gives no tickets: DIRECT_URL or TICKET_KEY is missing.")
    body = request.json()
    sha256 = body.get("sha256") if isinstance(body, dict) else None
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise ApiError(400, "bad_request", "sha256 must be the SHA-256 of the request's body, as 64 hex digits.")
    made = ticket.Ticket(who, _site_of(request), sha256, time.time() + ticket.LIFETIME_S)
    url = f"{settings().direct_url}/api/chat/completions"
    given = {"ticket": made.text(settings().ticket_key), "url": url, "expires_in": ticket.LIFETIME_S}
    return _json(given, headers={"x-request-id": request.id, "cache-control": "no-store"})


async def config(request: ApiRequest) -> Reply:
    """What the page offers whoever asks: models, limits, how answers arrive, what to ask first, a system prompt of one's own."""
    prompt = _may_prompt(principal_of(request.headers.get(principal.HEADER)))
    limits = {"messages": completion.MAX_MESSAGES, "seconds": settings().timeout_s}
    offered = {"models": settings().models, "limits": limits, "delivery": settings().delivery}
    return _json({**offered, "suggestions": settings().suggestions, "system_prompt": prompt})


async def me(request: ApiRequest) -> Reply:
    """Who asks, as the API sees it, and whether that one may use it."""
    who = require_role(principal_of(request.headers.get(principal.HEADER)), "")
    role = settings().required_role
    shown = {"userId": who.user_id, "userDetails": who.user_details, "userRoles": sorted(who.roles)}
    return _json({**shown, "allowed": not role or role in who.roles})


async def roles(request: ApiRequest) -> Reply:
    """The roles somebody has who signs in: `rolesSource` of the site, which alone asks it, at sign-in.

    Source: Static Web Apps' documentation of function-based roles: who it is goes in, `{"roles": [...]}` comes out.
    """
    body = request.json()
    address = str(body.get("userDetails", "") if isinstance(body, dict) else "").lower()
    known = {address, "@" + address.partition("@")[2]} & settings().invited
    return _json({"roles": [settings().required_role] if known and settings().required_role else []})


async def health(request: ApiRequest) -> Reply:
    """Whether the app can do its part, and which settings are missing; `?live` asks only whether it runs."""
    missing = () if "live" in request.query else settings().missing
    return _json({"status": "not configured" if missing else "ok", "missing": list(missing)}, 503 if missing else 200)


OPERATIONS = (
    ApiRoute("chat_completions", "chat/completions", "POST", chat_completions),
    ApiRoute("chat_ticket", "chat/ticket", "POST", chat_ticket),
    ApiRoute("config", "config", "GET", config),
    ApiRoute("health", "health", "GET", health),
    ApiRoute("me", "me", "GET", me),
    ApiRoute("roles", "roles", "POST", roles),
)


def _asker(request: ApiRequest) -> Principal | None:
    """Who asks: whom the gate says, or, where there is none before us, whoever a ticket is for.

    Raises:
        ApiError: 401 `ticket_refused`; 503 `not_configured` without a key to check one with.
    """
    if settings().topology != "direct":
        return principal_of(request.headers.get(principal.HEADER))
    if "TICKET_KEY" in settings().missing:
        raise ApiError(503, "not_configured", "The app is not set up: TICKET_KEY is missing.")
    shown = ticket.read_ticket(request.headers.get(ticket.HEADER, ""), settings().ticket_key)
    origin = request.headers.get("origin", "")
    if why := shown.refusal(request.body, origin=origin, now_s=time.time()):
        raise ticket.refused(why)
    return shown.principal


def _may_prompt(who: Principal | None) -> bool:
    return who is not None and settings().prompt_role in who.roles


def _site_of(request: ApiRequest) -> str:
    """The origin of the site that somebody is using: what the browser says, where the gate says nothing else.

    Raises:
        ApiError: 403 `forbidden` for a page of another site, 400 `bad_request` where nobody says.
    """
    browser, gate = request.headers.get("origin", ""), urlsplit(request.headers.get("x-ms-original-url", ""))
    site = f"{gate.scheme}://{gate.netloc}" if gate.netloc else ""
    if browser and site and browser != site:
        raise ApiError(403, "forbidden", "Tickets are for the site's own pages.")
    if not (browser or site):
        raise ApiError(400, "bad_request", "An Origin header is needed.")
    return browser or site


def _json(body: object, status: int = 200, *, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(), headers or {})


def _refusal(error: ApiError, headers: Mapping[str, str] | None = None) -> Reply:
    wait = {} if error.retry_after_s is None else {"retry-after": str(error.retry_after_s)}
    return _json(error.body(), error.status, headers={**(headers or {}), **wait})
