"""How two questions differ, and which recording is nearest to one that was missed."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mockserver.exchange import Request
from mockserver.question import VOLATILE, Question, last_prompt

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that does not fit: where it is, what the recording has and what the request has, both as JSON text."""

    field: str
    wanted: str
    got: str


@dataclass(frozen=True, slots=True)
class Miss:
    """A request no stub fits. `nearest` is the closest stub's name, None where nothing is loaded for its backend;
    `ignored` is what the project says does not count. `reason` is set where a stub fitted and could not be used."""

    request: Request
    question: Question
    nearest: str | None
    differences: tuple[Difference, ...]
    ignored: tuple[str, ...] = ()
    reason: str = ""

    @property
    def would_help(self) -> tuple[str, ...]:
        """What to ignore so that the nearest would have fitted; empty where that is not all that differs."""
        found = [_volatile(each) for each in self.differences]
        return tuple(each for each in found if each) if all(found) else ()


def differences(wanted: Question, got: Question) -> tuple[Difference, ...]:
    """Every field in which the two do not agree, in reading order; empty means they fit."""
    return tuple(_differences("", _readable(wanted), _readable(got)))


def nearest(
    got: Question, recorded: Iterable[tuple[str, Question]], said: Iterable[tuple[str, str]] = ()
) -> tuple[str | None, tuple[Difference, ...]]:
    """The name of what comes closest, and its differences; (None, ()) where nothing is of the same operation.

    `recorded` are interactions, `said` stubs with the last user message each waits for. Closest is not what differs in
    the fewest fields, but what differs least: a typing error in a long question is next to nothing.
    """
    prompt = last_prompt(got.content["body"])
    found: list[tuple[str, tuple[Difference, ...]]] = [
        (name, (Difference("last user message", _shown(wanted), _shown(prompt)),)) for name, wanted in said
    ]
    for name, question in recorded:
        if all(question.content[key] == got.content[key] for key in ("backend", "operation")):
            found.append((name, differences(question, got)))
    return min(found, key=lambda each: sum(map(_weight, each[1]))) if found else (None, ())


def _weight(difference: Difference) -> float:
    """How much a difference counts: from 0, the same text, to 1, another one; a little for any other value."""
    wanted, got = difference.wanted, difference.got
    if "nothing" in (wanted, got):
        return 1.0 if difference.field.startswith("messages") else 0.3
    if not (wanted.startswith('"') and got.startswith('"')):
        return 0.3
    begin, end = _same_ends(wanted, got)
    one, other = (text[begin : len(text) - end] for text in (wanted, got))
    blocks = difflib.SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
    alike = begin + end + sum(block.size for block in blocks)
    return 1.0 - 2 * alike / (len(wanted) + len(got))


def _same_ends(one: Sequence[Any], other: Sequence[Any]) -> tuple[int, int]:
    """How many items two sequences share at their beginning, and then at their end."""
    shorter = min(len(one), len(other))
    begin = next((index for index in range(shorter) if one[index] != other[index]), shorter)
    left = shorter - begin
    end = next((index for index in range(left) if one[-1 - index] != other[-1 - index]), left)
    return begin, end


def _volatile(difference: Difference) -> str:
    """What to ignore in a field whose two texts differ in a date, a uuid or an id alone; else empty."""
    for name, pattern in VOLATILE.items():
        wanted, got = (re.sub(pattern, "[]", text) for text in (difference.wanted, difference.got))
        if wanted == got:
            field = re.sub(r"\[\d+\]", "[*]", difference.field)
            return f"{field}={name}"
    return ""


def _readable(question: Question) -> dict[str, Any]:
    return {"model": question.content["model"], **question.content["body"]}


def _differences(field: str, wanted: Any, got: Any) -> Iterator[Difference]:
    if isinstance(wanted, dict) and isinstance(got, dict):
        for key in [*wanted, *(key for key in got if key not in wanted)]:
            yield from _differences(f"{field}.{key}" if field else key, wanted.get(key, _ABSENT), got.get(key, _ABSENT))
    elif isinstance(wanted, list) and isinstance(got, list):
        if field == "messages" and _instructs(wanted) != _instructs(got):
            one, other = ((items[0] if _instructs(items) else _ABSENT) for items in (wanted, got))
            yield Difference("messages[0]", _shown(one), _shown(other))
            wanted, got = wanted[_instructs(wanted) :], got[_instructs(got) :]
        begin, end = _same_ends(wanted, got) if len(wanted) != len(got) else (0, 0)
        rests = [items[begin : len(items) - end] for items in (wanted, got)]
        for index in range(max(map(len, rests))):
            yield from _differences(f"{field}[{begin + index}]", _item(rests[0], index), _item(rests[1], index))
    elif wanted != got or isinstance(wanted, bool) != isinstance(got, bool):
        yield Difference(field, _shown(wanted), _shown(got))


def _instructs(messages: list[Any]) -> bool:
    """Whether the messages begin with instructions; with them on one side only, the others are compared all the same."""
    return bool(messages) and isinstance(messages[0], dict) and messages[0].get("role") in ("system", "developer")


def _item(items: list[Any], index: int) -> Any:
    return items[index] if index < len(items) else _ABSENT


def _shown(value: Any) -> str:
    return "nothing" if value is _ABSENT else json.dumps(value, ensure_ascii=False)
