"""Cassettes, read from and written to YAML files."""

from __future__ import annotations

import json
import os
import re
import secrets
import stat
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from mockserver import __version__, documents
from mockserver.cassettes.cassette_file import FORMAT, CassetteFile, InteractionEntry, MetadataEntry, TimingEntry
from mockserver.cassettes.cassette_file import Source as Source  # noqa: PLC0414  part of a `Cassette`
from mockserver.cassettes.yaml_text import OneLine, OneLineList, to_yaml
from mockserver.contract.addresses import CANONICAL_ORIGIN, address_of
from mockserver.errors import UserError, count_of
from mockserver.exchange import HEADER_FORM, Answer, Event, Headers, Interaction, Request, is_event_stream, is_header
from mockserver.sse import split_events

_PHRASES = {status.value: status.phrase for status in HTTPStatus}
SUFFIXES = (".yaml", ".yml")
#: The host of requests that went to neither backend.
_ANY_ORIGIN = "https://upstream.example"
#: The end of the name of a file that is being written.
TEMPORARY = ".writing"
_NOTES = ("upstream", "date", "tool", "timing")


class CassetteError(UserError):
    """A cassette that cannot be used.

    `path` names the file, `entry` the interaction (from 1; None for the file as a whole); the message says both.
    """

    def __init__(self, path: Path, entry: int | None, problem: str) -> None:
        super().__init__(f"{path}{'' if entry is None else f', interaction {entry}'}: {problem}")
        self.path, self.entry = path, entry


@dataclass(frozen=True, slots=True)
class Cassette:
    """One file: where its answers come from, and its interactions in order.

    `upstream`, `date` and `tool` are for the reader; `timing` is `modelled` where the waits were not measured; `allowed` are
    texts with the form of a secret that may stand here, as `Redaction` takes them. Each is empty if the file does not say.
    """

    source: Source
    interactions: tuple[Interaction, ...]
    upstream: str = ""
    date: str = ""
    tool: str = ""
    timing: str = ""
    allowed: tuple[str, ...] = ()


def load(path: Path) -> Cassette:
    """The cassette in a file.

    Raises:
        CassetteError: broken YAML, an unknown key, a missing or wrong value, or waits that do not fit the events.
        OSError: the file cannot be read.
    """
    return parse(path, path.read_bytes())


def parse(path: Path, text: bytes, *, fit_waits: bool = False) -> Cassette:
    """The cassette in a file's text; with `fit_waits`, a wrong number of waits is cut or filled up instead of refused.

    Raises:
        CassetteError: as `load`.
    """
    if b"\n<<<<<<< " in b"\n" + text:
        raise CassetteError(
            path,
            None,
            "git left a merge conflict in it. Take one side (git checkout --ours or --theirs PATH), or merge both: "
            "dress-rehearsal cassette merge --help",
        )
    document = documents.parse_yaml(text, str(path), _error_of(path))
    if document is None:
        raise CassetteError(path, None, "the file is empty")
    if isinstance(document, dict) and {"when", "say", "call", "fault"} & set(document):
        raise CassetteError(path, None, "this is one stub; a scenario is a list of them, each begins with `- `")
    file = _read(path, document)
    interactions = tuple(
        _interaction(entry, path, number, fit_waits) for number, entry in enumerate(file.interactions, 1)
    )
    metadata = file.metadata or MetadataEntry()
    notes = {key: str(getattr(metadata, key) or "") for key in _NOTES}
    return Cassette(metadata.source, interactions, **notes, allowed=metadata.allowed)


def is_scenario(text: bytes) -> bool:
    """Whether the YAML's top level is a list, as in no cassette; False for broken YAML, which the next reader reports."""
    try:
        events = yaml.parse(text, Loader=yaml.CSafeLoader)
        return any(isinstance(event, yaml.SequenceStartEvent) for _, event in zip(range(3), events, strict=False))
    except yaml.YAMLError:
        return False


def dump(cassette: Cassette) -> str:
    """The text of a cassette's file, in the one form we write: interactions last, bodies as readable blocks."""
    return head_text(cassette) + "".join(map(entry_text, cassette.interactions))


def head_text(cassette: Cassette) -> str:
    """The text of a cassette's file before its first interaction."""
    metadata: dict[str, Any] = {"format": FORMAT, "source": cassette.source.value}
    metadata |= {key: value for key in _NOTES if (value := getattr(cassette, key))}
    metadata |= {"allowed": list(cassette.allowed)} if cassette.allowed else {}
    return to_yaml({"version": 1, "metadata": metadata}) + "interactions:\n"


