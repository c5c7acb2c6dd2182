"""Asks an upstream and hands its answer on as it comes; a tape turns what came into an answer to keep."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from contracts.operations import Backend, address_of
from mockserver import cassette
from mockserver.clock import Clock
from mockserver.exchange import Answer, End, Event, Headers, Interaction, Request, first, is_event_stream, split_events
from mockserver.redact import Redaction

#: Headers of one connection, never passed on. Source: RFC 9110, section 7.6.1.
HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
#: The last event of a stream of chat completion chunks; clients leave when they have read it.
LAST_WORD = b"data: [DONE]\n\n"
_KEY_HEADERS = frozenset({"authorization", "api-key"})


class UpstreamError(Exception):
    """The upstream could not be asked, or broke off; the message says which and why."""


@dataclass(frozen=True, slots=True)
class LiveAnswer:
    """The head of an upstream's answer, and its bytes as they come, not decoded."""

    status: int
    headers: Headers
    chunks: AsyncIterator[bytes]


class Upstream:
    """A server to pass requests on to. Use it on one event loop."""

    def __init__(self, base_url: str, *, timeout_s: float | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self._timeout = httpx2.Timeout(timeout_s, connect=10)
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=32)
        loopback = urlsplit(base_url).hostname in {"127.0.0.1", "localhost", "::1"}
        # A client reads HTTP_PROXY and the machine's CAs; a loopback address never goes through a proxy.
        self._client = httpx2.AsyncClient(limits=limits, trust_env=not loopback)

    @asynccontextmanager
    async def ask(self, request: Request, target: str) -> AsyncIterator[LiveAnswer]:
        """The upstream's answer to the request, passed on to `target` below the base URL.

        Raises:
            UpstreamError: no connection, no answer, or it broke off while it was read.
        """
        asked = passed_on(request, self.base_url, target, self._timeout)
        try:
            answer = await self._client.send(asked, stream=True)
            try:
                yield LiveAnswer(answer.status_code, _headers(answer), answer.aiter_raw())
            finally:
                await answer.aclose()
        except httpx2.HTTPError as error:
            raise UpstreamError(f"{self.base_url}: {str(error) or type(error).__name__}") from error

    async def close(self) -> None:
        """Close the idle connections."""
        await self._client.aclose()


def passed_on(request: Request, base_url: str, target: str, timeout: httpx2.Timeout) -> httpx2.Request:
    """The request as it goes to an upstream, at `target` (path and query, sent as they are) below the base URL.

    Hop-by-hop headers and Host are the connection's own; everything else goes through as it is.
    """
    url = httpx2.URL(base_url)
    kept = [(name, value) for name, value in request.headers if name not in HOP_BY_HOP and name != "host"]
    headers = [(b"host", url.netloc), *((name.encode("latin-1"), value.encode("latin-1")) for name, value in kept)]
    path = url.raw_path.rstrip(b"/") + target.encode("latin-1")
    extensions = {"target": path, "timeout": timeout.as_dict()}
    return httpx2.Request(request.method, url, headers=headers, content=request.body, extensions=extensions)


class Tape:
    """What came, and when: bytes go in, an answer with the wait before every event comes out."""

    def __init__(self, status: int, headers: Headers, *, asked_s: float, clock: Clock) -> None:
        self._head = Answer(status, headers)
        self._asked_s, self._clock = asked_s, clock
        self._head_ms = self._elapsed_ms()
        self._pending = b""
        self._events: list[tuple[int, bytes]] = []  # milliseconds since the request, data
        self._ended = False

    @property
    def whole(self) -> bool:
        """Whether all of it came: to the end of the body, or to the stream's own last word, after which clients leave."""
        return self._ended or (bool(self._events) and self._events[-1][1] == LAST_WORD)

    def end(self) -> None:
        """Note that the body ended."""
        self._ended = True

    def add(self, chunk: bytes) -> None:
        """Note bytes that came just now. An event's time is when its last byte came."""
        self._pending += chunk
        if is_event_stream(self._head.headers):
            *whole, rest = [*split_events(self._pending), *([b""] if _ends_event(self._pending) else [])] or [b""]
            self._events += [(self._elapsed_ms(), event) for event in whole]
            self._pending = rest

    def answer(self) -> Answer:
        """The answer as it came, ended."""
        events = [*self._events, *([(self._elapsed_ms(), self._pending)] if self._pending else [])]
        before = itertools.chain([self._head_ms], (at for at, _ in events))
        waits = [Event(at - earlier, data) for (at, data), earlier in zip(events, before, strict=False)]
        return replace(self._head, events=tuple(waits), head_after_ms=self._head_ms, end=End.EOF)

    def _elapsed_ms(self) -> int:
        return round((self._clock.now() - self._asked_s) * 1000)


