"""Asks the real endpoint for what no stub fits, and writes whole interactions down: one conversation a file, no secret."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from contracts.operations import Backend, address_of
from mockserver import cassette
from mockserver.clock import Clock
from mockserver.exchange import BY_MOCK, Answer, End, Headers, Interaction, Request, first, server_url
from mockserver.mendable import MendableError
from mockserver.redact import Redaction
from mockserver.relay import LiveAnswer, Tape, Upstream

#: The client's own, for this server and not for the one behind it.
_OURS = ("authorization", "api-key", "cookie", "x-mockserver-")


class RecordingError(MendableError):
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


@dataclass(frozen=True, slots=True)
class Kept:
    """What was written down: the interaction, its name, and how often which kind of secret was taken out of it."""

    name: str
    interaction: Interaction
    taken_out: Counter[str]

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.taken_out.items())
        return f"recorded as {self.name}{f', taken out: {kinds}' * bool(kinds)}"


def require_url(text: str) -> None:
    """Nothing, if it is the URL of a server.

    Raises:
        RecordingError: it is not.
    """
    if server_url(text) is None:
        wanted = "https://api.openai.com/v1 or https://NAME.openai.azure.com"
        raise RecordingError(f"--upstream {text}: a URL is needed, as {wanted}")


class Endpoint:
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


class Recorder:
    """Keeps an endpoint's answers in a folder, which is its own while it lives.

    A 401, 403, 429 or 5xx, and an answer that broke off, is kept only with `keep_errors`. `secrets` are taken out besides the
    credentials.
    """

    def __init__(
        self, endpoint: Endpoint, folder: Path, *, keep_errors: bool = False, secrets: tuple[str, ...] = ()
    ) -> None:
        """Take the folder.

        Raises:
            RecordingError: another recorder has it, or this is CI.
        """
        if os.environ.get("CI", "").lower() not in ("", "0", "false"):
            raise RecordingError("CI never records: a recording is made and looked at by a person. (CI is set.)")
        self.endpoint, self.folder, self.keep_errors = endpoint, folder, keep_errors
        self._redaction = Redaction.of((*endpoint.credentials.secrets, *secrets))
        self._lock = asyncio.Lock()
        if folder.exists() and not folder.is_dir():
            raise RecordingError(f"{folder} is a file; cassettes are written into a folder")
        folder.mkdir(parents=True, exist_ok=True)
        self._hold = _held(folder)

    def refusal(self, answer: Answer, trouble: str = "") -> str:
        """Why an answer is not kept, empty where it is: a mock's own, or passing trouble, or a refusal of our own credentials."""
        if first(answer.headers, BY_MOCK):
            return "a mock answered, and no model"
        passing = answer.status in (401, 403, 429) or answer.status >= 500 or answer.end is not End.EOF
        if self.keep_errors or not passing:
            return ""
        return f"{trouble or f'a {answer.status} may pass'} (--keep-errors keeps it)"

    async def keep(self, request: Request, answer: Answer, *, into: Path | None = None) -> Kept:
        """Write the interaction down, without secrets: `into` a file, or into its conversation's own.

        Raises:
            CassetteError, OSError: it could not be written; what was there before is as it was.
        """
        interaction = Interaction(readable(request), answer)
        clean = self.redacted(interaction)
        async with self._lock:
            path = into if into is not None else await asyncio.to_thread(_file_for, self.folder, clean)
            path.parent.mkdir(parents=True, exist_ok=True)
            number = await asyncio.to_thread(cassette.append, path, clean, upstream=self.endpoint.kind(answer))
        return Kept(f"{path.name}#{number}", clean, self._redaction.kinds(interaction))

    def redacted(self, interaction: Interaction) -> Interaction:
        """The interaction without secrets."""
        return self._redaction.interaction(interaction)

    async def close(self) -> None:
        """Close the connections and let the folder go."""
        await self.endpoint.upstream.close()
        os.close(self._hold)


def _held(folder: Path) -> int:
    """The folder, open and locked for this process; the lock ends with it, however it ends.

    Raises:
        RecordingError: another process has it.
    """
    try:
        import fcntl
    except ImportError:  # Windows, where folders cannot be locked; two recorders there are the user's own care
        return os.open(os.devnull, os.O_RDONLY)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise RecordingError(f"Another recorder writes to {folder}; stop it, or choose another folder.") from error
    return handle


def readable(request: Request) -> Request:
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
