"""Writes the real endpoint's answers into cassettes: one file for each conversation, without secrets."""

from __future__ import annotations

import asyncio
import os
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mockserver.cassettes import cassette
from mockserver.cassettes.conversations import Conversations
from mockserver.cassettes.open_cassette import OpenCassette
from mockserver.cassettes.real_endpoint import RealEndpoint, RecordingError, in_ci
from mockserver.exchange import BY_MOCK, Answer, End, Interaction, Request, first, json_bytes
from mockserver.matching.call import Call
from mockserver.redaction.exchanges import redacted
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
    """Keeps an endpoint's answers in a folder, and locks the folder until it is closed. Use it on one event loop.

    A 401, 403, 429 or 5xx, and an answer that broke off, is kept only with `keep_errors`. `allowed` are texts with the form
    of a secret that are none.
    """

    def __init__(
        self, endpoint: RealEndpoint, folder: Path, *, keep_errors: bool = False, allowed: tuple[str, ...] = ()
    ) -> None:
        """Lock the folder, and remove what a recorder left that was killed while it wrote.

        Raises:
            RecordingError: another recorder uses it, it is a file, or this is CI.
        """
        if in_ci():
            raise RecordingError(
                "CI never records: a person makes a recording and reviews it. (The variable CI is set.)"
            )
        self.endpoint, self.folder, self.keep_errors, self.allowed = endpoint, folder, keep_errors, allowed
        if folder.exists() and not folder.is_dir():
            raise RecordingError(f"{folder} must be a folder for cassettes, but is a file")
        folder.mkdir(parents=True, exist_ok=True)
        self._folder_lock = _lock_folder(folder)
        for leftover in folder.rglob(f".*{cassette.TEMPORARY}"):
            leftover.unlink(missing_ok=True)
        self._conversations = Conversations(folder)
        self._files: dict[Path, OpenCassette] = {}
        self._finding, self._writing = asyncio.Lock(), defaultdict[Path, asyncio.Lock](asyncio.Lock)
        self._unwritten: set[asyncio.Task[Recording]] = set()
        #: Where everything is written to; None for the file of each conversation.
        self.into: Path | None = None
        #: The numbers of the interactions that were written, by file.
        self.written: dict[Path, list[int]] = {}

    @property
    def unwritten(self) -> int:
        """How many answers are being written."""
        return len(self._unwritten)

    def refusal(self, request: Request, answer: Answer, trouble: str = "") -> str:
        """Why an answer is not kept; empty if it is kept. `trouble` says why the answer broke off."""
        if first(answer.headers, BY_MOCK):
            return "a mock answered, not a model"
        if (encoding := first(answer.headers, "content-encoding") or "identity") != "identity":
            return f"it is compressed with {encoding}, in which no secret can be found"
        if answer.status == 404 and not self.keep_errors and _is_wrong_path(request, answer):
            return (
                "a 404 for what every endpoint has: is the path in --upstream right, as …/v1? (--keep-errors keeps it)"
            )
        passing = answer.status in (401, 403, 429) or answer.status >= 500 or answer.end is not End.EOF
        if self.keep_errors or not passing:
            return ""
        return f"{trouble or f'a {answer.status} is often temporary'} (--keep-errors keeps it)"

    async def keep(self, request: Request, answer: Answer, *, into: Path | None = None) -> Recording:
        """Write the interaction without secrets: `into` a file, or into the file of its conversation.

        It is on disk when this returns. It is written to its end even if the caller is cancelled.

        Raises:
            CassetteError, OSError: it could not be written; the file is unchanged.
        """
        task = asyncio.create_task(self._write(Interaction(readable(request), answer), into or self.into))
        self._unwritten.add(task)
        task.add_done_callback(self._unwritten.discard)
        return await asyncio.shield(task)

    async def _write(self, interaction: Interaction, into: Path | None) -> Recording:
        redaction = Redaction(self.allowed)
        clean = await asyncio.to_thread(redacted, interaction, redaction)
        allowed = tuple(text for text in self.allowed if text in redaction.used)
        upstream = self.endpoint.kind(interaction.answer)
        async with self._finding:
            path = (
                into if into is not None else await asyncio.to_thread(self._conversations.file_for, clean.interaction)
            )
        async with self._writing[path]:  # another file is written meanwhile
            file = self._files.setdefault(path, OpenCassette(path))
            number = await asyncio.to_thread(file.append, clean.interaction, upstream=upstream, allowed=allowed)
        self.written.setdefault(path, []).append(number)
        name = path.relative_to(self.folder).as_posix() if path.is_relative_to(self.folder) else path.name
        return Recording(f"{name}#{number}", clean.interaction, clean.secrets)

    async def close(self) -> None:
        """Wait until everything is written, close the connections and unlock the folder."""
        await asyncio.gather(*self._unwritten, return_exceptions=True)
        await self.endpoint.close()
        os.close(self._folder_lock)


def _is_wrong_path(request: Request, answer: Answer) -> bool:
    """Whether a 404 is about the path: the services name a model or deployment that they do not know by a code."""
    operation = Call(request).operation
    known = any(code in answer.body for code in (b"model_not_found", b"DeploymentNotFound", b"OperationNotSupported"))
    return operation is not None and operation.costs_tokens and not known


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
    call = Call(request)
    body: Any = call.body
    if not body or call.form is not None:
        return request
    return replace(request, body=json_bytes(body, indent=2) + b"\n")
