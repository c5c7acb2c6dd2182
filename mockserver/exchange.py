"""The five shapes that every room uses: a request gets an answer, and an answer is sent event by event."""

from __future__ import annotations

import base64
import binascii
import gzip
import hashlib
import io
import json
import math
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, NoReturn
from urllib.parse import SplitResult, urlsplit

Headers = tuple[tuple[str, str], ...]

#: The header of answers that the mock itself made: generated ones and its own errors. A recorder leaves these out.
BY_MOCK = "x-mockserver-answer"
#: The header of a refusal: the rule of the contract that refused, which `--lenient` turns off.
BY_RULE = "x-mockserver-rule"

#: The deepest JSON that is read. The models allow schemas ten levels deep; validators and Python end at a few hundred.
MAX_DEPTH = 200
#: What a compressed text may hold. A thousandth of it can say so.
MAX_UNPACKED_BYTES = 64 << 20


class End(StrEnum):
    """How an answer ends on the wire."""

    EOF = "eof"
    RESET = "reset"
    STALL = "stall"


@dataclass(frozen=True)
class Request:
    """What a client sends. `raw_path` and `query` are as sent, percent-encoding included; header names are lower-case."""

    method: str
    raw_path: str
    query: str = ""
    headers: Headers = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The value of the first header with this name, or None."""
        return self._first_values.get(name)

    @cached_property
    def held_bytes(self) -> int:
        """Roughly the bytes it holds, with what Python adds to each part."""
        target = len(self.raw_path) + len(self.query)
        return len(self.body) + target + held_bytes_of(self.headers)

    @cached_property
    def _first_values(self) -> dict[str, str]:
        return dict(reversed(self.headers))

    @property
    def target(self) -> str:
        """Path and query, as on the request line."""
        return f"{self.raw_path}?{self.query}" if self.query else self.raw_path


@dataclass(frozen=True, slots=True)
class Event:
    """Bytes that leave together, `after_ms` milliseconds after the event before."""

    after_ms: float
    data: bytes


@dataclass(frozen=True)
class Answer:
    """What the client gets: the head `head_after_ms` milliseconds after the request, then the events.

    A JSON body is one event. Status 0 has no head: the connection ends before it. `decided_by` names the stub or rule that
    decided on this answer; `faults` are the kinds of fault that are in it, in the order in which they came.
    """

    status: int
    headers: Headers = ()
    events: tuple[Event, ...] = ()
    end: End = End.EOF
    head_after_ms: float = 0
    decided_by: str = ""
    faults: tuple[str, ...] = ()

    @property
    def body(self) -> bytes:
        """The bytes of all events, joined."""
        return b"".join([event.data for event in self.events])

    @cached_property
    def streams(self) -> bool:
        """Whether this is a stream of server-sent events."""
        return is_event_stream(self.headers)

    @cached_property
    def held_bytes(self) -> int:
        """Roughly the bytes it holds: its body and headers, and what Python adds to each part."""
        return sum([len(event.data) + 100 for event in self.events]) + held_bytes_of(self.headers)


@dataclass(frozen=True, slots=True)
class Interaction:
    """A request with its answer: what a recorder writes and a cassette holds."""

    request: Request
    answer: Answer


def json_bytes(value: Any, *, indent: int | None = None, ascii_only: bool = False) -> bytes:
    """The JSON of a value: compact, or indented as for people. Half of a surrogate pair, which JSON can spell and UTF-8 cannot,
    stays escaped, and with it every letter that is not ASCII."""
    separators = (",", ":") if indent is None else None
    try:
        return json.dumps(value, ensure_ascii=ascii_only, indent=indent, separators=separators).encode()
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent, separators=separators).encode()


def json_answer(status: int, payload: Any, *, headers: Headers = (), decided_by: str = "") -> Answer:
    """An answer with one JSON body, sent at once."""
    events = (Event(0, json_bytes(payload)),)
    return Answer(status, (("content-type", "application/json"), *headers), events, decided_by=decided_by)


#: What a person is told about it.
HEADER_FORM = "a name has letters, digits and dashes, a value is one line of Latin-1"


def is_header(name: str, value: str) -> bool:
    """Whether a head can have such a header. Source: RFC 9110, 5.1 and 5.5."""
    return _TOKEN.fullmatch(name) is not None and _VALUE.fullmatch(value) is not None


def held_bytes_of(headers: Headers) -> int:
    """Roughly the bytes that headers hold, with what Python adds to each."""
    return sum([len(name) + len(value) + 150 for name, value in headers])


def first(headers: Headers, name: str) -> str | None:
    """The first value of the header `name` (lower-case), or None."""
    return next((value for key, value in headers if key.lower() == name), None)


def is_event_stream(headers: Headers) -> bool:
    """Whether the content type says server-sent events."""
    return (first(headers, "content-type") or "").partition(";")[0].strip().lower() == "text/event-stream"


def server_url(text: str) -> SplitResult | None:
    """The parts of a server's URL; None without http or https, without a host, or with an impossible port."""
    try:
        parts = urlsplit(text)
        return parts if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 else None
    except ValueError:  # from `port`, or for a broken IPv6 address
        return None


