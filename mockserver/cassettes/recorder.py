"""Writes the real endpoint's answers into cassettes: one file for each conversation, without secrets."""

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
from mockserver.redaction.exchanges import RedactedInteraction, redacted
from mockserver.redaction.redaction import Redaction


@dataclass(frozen=True, slots=True)
class Recording:
    """What was written: the interaction, its name, and how many secrets of each kind were taken out of it."""

    name: str
    interaction: Interaction
    secrets: Counter[str]

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.secrets.items())
        return f"recorded as {self.name}{f', taken out: {kinds}' * bool(kinds)}"


class Recorder:
    """Keeps an endpoint's answers in a folder, and locks the folder until it is closed.

    A 401, 403, 429 or 5xx, and an answer that broke off, is kept only with `keep_errors`. `allowed` texts are no secrets.
    """

    def __init__(
        self, endpoint: RealEndpoint, folder: Path, *, keep_errors: bool = False, allowed: tuple[str, ...] = ()
    ) -> None:
        """Lock the folder.

        Raises:
            RecordingError: another recorder uses it, it is a file, or this is CI.
        """
        if os.environ.get("CI", "").lower() not in ("", "0", "false"):
            raise RecordingError(
                "CI never records: a person makes a recording and reviews it. (The variable CI is set.)"
            )
        self.endpoint, self.folder, self.keep_errors = endpoint, folder, keep_errors
        self._redaction = Redaction(allowed)
        self._lock = asyncio.Lock()
        if folder.exists() and not folder.is_dir():
            raise RecordingError(f"{folder} must be a folder for cassettes, but is a file")
        folder.mkdir(parents=True, exist_ok=True)
        self._folder_lock = _lock_folder(folder)

    def refusal(self, answer: Answer, trouble: str = "") -> str:
        """Why an answer is not kept; empty if it is kept. `trouble` says why the answer broke off."""
        if first(answer.headers, BY_MOCK):
            return "a mock answered, not a model"
        passing = answer.status in (401, 403, 429) or answer.status >= 500 or answer.end is not End.EOF
        if self.keep_errors or not passing:
            return ""
        return f"{trouble or f'a {answer.status} is often temporary'} (--keep-errors keeps it)"

    async def keep(self, request: Request, answer: Answer, *, into: Path | None = None) -> Recording:
        """Write the interaction without secrets: `into` a file, or into the file of its conversation.

        Raises:
            CassetteError, OSError: it could not be written; the file is unchanged.
        """
        clean = self.redacted(Interaction(readable(request), answer))
        async with self._lock:
            path = into if into is not None else await asyncio.to_thread(_file_for, self.folder, clean.interaction)
            path.parent.mkdir(parents=True, exist_ok=True)
            number = await asyncio.to_thread(
                cassette.append, path, clean.interaction, upstream=self.endpoint.kind(answer)
            )
        return Recording(f"{path.name}#{number}", clean.interaction, clean.secrets)

    def redacted(self, interaction: Interaction) -> RedactedInteraction:
        """The interaction without secrets."""
        return redacted(interaction, self._redaction)

    async def close(self) -> None:
        """Close the connections and unlock the folder."""
        await self.endpoint.upstream.close()
        os.close(self._folder_lock)


def _lock_folder(folder: Path) -> int:
    """A file descriptor that locks the folder for this process, until it is closed or the process ends.

    Raises:
        RecordingError: another process has locked it.
    """
    try:
        import fcntl
    except ImportError:  # Windows cannot lock a folder; there, users must not start two recorders
        return os.open(os.devnull, os.O_RDONLY)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise RecordingError(f"Another recorder writes to {folder}; stop it, or choose another folder.") from error
    return handle


def readable(request: Request) -> Request:
    """The request with its JSON body indented for people; matching ignores white space."""
    body: Any = Call(request).body
    return replace(request, body=json.dumps(body, ensure_ascii=False, indent=2).encode() + b"\n") if body else request


def _file_for(folder: Path, interaction: Interaction) -> Path:
    """The file of the interaction's conversation, or a new one named after the conversation's first question."""
    opening = _opening(interaction.request)
    slug = re.sub(r"\W+", "-", str(opening[-1]).lower()).strip("-")[:48].rstrip("-") or "conversation"
    for number in itertools.count(1):
        path = folder / f"{slug}{f'-{number}' * (number > 1)}.yaml"
        if not path.exists() or _opening(cassette.load(path).interactions[0].request) == opening:
            return path
    raise AssertionError("unreachable: count() does not end")


def _opening(request: Request) -> tuple[object, ...]:
    """What all requests of a conversation have in common: the backend, and the messages up to the user's first, which is last."""
    call = Call(request)
    opening: list[object] = [call.address.backend]
    for message in (call.body or {}).get("messages", []):
        opening.append(message.get("content") if isinstance(message, dict) else message)
        if isinstance(message, dict) and message.get("role") == "user":
            break
    return tuple(map(str, opening))
