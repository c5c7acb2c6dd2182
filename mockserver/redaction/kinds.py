"""Kinds of secrets that have a form of their own. Their table is kinds.toml. No entropy and no keywords alone: those flag
clean traffic."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ahocorasick_rs import AhoCorasick, Implementation

from mockserver.redaction.replacements import IBAN_LENGTHS, REPLACEMENTS, redacted

#: The end of an escape sequence, of a text that is quoted once more or in an address: a letter of it is none of the key's.
#: Not in the middle of such a sequence.
_NEW = (
    r"(?!(?<=\\)(?:[nrtbf]|u[0-9a-fA-F]{4}))(?<!\\u)(?<!\\u[0-9a-fA-F])(?<!\\u[0-9a-fA-F]{2})(?<!\\u[0-9a-fA-F]{3})"
    r"(?<!%)(?<!%[0-9A-Fa-f])"
)
_ESCAPED = r"|(?<=\\[nrtbf])|(?<=\\u[0-9a-fA-F]{4})|(?<=\\x[0-9a-fA-F]{2})|(?<=%[0-9A-Fa-f]{2})"
#: What the patterns share: what stands before a key, and before one that could be a part of base64.
_PARTS = {
    "START": rf"(?:(?<![A-Za-z0-9-]){_ESCAPED})",
    "NEW": _NEW,
    "TOKEN": rf"(?:(?<![\w+/-]){_ESCAPED})",
    "GUID": r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}",
    "IBAN": "(?:{})".format(
        "|".join(rf"{country}\d\d(?: ?[A-Z0-9]){{{length - 4}}}" for country, length in IBAN_LENGTHS.items())
    ),
}
_SURROGATE = re.compile("[\ud800-\udfff]")
_INVENTED = "aB3dE5gH7jK9mN1pQ3sT5vW7yZ2bC4eF6hJ8kL0nP2rS4uV6xY8" * 4
_INVENTED_HEX = "3f9c2a7be1d04586" * 8


@dataclass(frozen=True)
class SecretKind:
    """A kind of secret. It is looked for wherever one of its `markers` stands.

    `expression` is all of it, or in its group `secret` where words around it are needed to know it. It begins at the marker, or
    where `before` begins, which is what stands before the marker. `replacement` gives back the same text for what is no secret
    after all. `example` is invented; `source` says who documents the form.
    """

    name: str
    markers: tuple[str, ...]
    expression: str
    source: str
    example: str
    before: str | None = None
    replacement: Callable[[str], str] = redacted

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The expression; compiled when it is needed, because all of them take a tenth of a start."""
        return re.compile(self.expression, re.ASCII)

    @cached_property
    def lead(self) -> re.Pattern[str] | None:
        """What stands before the marker."""
        return re.compile(rf"(?:{self.before})\Z", re.ASCII) if self.before is not None else None

    def match(self, text: str, at: int, done: int) -> re.Match[str] | None:
        """The match with the marker at `at`, which begins at `done` or later."""
        if self.lead is None:
            return self.pattern.match(text, at)
        lead = self.lead.search(text, max(done, at - _REACH), at)
        return self.pattern.match(text, lead.start()) if lead else None


#: The longest part of a secret before its marker.
_REACH = 160


def _read(row: dict[str, str | list[str]]) -> SecretKind:
    """A row of the table. The markers of a bank account are the 780 ways it may begin."""
    texts = {key: str(value) for key, value in row.items() if key != "markers"}
    lead = texts.get("lead")
    return SecretKind(
        texts["name"],
        tuple(row["markers"]) or tuple(f"{country}{digit}" for country in IBAN_LENGTHS for digit in range(10)),
        _whole(texts["pattern"]),
        texts["source"],
        _example(texts["example"]),
        _whole(lead) if lead is not None else None,
        REPLACEMENTS[texts.get("replacement", "redacted")],
    )


def _whole(pattern: str) -> str:
    return re.sub(r"\{([A-Z]+)\}", lambda match: _PARTS[match[1]], pattern)


def _example(text: str) -> str:
    """The example with invented characters for each number in braces. Secret scanners would report whole ones in the table."""
    text = re.sub(r"\{hex(\d+)\}", lambda match: _INVENTED_HEX[: int(match[1])], text)
    return re.sub(r"\{(\d+)\}", lambda match: _INVENTED[: int(match[1])], text)


def matches(text: str) -> Iterator[tuple[SecretKind, int, int, str]]:
    """Every secret of a known form in a text: its kind, start, end and replacement. They may overlap."""
    done: dict[int, int] = {}  # the end of each kind's last match
    for number, at, _ in _marked(text):
        for index in _KINDS_OF[number]:
            kind = KINDS[index]
            if at >= done.get(index, 0) and (match := kind.match(text, at, done.get(index, 0))) is not None:
                done[index] = match.end()
                group = "secret" if "secret" in kind.pattern.groupindex else 0
                replacement = kind.replacement(match[group])
                if replacement != match[group]:
                    yield kind, match.start(group), match.end(group), replacement


_WINDOW = 1 << 20


def _marked(text: str) -> list[tuple[int, int, int]]:
    """Number, start and end of every marker."""
    if len(text) > _WINDOW:  # part by part: other threads wait for each search
        reach = _WINDOW - _LONGEST_MARKER
        parts = ((start, _marked(text[start : start + _WINDOW])) for start in range(0, len(text), reach))
        found = ((number, start + at, start + end) for start, part in parts for number, at, end in part)
        return list(dict.fromkeys(found))
    try:
        return _MARKERS.find_matches_as_indexes(text, overlapping=True)
    except UnicodeEncodeError:  # half of a surrogate pair, or a byte that is no UTF-8
        return _MARKERS.find_matches_as_indexes(_SURROGATE.sub("\ufffd", text), overlapping=True)


KINDS = tuple(map(_read, tomllib.loads(Path(__file__).with_name("kinds.toml").read_text(encoding="utf-8"))["kind"]))

_TEXTS = tuple(dict.fromkeys(marker for kind in KINDS for marker in kind.markers))
_KINDS_OF = tuple(tuple(index for index, kind in enumerate(KINDS) if text in kind.markers) for text in _TEXTS)
_LONGEST_MARKER = max(map(len, _TEXTS))
#: Finds all markers in one pass: a hundred searches, one after the other, take ten times as long.
_MARKERS = AhoCorasick(_TEXTS, store_patterns=False, implementation=Implementation.DFA)
