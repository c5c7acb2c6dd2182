"""Secrets that several pieces of an answer share: each field's text is put together over all events, as a client does."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from mockserver.exchange import MAX_DEPTH, is_too_deep
from mockserver.redaction import logprobs
from mockserver.redaction.literals import Literal, literals
from mockserver.redaction.redaction import Redaction, Secret, apart, by_piece, replaced
from mockserver.redaction.scan import Form, form_of

#: Keys whose value is the same in every event, or random in each.
_NO_PIECES = frozenset(
    [
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
        "system_fingerprint",
        "type",
    ]
)
#: What says which item or part an event of a response is about.
_LABELS = ("type", "item_id", "output_index", "content_index", "summary_index", "index")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_DATA = re.compile(r"data: ?")
_NOT_LINE_END = re.compile(r"[^\r\n]")

#: What may have a text in it. A union would be made anew for each of a million numbers.
_HOLDS_TEXT = (str, dict, list)

Channel = tuple[object, ...]
#: The start of a channel whose pieces are only perhaps one text: each may also stand for itself.
_PERHAPS = object()


class _Label(str):
    """Which item, part or choice an event says it is about."""

    __slots__ = ()


class _Piece(NamedTuple):
    """A string of an event: which event and which of its strings, what it says, and the JSON key it is the value of."""

    event: int
    number: int
    text: str
    name: str


class _Strings:
    """The strings of all events by the channel that each continues, and the places of those that are to change.

    Places are looked for only where something changes: most answers have no secret.
    """

    def __init__(self, payloads: Sequence[str], redaction: Redaction, *, framed: bool) -> None:
        self._payloads, self._redaction = payloads, redaction
        self._channels: dict[Channel, list[_Piece]] = defaultdict(list)
        self._seen: dict[tuple[str, str], list[Secret]] = {}
        self._places: dict[int, list[Literal]] = {}
        self.changes: dict[tuple[int, int], list[Secret]] = defaultdict(list)
        for event, payload in enumerate(payloads):
            for number, (channel, text, name) in enumerate(self._read(event, payload, framed)):
                if channel is not None:
                    self._channels[channel].append(_Piece(event, number, text, name))
                elif found := self._once(text, name):
                    self.changes[event, number] += found

    def _read(self, event: int, payload: str, framed: bool) -> Iterable[tuple[Channel | None, str, str]]:
        if not framed and form_of(payload) is Form.JSON:  # nothing to put together, so nothing to build
            self._places[event] = list(literals(payload))
            return [(None, each.text, each.name) for each in self._places[event]]
        parsed = _parsed(payload)
        if parsed is None and form_of(payload) is not Form.JSON:
            self._places[event] = list(_plain(payload, framed))
            return [((_PERHAPS,), literal.text, "") for literal in self._places[event]]
        strings = list(_strings(parsed))
        if 2 * len(strings) == payload.count('"') - payload.count('\\"') and "\\\\" not in payload:
            return strings
        found = list(literals(payload))
        if len(strings) == len(found):
            return strings
        # A key twice in one object, of which Python keeps one; or nested too deeply. What has one name is one text.
        return [((_PERHAPS, each.name) if each.name else None, each.text, each.name) for each in found]

    def _once(self, text: str, name: str) -> list[Secret]:
        """The secrets of a text that stands in many events."""
        if (found := self._seen.get((text, name))) is None:
            found = self._seen[text, name] = self._redaction.secrets(text, name)
        return found

    def find(self) -> Iterator[str]:
        """Find all secrets, and yield the kind of each."""
        for found in self.changes.values():
            yield from (secret.kind for secret in found)
        for pieces, is_one_text in self._texts():
            together: list[Secret] = []
            if len({piece.text for piece in pieces}) > 1:  # what is the same in every event is no text that grows
                together = self._redaction.secrets("".join(piece.text for piece in pieces), pieces[0].name)
            yield from (secret.kind for secret in together)
            for piece, changes in zip(pieces, by_piece([piece.text for piece in pieces], together), strict=True):
                alone = [] if is_one_text else self._once(piece.text, piece.name)
                more = [each for each in alone if not any(_overlap(each, change) for change in changes)]
                self.changes[piece.event, piece.number] += (*changes, *more)
                yield from (secret.kind for secret in more)

    def _texts(self) -> Iterator[tuple[list[_Piece], bool]]:
        """The pieces of each channel, and whether they surely are one text that grows. Where every event has a label of its own,
        as ids that are new each time, what has the same place in the events is perhaps one text."""
        by_place: dict[Channel, list[Channel]] = defaultdict(list)
        for channel in self._channels:
            by_place[tuple(part for part in channel if not isinstance(part, _Label))].append(channel)
        for channels in by_place.values():
            if len(channels) > 2 and all(len(self._channels[channel]) == 1 for channel in channels):
                yield sorted(piece for channel in channels for piece in self._channels[channel]), False
                continue
            for channel in channels:
                pieces = self._channels[channel]
                grows = len({piece.text for piece in pieces}) > 1
                yield pieces, grows and channel[0] is not _PERHAPS

    def edits(self) -> Iterator[tuple[int, Secret]]:
        """What changes in which event, at its place there."""
        places = self._places
        for (event, number), changes in self.changes.items():
            if not changes:
                continue
            if event not in places:
                places[event] = list(literals(self._payloads[event]))
            literal = places[event][number]
            offsets = literal.offsets()
            for secret in changes:
                replacement = literal.encoded(secret.replacement)
                yield event, Secret(offsets[secret.start], offsets[secret.end], replacement, secret.kind)


def redacted_events(
    events: Sequence[bytes], redaction: Redaction, counts: Counter[str], *, framed: bool = True
) -> list[bytes]:
    """The events of a stream without secrets, also where several share one; a replacement is in the event where its secret
    begins. What is not `framed` is a body without lines of `data:`."""
    texts = [event.decode("utf-8", "surrogateescape") for event in events]
    payloads = list(map(_payload, texts)) if framed else texts
    edits: dict[int, list[Secret]] = defaultdict(list)
    tokens: dict[Channel, list[logprobs.Spelled]] = defaultdict(list)
    for number, text in enumerate(texts if framed else ()):
        for start, end in _outside(text):
            found = redaction.secrets(text[start:end])
            counts.update(secret.kind for secret in found)
            edits[number] += (secret._replace(start=secret.start + start, end=secret.end + start) for secret in found)
    strings = _Strings(payloads, redaction, framed=framed)
    counts.update(strings.find())
    for number, secret in strings.edits():
        edits[number].append(secret)
    for number, payload in enumerate(payloads):
        for channel, place in logprobs.places(payload, number):
            tokens[channel].append(place)
    for places in tokens.values():
        for number, secret in logprobs.edits(places, redaction):
            edits[number] = [edit for edit in edits[number] if not secret.start <= edit.start < secret.end]
            edits[number].append(secret)
    return [
        replaced(texts[number], apart(edits[number])).encode("utf-8", "surrogateescape") if edits.get(number) else event
        for number, event in enumerate(events)
    ]


def _payload(text: str) -> str:
    """An event's data, each character at its place: tabs stand for everything else."""
    if text.startswith("\ufeff"):  # a byte order mark before the first event
        return "\t" + _payload(text[1:])
    if not text.startswith("data:") and "\ndata:" not in text and "\rdata:" not in text:
        return ""
    if _is_one_line(text):
        return "\t\t\t\t\t\t" + text[6:]
    lines = []
    for line in _LINE.findall(text):
        prefix = _DATA.match(line)
        lines.append("\t" * len(prefix[0]) + line[len(prefix[0]) :] if prefix else _NOT_LINE_END.sub("\t", line))
    return "".join(lines)


