"""Asks an upstream and hands its answer on as it comes; a tape turns what came into an answer to keep."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import httpx2

from mockserver.clock import Clock
from mockserver.exchange import Answer, End, Event, Headers, Request, is_event_stream, split_events

#: Headers of one connection, never passed on; who was expected to say "100 continue" has said it. Source: RFC 9110, 7.6.1.
HOP_BY_HOP = frozenset(
    {
        "connection",
        "expect",
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
        # Let go of idle connections well before a server does (uvicorn: 5 s), or now and then one closes under a request.
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=32, keepalive_expiry=2)
        loopback = urlsplit(base_url).hostname in {"127.0.0.1", "localhost", "::1"}
        # The machine's proxy and its certificates count, SSL_CERT_FILE too; a loopback address never goes through a proxy.
        trust = httpx2.create_ssl_context(trust_env=True) if base_url.startswith("https:") else True
        self._client = httpx2.AsyncClient(limits=limits, trust_env=not loopback, verify=trust)

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
    """What came, and when: bytes go in, an answer with the wait before every event comes out.

    Beyond `limit_bytes` events are still counted and timed, but their bytes are not kept.
    """

    def __init__(self, *, asked_s: float, clock: Clock, limit_bytes: int | None = None) -> None:
        self._asked_s, self._clock, self._limit_bytes = asked_s, clock, limit_bytes
        self._head, self._head_ms = Answer(0), 0
        self._pending = b""
        self._events: list[tuple[int, bytes]] = []  # milliseconds since the request, data
        self._kept_bytes = 0
        self._last = b""
        self._ended = False

    def begin(self, status: int, headers: Headers) -> None:
        """Note the head, which came just now."""
        self._head, self._head_ms = Answer(status, headers), self._elapsed_ms()

    @property
    def status(self) -> int:
        """The answer's status, 0 before there is one."""
        return self._head.status

    @property
    def count(self) -> int:
        """How many events came."""
        return len(self._events)

    @property
    def whole(self) -> bool:
        """Whether all of it came: to the end of the body, or to the stream's own last word, after which clients leave."""
        return self._ended or self._last == LAST_WORD

    def end(self) -> None:
        """Note that the body ended."""
        self._ended = True

    def add(self, chunk: bytes) -> None:
        """Note bytes that came just now. An event's time is when its last byte came."""
        self._pending += chunk
        if not is_event_stream(self._head.headers):
            self._pending = self._pending[: self._limit_bytes]
            return
        *whole, rest = [*split_events(self._pending), *([b""] if _ends_event(self._pending) else [])] or [b""]
        for event in whole:
            self._kept_bytes += len(event)
            fits = self._limit_bytes is None or self._kept_bytes <= self._limit_bytes
            self._events.append((self._elapsed_ms(), event if fits else b""))
            self._last = event
        self._pending = rest

    def answer(self) -> Answer:
        """The answer as it came, ended."""
        events = [*self._events, *([(self._elapsed_ms(), self._pending)] if self._pending else [])]
        before = itertools.chain([self._head_ms], (at for at, _ in events))
        waits = [Event(at - earlier, data) for (at, data), earlier in zip(events, before, strict=False)]
        return replace(self._head, events=tuple(waits), head_after_ms=self._head_ms, end=End.EOF)

    def _elapsed_ms(self) -> int:
        return round((self._clock.now() - self._asked_s) * 1000)


def _ends_event(data: bytes) -> bool:
    """Whether the data ends with a blank line; a final CR may be half of a CRLF still under way."""
    return data.endswith((b"\n\n", b"\n\r\n"))


def _headers(answer: httpx2.Response) -> Headers:
    pairs = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in answer.headers.raw]
    return tuple((name, value) for name, value in pairs if name not in HOP_BY_HOP)
