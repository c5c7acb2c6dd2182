"""The API's routes: how each answers, independent of the request style of the Functions host."""

from __future__ import annotations

import asyncio
import functools
import importlib
import json
import logging
import re
import threading
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

from chat_api import principal, telemetry, ticket
from chat_api.errors import ApiError
from chat_api.principal import Principal, principal_of, require_role
from chat_api.request import MAX_BYTES, MAX_MESSAGES, upstream_request
from chat_api.settings import Settings, load_settings
from chat_api.wire import json_bytes

log = logging.getLogger("chat_api")

_REQUEST_ID = re.compile(r"[\w.-]{1,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
#: What may be said of an answer: a choice of words, so that nobody's own are ever logged.
_RATINGS = ("up", "down")
_REASONS = ("", "wrong", "incomplete", "harmful", "slow", "other")
#: A page of another origin can read only these headers.
_EXPOSED = {"access-control-expose-headers": "x-request-id, retry-after"}


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request, the same for both styles; the names of `headers` are case-insensitive."""

    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body's JSON.

        Raises:
            ApiError: 400 `bad_request` where the body is not valid JSON, 413 `too_large` where it is longer than the gate takes.
        """
        if len(self.body) > MAX_BYTES:
            raise ApiError(
                413,
                "too_large",
                f"The request is larger than {MAX_BYTES // 1_000_000} MB; send fewer or smaller files.",
            )
        try:
            return json.loads(self.body, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise ApiError(400, "bad_request", "The body must be valid JSON.") from error

    @property
    def id(self) -> str:
        """The client's request id where it is valid, else a new one."""
        id_ = self.headers.get("x-request-id", "")
        return id_ if _REQUEST_ID.fullmatch(id_) else str(uuid.uuid4())


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")  # Python reads NaN and Infinity, and no model does


@dataclass(frozen=True, slots=True)
class Reply:
    """The response to send; the body is complete, or arrives in pieces."""

    status: int
    body: bytes | AsyncIterator[bytes]
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class ApiRoute:
    """One method of one path. `name` is the function's name, as Azure lists it."""

    name: str
    path: str
    method: str
    answer: Callable[[ApiRequest], Awaitable[Reply]]


@functools.cache
def settings() -> Settings:
    """The process's settings, read at the first request."""
    return load_settings()


class _Model:
    """The module of the model and the process's client, which the first question loads: the SDK is most of a cold start."""

    def __init__(self) -> None:
        self._loaded: tuple[Any, Any] | None = None
        self._lock = threading.Lock()

    async def get(self) -> tuple[Any, Any]:
        """Both; while they are loaded, other requests are answered."""
        if self._loaded is not None:
            return self._loaded
        return await asyncio.to_thread(self._load)

    def prepare(self) -> None:
        """Load both in the background: a client that opens the page will soon ask."""
        if self._loaded is None and not self._lock.locked() and not settings().missing_for_model:
            threading.Thread(target=self._load, name="model", daemon=True).start()

    def _load(self) -> tuple[Any, Any]:
        with self._lock:
            if self._loaded is not None:
                return self._loaded
            completion = importlib.import_module("chat_api.completion")
            self._loaded = loaded = completion, completion.client_for(settings())
            return loaded


_model = _Model()


async def answer(route: ApiRoute, request: ApiRequest) -> Reply:
    """The route's reply, or its error as a reply."""
    try:
        if settings().topology == "direct" and not route.name.startswith(("chat_completions", "health")):
            raise ApiError(
                401, "unauthorized", "This app answers only chat completions; send other requests to the site."
            )
        return await route.answer(request)
    except ApiError as error:
        return _refusal(error)


async def chat_completions(request: ApiRequest) -> Reply:
    """A chat completion in OpenAI's format, streamed or complete; errors are in the same format."""
    request_id, started_s = request.id, time.monotonic()
    headers = {"x-request-id": request_id, "cache-control": "no-cache, no-transform", "x-accel-buffering": "no"}
    headers |= _EXPOSED if settings().topology == "direct" else {}
    try:
        user = require_role(_user(request), settings().required_role)
        body = request.json()
        arguments = upstream_request(body, settings(), own_prompt=_may_prompt(user))
        completion, client = await _model.get()
        if not arguments.get("stream"):
            return _json(await completion.complete(client, arguments, request_id, settings()), headers=headers)
        stream = await completion.open_stream(client, arguments, request_id, settings())
    except ApiError as error:
        return _refusal(error, headers)
    include_usage = (body.get("stream_options") or {}).get("include_usage") is True
    left_s = settings().answer_s - (time.monotonic() - started_s)
    events = completion.events(stream, include_usage=include_usage, request_id=request_id, within_s=left_s)
    return Reply(200, events, headers, "text/event-stream")


async def chat_ticket(request: ApiRequest) -> Reply:
    """A ticket for the question whose body has this SHA-256, and the URL to send it to."""
    user = require_role(principal_of(request.headers.get(principal.HEADER)), settings().required_role)
    if not settings().direct_url or "TICKET_KEY" in settings().missing:
        raise ApiError(503, "not_configured", "This app issues no tickets: DIRECT_URL or TICKET_KEY is missing.")
    body = request.json()
    sha256 = body.get("sha256") if isinstance(body, dict) else None
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise ApiError(400, "bad_request", "sha256 must be the SHA-256 of the request's body, as 64 hex digits.")
    issued = ticket.Ticket(user, _site_of(request), sha256, time.time() + ticket.LIFETIME_S)
    url = f"{settings().direct_url}/api/chat/completions"
    fields = {"ticket": issued.text(settings().ticket_key), "url": url, "expires_in": ticket.LIFETIME_S}
    return _json(fields, headers={"x-request-id": request.id, "cache-control": "no-store"})


async def chat_feedback(request: ApiRequest) -> Reply:
    """What somebody thinks of an answer: logged and counted with its request id, and without any text."""
    require_role(principal_of(request.headers.get(principal.HEADER)), settings().required_role)
    body = request.json()
    if not isinstance(body, dict):
        raise ApiError(400, "bad_request", "The body must be a JSON object.")
    if unknown := body.keys() - {"request_id", "rating", "reason"}:
        raise ApiError(400, "bad_request", f"Feedback has no {min(map(str, unknown))}.", parameter=min(unknown))
    id_, rating, reason = body.get("request_id"), body.get("rating"), body.get("reason", "")
    if not isinstance(id_, str) or not _REQUEST_ID.fullmatch(id_):
        words = "request_id must be the x-request-id of the answer."
        raise ApiError(400, "bad_request", words, parameter="request_id")
    if rating not in _RATINGS:
        raise ApiError(400, "bad_request", f"rating must be one of: {', '.join(_RATINGS)}.", parameter="rating")
    if reason not in _REASONS:
        words = f"reason must be empty or one of: {', '.join(filter(None, _REASONS))}."
        raise ApiError(400, "bad_request", words, parameter="reason")
    log.info("%s", json.dumps({"event": "feedback", "request_id": id_, "rating": rating, "reason": reason}))
    await asyncio.to_thread(telemetry.count_feedback, rating, reason)  # the first one loads OpenTelemetry
    return Reply(204, b"", {"cache-control": "no-store"})


async def config(request: ApiRequest) -> Reply:
    """What the page offers this user: models, limits, delivery, questions, and what they may send."""
    user = principal_of(request.headers.get(principal.HEADER))
    may_prompt = _may_prompt(user)
    if user is not None:
        _model.prepare()
    limits = {"messages": MAX_MESSAGES, "bytes": MAX_BYTES, "seconds": settings().timeout_s}
    common = {"models": settings().models, "limits": limits, "delivery": settings().delivery}
    questions = {"suggestions": list(map(asdict, settings().suggestions)), "follow_ups": settings().follow_ups}
    return _json({**common, **questions, "images": settings().images, "feedback": True, "system_prompt": may_prompt})


async def models(request: ApiRequest) -> Reply:
    """The models that a client may choose, as OpenAI lists them."""
    require_role(principal_of(request.headers.get(principal.HEADER)), settings().required_role)
    listed = [{"id": name, "object": "model", "created": 0, "owned_by": "app"} for name in settings().models]
    return _json({"object": "list", "data": listed})


async def me(request: ApiRequest) -> Reply:
    """The signed-in user as the API sees them, and whether they may use the API."""
    user = require_role(principal_of(request.headers.get(principal.HEADER)), "")
    role = settings().required_role
    fields = {"userId": user.user_id, "userDetails": user.user_details, "userRoles": sorted(user.roles)}
    return _json({**fields, "allowed": not role or role in user.roles})


async def roles(request: ApiRequest) -> Reply:
    """The roles of a user who signs in: the site's `rolesSource`, which only the site calls, at each sign-in.

    Source: Static Web Apps' documentation of function-based roles: the user is posted, `{"roles": [...]}` is returned.
    """
    body = request.json()
    address = str(body.get("userDetails", "") if isinstance(body, dict) else "").lower()
    invited = {address, "@" + address.partition("@")[2]} & settings().invited
    return _json({"roles": [settings().required_role] if invited and settings().required_role else []})


async def health(request: ApiRequest) -> Reply:
    """Whether the app is configured, and which settings are missing; `?live` checks only that it runs."""
    missing = () if "live" in request.query else settings().missing
    return _json({"status": "not configured" if missing else "ok", "missing": list(missing)}, 503 if missing else 200)


ROUTES = (
    ApiRoute("chat_completions", "chat/completions", "POST", chat_completions),
    ApiRoute("chat_feedback", "chat/feedback", "POST", chat_feedback),
    ApiRoute("chat_ticket", "chat/ticket", "POST", chat_ticket),
    ApiRoute("config", "config", "GET", config),
    ApiRoute("health", "health", "GET", health),
    ApiRoute("me", "me", "GET", me),
    ApiRoute("models", "models", "GET", models),
    ApiRoute("roles", "roles", "POST", roles),
)


def _user(request: ApiRequest) -> Principal | None:
    """The user as the gate reports them, or, in a direct app, the user that the ticket was issued for.

    Raises:
        ApiError: 401 `ticket_refused`; 503 `not_configured` where the key to check tickets is missing.
    """
    if settings().topology != "direct":
        return principal_of(request.headers.get(principal.HEADER))
    if "TICKET_KEY" in settings().missing:
        raise ApiError(503, "not_configured", "The app is not configured. Missing: TICKET_KEY.")
    presented = ticket.read_ticket(request.headers.get(ticket.HEADER, ""), settings().ticket_key)
    origin = request.headers.get("origin", "")
    if reason := presented.refusal(request.body, origin=origin, now_s=time.time()):
        raise ticket.refused(reason)
    return presented.principal


def _may_prompt(user: Principal | None) -> bool:
    return user is not None and settings().prompt_role in user.roles


def _site_of(request: ApiRequest) -> str:
    """The origin of the site's page: from the browser's Origin header, else from the gate; the two must not differ.

    Raises:
        ApiError: 403 `forbidden` for a page of another site, 400 `bad_request` where neither has the origin, or the gate's is no URL.
    """
    browser = request.headers.get("origin", "")
    try:
        original = urlsplit(request.headers.get("x-ms-original-url", ""))
    except ValueError as error:
        raise ApiError(400, "bad_request", "x-ms-original-url must be a URL.") from error
    gate = f"{original.scheme}://{original.netloc}" if original.netloc else ""
    if browser and gate and browser != gate:
        raise ApiError(403, "forbidden", "Only the site's own pages can get tickets.")
    if not (browser or gate):
        raise ApiError(400, "bad_request", "The Origin header is required.")
    return browser or gate


def _json(body: object, status: int = 200, *, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, json_bytes(body), headers or {})


def _refusal(error: ApiError, headers: Mapping[str, str] | None = None) -> Reply:
    wait = {} if error.retry_after_s is None else {"retry-after": str(error.retry_after_s)}
    return _json(error.body(), error.status, headers={**(headers or {}), **wait})
