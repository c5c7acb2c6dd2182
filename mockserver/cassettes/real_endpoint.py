"""The real endpoint that is recorded from, and the credentials for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from urllib.parse import unquote, urlsplit

from mockserver.clock import Clock
from mockserver.contract.operations import Backend, address_of
from mockserver.errors import UserError
from mockserver.exchange import Answer, Headers, Request, first, server_url
from mockserver.redaction.known import remember
from mockserver.wire.tape import Tape
from mockserver.wire.upstream import LiveAnswer, Upstream

#: Headers that the client sends to this server; the real endpoint never gets them.
_NOT_PASSED_ON = ("authorization", "api-key", "cookie", "x-mockserver-", "accept-encoding")


class RecordingError(UserError):
    """Recording cannot begin; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The credentials for the real endpoint: OpenAI's key, Azure OpenAI's key, or Entra's token; each empty if it is not set."""

    openai_key: str = field(default="", repr=False)
    azure_key: str = field(default="", repr=False)
    azure_token: str = field(default="", repr=False)

    def headers(self, backend: Backend) -> Headers:
        """The headers that carry them to a backend; empty if nothing is set for it."""
        if backend is Backend.OPENAI:
            return (("authorization", f"Bearer {self.openai_key}"),) if self.openai_key else ()
        if self.azure_token:
            return (("authorization", f"Bearer {self.azure_token}"),)
        return (("api-key", self.azure_key),) if self.azure_key else ()

    @property
    def secrets(self) -> tuple[str, ...]:
        """The credentials that are set."""
        return tuple(filter(None, (self.openai_key, self.azure_key, self.azure_token)))


def require_url(text: str) -> None:
    """Check that the text is the URL of a server.

    Raises:
        RecordingError: it is not.
    """
    if server_url(text) is None:
        example = "https://api.openai.com/v1 or https://NAME.openai.azure.com"
        raise RecordingError(f"--upstream must be a URL like {example}, got {text!r}")


class RealEndpoint:
    """A real endpoint with the credentials for it. Use it on one event loop."""

    def __init__(self, url: str, credentials: Credentials) -> None:
        """Nothing is sent yet.

        Raises:
            RecordingError: not the URL of a server.
        """
        require_url(url)
        self.upstream, self.credentials = Upstream(url), credentials
        remember((*credentials.secrets, unquote(urlsplit(url).password or "")))

    @asynccontextmanager
    async def ask(self, request: Request) -> AsyncIterator[LiveAnswer]:
        """Its answer to a request of either backend, with our credentials in place of the client's.

        Raises:
            UpstreamError: as `Upstream.ask`.
        """
        backend = address_of(request.method, request.raw_path, request.query).backend
        target = request.target.removeprefix("/v1") if backend is Backend.OPENAI else request.target
        # Not compressed, so that people can read the cassette.
        passed_on = tuple((name, value) for name, value in request.headers if not name.startswith(_NOT_PASSED_ON))
        headers = (*passed_on, *self.credentials.headers(backend), ("accept-encoding", "identity"))
        async with self.upstream.ask(replace(request, headers=headers), target) as answer:
            yield replace(answer, headers=tuple(map(self._at_home, answer.headers)))

    def _at_home(self, header: tuple[str, str]) -> tuple[str, str]:
        """A header that leads to the endpoint leads to this server, for the client and in the recording."""
        name, value = header
        base = self.upstream.base_url
        if name not in ("location", "operation-location", "content-location") or not value.startswith(base):
            return header
        return name, f"{'/v1' if base.endswith('/v1') else ''}{value.removeprefix(base)}"

    async def answer(self, request: Request, clock: Clock) -> Answer:
        """Its whole answer to a request.

        Raises:
            UpstreamError: as `Upstream.ask`.
        """
        asked_s = clock.now()
        async with self.ask(request) as live:
            tape = Tape(since_s=asked_s, clock=clock, decode=True)
            tape.begin(live.status, live.headers)
            async for chunk in live.chunks:
                tape.add(chunk)
        tape.end()
        return tape.answer()

    def kind(self, answer: Answer) -> str:
        """What kind of server it is, for a cassette's metadata; never whose it is."""
        host = urlsplit(self.upstream.base_url).hostname or ""
        if host.endswith((".azure.com", ".azure.us")):
            return "Azure OpenAI"
        server = first(answer.headers, "server") or "unnamed"
        return "OpenAI" if host.endswith("openai.com") else f"OpenAI-compatible ({server})"
