"""Imports the recordings of other tools: one module for each format, with `entries(document)`."""

from __future__ import annotations

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
from mockserver.contract.addresses import AddressForm, Backend, address_of
from mockserver.contract.operations import OPERATIONS
from mockserver.documents import PlainLoader, load_yaml
from mockserver.exchange import MAX_UNPACKED_BYTES, Answer, Event, Interaction, Request, first, gunzip, is_event_stream
from mockserver.matching.call import Call
from mockserver.redaction.exchanges import redacted
from mockserver.redaction.redaction import Redaction
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
    """Why something was not imported: the entry, from 1, or None for the whole file."""

    entry: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """What was imported from a file: interactions in order, what was refused, the day of the first one (ISO; empty where
    no header says), and how many secrets of each kind were taken out."""

    interactions: tuple[Interaction, ...] = ()
    refused: tuple[ImportRefusal, ...] = ()
    date: str = ""
    secrets: Mapping[str, int] = field(default_factory=dict)


def read(path: Path, backend: Backend | None = None) -> ImportedFile:
    """What can be imported from a file, redacted and at a modelled pace, and what cannot.

    `backend` is the backend of requests whose address does not tell.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        document = _document(path)
    except RawError as error:
        return ImportedFile(refused=(ImportRefusal(None, str(error)),))
    entries = next((entries for format_ in _FORMATS if (entries := format_(document)) is not None), None)
    if entries is None:
        reason = "not a recording of a known tool: it must hold requests with their answers"
        return ImportedFile(refused=(ImportRefusal(None, reason),))
    interactions, refused, dates, secrets = [], [], [], Counter[str]()
    for number, entry in enumerate(entries, 1):
        try:
            raw = entry()
            interaction = _interaction(raw, backend)
        except ValueError as error:  # a RawError, or an address that is not a URL
            refused.append(ImportRefusal(number, str(error)))
            continue
        clean = redacted(interaction, Redaction())
        secrets += clean.secrets
        interactions.append(clean.interaction)
        dates.append(_day(first(raw.headers, "date")))
    return ImportedFile(tuple(interactions), tuple(refused), next(filter(None, dates), ""), secrets)


def files(paths: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Every file below the paths that may be a recording, in order, with the name of the cassette to write.

    Raises:
        FileNotFoundError: a path does not exist.
    """
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"nothing to import: {path} does not exist")
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            suffix = next((suffix for suffix in SUFFIXES if file.name.endswith(suffix)), None)
            if file.is_file() and (suffix or file == path):
                name = file.relative_to(path).as_posix() if path.is_dir() else file.name
                yield name.removesuffix(suffix or ""), file


def as_cassette(imported: ImportedFile, path: Path) -> Cassette:
    """The cassette of an imported file; its metadata say where it comes from and that its pace was not measured."""
    tool = f"dress-rehearsal {__version__}, from {path.name}"
    return Cassette(Source.IMPORTED, imported.interactions, "", imported.date, tool, "modelled")


def _day(header: str | None) -> str:
    try:
        return parsedate_to_datetime(header or "").date().isoformat()
    except ValueError:
        return ""


# --- the file --------------------------------------------------------------------------------------------------------


class _Loader(PlainLoader):
    """Loads plain data only, with the tags that other tools write for texts and bytes."""


def _python_object(_loader: _Loader, suffix: str, _node: yaml.Node) -> object:
    raise RawError(f"it holds a Python object ({suffix}), which is never loaded")


def _plain(loader: Any, node: Any) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)


_Loader.add_constructor("!binary", yaml.CSafeLoader.yaml_constructors["tag:yaml.org,2002:binary"])
for _tag in ("unicode", "str", "tuple"):
    _Loader.add_constructor(f"tag:yaml.org,2002:python/{_tag}", _plain)
_Loader.add_multi_constructor("tag:yaml.org,2002:python/", _python_object)


def _document(path: Path) -> Any:
    data = path.read_bytes()
    if data.startswith(b"\x1f\x8b"):
        try:
            data = gunzip(data)
        except (OSError, EOFError, zlib.error, ValueError) as error:
            raise RawError(f"it is not a gzip file that can be read: {error}") from error
    try:
        text = data.decode()
        return json.loads(text) if ".json" in path.suffixes else load_yaml(text, _Loader)
    except UnicodeDecodeError as error:
        raise RawError(f"not valid UTF-8 (byte {error.start})") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error.__cause__, RawError):  # a Python object
            raise error.__cause__ from None
        raise RawError(f"not valid YAML or JSON: {' '.join(str(error).split())[:200]}") from error