class Recorder:
    """Asks the upstream for what no stub fits and writes whole interactions into a folder, one conversation a file."""

    def __init__(self, upstream_url: str, folder: Path, *, keys: dict[Backend, str | None]) -> None:
        self.upstream = Upstream(upstream_url)
        self._folder = folder
        self._keys = keys
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def ask(self, request: Request) -> AsyncIterator[LiveAnswer]:
        """The upstream's answer to a request of either backend; our own key replaces the client's where we have one.

        Raises:
            UpstreamError: as `Upstream.ask`.
        """
        backend = address_of(request.method, request.raw_path, request.query).backend
        target = request.target.removeprefix("/v1") if backend is Backend.OPENAI else request.target
        # Not compressed, so that the cassette can be read.
        plain = tuple((name, value) for name, value in request.headers if name != "accept-encoding")
        headers = (*self._with_key(plain, backend), ("accept-encoding", "identity"))
        async with self.upstream.ask(replace(request, headers=headers), target) as answer:
            yield answer

    async def keep(self, request: Request, answer: Answer) -> tuple[str, Interaction] | None:
        """Write the interaction down without keys; its name and what was written. None for a 429 or 5xx: passing trouble."""
        if answer.status == 429 or answer.status >= 500:
            return None
        sent = [value.removeprefix("Bearer").strip() for name, value in request.headers if name in _KEY_HEADERS]
        secrets = [*(key for key in self._keys.values() if key), *sent]
        interaction = Redaction.of(secrets).interaction(Interaction(_readable(request), answer))
        kind = f"OpenAI-compatible ({first(answer.headers, 'server') or 'unnamed'})"
        async with self._lock:
            path = await asyncio.to_thread(_file_for, self._folder, interaction)
            number = await asyncio.to_thread(cassette.append, path, interaction, upstream=kind)
        return f"{path.name}#{number}", interaction

    def _with_key(self, headers: Headers, backend: Backend) -> Headers:
        key = self._keys.get(backend)
        if not key:
            return headers
        kept = tuple((name, value) for name, value in headers if name not in _KEY_HEADERS)
        return (*kept, ("api-key", key) if backend is Backend.AZURE else ("authorization", f"Bearer {key}"))


def _ends_event(data: bytes) -> bool:
    """Whether the data ends with a blank line; a final CR may be half of a CRLF still under way."""
    return data.endswith((b"\n\n", b"\n\r\n"))


def _headers(answer: httpx2.Response) -> Headers:
    pairs = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in answer.headers.raw]
    return tuple((name, value) for name, value in pairs if name not in HOP_BY_HOP)


def _readable(request: Request) -> Request:
    """The request with its JSON body laid out for people; matching does not see white space."""
    body: Any = request.json_object()
    return replace(request, body=json.dumps(body, ensure_ascii=False, indent=2).encode() + b"\n") if body else request


def _file_for(folder: Path, interaction: Interaction) -> Path:
    """The file of the interaction's conversation: the one it began in, or a new one named after its first question."""
    opening = _opening(interaction.request)
    slug = re.sub(r"\W+", "-", str(opening[-1]).lower()).strip("-")[:48].rstrip("-") or "conversation"
    for number in itertools.count(1):
        path = folder / f"{slug}{f'-{number}' * (number > 1)}.yaml"
        if not path.exists() or _opening(cassette.load(path).interactions[0].request) == opening:
            return path
    raise AssertionError("unreachable: count() does not end")


def _opening(request: Request) -> tuple[object, ...]:
    """What a conversation keeps from turn to turn: backend, and its messages up to the first user's, that one's text last."""
    backend = address_of(request.method, request.raw_path, request.query).backend
    opening: list[object] = [backend]
    for message in (request.json_object() or {}).get("messages", []):
        opening.append(message.get("content") if isinstance(message, dict) else message)
        if isinstance(message, dict) and message.get("role") == "user":
            break
    return tuple(map(str, opening))
