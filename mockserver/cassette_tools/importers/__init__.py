"""Recordings of other tools, read as interactions: one module a format, each with `entries(document)`."""

from __future__ import annotations

import gzip
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from mockserver import __version__
from mockserver.answers.latency import Latency
from mockserver.cassette_tools.importers import langchain, ruby_vcr, testagent, vcr
from mockserver.cassette_tools.importers.raw import RawError, RawInteraction
from mockserver.cassettes.cassette import Cassette, Source
from mockserver.contract.operations import OPERATIONS, AddressForm, Backend, address_of
from mockserver.exchange import Answer, Event, Interaction, Request, first, is_event_stream
from mockserver.matching.call import Call
from mockserver.redact import Redaction
from mockserver.sse import split_events

SUFFIXES = (".yaml.gz", ".yml.gz", ".json.gz", ".yaml", ".yml", ".json")
_FORMATS: tuple[Callable[[Any], list[Callable[[], RawInteraction]] | None], ...] = (
    vcr.entries,
    ruby_vcr.entries,
    langchain.entries,
    testagent.entries,
)
_HOSTS = {
    "api.openai.com": Backend.OPENAI,
    "openai.azure.com": Backend.AZURE,
    "cognitiveservices.azure.com": Backend.AZURE,
    "services.ai.azure.com": Backend.AZURE,
    "openai.azure.us": Backend.AZURE,
}


@dataclass(frozen=True, slots=True)
class ImportRefusal:
    """What could not be imported: the entry, from 1, or None for the file as a whole, and why."""

    entry: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """What a file holds: interactions in order, what could not be imported, the day of the first (ISO; empty where no
    header says), and how often which kind of secret was taken out."""

    interactions: tuple[Interaction, ...] = ()
    refused: tuple[ImportRefusal, ...] = ()
    date: str = ""
    secrets: Mapping[str, int] = field(default_factory=dict)


def read(path: Path, backend: Backend | None = None) -> ImportedFile:
    """What can be imported of a file, redacted, at a modelled pace, and what cannot.

    `backend` is whose traffic it is where the address does not tell.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        document = _document(path)
    except RawError as error:
        return ImportedFile(refused=(ImportRefusal(None, str(error)),))
    entries = next((found for format_ in _FORMATS if (found := format_(document)) is not None), None)
    if entries is None:
        reason = "no recording of a known tool: a request and its answer are needed"
        return ImportedFile(refused=(ImportRefusal(None, reason),))
    interactions, refused, dates, secrets = [], [], [], Counter[str]()
    for number, entry in enumerate(entries, 1):
        try:
            raw = entry()
            interaction = _interaction(raw, backend)
        except ValueError as error:  # a RawError, or an address that is none
            refused.append(ImportRefusal(number, str(error)))
            continue
        secrets += Redaction().kinds(interaction)
        interactions.append(Redaction().interaction(interaction))
        dates.append(_day(first(raw.headers, "date")))
    return ImportedFile(tuple(interactions), tuple(refused), next(filter(None, dates), ""), secrets)


def files(paths: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Every file below the paths that may be a recording, in order, with the name its cassette gets.

    Raises:
        FileNotFoundError: a path is not there.
    """
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"nothing to import at {path}")
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        for each in found:
            suffix = next((suffix for suffix in SUFFIXES if each.name.endswith(suffix)), None)
            if each.is_file() and (suffix or each == path):
                name = each.relative_to(path).as_posix() if path.is_dir() else each.name
                yield name.removesuffix(suffix or ""), each


def as_cassette(reading: ImportedFile, path: Path) -> Cassette:
    """The cassette for what was read, saying where it comes from and that nobody measured its pace."""
    tool = f"dress-rehearsal {__version__}, from {path.name}"
    return Cassette(Source.IMPORTED, reading.interactions, "", reading.date, tool, "modelled")


def _day(header: str | None) -> str:
    try:
        return parsedate_to_datetime(header or "").date().isoformat()
    except ValueError:
        return ""


# --- the file --------------------------------------------------------------------------------------------------------


class _Loader(yaml.CSafeLoader):
    """Plain data only, with the tags other tools write for texts and bytes."""


def _python_object(_loader: _Loader, suffix: str, _node: yaml.Node) -> object:
    raise RawError(f"holds a Python object ({suffix}), which is not loaded from a file of somebody else's")


def _plain(loader: Any, node: Any) -> Any:
    return (
        loader.construct_sequence(node, deep=True)
        if isinstance(node, yaml.SequenceNode)
        else loader.construct_scalar(node)
    )


