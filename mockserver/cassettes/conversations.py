"""Which file a recording belongs to: one for each conversation, named after what it begins with."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mockserver.cassettes import cassette
from mockserver.exchange import Answer, Interaction, parse_json
from mockserver.matching.call import Call
from mockserver.sse import event_json

_LONGEST_NAME = 48
_ID = re.compile(r"(?:resp|chatcmpl|conv|file|batch|vs)[_-][\w-]+")


class Conversations:
    """The files of a folder by what their conversations begin with, and by the ids of what their answers stored."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._by_opening: dict[tuple[str, ...], Path] = {}
        self._by_id: dict[str, Path] = {}
        self._taken: set[Path] = set()
        self._read = False

    def file_for(self, interaction: Interaction) -> Path:
        """The file of the interaction's conversation, which may not exist yet.

        Raises:
            CassetteError, OSError: a file of the folder cannot be read.
        """
        if not self._read:
            self._read_folder()
        call = Call(interaction.request)
        known = (self._by_id[each] for each in _referred_to(call) if each in self._by_id)
        opening = _opening(call)
        path = next(known, None) or self._by_opening.get(opening) or self._new(opening)
        self._remember(path, interaction)
        return path

    def _new(self, opening: tuple[str, ...]) -> Path:
        """A name of its own, which two people who record the same get too."""
        plain = re.sub(r"\W+", "-", opening[-1].lower()).strip("-")[:_LONGEST_NAME].rstrip("-") or "conversation"
        path = self.folder / f"{plain}.yaml"
        if path in self._taken or path.exists():
            digest = hashlib.sha256("\n".join(opening).encode("utf-8", "surrogatepass")).hexdigest()
            path = self.folder / f"{plain}-{digest[:6]}.yaml"
        return path

    def _remember(self, path: Path, interaction: Interaction) -> None:
        self._taken.add(path)
        self._by_opening.setdefault(_opening(Call(interaction.request)), path)
        for stored in _stored_ids(interaction.answer):
            self._by_id.setdefault(stored, path)

    def _read_folder(self) -> None:
        self._read = True
        for _, path in cassette.files([self.folder]) if self.folder.is_dir() else ():
            if cassette.is_scenario(path.read_bytes()):
                continue
            for interaction in cassette.load(path).interactions:
                self._remember(path, interaction)


def _opening(call: Call) -> tuple[str, ...]:
    """What all requests of a conversation have in common; the last is what names it.

    Of a chat: the messages up to the user's first. Of a response: instructions and first input. Anything else that is sent
    stands for itself, and what is only looked at belongs together by its address.
    """
    body, start = call.body or {}, [call.address.backend.value]
    if isinstance(messages := body.get("messages"), list):
        return tuple(map(str, [*start, *_until_user(messages)]))
    if call.operation is not None and call.operation.name == "createResponse":
        given = body.get("input")
        until = list(_until_user(given)) if isinstance(given, list) else [given]
        return tuple(map(str, [*start, body.get("instructions") or "", *until]))
    place = call.operation.path if call.operation else call.request.raw_path.strip("/").removeprefix("v1/")
    said = body.get("input") or body.get("prompt") or body.get("search") or body.get("query")
    name = f"{place} {said[0] if isinstance(said, list) and said else said or ''}"
    if call.request.method in ("GET", "HEAD", "DELETE") or not call.request.body:
        return (*start, call.request.raw_path, f"{call.request.method} {place}")
    return (*start, call.canonical.fingerprint, name)


def _until_user(messages: list[Any]) -> Iterator[object]:
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else message
        parts = content if isinstance(content, list) else []
        texts = [part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)]
        yield " ".join(texts) if texts else content
        if isinstance(message, dict) and message.get("role") == "user":
            return


def _referred_to(call: Call) -> Iterator[str]:
    """The ids of stored objects that a request names: in its address, or as what it continues."""
    yield from _ID.findall(call.request.raw_path)
    for key in ("previous_response_id", "conversation"):
        value = (call.body or {}).get(key)
        value = value.get("id") if isinstance(value, dict) else value
        if isinstance(value, str):
            yield value


def _stored_ids(answer: Answer) -> Iterator[str]:
    """The id of what an answer is, so that what is asked about it later goes into the same file."""
    for data in [event.data for event in answer.events[:3]]:
        parsed = event_json(data) if answer.streams else parse_json(data)
        if isinstance(parsed, dict):
            whole = parsed.get("response", parsed)
            if isinstance(whole, dict) and isinstance(whole.get("id"), str):
                yield whole["id"]