def _is_one_line(text: str) -> bool:
    return text.startswith("data: ") and text.endswith("\n\n") and text.count("\n") == 2 and "\r" not in text


def _outside(text: str) -> Iterator[tuple[int, int]]:
    """The lines of an event that are no data: comments, names, ids."""
    for match in () if _is_one_line(text) else _LINE.finditer(text):
        if match[0].strip() and not match[0].startswith("data:"):
            yield match.span()


def _parsed(payload: str) -> dict[str, Any] | list[Any] | None:
    """The JSON object or list; None for anything else, and for what is nested too deeply."""
    try:
        parsed = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    if not isinstance(parsed, dict | list):
        return None
    return None if payload.count("[") + payload.count("{") > MAX_DEPTH and is_too_deep(parsed) else parsed


def _plain(payload: str, framed: bool) -> Iterator[Literal]:
    """Data that is no JSON: a body as a whole, of an event each line, blanks at its ends included."""
    for match in _LINE.finditer(payload) if framed else re.finditer(r"(?s).+", payload):
        text = match[0].rstrip("\r\n").lstrip("\t") if framed else match[0]
        start = match.end() - len(match[0].lstrip("\t")) if framed else 0
        if text:
            yield Literal(start, start + len(text), text, text, is_plain=True)


def _strings(value: Any, path: Channel = (), name: str = "") -> Iterator[tuple[Channel | None, str, str]]:
    """Each string in a JSON value, keys too and in order: the channel it is a piece of (None if it stands for itself), what it
    says, and the key it is the value of."""
    if isinstance(value, str):
        yield (None if name in _NO_PIECES or "logprobs" in path else path), value, name
    elif isinstance(value, dict):
        if not path:
            labels = ((key, value[key]) for key in _LABELS if isinstance(value.get(key), str | int))
            path = tuple(str(label) if key == "type" else _Label(label) for key, label in labels)
        for key, item in value.items():
            yield None, key, ""
            if isinstance(item, _HOLDS_TEXT):
                yield from _strings(item, (*path, key), key)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            if isinstance(item, _HOLDS_TEXT):
                index = item.get("index", position) if isinstance(item, dict) else position
                index = int(index) if isinstance(index, float) and index.is_integer() else index
                yield from _strings(item, (*path, str(index)), name)


def _overlap(one: Secret, other: Secret) -> bool:
    return one.start < other.end and other.start < one.end
