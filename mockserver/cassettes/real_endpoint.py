"""The real endpoint that is recorded from, and what opens it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from mockserver.clock import Clock
from mockserver.contract.operations import Backend, address_of
from mockserver.errors import UserError
from mockserver.exchange import Answer, Headers, Request, first, server_url
from mockserver.wire.tape import Tape
from mockserver.wire.upstream import LiveAnswer, Upstream

#: The client's own, for this server and not for the one behind it.
_OURS = ("authorization", "api-key", "cookie", "x-mockserver-")


class RecordingError(UserError):
    """Recording cannot begin; says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What opens the real endpoint: a key of OpenAI, a key of Azure OpenAI, or a token of Entra; empty where there is none."""

    openai_key: str = field(default="", repr=False)
    azure_key: str = field(default="", repr=False)
    azure_token: str = field(default="", repr=False)

    def headers(self, backend: Backend) -> Headers:
        """How they are shown to a backend; none where there are none for it."""
        if backend is Backend.OPENAI:
            return (("authorization", f"Bearer {self.openai_key}"),) if self.openai_key else ()
        if self.azure_token:
            return (("authorization", f"Bearer {self.azure_token}"),)
        return (("api-key", self.azure_key),) if self.azure_key else ()

    @property
    def secrets(self) -> tuple[str, ...]:
        """Those there are."""
        return tuple(filter(None, (self.openai_key, self.azure_key, self.azure_token)))


def require_url(text: str) -> None:
    """Nothing, if it is the URL of a server.

    Raises:
        RecordingError: it is not.
    """
    if server_url(text) is None:
        example = "https://api.openai.com/v1 or https://NAME.openai.azure.com"
        raise RecordingError(f"--upstream must be a URL as {example}, got {text!r}")


class RealEndpoint:
    """A real endpoint, and what opens it. Use it on one event loop."""

    def __init__(self, url: str, credentials: Credentials) -> None:
        """Name it.

        Raises:
            RecordingError: the URL is none.
        """
        require_url(url)
        self.upstream, self.credentials = Upstream(url), credentials

    @asynccontextmanager
    async def ask(self, request: Request) -> AsyncIterator[LiveAnswer]:
        """Its answer to a request of either backend, with our credentials in place of the client's.

        Raises:
            UpstreamError: as `Upstream.ask`.
        """
        backend = address_of(request.method, request.raw_path, request.query).backend
        target = request.target.removeprefix("/v1") if backend is Backend.OPENAI else request.target
        # Not compressed, so that the cassette can be read.
        kept = tuple(each for each in request.headers if not each[0].startswith((*_OURS, "accept-encoding")))
        headers = (*kept, *self.credentials.headers(backend), ("accept-encoding", "identity"))
        async with self.upstream.ask(replace(request, headers=headers), target) as answer:
            yield answer

    async def asked(self, request: Request, clock: Clock) -> Answer:
        """Its whole answer.

        Raises:
            UpstreamError: as `Upstream.ask`.
        """
        asked_s = clock.now()
        async with self.ask(request) as live:
            tape = Tape(asked_s=asked_s, clock=clock)
            tape.begin(live.status, live.headers)
            async for chunk in live.chunks:
                tape.add(chunk)
        tape.end()
        return tape.answer()

    def kind(self, answer: Answer) -> str:
        """What it is, as a cassette says it: never whose."""
        host = urlsplit(self.upstream.base_url).hostname or ""
        if host.endswith((".azure.com", ".azure.us")):
            return "Azure OpenAI"
        server = first(answer.headers, "server") or "unnamed"
        return "OpenAI" if host.endswith("openai.com") else f"OpenAI-compatible ({server})"
