"""Secrets that several pieces of an answer share: each field's text is put together over all events, as a client does."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mockserver.redaction import logprobs
from mockserver.redaction.literals import Literal, literals
from mockserver.redaction.redaction import Redaction, Secret, apart, replaced

#: Keys whose value is the same in every event, or random in each.
_NO_PIECES = frozenset(
    {
        "created",
        "finish_reason",
        "id",
        "item_id",
        "model",
        "obfuscation",
        "object",
        "response_id",
        "role",
        "service_tier",
    }
    | {"system_fingerprint", "type"}
)
#: What says which item or part an event of a response is about.
_LABELS = ("type", "item_id", "output_index", "content_index", "summary_index", "index")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_DATA = re.compile(r"data: ?")
_NOT_LINE_END = re.compile(r"[^\r\n]")

Channel = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of a channel's text: in which event it stands, and where there."""

    event: int
    literal: Literal


def redacted_events(
    events: Sequence[bytes], redaction: Redaction, counts: Counter[str], *, framed: bool = True
) -> list[bytes]:
    """The events of a stream without secrets, also where several share one; a replacement is in the event where its secret
    begins. What is not `framed` is a body without lines of `data:`."""
    texts = [event.decode("utf-8", "surrogateescape") for event in events]
    edits: list[list[Secret]] = [[] for _ in texts]
    channels: dict[Channel, list[_Piece]] = defaultdict(list)
    tokens: dict[Channel, list[logprobs.Spelled]] = defaultdict(list)
    for number, text in enumerate(texts):
        payload = _payload(text) if framed else text
        for start, end in _outside(text) if framed else ():
            found = redaction.secrets(text[start:end])
            counts.update(secret.kind for secret in found)
            edits[number] += (secret._replace(start=secret.start + start, end=secret.end + start) for secret in found)
        for channel, literal in _strings(payload, framed):
            channels[channel or (number, literal.start)].append(_Piece(number, literal))
        for channel, place in logprobs.places(payload, number):
            tokens[channel].append(place)
    for pieces in channels.values():
        for number, secret, begins in _in_channel(pieces, redaction):
            edits[number].append(secret)
            counts[secret.kind] += begins
    for places in tokens.values():
        for number, secret in logprobs.edits(places, redaction):
            edits[number] = [edit for edit in edits[number] if not secret.start <= edit.start < secret.end]
            edits[number].append(secret)
    return [
        replaced(text, apart(changes)).encode("utf-8", "surrogateescape") if changes else event
        for event, text, changes in zip(events, texts, edits, strict=True)
    ]


def _payload(text: str) -> str:
    """An event's data, each character at its place: tabs stand for everything else."""
    if not text.startswith("data:") and "\ndata:" not in text and "\rdata:" not in text:
        return ""
    lines = []
    for line in _LINE.findall(text):
        prefix = _DATA.match(line)
        lines.append("\t" * len(prefix[0]) + line[len(prefix[0]) :] if prefix else _NOT_LINE_END.sub("\t", line))
    return "".join(lines)


def _outside(text: str) -> Iterator[tuple[int, int]]:
    """The lines of an event that are no data: comments, names, ids."""
    for match in _LINE.finditer(text):
        if match[0].strip() and not match[0].startswith("data:"):
            yield match.span()


def _strings(payload: str, framed: bool) -> Iterator[tuple[Channel | None, Literal]]:
    """Every string of an event's JSON with the channel it continues, None for one that stands for itself. Data that is no JSON
    is one text, and continues that of other events."""
    try:
        parsed = json.loads(payload)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict | list):
        yield from _plain(payload, framed)
        return
    found = list(literals(payload))
    places = list(_places(parsed))
    if len(places) != len(found):  # a key twice in one object, of which Python keeps one
        places = [None] * len(found)
    yield from zip(places, found, strict=True)


def _plain(payload: str, framed: bool) -> Iterator[tuple[Channel, Literal]]:
    """Data that is no JSON: a body as a whole, of an event each line, blanks at its ends included."""
    for match in _LINE.finditer(payload) if framed else re.finditer(r"(?s).+", payload):
        text = match[0].rstrip("\r\n").lstrip("\t") if framed else match[0]
        start = match.end() - len(match[0].lstrip("\t")) if framed else 0
        if text:
            yield ("text",), Literal(start, start + len(text), text, text, is_plain=True)


def _places(value: Any, path: Channel = (), name: str = "") -> Iterator[Channel | None]:
    """For each string in a JSON value, keys too and in order, the channel it is a piece of."""
    if isinstance(value, str):
        yield None if name in _NO_PIECES or "logprobs" in path else path
    elif isinstance(value, dict):
        if not path:
            path = tuple(str(value[key]) for key in _LABELS if isinstance(value.get(key), str | int))
        for key, item in value.items():
            yield None
            yield from _places(item, (*path, key), key)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            index = item.get("index", position) if isinstance(item, dict) else position
            yield from _places(item, (*path, str(index)), name)


def _in_channel(pieces: Sequence[_Piece], redaction: Redaction) -> Iterator[tuple[int, Secret, bool]]:
    """What changes in which event so that all pieces together have no secret; and whether one begins there."""
    texts = [piece.literal.text for piece in pieces]
    name = pieces[0].literal.name
    if len(pieces) == 1 or len(set(texts)) == 1:  # what is the same in every event is no text that grows
        for piece in pieces:
            for secret in redaction.secrets(piece.literal.text, name):
                yield piece.event, _in_event(piece.literal, secret), True
        return
    together = redaction.secrets("".join(texts), name)
    start = 0
    for piece, text in zip(pieces, texts, strict=True):
        end = start + len(text)
        for secret in together:
            if secret.start < end and secret.end > start:
                begins = secret.start >= start
                first, last = max(secret.start, start) - start, min(secret.end, end) - start
                part = Secret(first, last, secret.replacement if begins else "", secret.kind)
                yield piece.event, _in_event(piece.literal, part), begins
        start = end


def _in_event(literal: Literal, secret: Secret) -> Secret:
    start, end = literal.place(secret.start, secret.end)
    return Secret(start, end, literal.encoded(secret.replacement), secret.kind)
