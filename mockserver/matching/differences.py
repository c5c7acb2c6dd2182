"""How two canonical requests differ, and which recording is nearest to a request."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mockserver.exchange import shortened
from mockserver.matching.canonical import CanonicalRequest
from mockserver.matching.conversation import Conversation

_ABSENT = object()
#: How many letters of two texts are compared, from where they differ: the time grows with the square (a minute for a megabyte).
_COMPARED = 10_000


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that does not fit: its path, what the recording has and what the request has, both as JSON text."""

    field: str
    expected: str
    got: str


def differences(expected: CanonicalRequest, got: CanonicalRequest) -> tuple[Difference, ...]:
    """Every field in which the two differ, in reading order; empty means they fit."""
    return tuple(_differences("", _readable(expected), _readable(got)))


def nearest(
    got: CanonicalRequest,
    recorded: Iterable[tuple[str, CanonicalRequest]],
    prompts: Iterable[tuple[str, str]] = (),
) -> tuple[str | None, tuple[Difference, ...]]:
    """The name of the closest candidate and its differences; (None, ()) where none is of the same operation.

    `recorded` are interactions, `prompts` stubs with the last user message each waits for. The closest is not what
    differs in the fewest fields, but what differs least: a typing error in a long question hardly counts.
    """
    texts = Conversation(got.body).last_prompt
    prompt = "\n".join(texts) if texts else None
    candidates: list[tuple[str, tuple[Difference, ...]]] = [
        (name, (Difference("last user message", _shown(expected), _shown(prompt)),)) for name, expected in prompts
    ]
    for name, candidate in recorded:
        if (candidate.backend, candidate.operation) == (got.backend, got.operation):
            candidates.append((name, differences(candidate, got)))
    return min(candidates, key=lambda candidate: sum(map(_weight, candidate[1])), default=(None, ()))


def _weight(difference: Difference) -> float:
    """How much a difference counts: from 0, the same text, to 1, another one; a little for any other value."""
    expected, got = difference.expected, difference.got
    if "nothing" in (expected, got):
        return 1.0 if difference.field.startswith("messages") else 0.3
    if not (expected.startswith('"') and got.startswith('"')):
        return 0.3
    from rapidfuzz.distance import Levenshtein  # 60 ms of imports, for a miss alone

    start = _shared_start(expected, got)
    one, other = (text[start : start + _COMPARED] for text in (expected, got))
    return Levenshtein.distance(one, other) / max(len(expected), len(got))


def _shared_start(one: str, other: str) -> int:
    """How many letters two texts share at their start."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle - 1)
    return low


def _readable(request: CanonicalRequest) -> dict[str, Any]:
    return {"model": request.model, **request.body}


def _differences(field: str, expected: Any, got: Any) -> Iterator[Difference]:
    if isinstance(expected, dict) and isinstance(got, dict):
        for key in [*expected, *(key for key in got if key not in expected)]:
            path = f"{field}.{key}" if field else key
            yield from _differences(path, expected.get(key, _ABSENT), got.get(key, _ABSENT))
    elif isinstance(expected, list) and isinstance(got, list):
        if field == "messages" and _has_instructions(expected) != _has_instructions(got):
            one, other = ((items[0] if _has_instructions(items) else _ABSENT) for items in (expected, got))
            yield Difference("messages[0]", _shown(one), _shown(other))
            expected, got = expected[_has_instructions(expected) :], got[_has_instructions(got) :]
        yield from _item_differences(field, expected, got)
    elif expected != got or isinstance(expected, bool) != isinstance(got, bool):
        yield Difference(field, _shown(expected), _shown(got))


def _item_differences(field: str, expected: list[Any], got: list[Any]) -> Iterator[Difference]:
    """The differences of two lists: where one is longer, what they share at both ends is left out."""
    start, end = _shared_ends(expected, got) if len(expected) != len(got) else (0, 0)
    middles = [items[start : len(items) - end] for items in (expected, got)]
    for index in range(max(map(len, middles))):
        one, other = (items[index] if index < len(items) else _ABSENT for items in middles)
        yield from _differences(f"{field}[{start + index}]", one, other)


def _shared_ends(one: Sequence[Any], other: Sequence[Any]) -> tuple[int, int]:
    """How many items two sequences share at their start, and then at their end."""
    shorter = min(len(one), len(other))
    start = next((index for index in range(shorter) if one[index] != other[index]), shorter)
    left = shorter - start
    end = next((index for index in range(left) if one[-1 - index] != other[-1 - index]), left)
    return start, end


def _has_instructions(messages: list[Any]) -> bool:
    """Whether the first message is the system's or the developer's."""
    return bool(messages) and isinstance(messages[0], dict) and messages[0].get("role") in ("system", "developer")


def _shown(value: Any) -> str:
    return "nothing" if value is _ABSENT else json.dumps(shortened(value), ensure_ascii=False)
