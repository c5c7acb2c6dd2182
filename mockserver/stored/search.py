"""Search in texts: by the words that they share with the question."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

#: About 800 tokens, half of them shared with the chunk before. Source: the service's default chunking, API reference 2026-11.
_CHUNK_LETTERS, _STEP_LETTERS = 3200, 1600
_WORD = re.compile(r"\w+")


def chunks(text: str) -> list[str]:
    """The chunks of a text, as they are indexed."""
    starts = range(0, max(len(text) - _STEP_LETTERS, 1), _STEP_LETTERS)
    return [chunk for start in starts if (chunk := text[start : start + _CHUNK_LETTERS]).strip()]


def scores(query: str, texts: Sequence[str]) -> list[float]:
    """How well each text fits a query, from 0 to 1: the cosine of their words, rare ones counting more."""
    counts = [Counter(_WORD.findall(text.lower())) for text in texts]
    holders = Counter(word for count in counts for word in count)
    weight = {word: math.log(1 + len(texts) / number) for word, number in holders.items()}

    def norm(count: Mapping[str, int]) -> float:
        return math.sqrt(sum((number * weight.get(word, 0)) ** 2 for word, number in count.items())) or 1

    asked = Counter(word for word in _WORD.findall(query.lower()) if word in weight)
    return [
        round(sum(asked[word] * count[word] * weight[word] ** 2 for word in asked) / (norm(asked) * norm(count)), 4)
        for count in counts
    ]


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
