"""Cassettes: vcrpy v1 YAML files, plus how long each event of an answer waited."""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from mockserver import __version__
from mockserver.contract.operations import CANONICAL_ORIGIN, address_of
from mockserver.errors import UserError
from mockserver.exchange import Answer, End, Event, Headers, Interaction, Request, is_event_stream
from mockserver.sse import split_events

FORMAT = 1
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
SUFFIXES = (".yaml", ".yml")
_NOTES = ("upstream", "date", "tool", "timing")
_METADATA = ("format", "source", *_NOTES)


class CassetteError(UserError):
    """A cassette that cannot be used.

    `path` names the file, `entry` the interaction (from 1; None for the file as a whole); the message says both.
    """

    def __init__(self, path: Path, entry: int | None, problem: str) -> None:
        super().__init__(f"{path}{'' if entry is None else f', interaction {entry}'}: {problem}")
        self.path, self.entry = path, entry


class Source(StrEnum):
    """Where the answers of a cassette come from. Only `recorded` and `carried` were once a model's own words here."""

    RECORDED = "recorded"
    IMPORTED = "imported"
    AUTHORED = "authored"
    CARRIED = "carried"


@dataclass(frozen=True, slots=True)
class Cassette:
    """One file: where its answers come from, and its interactions in order.

    `upstream`, `date` and `tool` are for the reader, `timing` says `modelled` where the waits were not measured; empty
    where the file does not say.
    """

    source: Source
    interactions: tuple[Interaction, ...]
    upstream: str = ""
    date: str = ""
    tool: str = ""
    timing: str = ""


def load(path: Path) -> Cassette:
    """The cassette in a file.

    Raises:
        CassetteError: broken YAML, an unknown key, a missing or wrong value, or waits that do not fit the events.
        OSError: the file cannot be read.
    """
    return parse(path, path.read_bytes())


def parse(path: Path, text: bytes, *, mend: bool = False) -> Cassette:
    """The cassette `text` holds; with `mend`, waits that do not fit the events are cut or filled up.

    Raises:
        CassetteError: as `load`.
    """
    document = parse_yaml(path, text)
    if document is None:
        raise CassetteError(path, None, "is empty")
    if isinstance(document, dict) and {"when", "say", "call", "fault"} & set(document):
        raise CassetteError(path, None, "is one stub; a scenario is a list of them, each begins with `- `")
    fields = _fields(document, ("version", "interactions", "metadata"), path, None, "the file")
    metadata = _fields(fields.get("metadata") or {}, _METADATA, path, None, "metadata")
    if fields.get("version", 1) != 1:
        raise CassetteError(path, None, f"version {fields['version']} is not vcrpy's format 1")
    if metadata.get("format", FORMAT) != FORMAT:
        raise CassetteError(path, None, f"format {metadata['format']} is newer than this version reads ({FORMAT})")
    source = metadata.get("source", Source.IMPORTED.value)
    if source not in list(Source):
        raise CassetteError(path, None, f"source {source!r} is unknown; there are: {', '.join(Source)}")
    entries = fields.get("interactions")
    if not isinstance(entries, list) or not entries:
        raise CassetteError(path, None, "no interactions: a cassette has a list of at least one")
    interactions = tuple(_interaction(entry, path, number, mend) for number, entry in enumerate(entries, 1))
    notes = {key: str(metadata.get(key) or "") for key in _NOTES}
    return Cassette(Source(source), interactions, **notes)


def parse_yaml(path: Path, text: bytes) -> object:
    """What a YAML file says.

    Raises:
        CassetteError: it is no UTF-8 or no YAML; says the line.
    """
    try:
        return yaml.load(text.decode(), Loader=yaml.CSafeLoader)
    except UnicodeDecodeError as error:
        raise CassetteError(path, None, f"no UTF-8 at byte {error.start}") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that is none
        raise CassetteError(path, None, f"no YAML: {' '.join(str(error).split())}") from error