def gunzip(data: bytes) -> bytes:
    """What a gzip file holds.

    Raises:
        OSError, EOFError, zlib.error: not a whole gzip file.
        ValueError: it holds more than `MAX_UNPACKED_BYTES`.
    """
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        plain = file.read(MAX_UNPACKED_BYTES + 1)
    if len(plain) > MAX_UNPACKED_BYTES:
        raise ValueError(f"it holds more than {MAX_UNPACKED_BYTES >> 20} MB")
    return plain


def is_origin_of(origin: str, host: str) -> bool:
    """Whether an Origin header is that of a site with this Host."""
    return origin.partition("://")[2] == host


def shown_url(url: str) -> str:
    """A server's address without the name and password in it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def whole_number(text: str) -> int | None:
    """The number that one to nine digits say; None for anything else."""
    return int(text) if _DIGITS.fullmatch(text) else None


def parse_json(data: bytes) -> Any:
    """The JSON value in the data; None for anything else, such as NaN or bytes that are no text, and where it is nested deeper than `MAX_DEPTH`."""
    try:
        value = _JSON.decode(data.decode(json.detect_encoding(data)))
    except (ValueError, RecursionError):
        return None
    return None if data.count(b"[") + data.count(b"{") > MAX_DEPTH and is_too_deep(value) else value


def _no_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is beyond any number")
    return number


#: Python's own reader takes NaN and Infinity too, and reads 1e999 as the latter.
_JSON = json.JSONDecoder(parse_constant=_no_json, parse_float=_finite)
_DIGITS = re.compile("[0-9]{1,9}")
_TOKEN, _VALUE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"), re.compile("[\t\x20-\x7e\x80-\xff]*")


def is_text(value: str) -> bool:
    """Whether a string can be written: without half of a surrogate pair, which JSON can spell."""
    try:
        value.isascii() or value.encode()
    except UnicodeEncodeError:
        return False
    return True


#: Data in a URL that is too long for people to read.
_DATA_URL = re.compile(r"(data:[\w.+/-]{0,100}(?:;[\w.=-]{1,40}){0,5};base64),([A-Za-z0-9+/_=-]{200,})")


def shortened(value: Any) -> Any:
    """The JSON value for people to read: of a long data URL its type, its size and its hash."""
    if isinstance(value, str):
        long = _DATA_URL.fullmatch(value) if value.startswith("data:") else None
        return _short_data(long[1], long[2]) if long else value
    if isinstance(value, dict):
        return {key: shortened(item) for key, item in value.items()}
    return [shortened(item) for item in value] if isinstance(value, list) else value


def _short_data(head: str, text: str) -> str:
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        data = text.encode()
    return f"{head},… ({len(data):,} bytes, sha256 {hashlib.sha256(data).hexdigest()})"


def is_too_deep(value: Any) -> bool:
    """Whether a value of lists and mappings is nested deeper than `MAX_DEPTH`."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            item
            for parent in level
            for item in (parent.values() if isinstance(parent, dict) else parent if isinstance(parent, list) else ())
            if isinstance(item, dict | list)
        ]
        if not level:
            return False
    return True