def write(path: Path, text: str) -> None:
    """Write a whole file or nothing: temporary file, fsync, rename."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, *parts: bytes) -> None:
    """The same for a text in parts. A new file may be read as this user's mask allows, another stays as private as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}{TEMPORARY}")
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else None
    try:
        with temporary.open("xb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            temporary.chmod(mode)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def new_recording(interactions: Sequence[Interaction], *, upstream: str, allowed: Sequence[str] = ()) -> Cassette:
    """A cassette of interactions that were recorded today."""
    today, tool = datetime.now(UTC).date().isoformat(), f"dress-rehearsal {__version__}"
    return Cassette(Source.RECORDED, tuple(interactions), upstream, today, tool, allowed=tuple(allowed))


def entry_text(interaction: Interaction) -> str:
    """The text of one interaction, to stand at the end of a cassette's file."""
    return to_yaml([_entry(interaction)])


def files(directories: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Every YAML file below the directories, in order, with its name in messages and stubs. A file may stand for a directory.

    Raises:
        FileNotFoundError: a directory does not exist.
    """
    for directory in directories:
        if directory.is_file():
            yield directory.name, directory
            continue
        if not directory.is_dir():
            raise FileNotFoundError(f"no folder of cassettes at {directory}")
        for path in sorted(directory.rglob("*")):
            if path.suffix in SUFFIXES and not path.name.startswith(".") and path.is_file():
                yield path.relative_to(directory).as_posix(), path


# --- reading ---------------------------------------------------------------------------------------------------------


def _error_of(path: Path, entry: int | None = None) -> documents.ErrorOf:
    """Makes a cassette's error from a message that begins with the path."""
    return lambda message: CassetteError(path, entry, message.removeprefix(f"{path}: "))


def _read(path: Path, document: Any) -> CassetteFile:
    try:
        return documents.convert(document, CassetteFile, str(path), _error_of(path))
    except CassetteError as error:
        # msgspec ends its message with the place, here: - at `$.interactions[0].request.method`
        place = re.search(r"`\$\.interactions\[(\d+)\][^`]*`$", str(error.__cause__))
        if place:
            entry = document["interactions"][int(place[1])]
            documents.convert(entry, InteractionEntry, str(path), _error_of(path, int(place[1]) + 1))
        raise


def _interaction(entry: InteractionEntry, path: Path, number: int, fit_waits: bool) -> Interaction:
    request, response, timing = entry.request, entry.response, entry.response.timing or TimingEntry()
    try:
        uri = urlsplit(request.uri)
    except ValueError as error:
        raise CassetteError(path, number, f"request.uri: {error}") from error
    headers = _headers(response.headers)
    if wrong := next((header for header in headers if not is_header(*header)), None):
        raise CassetteError(path, number, f"response.headers: {wrong[0]!r}: {wrong[1]!r} cannot be sent: {HEADER_FORM}")
    body = _bytes(response.body.string) if response.body else b""
    data = split_events(body) if is_event_stream(headers) else tuple(filter(None, (body,)))
    waits = [0] * len(data) if timing.after_ms is None else timing.after_ms
    if len(waits) != len(data):
        if not fit_waits:
            problem = (
                f"{count_of(len(waits), 'wait')} in timing.after_ms, but {count_of(len(data), 'event')} in the body"
            )
            raise CassetteError(path, number, f"{problem}. Fix it with: dress-rehearsal cassette fmt {path}")
        waits = [*waits, *[statistics.median(waits or [0])] * len(data)][: len(data)]
    return Interaction(
        Request(request.method, uri.path, uri.query, _headers(request.headers), _bytes(request.body)),
        Answer(response.status.code, headers, tuple(map(Event, waits, data)), timing.end, timing.head_ms),
    )


def _headers(mapping: Mapping[str, Any] | None) -> Headers:
    """Each name, in lower case, with each of its values."""
    return tuple(
        (name.lower(), value.decode("latin-1") if isinstance(value, bytes) else str(value))
        for name, values in (mapping or {}).items()
        for value in (values if isinstance(values, list) else [values])
    )


def _bytes(body: Any) -> bytes:
    """A body as it was sent: a list of texts or bytes are its chunks, any other list or mapping is JSON."""
    if isinstance(body, list) and all(isinstance(chunk, str | bytes) for chunk in body):
        return b"".join(map(_bytes, body))
    if isinstance(body, dict | list):
        return json.dumps(body, ensure_ascii=False, default=str).encode()
    return body if isinstance(body, bytes) else (body or "").encode()


# --- writing ---------------------------------------------------------------------------------------------------------


def _entry(interaction: Interaction) -> dict[str, Any]:
    request, answer = interaction.request, interaction.answer
    address = address_of(request.method, request.raw_path, request.query)
    return {
        "request": {
            "method": request.method,
            "uri": (CANONICAL_ORIGIN[address.backend] if address.is_known else _ANY_ORIGIN) + request.target,
            "headers": _listed(request.headers),
            "body": _text(request.body),
        },
        "response": {
            "status": {"code": answer.status, "message": _PHRASES.get(answer.status, "")},
            "headers": _listed(answer.headers),
            "body": {"string": _text(answer.body)},
            "timing": OneLine(
                head_ms=answer.head_after_ms, after_ms=[event.after_ms for event in answer.events], end=answer.end.value
            ),
        },
    }


def _listed(headers: Headers) -> dict[str, Any]:
    listed: dict[str, OneLineList] = {}
    for name, value in headers:
        listed.setdefault(name, OneLineList()).append(value)
    return listed


def _text(body: bytes) -> str | bytes:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body
