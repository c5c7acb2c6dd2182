"""Search in texts: by the words that they share with the question."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

#: About 800 tokens, half of them shared with the chunk before. Source: the service's default chunking, API reference 2026-11.
_CHUNK_LETTERS, _STEP_LETTERS = 3200, 1600
#: What is indexed of a file, so that no search holds up other requests for long.
INDEXED_BYTES = 2 << 20
_WORD = re.compile(r"\w+")


class FileIndex:
    """The text of a file, as far as it is indexed, and the words of its chunks; each made once, for all vector stores."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @cached_property
    def chunks(self) -> list[str]:
        """The chunks of its text; none where it is no text."""
        try:
            self._data.decode()
        except UnicodeDecodeError:
            return []
        return chunks(self._data[:INDEXED_BYTES].decode("utf-8", "ignore"))

    @cached_property
    def words(self) -> list[Counter[str]]:
        """How often each word is in each chunk."""
        return [words(chunk) for chunk in self.chunks]


def chunks(text: str) -> list[str]:
    """The chunks of a text, as they are indexed."""
    starts = range(0, max(len(text) - _STEP_LETTERS, 1), _STEP_LETTERS)
    return [chunk for start in starts if (chunk := text[start : start + _CHUNK_LETTERS]).strip()]


def words(text: str) -> Counter[str]:
    """How often each word is in a text."""
    return Counter(_WORD.findall(text.lower()))


def scores(query: str, counts: Sequence[Counter[str]]) -> list[float]:
    """How well each text fits a query, from 0 to 1: the cosine of their words, rare ones counting more."""
    asked = words(query)
    held = {word: sum(word in count for count in counts) for word in asked}
    weight = {word: math.log(1 + len(counts) / number) ** 2 for word, number in held.items() if number}
    norm = math.sqrt(sum(asked[word] ** 2 * weight[word] for word in weight) * max(weight.values(), default=1)) or 1

    def score(count: Counter[str]) -> float:
        shared = sum(asked[word] * count[word] * weight[word] for word in weight)
        own = math.sqrt(sum(number * number for word, number in count.items()))
        return min(1.0, round(shared / (norm * own), 4)) if shared else 0.0

    return [score(count) for count in counts]


def fits(attributes: Mapping[str, Any], condition: Any) -> bool:
    """Whether attributes fit a filter of comparisons; True for none. Source: API reference, ComparisonFilter, 2026-11."""
    if not isinstance(condition, Mapping):
        return True
    kind = condition.get("type")
    if kind in ("and", "or"):
        results = [fits(attributes, each) for each in condition.get("filters") or ()]
        return all(results) if kind == "and" else any(results)
    got, wanted = attributes.get(str(condition.get("key"))), condition.get("value")
    if kind in ("in", "nin"):
        return (got in (wanted if isinstance(wanted, list) else [])) is (kind == "in")
    if kind in ("eq", "ne"):
        return bool(got == wanted) is (kind == "eq")
    if not isinstance(got, int | float) or not isinstance(wanted, int | float):
        return False
    return {"gt": got > wanted, "gte": got >= wanted, "lt": got < wanted, "lte": got <= wanted}.get(str(kind), False)