# --- one entry -------------------------------------------------------------------------------------------------------


def _interaction(raw: RawInteraction, backend: Backend | None) -> Interaction:
    request = _addressed(raw, backend)
    body = decompressed(raw.body, first(raw.headers, "content-encoding"))
    streams = is_event_stream(raw.headers) or body.startswith((b"data:", b"event:"))
    content_type = first(raw.headers, "content-type") or ""
    if "/" not in content_type or streams != is_event_stream(raw.headers):  # redacted, or wrong
        content_type = "text/event-stream" if streams else "application/json"
    others = tuple((name, value) for name, value in raw.headers if name not in ("content-encoding", "content-type"))
    headers = (("content-type", content_type), *others)
    pace = Latency().pace(request.body.decode("utf-8", "replace"))
    pieces = split_events(body) if streams else tuple(filter(None, (body,)))
    events = tuple(Event(pace.each_ms if streams and number else 0, data) for number, data in enumerate(pieces))
    return Interaction(request, Answer(raw.status, headers, events, head_after_ms=pace.first_ms))


def _addressed(raw: RawInteraction, backend: Backend | None) -> Request:
    """The request, at an address that the mock answers.

    Raises:
        RawError: its backend is not known, or it is for an operation that the mock does not have.
    """
    body = decompressed(raw.request_body, None)
    parts = urlsplit(raw.uri) if raw.uri.startswith("http") else None
    host = (parts.hostname or "") if parts else ""
    at_host = (of_host for name, of_host in _HOSTS.items() if host == name or host.endswith(f".{name}"))
    known_backend = backend or next(at_host, None)
    if known_backend is None:
        uri = raw.uri or "no address"
        raise RawError(f"cannot tell the backend from {uri}; add --backend openai or --backend azure")
    path = "/" + parts.path.strip("/").replace("//", "/") if parts else ""
    headers = tuple(
        (name, value) for name, value in raw.request_headers if "/" in value or name not in ("accept", "content-type")
    )
    request = Request(raw.method.upper(), path, parts.query if parts else "", headers, body)
    address = address_of(request.method, request.raw_path, request.query)
    if address.operation is not None and address.backend is known_backend:
        return request
    if parts is None or (backend is not None and host not in _HOSTS):
        return replace(request, raw_path=_guessed_path(request, known_backend))
    raise RawError(f"{request.method} {request.raw_path} is not an operation that the mock has")


def _guessed_path(request: Request, backend: Backend) -> str:
    """The path of the operation that the body is for, where the recording does not have the address."""
    body = Call(request).body or {}
    if "messages" in body:
        name = "createChatCompletion"
    elif "embedding" in str(body.get("model")):
        name = "createEmbedding"
    elif "input" in body:
        name = "createResponse"
    else:
        raise RawError("cannot tell the operation from the address or the body")
    prefix = AddressForm.OPENAI if backend is Backend.OPENAI else AddressForm.AZURE_V1
    return f"{prefix}/{next(operation.path for operation in OPERATIONS if operation.name == name)}"


def decompressed(body: bytes, encoding: str | None) -> bytes:
    """The body, decompressed whatever its headers say: some tools keep it compressed and drop the header, others do the
    opposite.

    Raises:
        RawError: it is broken, or compressed in a way that is not supported.
    """
    try:
        if body.startswith(b"\x1f\x8b"):
            return gunzip(body)
        if encoding == "deflate" and not body.lstrip().startswith((b"{", b"[", b"data:", b"event:")):
            inflator = zlib.decompressobj()
            plain = inflator.decompress(body, MAX_UNPACKED_BYTES)
            if inflator.unconsumed_tail or not inflator.eof:
                raise ValueError(f"it is cut off, or holds more than {MAX_UNPACKED_BYTES >> 20} MB")
            return plain
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise RawError(f"its compressed body cannot be read: {error}") from error
    if encoding in ("br", "zstd") and not body.lstrip().startswith((b"{", b"[", b"data:", b"event:")):
        raise RawError(f"its body is compressed with {encoding}, which is not supported")
    return body
