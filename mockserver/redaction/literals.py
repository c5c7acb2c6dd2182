"""JSON's strings where they stand in a text: decoded, and with each decoded character's place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

#: A string; in JSON that was cut off, the last one may lack its end.
_LITERAL = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\Z)', re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)", re.DOTALL)
_COLON = re.compile(r"\s*:")


class Literal(NamedTuple):
    """A JSON string: its place in the text around it, without the quotes, and what it says. `name` is the key before it, empty
    for a key; in a list, the key of the list. A plain one is a text without quotes."""

    start: int
    end: int
    raw: str
    text: str
    name: str = ""
    is_plain: bool = False

    def offsets(self) -> Sequence[int]:
        """Where in the text around it each character stands that it says, and where it ends."""
        if self.raw == self.text:
            return range(self.start, self.end + 1)
        return [self.start + at for at in self._offsets()]

    def encoded(self, text: str) -> str:
        """A text as a part of this string, with escapes like its own."""
        if self.is_plain:
            return text
        return json.dumps(text, ensure_ascii="\\u" in self.raw)[1:-1]

    def _offsets(self) -> Iterator[int]:
        at = 0
        while at < len(self.raw):
            yield at
            escape = _ESCAPE.match(self.raw, at)
            at = escape.end() if escape else at + 1
        yield at


def literals(text: str) -> Iterator[Literal]:
    """Every string of a JSON text, keys too, in order; one that is broken is left out."""
    name = ""
    start = text.find('"')
    while start >= 0:
        end = text.find('"', start + 1) + 1 or len(text) + 1  # as if its end followed
        raw = text[start + 1 : end - 1]
        said: str | None = raw
        if "\\" in raw:
            match = _LITERAL.match(text, start)
            end = match.end() if match else len(text)
            raw = text[start + 1 : end - 1] if end - start > 1 and text[end - 1] == '"' else text[start + 1 : end]
            said = _said(raw)
        at, start = start, text.find('"', end)
        if said is None:
            continue
        is_key = text.startswith(":", end) or _COLON.match(text, end) is not None
        yield Literal(at + 1, at + 1 + len(raw), raw, said, "" if is_key else name)
        if is_key:
            name = said


def _said(raw: str) -> str | None:
    try:
        said = json.loads(f'"{raw}"', strict=False)
    except ValueError:
        return None
    return said if isinstance(said, str) else None
