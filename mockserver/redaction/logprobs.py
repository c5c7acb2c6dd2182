"""Log probabilities spell the answer once more, token by token: what is taken out of the text is taken out of them too."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mockserver.redaction.redaction import Redaction, Secret, by_piece, replaced

_KEY = re.compile(r'"logprobs"\s*:\s*(?=[\[{])')
_INDEX = re.compile(r'"(?:index|output_index|content_index)"\s*:\s*(\d+)')


@dataclass(frozen=True, slots=True)
class Spelled:
    """The log probabilities in one event: where they stand, and what they are."""

    event: int
    start: int
    end: int
    value: Any
    is_ascii: bool


def places(payload: str, event: int) -> Iterator[tuple[tuple[object, ...], Spelled]]:
    """The log probabilities in an event's data, each with the choice or part that it belongs to."""
    if '"logprobs"' not in payload:
        return
    indexes = tuple(_INDEX.findall(payload))
    for number, match in enumerate(_KEY.finditer(payload)):
        try:
            value, end = json.JSONDecoder().raw_decode(payload, match.end())
        except (ValueError, RecursionError):
            continue
        yield (indexes, number), Spelled(event, match.end(), end, value, "\\u" in payload)


def edits(places: Sequence[Spelled], redaction: Redaction) -> Iterator[tuple[int, Secret]]:
    """For each event in which log probabilities spell a part of a secret, those without it."""
    for name in ("content", "refusal", ""):
        tokens = [(place, token) for place in places for token in _tokens(place.value, name)]
        spelled = redaction.secrets("".join(token.text for _, token in tokens))
        if not spelled:
            continue
        kinds: dict[int, str] = {}
        for (place, token), parts in zip(tokens, by_piece([token.text for _, token in tokens], spelled), strict=True):
            if parts:
                token.replace(replaced(token.text, parts))
                kinds[place.event] = parts[0].kind
        for place in places:
            if place.event in kinds:
                text = json.dumps(place.value, ensure_ascii=place.is_ascii, separators=(",", ":"))
                yield place.event, Secret(place.start, place.end, text, kinds[place.event])


@dataclass(slots=True)
class _Token:
    """One token, where it can be replaced."""

    text: str
    holder: Any
    key: str | int

    def replace(self, text: str) -> None:
        if isinstance(self.holder, dict) and "tokens" not in self.holder:
            self.holder |= {"token": text, "bytes": list(text.encode()), "top_logprobs": []}
            return
        self.holder["tokens"][self.key] = text  # of the older completions
        if self.holder.get("top_logprobs"):
            self.holder["top_logprobs"][self.key] = {}


def _tokens(value: Any, name: str) -> Iterator[_Token]:
    entries = value.get(name) if isinstance(value, dict) and name else value if not name else None
    if isinstance(entries, list):
        for entry in entries:
            if isinstance(entry, dict) and isinstance(entry.get("token"), str):
                yield _Token(entry["token"], entry, "token")
    elif isinstance(entries, dict) and isinstance(entries.get("tokens"), list):
        for number, token in enumerate(entries["tokens"]):
            if isinstance(token, str):
                yield _Token(token, entries, number)
