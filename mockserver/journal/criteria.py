"""What exchanges can be looked up by in the journal, and whether one fits."""

from __future__ import annotations

from collections.abc import Collection, Container
from typing import Any, Literal

from mockserver.errors import did_you_mean
from mockserver.journal.entry import Entry, Place
from mockserver.matching.call import Call
from mockserver.matching.criteria import NAMES as OF_REQUEST
from mockserver.matching.criteria import Criteria, When, problem

PlaceName = Literal["site", "host", "model"]
EndName = Literal["open", "eof", "reset", "stall", "client left"]
Number = int | range | Collection[int]


class JournalCriteria(When, total=False):
    """Which exchanges are meant; all of what is given must fit.

    Those from `prompt` to `path` are as in a stub's `when`. For `decided_by` and `rule` a part of the text is enough.
    `request_id` is shared by gate, host and model. `after` is an entry or its number. Of the others, a value may be a set or a range.
    """

    place: PlaceName | Place | Collection[PlaceName]
    persona: str | Collection[str] | None
    status: Number | None
    end: EndName | Collection[EndName]
    events_sent: Number
    scope: str | Collection[str]
    attempt: Number
    number: Number
    decided_by: str
    rule: str
    request_id: str | Collection[str]
    after: Entry | int


class JournalError(TypeError):
    """A lookup in the journal with an unknown criterion, or a value that no exchange can have."""


NAMES = tuple(JournalCriteria.__annotations__)
_EXACT = ("place", "persona", "status", "end", "events_sent", "scope", "attempt", "number")
_CONTAINED = ("decided_by", "rule")
_NUMBERS = frozenset({"status", "events_sent", "attempt", "number"})
_OPTIONAL = frozenset({"status", "persona", "scope"})
_CLOSED = {"place": tuple(map(str, Place)), "end": ("open", "eof", "reset", "stall", "client left")}


def check(criteria: JournalCriteria) -> None:
    """Raise for what no exchange can ever have: it would make every `verify(0)` pass.

    Raises:
        JournalError: an unknown criterion or an impossible value.
    """
    for name, value in criteria.items():
        if name not in NAMES:
            hint = did_you_mean(name, NAMES)
            raise JournalError(f"unknown criterion {name!r}{hint}; known criteria: {', '.join(NAMES)}")
        if name in OF_REQUEST:
            if wrong := problem(name, value):
                raise JournalError(f"{name} {wrong}")
            continue
        if name == "after" and (not isinstance(value, int | Entry) or isinstance(value, bool)):
            raise JournalError(f"after must be an entry or its number, got {value!r}")
        several = isinstance(value, set | frozenset | list | tuple)
        if name == "after" or isinstance(value, range) or (name == "request_id" and several):
            continue
        for item in value if isinstance(value, set | frozenset | list | tuple) else (value,):
            _check_value(name, item)


def _check_value(name: str, value: object) -> None:
    if isinstance(value, range) or (value is None and name in _OPTIONAL):
        return
    expected = int if name in _NUMBERS else str
    if not isinstance(value, expected):
        words = "an int" if expected is int else "a string"
        raise JournalError(f"{name} must be {words}, got {value!r}")
    if name in _CLOSED and value not in _CLOSED[name]:
        raise JournalError(f"{name} must be one of {', '.join(_CLOSED[name])}, got {value!r}")


def fits(criteria: JournalCriteria, entry: Entry) -> bool:
    """Whether an exchange is meant; its body is read only where that is needed."""
    given: dict[str, Any] = dict(criteria)
    if not all(_equal(given[name], getattr(entry, name)) for name in _EXACT if name in given):
        return False
    if not all(given[name] in getattr(entry, name) for name in _CONTAINED if name in given):
        return False
    if "request_id" in given:
        ids = given["request_id"]
        if not entry.visit_ids & ({ids} if isinstance(ids, str) else set(ids)):
            return False
    if "after" in given and entry.number <= getattr(given["after"], "number", given["after"]):
        return False
    of_request = Criteria(**{name: given[name] for name in OF_REQUEST if name in given})
    return of_request.fits(Call(entry.request)) if of_request.specific else True


def _equal(expected: object, value: object) -> bool:
    if isinstance(expected, Container) and not isinstance(expected, str):
        return value in expected
    return bool(expected == value)