def is_scenario(text: bytes) -> bool:
    """Whether the YAML's top level is a list, so that it is no cassette; broken YAML is left to whoever reads it next."""
    try:
        events = yaml.parse(text, Loader=yaml.CSafeLoader)
        return any(isinstance(event, yaml.SequenceStartEvent) for _, event in zip(range(3), events, strict=False))
    except yaml.YAMLError:
        return False


def dump(cassette: Cassette) -> str:
    """The file for a cassette, in the one form we write: interactions last, bodies as readable blocks."""
    metadata = {"format": FORMAT, "source": cassette.source.value}
    metadata |= {key: value for key in _NOTES if (value := getattr(cassette, key))}
    head = _yaml({"version": 1, "metadata": metadata})
    return head + "interactions:\n" + "".join(_yaml([_entry(each)]) for each in cassette.interactions)


def write(path: Path, text: str) -> None:
    """Put a file in place whole or not at all: temporary file, fsync, rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def recorded(interactions: Sequence[Interaction], *, upstream: str) -> Cassette:
    """A cassette of what was recorded today."""
    today = datetime.now(UTC).date().isoformat()
    return Cassette(Source.RECORDED, tuple(interactions), upstream, today, f"dress-rehearsal {__version__}")


def append(path: Path, interaction: Interaction, *, upstream: str) -> int:
    """Add a recorded interaction to a file, new or not, and say which of the file's it is, from 1.

    What stands in the file, comments included, stays as it is where `interactions` comes last.

    Raises:
        CassetteError: the file is there but is no cassette, or holds something else than recordings.
    """
    if not path.exists():
        write(path, dump(recorded((interaction,), upstream=upstream)))
        return 1
    text = path.read_text(encoding="utf-8")
    old = parse(path, text.encode())
    if old.source is not Source.RECORDED:
        raise CassetteError(path, None, f"holds {old.source} answers; a recording needs a file of its own")
    grown = replace(old, interactions=(*old.interactions, interaction))
    extended = text + _yaml([_entry(interaction)])
    try:
        whole = parse(path, extended.encode()).interactions == grown.interactions
    except CassetteError:  # another layout than ours, where the end of the file is not the end of the list
        whole = False
    write(path, extended if whole else dump(grown))
    return len(grown.interactions)


def files(directories: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Every YAML file below the directories, in order, each with the name it goes by.

    Raises:
        FileNotFoundError: a directory is not there.
    """
    for directory in directories:
        if directory.is_file():
            yield directory.name, directory
            continue
        if not directory.is_dir():
            raise FileNotFoundError(f"no folder of cassettes at {directory}")
        for path in sorted(directory.rglob("*")):
            if path.suffix in SUFFIXES and not path.name.startswith("."):
                yield path.relative_to(directory).as_posix(), path


# --- reading ---------------------------------------------------------------------------------------------------------


def _interaction(entry: object, path: Path, number: int, mend: bool) -> Interaction:
    fields = _fields(entry, ("request", "response"), path, number, "the interaction")
    request = _fields(fields.get("request"), ("method", "uri", "headers", "body"), path, number, "request")
    response = _fields(fields.get("response"), ("status", "headers", "body", "timing"), path, number, "response")
    body = _fields(response.get("body") or {}, ("string",), path, number, "response.body").get("string")
    status = _fields(response.get("status"), ("code", "message"), path, number, "response.status").get("code")
    if not isinstance(status, int) or not 100 <= status <= 599:
        raise CassetteError(path, number, f"response.status.code is {status!r}, not a status")
    for key in ("method", "uri"):
        if not isinstance(request.get(key), str):
            raise CassetteError(path, number, f"request.{key} is missing")
    try:
        uri = urlsplit(request["uri"])
    except ValueError as error:
        raise CassetteError(path, number, f"request.uri: {error}") from error
    if not isinstance(request.get("body"), str | bytes | None):
        raise CassetteError(path, number, "request.body is no text")
    headers = _headers(response.get("headers") or {}, path, number)
    data = split_events(_bytes(body)) if is_event_stream(headers) else tuple(filter(None, (_bytes(body),)))
    timing = _fields(response.get("timing") or {}, ("head_ms", "after_ms", "end"), path, number, "response.timing")
    waits = timing.get("after_ms", [0] * len(data))
    if not isinstance(waits, list) or not all(isinstance(each, int | float) and each >= 0 for each in waits):
        raise CassetteError(path, number, "response.timing.after_ms is no list of milliseconds")
    if len(waits) != len(data):
        if not mend:
            problem = f"{len(waits)} waits in timing.after_ms, but {len(data)} events in the body"
            raise CassetteError(path, number, f"{problem}. To mend it: dress-rehearsal cassette fmt {path}")
        waits = [*waits, *[statistics.median(waits or [0])] * len(data)][: len(data)]
    head_ms, end = timing.get("head_ms", 0), timing.get("end", End.EOF.value)
    if not isinstance(head_ms, int | float) or head_ms < 0:
        raise CassetteError(path, number, f"response.timing.head_ms is {head_ms!r}, not a number of milliseconds")
    if end not in list(End):
        raise CassetteError(path, number, f"response.timing.end is {end!r}; there are: {', '.join(End)}")
    return Interaction(
        Request(
            request["method"],
            uri.path,
            uri.query,
            _headers(request.get("headers") or {}, path, number),
            _bytes(request.get("body")),
        ),
        Answer(status, headers, tuple(map(Event, waits, data)), End(end), head_ms),
    )


