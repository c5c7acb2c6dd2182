"""Asks the real endpoint for what no stub fits, and writes whole interactions down: one conversation a file, no secret."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mockserver.cassettes import cassette
from mockserver.cassettes.real_endpoint import RealEndpoint, RecordingError
from mockserver.exchange import BY_MOCK, Answer, End, Interaction, Request, first
from mockserver.matching.call import Call
from mockserver.redact import Redaction


@dataclass(frozen=True, slots=True)
class Recording:
    """What was written down: the interaction, its name, and how often which kind of secret was taken out of it."""

    name: str
    interaction: Interaction
    taken_out: Counter[str]

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.taken_out.items())
        return f"recorded as {self.name}{f', taken out: {kinds}' * bool(kinds)}"


class Recorder:
    """Keeps an endpoint's answers in a folder, which is its own while it lives.

    A 401, 403, 429 or 5xx, and an answer that broke off, is kept only with `keep_errors`. `secrets` are taken out besides the
    credentials.
    """

    def __init__(
        self, endpoint: RealEndpoint, folder: Path, *, keep_errors: bool = False, secrets: tuple[str, ...] = ()
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
        self._hold = _lock_folder(folder)

    def refusal(self, answer: Answer, trouble: str = "") -> str:
        """Why an answer is not kept, empty where it is: a mock's own, or passing trouble, or a refusal of our own credentials."""
        if first(answer.headers, BY_MOCK):
            return "a mock answered, and no model"
        passing = answer.status in (401, 403, 429) or answer.status >= 500 or answer.end is not End.EOF
        if self.keep_errors or not passing:
            return ""
        return f"{trouble or f'a {answer.status} may pass'} (--keep-errors keeps it)"

    async def keep(self, request: Request, answer: Answer, *, into: Path | None = None) -> Recording:
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
        return Recording(f"{path.name}#{number}", clean, self._redaction.kinds(interaction))

    def redacted(self, interaction: Interaction) -> Interaction:
        """The interaction without secrets."""
        return self._redaction.interaction(interaction)

    async def close(self) -> None:
        """Close the connections and let the folder go."""
        await self.endpoint.upstream.close()
        os.close(self._hold)


def _lock_folder(folder: Path) -> int:
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
    body: Any = Call(request).body
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
    call = Call(request)
    opening: list[object] = [call.address.backend]
    for message in (call.body or {}).get("messages", []):
        opening.append(message.get("content") if isinstance(message, dict) else message)
        if isinstance(message, dict) and message.get("role") == "user":
            break
    return tuple(map(str, opening))
