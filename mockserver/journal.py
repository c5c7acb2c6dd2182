"""What happened at the gate, the Functions host and the model, in order and bounded; asked, waited for and verified."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Container, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, overload

from mockserver.exchange import Answer, Request
from mockserver.matching import Miss
from mockserver.redact import clean, shown
from mockserver.when import When, ids

_MISSES_KEPT = 1000


class Place(StrEnum):
    """Where an exchange was seen."""

    SITE = "site"
    HOST = "host"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class Entry:
    """One exchange.

    `answer` is None while an upstream is being asked. `end` is "open" while the answer plays, then what happened on
    the wire: "eof", "reset", "stall", or "client left". `miss` is set where the request was refused for want of a stub.
    `sent_ms` are the milliseconds from the request to each event as it really left. `scope` is whose it was, empty for
    everybody's. At the site, `persona` is who asked, None for nobody, and `rule` why the gate decided as it did; at the host `rule` is the function.
    """

    number: int
    at_s: float
    request: Request
    answer: Answer | None
    miss: Miss | None = None
    place: Place = Place.MODEL
    scope: str = ""
    persona: str | None = None
    rule: str = ""
    end: str = "open"
    sent_ms: tuple[float, ...] = ()
    took_s: float = 0.0

    @property
    def events_sent(self) -> int:
        """How many events left."""
        return len(self.sent_ms)

    @property
    def decided_by(self) -> str:
        """The stub, the rule or the action that answered; empty while an upstream is being asked."""
        return self.answer.decided_by if self.answer else ""

    @property
    def status(self) -> int | None:
        """The answer's status; None while an upstream is being asked."""
        return self.answer.status if self.answer else None

    @property
    def attempt(self) -> int:
        """Which try of its client this was, from 1. Source: `x-stainless-retry-count`, which the official SDKs send."""
        count = self.request.header("x-stainless-retry-count") or "0"
        return 1 + int(count) if count.isdigit() else 1

    def __str__(self) -> str:
        said = [f"{self.place} #{self.number}", self.persona or "", f"{self.request.method} {self.request.target}"]
        said += [self.rule, self.decided_by, str(self.status or "-")]
        said += [f"{self.events_sent} event{'s' * (self.events_sent != 1)}", self.end]
        return "  ".join(part for part in said if part)


class JournalError(TypeError):
    """A question that the journal does not understand; says what it does."""


class UnmetError(AssertionError):
    """What was expected of the journal did not happen; says what did."""


_OWN: dict[str, Callable[[Entry], Any]] = {
    name: lambda entry, name=name: getattr(entry, name)  # type: ignore[misc]  # mypy has no type for a lambda's default
    for name in ("place", "persona", "status", "end", "events_sent", "scope", "attempt", "number")
}
_CONTAINED = ("decided_by", "rule")
_OF_REQUEST = ("prompt", "model", "path")
_NUMBERS = frozenset({"status", "events_sent", "attempt", "number"})
_CLOSED = {"place": tuple(Place), "end": ("open", "eof", "reset", "stall", "client left")}
#: What exchanges can be asked for by.
CRITERIA = (*_OF_REQUEST, *_OWN, *_CONTAINED, "request_id", "after")