def _fields(value: object, known: tuple[str, ...], path: Path, number: int | None, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise CassetteError(path, number, f"{what} is missing or no mapping")
    unknown = [key for key in value if key not in known]
    if unknown:
        raise CassetteError(path, number, f"unknown key {unknown[0]!r} in {what}; known are {', '.join(known)}")
    return value


def _headers(value: object, path: Path, number: int) -> Headers:
    """vcrpy's headers: a mapping of names to a value or a list of values. Names come out lower-case."""
    if not isinstance(value, dict):
        raise CassetteError(path, number, "headers are no mapping")
    listed = [(str(name).lower(), each if isinstance(each, list) else [each]) for name, each in value.items()]
    return tuple((name, str(item)) for name, items in listed for item in items)


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str("" if value is None else value).encode()


# --- writing ---------------------------------------------------------------------------------------------------------


def _entry(interaction: Interaction) -> dict[str, Any]:
    request, answer = interaction.request, interaction.answer
    address = address_of(request.method, request.raw_path, request.query)
    return {
        "request": {
            "method": request.method,
            "uri": CANONICAL_ORIGIN[address.backend] + request.target,
            "headers": _listed(request.headers),
            "body": _text(request.body),
        },
        "response": {
            "status": {"code": answer.status, "message": _PHRASES.get(answer.status, "")},
            "headers": _listed(answer.headers),
            "body": {"string": _text(answer.body)},
            "timing": _OneLine(
                head_ms=answer.head_after_ms, after_ms=[event.after_ms for event in answer.events], end=answer.end.value
            ),
        },
    }


def _listed(headers: Headers) -> dict[str, Any]:
    listed: dict[str, _OneLineList] = {}
    for name, value in headers:
        listed.setdefault(name, _OneLineList()).append(value)
    return listed


def _text(body: bytes) -> str | bytes:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body


class _OneLine(dict[str, Any]):
    """A mapping written in braces."""


class _OneLineList(list[str]):
    """A list written in brackets."""


class _Dumper(yaml.SafeDumper):
    """Keeps the order of keys, writes texts of several lines as `|` blocks, and never an alias.

    PyYAML's own emitter, not libyaml's: that one cannot put an emoji into a block.
    """

    def ignore_aliases(self, data: object) -> bool:
        """Never."""
        del data
        return True


def _string(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # YAML reads these as line ends too, and would give them back as newlines.
    block = "\n" in text and not {"\x85", "\u2028", "\u2029"} & set(text)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if block else '"' if "\n" in text else None)


_Dumper.add_representer(str, _string)
_Dumper.add_representer(
    _OneLine, lambda dumper, value: dumper.represent_mapping("tag:yaml.org,2002:map", value.items(), flow_style=True)
)
_Dumper.add_representer(
    _OneLineList, lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True)
)


def _yaml(value: object) -> str:
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120))
