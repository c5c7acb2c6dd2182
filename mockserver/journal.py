"""What happened, in order and bounded: every request, its answer, and how the answer really ended."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import overload

from mockserver.exchange import Answer, Request
from mockserver.matching import Miss
from mockserver.redact import shown


@dataclass(frozen=True, slots=True)
class Entry:
    """One exchange.

    `answer` is None while an upstream is being asked. `end` is "open" while the answer plays, then what happened on
    the wire: "eof", "reset", "stall", or "client left". `miss` is set where the request was refused for want of a stub.
    """

    number: int
    at_s: float
    request: Request
    answer: Answer | None
    miss: Miss | None = None
    end: str = "open"
    events_sent: int = 0
    took_s: float = 0.0

    @property
    def decided_by(self) -> str:
        """The stub or the rule that answered; empty while an upstream is being asked."""
        return self.answer.decided_by if self.answer else ""


class Journal(Sequence[Entry]):
    """The last exchanges, oldest first; safe to use from any thread.

    Holds at most `max_entries` and at most `max_bytes` of bodies; the oldest go first.
    """

    def __init__(self, *, max_entries: int = 1000, max_bytes: int = 64 << 20) -> None:
        self._max_entries, self._max_bytes = max_entries, max_bytes
        self._lock = threading.Lock()
        self._entries: OrderedDict[int, Entry] = OrderedDict()
        self._bytes = 0
        self._count = 0

    def open(self, at_s: float, request: Request, answer: Answer | None, miss: Miss | None = None) -> Entry:
        """The new entry for an exchange that has begun; numbers count from 1 and never repeat.

        It has the request as it came; what the journal keeps has no credentials in its headers.
        """
        with self._lock:
            self._count += 1
            entry = Entry(self._count, at_s, request, answer, miss)
            self._entries[entry.number] = replace(entry, request=shown(request))
            self._bytes += _size(entry)
            self._trim()
        return entry

    def close(self, entry: Entry, *, end: str, events_sent: int, took_s: float, answer: Answer | None = None) -> Entry:
        """The entry as it ended; `answer` where it was not known at the beginning."""
        closed = replace(entry, end=end, events_sent=events_sent, took_s=took_s, answer=answer or entry.answer)
        with self._lock:
            if entry.number in self._entries:
                self._entries[entry.number] = replace(closed, request=shown(closed.request))
                self._bytes += _size(closed) - _size(entry)
                self._trim()
        return closed

    def clear(self) -> None:
        """Forget everything; numbers go on."""
        with self._lock:
            self._entries.clear()
            self._bytes = 0

    def misses(self, since: int = 0) -> tuple[Entry, ...]:
        """The entries after number `since` that were refused because no stub fits."""
        return tuple(each for each in self._snapshot() if each.number > since and each.miss is not None)

    def with_header(self, name: str, value: str) -> tuple[Entry, ...]:
        """The entries whose request carries the header `name` (lower-case) with that value."""
        return tuple(each for each in self._snapshot() if each.request.header(name) == value)

    @property
    def last_number(self) -> int:
        """The number of the newest entry ever written, 0 where there was none."""
        return self._count

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Entry]: ...
    def __getitem__(self, index: int | slice) -> Entry | Sequence[Entry]:
        return self._snapshot()[index]

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._snapshot())

    def _snapshot(self) -> list[Entry]:
        with self._lock:
            return list(self._entries.values())

    def _trim(self) -> None:
        while len(self._entries) > self._max_entries or (self._bytes > self._max_bytes and len(self._entries) > 1):
            _, oldest = self._entries.popitem(last=False)
            self._bytes -= _size(oldest)


def _size(entry: Entry) -> int:
    answer = sum(len(event.data) for event in entry.answer.events) if entry.answer else 0
    return len(entry.request.body) + answer