class Journal(Sequence[Entry]):
    """Exchanges to look at, oldest first; safe to use from any thread. `records` is where they are written down; `only` gives
    a part of it, which fills as the whole does.

    Criteria are `prompt`, `model` and `path`, as in a stub's `when`; `place`, `persona`, `status`, `end`, `events_sent`,
    `scope`, `attempt` and `number`; `decided_by` and `rule`, a part of which will do; `request_id`, which gate, host
    and model share; and `after`, an entry or its number. A value may be a set or a range: `status=range(500, 600)`.
    """

    def __init__(self, records: Records | None = None, **criteria: Any) -> None:
        """Everything that is recorded, or what fits the criteria.

        Raises:
            JournalError: an unknown criterion.
        """
        self.records = records or Records()
        self._criteria = criteria
        if unknown := criteria.keys() - set(CRITERIA):
            name = min(unknown)
            near = "".join(f" (did you mean {each}?)" for each in get_close_matches(name, CRITERIA, 1))
            raise JournalError(
                f"{name} is nothing an exchange can be asked for by{near}; there are: {', '.join(CRITERIA)}"
            )
        for name, value in criteria.items():
            _check(name, value)

    def only(self, **criteria: Any) -> Journal:
        """The part of this that fits the criteria too.

        Raises:
            JournalError: an unknown criterion.
        """
        return Journal(self.records, **{**self._criteria, **criteria})

    def wait_for(self, times: int = 1, *, within_s: float = 5, **criteria: Any) -> tuple[Entry, ...]:
        """The exchanges that fit, once there are at least so many and those have ended.

        Raises:
            UnmetError: there were not within so many seconds of real time.
        """
        __tracebackhide__ = True  # pytest shows the test's line, not ours
        part = self.only(**criteria)

        def enough() -> bool:
            return sum(entry.end != "open" for entry in part) >= times

        if not self.records.wait(enough, within_s):
            raise UnmetError(self._unmet(f"at least {times}", part, f" within {within_s:g} s"))
        return tuple(part)

    def verify(self, times: int, *, within_s: float = 1, **criteria: Any) -> None:
        """Nothing, if exactly so many exchanges fit. Too few, or some not yet ended, are waited for.

        Raises:
            UnmetError: there were more or fewer; says what came.
        """
        __tracebackhide__ = True
        part = self.only(**criteria)
        if not self.records.wait(lambda: len(part) >= times, within_s) or len(part) != times:
            raise UnmetError(self._unmet(f"exactly {times}", part))

    def expect(self, times: int, **criteria: Any) -> None:
        """Have exactly so many exchanges verified when the test ends."""
        self.only(**criteria)  # a typing error shows where it was made
        self.records.expected.append((times, self, criteria))

    def unmet(self) -> tuple[str, ...]:
        """What was expected and did not happen; each in words."""
        found = []
        for times, journal, criteria in tuple(self.records.expected):
            try:
                journal.verify(times, **criteria)
            except UnmetError as error:
                found.append(str(error))
        return tuple(found)

    def joined(self, entry: Entry) -> Journal:
        """The exchanges of the same visit: those that share a request id or a trace with this one."""
        return Journal(self.records, request_id=ids(entry.request))

    def misses(self, since: int = 0) -> tuple[Entry, ...]:
        """The exchanges after number `since` that were refused because no stub fits."""
        return tuple(each for each in self.records.missed() if each.number > since and self._fits(each))

    def clear(self) -> None:
        """Forget everything, expectations too; numbers go on."""
        self.records.clear()

    @property
    def last_number(self) -> int:
        """The number of the newest entry ever written, 0 where there was none."""
        return self.records.count

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Entry]: ...
    def __getitem__(self, index: int | slice) -> Entry | Sequence[Entry]:
        return self._found()[index]

    def __len__(self) -> int:
        return len(self._found())

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._found())

    def _found(self) -> list[Entry]:
        marks = self._criteria.get("request_id")
        return [entry for entry in self.records.entries(marks) if self._fits(entry)]

    def _fits(self, entry: Entry) -> bool:
        wanted = self._criteria
        if not all(_is(wanted[name], own(entry)) for name, own in _OWN.items() if name in wanted):
            return False
        if not all(wanted[name] in getattr(entry, name) for name in _CONTAINED if name in wanted):
            return False
        if "after" in wanted and entry.number <= getattr(wanted["after"], "number", wanted["after"]):
            return False
        return When(**{name: wanted[name] for name in _OF_REQUEST if name in wanted}).fits(entry.request)

    def _unmet(self, wanted: str, part: Journal, how_long: str = "") -> str:
        asked = ", ".join(f"{name}={value}" for name, value in part._criteria.items()) or "any"
        came = [f"  {entry}" for entry in self]
        nearest = [f"{len(part)} did. There was:" if came else "There was nothing at all."]
        text = f"Expected {wanted} of {asked}{how_long}; {''.join(nearest)}"
        return str(clean("\n".join([text, *came[-20:]])))