_Loader.add_constructor("!binary", yaml.CSafeLoader.yaml_constructors["tag:yaml.org,2002:binary"])
for _tag in ("unicode", "str", "tuple"):
    _Loader.add_constructor(f"tag:yaml.org,2002:python/{_tag}", _plain)
_Loader.add_multi_constructor("tag:yaml.org,2002:python/", _python_object)


def _document(path: Path) -> Any:
    data = path.read_bytes()
    if data.startswith(b"\x1f\x8b"):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise RawError(f"is no whole gzip file: {error}") from error
    try:
        text = data.decode()
        return json.loads(text) if ".json" in path.suffixes else yaml.load(text, Loader=_Loader)  # noqa: S506  a safe one
    except UnicodeDecodeError as error:
        raise RawError(f"no UTF-8 at byte {error.start}") from error
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, RawError):
            raise
        raise RawError(f"neither YAML nor JSON: {' '.join(str(error).split())[:200]}") from error


# --- one entry -------------------------------------------------------------------------------------------------------


def _interaction(raw: RawInteraction, backend: Backend | None) -> Interaction:
    request = _addressed(raw, backend)
    body = unpacked(raw.body, first(raw.headers, "content-encoding"))
    streams = is_event_stream(raw.headers) or body.startswith((b"data:", b"event:"))
    kept = tuple(each for each in raw.headers if each[0] not in ("content-encoding", "content-type"))
    kind = "text/event-stream" if streams else "application/json"
    given = first(raw.headers, "content-type") or ""
    believed = "/" in given and streams == is_event_stream(raw.headers)
    headers = (("content-type", given if believed else kind), *kept)
    pace = Latency().pace(request.body.decode("utf-8", "replace"))
    pieces = split_events(body) if streams else tuple(filter(None, (body,)))
    events = tuple(Event(pace.each_ms if streams and number else 0, data) for number, data in enumerate(pieces))
    return Interaction(request, Answer(raw.status, headers, events, head_after_ms=pace.first_ms))


def _addressed(raw: RawInteraction, backend: Backend | None) -> Request:
    """The request, at an address of ours.

    Raises:
        RawError: whose it is cannot be told, or it asks for no operation that is answered here.
    """
    body = unpacked(raw.request_body, None)
    parts = urlsplit(raw.uri) if raw.uri.startswith("http") else None
    host = (parts.hostname or "") if parts else ""
    whose = backend or next((each for name, each in _HOSTS.items() if host == name or host.endswith(f".{name}")), None)
    if whose is None:
        raise RawError(f"whose traffic {raw.uri or 'it'} is cannot be told; say so with --backend openai or azure")
    path = "/" + parts.path.strip("/").replace("//", "/") if parts else ""
    headers = tuple(each for each in raw.request_headers if "/" in each[1] or each[0] not in ("accept", "content-type"))
    request = Request(raw.method.upper(), path, parts.query if parts else "", headers, body)
    address = address_of(request.method, request.raw_path, request.query)
    if address.operation is not None and address.backend is whose:
        return request
    if parts is None or (backend is not None and host not in _HOSTS):
        return replace(request, raw_path=_guessed(request, whose))
    raise RawError(f"{request.method} {request.raw_path} is no operation that is answered here")


def _guessed(request: Request, backend: Backend) -> str:
    """The path of the operation that a body is for, where the address was not kept."""
    asked = Call(request).body or {}
    if "messages" in asked:
        name = "createChatCompletion"
    elif "embedding" in str(asked.get("model")):
        name = "createEmbedding"
    elif "input" in asked:
        name = "createResponse"
    else:
        raise RawError("neither its address nor its body tells what it asks for")
    prefix = AddressForm.OPENAI if backend is Backend.OPENAI else AddressForm.AZURE_V1
    return f"{prefix}/{next(each.path for each in OPERATIONS if each.name == name)}"


def unpacked(body: bytes, encoding: str | None) -> bytes:
    """A body without its compression, whatever its headers say: some tools keep it packed and drop the header, others
    the other way round.

    Raises:
        RawError: it is packed in a way that cannot be undone here.
    """
    try:
        if body.startswith(b"\x1f\x8b"):
            return gzip.decompress(body)
        if encoding == "deflate" and not body.lstrip().startswith((b"{", b"[", b"data:", b"event:")):
            return zlib.decompress(body)
    except (OSError, EOFError, zlib.error) as error:
        raise RawError(f"its body is packed, and broken: {error}") from error
    if encoding in ("br", "zstd") and not body.lstrip().startswith((b"{", b"[", b"data:", b"event:")):
        raise RawError(f"its body is packed with {encoding}, which is not undone here")
    return body
