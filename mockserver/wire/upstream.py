"""Forwards requests to an upstream and passes its answers on as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mockserver.exchange import Headers, Request, shown_url
from mockserver.wire.connection import RawStream

if TYPE_CHECKING:
    import httpx2  # an eighth of a start, which a model endpoint without an upstream does not need

#: Headers of one connection, never passed on; so is `expect`, because "100 continue" was already sent. Source: RFC 9110, 7.6.1.
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


#: Those of them that frame a message, and are dropped where another protocol is asked for too.
_FRAMING = HOP_BY_HOP - {"connection", "upgrade"}


class UpstreamError(Exception):
    """The upstream could not be reached, or its answer broke off; the message says which and why."""


@dataclass(frozen=True, slots=True)
class LiveAnswer:
    """The head of an upstream's answer, and its body's bytes as they come, not decoded; `raw` is the connection where it agreed
    to another protocol."""

    status: int
    headers: Headers
    chunks: AsyncIterator[bytes]
    raw: RawStream | None = None


class Upstream:
    """A server that requests are forwarded to. Use it on one event loop."""

    def __init__(self, base_url: str, *, timeout_s: float | None = None, pooled: bool = True) -> None:
        """Without `pooled`, each request has a connection of its own: for a server that closes one unannounced.

        Its connections are opened as they are needed.
        """
        from http.cookiejar import DefaultCookiePolicy

        import httpx2

        self.base_url = base_url.rstrip("/")
        self._timeout = httpx2.Timeout(timeout_s, connect=10)
        # Close idle connections well before a server does (uvicorn: 5 s), or sometimes one closes under a request.
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=32 if pooled else 0, keepalive_expiry=2)
        loopback = urlsplit(base_url).hostname in {"127.0.0.1", "localhost", "::1"}
        # The machine's proxy and its certificates apply, SSL_CERT_FILE too; a loopback address never goes through a proxy.
        # A dev server's own certificate is known to nobody, and on loopback nobody is between.
        trust = (
            httpx2.create_ssl_context(trust_env=True)
            if base_url.startswith("https:") and not loopback
            else not loopback
        )
        self._client = httpx2.AsyncClient(limits=limits, trust_env=not loopback, verify=trust)
        self._client.cookies.jar.set_policy(
            DefaultCookiePolicy(allowed_domains=())
        )  # cookies are their clients' to keep

    @asynccontextmanager
    async def ask(
        self, request: Request, target: str, *, upgrade: bool = False, body: AsyncIterator[bytes] | None = None
    ) -> AsyncIterator[LiveAnswer]:
        """The upstream's answer to the request, forwarded to `target` below the base URL; with `upgrade`, so that it may agree
        to another protocol; with a `body` in place of the request's, which is sent as it comes.

        Raises:
            UpstreamError: no connection, no answer, one with a status that HTTP does not have, or one that broke off while it was read.
        """
        import httpx2

        forwarded = upstream_request(request, self.base_url, target, self._timeout, upgrade=upgrade, body=body)
        try:
            answer = await self._client.send(forwarded, stream=True)
            try:
                if not 100 <= answer.status_code <= 599:
                    raise UpstreamError(f"{shown_url(self.base_url)}: it answered with status {answer.status_code}")
                switched = answer.status_code == 101
                raw = answer.extensions.get("network_stream") if switched else None
                headers = _headers(answer, _FRAMING if switched else HOP_BY_HOP)
                yield LiveAnswer(answer.status_code, headers, answer.aiter_raw(), raw)
            finally:
                await answer.aclose()
        except httpx2.HTTPError as error:
            raise UpstreamError(f"{shown_url(self.base_url)}: {str(error) or type(error).__name__}") from error

    async def close(self) -> None:
        """Close the idle connections."""
        await self._client.aclose()


def upstream_request(
    request: Request,
    base_url: str,
    target: str,
    timeout: httpx2.Timeout,
    *,
    upgrade: bool = False,
    body: AsyncIterator[bytes] | None = None,
) -> httpx2.Request:
    """The request as it goes to an upstream, at `target` (path and query, sent unchanged) below the base URL.

    Hop-by-hop headers and Host belong to the connection; everything else is forwarded unchanged, and with `upgrade` what asks
    for another protocol.
    """
    import httpx2

    url = httpx2.URL(base_url)
    dropped = _FRAMING if upgrade else HOP_BY_HOP | _named_in_connection(request)
    pairs = [(name, value) for name, value in request.headers if name not in dropped and name != "host"]
    headers = [(b"host", url.netloc), *((name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs)]
    path = url.raw_path.rstrip(b"/") + target.encode("latin-1")
    extensions = {"target": path, "timeout": timeout.as_dict()}
    return httpx2.Request(
        request.method, url, headers=headers, content=request.body if body is None else body, extensions=extensions
    )


def _named_in_connection(request: Request) -> set[str]:
    """The headers that are of this connection alone. Source: RFC 9110, 7.6.1; no client may drop those of the platform."""
    named = {name.strip().lower() for key, value in request.headers if key == "connection" for name in value.split(",")}
    return {name for name in named if not name.startswith("x-ms-") and name != "authorization"}


def _headers(answer: httpx2.Response, dropped: frozenset[str]) -> Headers:
    pairs = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in answer.headers.raw]
    # Source: RFC 9112, 6.3: of the two, transfer-encoding counts.
    chunked = any(name == "transfer-encoding" for name, _ in pairs)
    left_out = dropped | {"content-length"} if chunked else dropped
    return tuple((name, value) for name, value in pairs if name not in left_out)