class Records:
    """Where exchanges are kept: the last ones, and of those that missed, the last thousand whatever came since.

    Holds at most `max_entries` and at most `max_bytes` of them; the oldest go first.
    """

    def __init__(self, *, max_entries: int = 10_000, max_bytes: int = 64 << 20) -> None:
        self._max_entries, self._max_bytes = max_entries, max_bytes
        self._changed = threading.Condition()
        self._entries: OrderedDict[int, Entry] = OrderedDict()
        self._joined: dict[str, dict[int, None]] = {}  # numbers by request id or trace, in order
        self._missed: deque[Entry] = deque(maxlen=_MISSES_KEPT)
        self._bytes = 0
        self.count = 0
        #: What is to be verified when the test ends: how many, and of what.
        self.expected: list[tuple[int, Journal, dict[str, Any]]] = []

    def open(
        self, at_s: float, request: Request, answer: Answer | None, miss: Miss | None = None, **more: Any
    ) -> Entry:
        """The new entry for an exchange that has begun; numbers count from 1 and never repeat. `more` are fields of it.

        It has the request as it came; what is kept has no credentials in its headers.
        """
        with self._changed:
            self.count += 1
            entry = Entry(self.count, at_s, request, answer, miss, **more)
            kept = self._entries[entry.number] = replace(entry, request=shown(request))
            for mark in ids(request):
                self._joined.setdefault(mark, {})[entry.number] = None
            self._missed.extend([kept] if miss else [])
            self._bytes += _size(entry)
            self._trim()
            self._changed.notify_all()
        return entry

    def close(
        self,
        entry: Entry,
        *,
        end: str,
        took_s: float,
        sent_ms: Sequence[float] = (),
        answer: Answer | None = None,
    ) -> Entry:
        """The entry as it ended; `answer` where it was not known at the beginning."""
        closed = replace(entry, end=str(end), took_s=took_s, sent_ms=tuple(sent_ms), answer=answer or entry.answer)
        with self._changed:
            if entry.number in self._entries:
                self._entries[entry.number] = replace(closed, request=shown(closed.request))
                self._bytes += _size(closed) - _size(entry)
                self._trim()
            self._changed.notify_all()
        return closed

    def wait(self, happened: Callable[[], bool], within_s: float) -> bool:
        """Whether something happened within so many seconds of real time; it is asked whenever an entry changes."""
        until_s = time.monotonic() + within_s
        while not happened():
            with self._changed:
                if (left_s := until_s - time.monotonic()) <= 0:
                    return False
                self._changed.wait(min(left_s, 0.05))  # what changes between the question and the wait is seen soon
        return True

    def entries(self, marks: str | Collection[str] | None = None) -> list[Entry]:
        """All of them, or those with such a request id or trace, oldest first."""
        with self._changed:
            if marks is None:
                return list(self._entries.values())
            found = {
                each for mark in ([marks] if isinstance(marks, str) else marks) for each in self._joined.get(mark, ())
            }
            return [self._entries[number] for number in sorted(found)]

    def missed(self) -> list[Entry]:
        """The last that missed, oldest first."""
        with self._changed:
            return list(self._missed)

    def clear(self) -> None:
        """Forget everything."""
        with self._changed:
            self._entries.clear()
            self._joined.clear()
            self._missed.clear()
            self.expected.clear()
            self._bytes = 0

    def _trim(self) -> None:
        while len(self._entries) > self._max_entries or (self._bytes > self._max_bytes and len(self._entries) > 1):
            _, oldest = self._entries.popitem(last=False)
            self._bytes -= _size(oldest)
            for mark in ids(oldest.request):
                self._joined[mark].pop(oldest.number)
                if not self._joined[mark]:
                    del self._joined[mark]


def _check(name: str, value: Any) -> None:
    """Nothing, if an exchange can have such a value: what can never be would make every `verify(0)` true.

    Raises:
        JournalError: it cannot.
    """
    kind = int if name in _NUMBERS else str
    for each in value if isinstance(value, set | frozenset | list | tuple) else (value,):
        if name == "after" or (name == "request_id" and value is not each) or isinstance(each, range):
            continue
        if (name, each) in (("status", None), ("persona", None), ("scope", None)):
            continue
        if not isinstance(each, kind):
            raise JournalError(f"{name} is {'a number' if kind is int else 'a text'}; {each!r} is none")
        if each not in _CLOSED.get(name, (each,)):
            raise JournalError(f"{name} is never {each!r}; it is one of: {', '.join(_CLOSED[name])}")


def _is(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, Container) and not isinstance(wanted, str):
        return value in wanted
    return bool(wanted == value)


def _size(entry: Entry) -> int:
    """Roughly the bytes an entry holds: bodies and headers as they are, and what Python adds to each part."""
    answer = entry.answer
    events = sum(len(event.data) + 100 for event in answer.events) if answer else 0
    pairs = (*entry.request.headers, *(answer.headers if answer else ()))
    headers = sum(len(name) + len(value) + 150 for name, value in pairs)
    return 1000 + len(entry.request.body) + events + headers + 32 * len(entry.sent_ms)
