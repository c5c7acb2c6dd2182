"""The calls of a model in a HAR: our own journal's, or one that a browser's network panel saved.

Source: the HTTP Archive specification 1.2. Chromium saves no text of some streams.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote_plus, urlsplit

from mockserver.contract.addresses import address_of
from mockserver.contract.answer_rules import an_object, objects
from mockserver.errors import UserError
from mockserver.exchange import Answer, Event, Headers, Interaction, Request, is_event_stream, parse_json
from mockserver.journal.entry import Place
from mockserver.redaction.exchanges import CREDENTIALS
from mockserver.sse import split_events

#: What a request is sent again with, as recordings are: no cookie, origin or key of whoever saved the file.
_SENT_HEADERS = ("accept", "content-type")
_BODILESS = (204, 304)


class HarError(UserError):
    """A file that is no HAR; the message says what one is."""


@dataclass(frozen=True, slots=True)
class HarCall:
    """One call of a model: its place in the file, from 1, and its request with its answer; `missing` says why it cannot be
    compared, and is empty where it can."""

    number: int
    interaction: Interaction
    missing: str = ""


def har_calls(path: Path) -> tuple[HarCall, ...]:
    """The calls in a HAR that are an operation of a model's API, in the file's order; what a gate and a host saw is none.

    Raises:
        OSError: the file cannot be read.
        HarError: it is no HAR.
    """
    entries = an_object(an_object(parse_json(path.read_bytes())).get("log")).get("entries")
    if not isinstance(entries, list):
        raise HarError(
            f"{path} is no HAR, which is JSON with log.entries: save one from a browser's network panel, with content, or from "
            "GET /__admin/journal.har"
        )
    return tuple(_calls(entries))


def _calls(entries: list[Any]) -> Iterator[HarCall]:
    for number, entry in enumerate(entries, 1):
        fields = an_object(entry)
        request = _request(an_object(fields.get("request")))
        if request is not None and fields.get("_place", Place.MODEL) == Place.MODEL:
            response = an_object(fields.get("response"))
            answer, missing = _answer(response)
            missing = missing or _missing_body(an_object(fields.get("request")))
            end = fields.get("_end", "eof")
            yield HarCall(
                number,
                Interaction(request, answer),
                missing or ("" if end == "eof" else f"its answer ended early: {end}"),
            )


def _request(given: dict[str, Any] | Any) -> Request | None:
    """The request as it is sent again; None for one to anything else than a model."""
    method, url, data = given.get("method"), given.get("url"), an_object(given.get("postData"))
    if not isinstance(method, str) or not isinstance(url, str):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    raw_path = _path_of_operation(method, parts)
    if raw_path is None:
        return None
    query = "&".join(pair for pair in parts.query.split("&") if not CREDENTIALS.fullmatch(_name(pair)))
    headers = tuple(header for header in _headers(given) if header[0] in _SENT_HEADERS)
    if "content-type" not in dict(headers) and isinstance(data.get("mimeType"), str):
        headers = (*headers, ("content-type", data["mimeType"]))
    text = data.get("text")
    return Request(method, raw_path, query, headers, text.encode("utf-8", "replace") if isinstance(text, str) else b"")


def _name(pair: str) -> str:
    return unquote_plus(pair.partition("=")[0])


def _path_of_operation(method: str, parts: SplitResult) -> str | None:
    """The end of the path that is an operation's: a gateway may have the API below a path of its own."""
    starts = (at for at, letter in enumerate(parts.path) if letter == "/")
    ends = (parts.path[at:] for at in starts)
    return next((end for end in ends if address_of(method, end, parts.query).operation is not None), None)


def _headers(message: Any) -> Headers:
    pairs = ((each.get("name"), each.get("value")) for each in objects(message.get("headers")))
    return tuple((name.lower(), value) for name, value in pairs if isinstance(name, str) and isinstance(value, str))


def _missing_body(request: Any) -> str:
    data, size = an_object(request.get("postData")), request.get("bodySize")
    absent = not data.get("text") and (bool(data) or (isinstance(size, int) and size > 0))
    return "the file does not hold its body" if absent else ""


def _answer(response: Any) -> tuple[Answer, str]:
    """The answer, and why it is not all of it."""
    status, content = response.get("status"), an_object(response.get("content"))
    if not isinstance(status, int) or status < 100:
        return Answer(0), "it broke off before an answer came"
    text, mime_type = content.get("text"), content.get("mimeType")
    left_out = ("content-encoding", "content-length")
    headers = tuple(header for header in _headers(response) if header[0] not in left_out)
    if "content-type" not in dict(headers) and isinstance(mime_type, str):
        headers = (*headers, ("content-type", mime_type))
    if not isinstance(text, str) or (not text and content.get("comment")):
        return Answer(status, headers), "" if status in _BODILESS else "the file does not hold its answer's text"
    try:
        base64_ = content.get("encoding") == "base64"
        body = base64.b64decode(text, validate=True) if base64_ else text.encode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return Answer(status, headers), "its answer's base64 cannot be read"
    parts = split_events(body) if is_event_stream(headers) else (body,)
    return Answer(status, headers, tuple(Event(0, part) for part in parts)), ""
