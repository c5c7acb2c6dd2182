"""The real endpoint that is recorded from, and the credentials for it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from urllib.parse import unquote, urlsplit

from mockserver.clock import Clock
from mockserver.contract.addresses import AddressForm, Backend, address_of
from mockserver.errors import UserError
from mockserver.exchange import Answer, Headers, Request, first, server_url
from mockserver.redaction.known import remember
from mockserver.wire.tape import Tape
from mockserver.wire.upstream import LiveAnswer, Upstream, UpstreamError

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


def in_ci() -> bool:
    """Whether nobody is there who could look at what is sent and what it costs."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


def is_azure(url: str) -> bool:
    """Whether a server is Azure's, of whichever cloud; API Management in front of it counts."""
    host = urlsplit(url).hostname or ""
    return host.endswith((".azure.com", ".azure.us", ".azure.cn", ".azure-api.net", ".azure-api.us", ".azure-api.cn"))


def below(name: str) -> str:
    """The path below which another upstream is reached: `/azure_search_endpoint/`."""
    return f"/{name.lower()}/"


def _at_home(header: tuple[str, str], base_url: str, home: str) -> tuple[str, str]:
    """A header that leads to an upstream leads to this server, for the client and in the recording."""
    name, value = header
    if name not in ("location", "operation-location", "content-location") or not value.startswith(base_url):
        return header
    return name, home + value.removeprefix(base_url)


class RealEndpoint:
    """A real endpoint with the credentials for it, and other servers beside it. Use it on one event loop."""

    def __init__(
        self, url: str, credentials: Credentials, *, others: Mapping[str, str] | None = None, pass_token: bool = False
    ) -> None:
        """Nothing is sent yet. Requests below `/name/` go to the server at `others["NAME"]`, with the client's own keys; with
        `pass_token`, those to Azure go with the client's own token.

        Raises:
            RecordingError: not the URL of a server.
        """
        for each in (url, *(others or {}).values()):
            require_url(each)
        self.upstream, self.credentials, self._pass_token = Upstream(url), credentials, pass_token
        self._others = {below(name): Upstream(other) for name, other in (others or {}).items()}
        self._is_azure = is_azure(url)
        remember((*credentials.secrets, unquote(urlsplit(url).password or "")))

    @asynccontextmanager
    async def ask(self, request: Request) -> AsyncIterator[LiveAnswer]:
        """Its answer to a request of either backend, with our credentials in place of the client's.

        Raises:
            UpstreamError: as `Upstream.ask`.
        """
        prefix = next((each for each in self._others if request.raw_path.startswith(each)), None)
        # Not compressed, so that people can read the cassette.
        passed_on = [(name, value) for name, value in request.headers if not name.startswith(_NOT_PASSED_ON)]
        passed_on.append(("accept-encoding", "identity"))
        if prefix is not None:
            upstream, home = self._others[prefix], prefix.rstrip("/")
            own = [header for header in request.headers if header[0] in ("authorization", "api-key")]
            target = request.target.removeprefix(home)
        else:
            address = address_of(request.method, request.raw_path, request.query)
            upstream, home = self.upstream, "/v1" if address.form is AddressForm.OPENAI else ""
            own = list(self.credentials.headers(Backend.AZURE if self._is_azure else address.backend))
            if not own and self._pass_token:
                own = [header for header in request.headers if header[0] == "authorization"]
            target = request.target.removeprefix(home)
        remember(value.removeprefix("Bearer ") for _, value in own)
        async with upstream.ask(replace(request, headers=(*passed_on, *own)), target) as answer:
            yield replace(answer, headers=tuple(_at_home(header, upstream.base_url, home) for header in answer.headers))

    async def answer(self, request: Request, clock: Clock) -> Answer:
        """Its whole answer to a request.

        Raises:
            UpstreamError: as `Upstream.ask`.
        """
        name = request.raw_path.strip("/").partition("/")[0]
        if "_" in name and below(name) not in self._others:
            raise UpstreamError(f"it came from another server: --upstream {name.upper()}=URL")
        asked_s = clock.now()
        async with self.ask(request) as live:
            tape = Tape(since_s=asked_s, clock=clock, decode=True)
            tape.begin(live.status, live.headers)
            async for chunk in live.chunks:
                tape.add(chunk)
        tape.end()
        return tape.answer()

    async def close(self) -> None:
        """Close the idle connections."""
        for upstream in (self.upstream, *self._others.values()):
            await upstream.close()

    def kind(self, answer: Answer) -> str:
        """What kind of server it is, for a cassette's metadata; never whose it is."""
        if self._is_azure:
            return "Azure OpenAI"
        host = urlsplit(self.upstream.base_url).hostname or ""
        server = first(answer.headers, "server") or "unnamed"
        return "OpenAI" if host.endswith("openai.com") else f"OpenAI-compatible ({server})"
