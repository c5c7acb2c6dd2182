"""Where exchanges are kept: the last ones, within a bound of entries and bytes."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, replace
from itertools import islice, takewhile

from mockserver.crash import SHOWN_LETTERS, Crash
from mockserver.exchange import Answer
from mockserver.journal.entry import Entry, Place
from mockserver.matching.call import Call
from mockserver.matching.miss import Miss
from mockserver.redaction.redaction import clean

log = logging.getLogger("mockserver")

_MAX_MISSES = 1000
_MAX_CRASHES = 100


class Records:
    """The last exchanges, and the last thousand misses however many other exchanges came since. Thread-safe.

    Holds at most `max_entries` and at most `max_bytes` of exchanges, and of misses as many bytes; the oldest go first.
    """

    def __init__(self, *, max_entries: int = 10_000, max_bytes: int = 64 << 20) -> None:
        self._max_entries, self._max_bytes = max_entries, max_bytes
        self._changed = threading.Condition()
        self._entries: OrderedDict[int, Entry] = OrderedDict()
        self._visits: dict[str, dict[int, None]] = {}  # numbers by request id or trace, in order
        self._misses: OrderedDict[int, Entry] = OrderedDict()
        self._bytes = self._miss_bytes = 0
        self.count = 0
        #: How often everything was forgotten.
        self.cleared = 0
        #: What to verify when the test ends; each raises where it is not so.
        self.expectations: list[Callable[[], None]] = []
        #: The last faults of our own code, without secrets, and how many there were; a reset keeps them.
        self.crashes: deque[Crash] = deque(maxlen=_MAX_CRASHES)
        self.crash_count = 0
        #: Gets every exchange that has ended, as it came: with its credentials.
        self.watcher: Callable[[Entry], None] | None = None
        self._stopping = False

    def open(
        self,
        at_s: float,
        call: Call,
        answer: Answer | None,
        miss: Miss | None = None,
        *,
        place: Place = Place.MODEL,
        scope: str = "",
        persona: str | None = None,
        rule: str = "",
        span_id: str = "",
    ) -> Entry:
        """The new entry for an exchange that has begun; numbers count from 1 and never repeat.

        It has the request as it came; the kept copy has no credentials in its headers.
        """
        request, visit_ids = call.request, call.visit_ids
        redacted, stored_miss = call.stored_request, miss.for_storage() if miss else None
        with self._changed:
            self.count += 1
            number = self.count
            entry = Entry(
                number, at_s, request, answer, miss, place, scope, persona, rule, visit_ids=visit_ids, span_id=span_id
            )
            kept = entry.seen_as(redacted, stored_miss)
            self._entries[number] = kept
            for visit_id in visit_ids:
                self._visits.setdefault(visit_id, {})[number] = None
            self._bytes += _size(kept)
            if miss is not None:
                self._misses[number] = kept
                self._miss_bytes += _size(kept)
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
        """The entry as it ended; `answer` where it was not known at the start."""
        closed = entry.ended(str(end), took_s, tuple(sent_ms), answer or entry.answer)
        with self._changed:
            if (kept := self._entries.get(entry.number)) is not None:
                self._entries[entry.number] = ended = closed.seen_as(kept.request, kept.miss)
                grown = _size_of_answer(ended) - _size_of_answer(kept)
                self._bytes += grown
                if entry.number in self._misses:
                    self._misses[entry.number] = ended
                    self._miss_bytes += grown
                self._trim()
            self._changed.notify_all()
        if self.watcher is not None:
            self.watcher(closed)
        return closed

    def wait(self, happened: Callable[[], bool], within_s: float) -> bool:
        """Whether something happened within that many seconds of real time; checked whenever an entry changes.

        After `stop_waiting` it does not wait.
        """
        until_s = time.monotonic() + within_s
        while not happened():
            with self._changed:
                if (left_s := until_s - time.monotonic()) <= 0 or self._stopping:
                    return False
                self._changed.wait(min(left_s, 0.05))  # a change between the check and the wait is seen soon
        return True

    def count_from(self, number: int) -> None:
        """Give later entries higher numbers than this one."""
        with self._changed:
            self.count = max(self.count, number)

    def stop_waiting(self) -> None:
        """End all waits: nothing will happen any more."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def crashed(self, crash: Crash) -> None:
        """Note a fault of our own code, and say so in one line."""
        try:
            kept = Crash(**{field: clean(text) for field, text in asdict(crash).items()})
            kept = replace(kept, body=kept.body[:SHOWN_LETTERS])
        except Exception as error:  # noqa: BLE001  where redaction is at fault, its words alone are shown
            kept = Crash(
                "the redaction of a crash", f"{type(error).__name__} after {crash.error.partition(':')[0]}", ""
            )
        with self._changed:
            self.crashes.append(kept)
            self.crash_count += 1
        log.error("%s. Please report it: GET /__admin/crashes has the traceback", kept)

    def entries(self, visit_ids: str | Collection[str] | None = None) -> list[Entry]:
        """All of them, or those with such a request id or trace, oldest first."""
        with self._changed:
            if visit_ids is None:
                return list(self._entries.values())
            ids = [visit_ids] if isinstance(visit_ids, str) else visit_ids
            numbers = {number for visit_id in ids for number in self._visits.get(visit_id, ())}
            return [self._entries[number] for number in sorted(numbers)]

    def since(self, number: int, most: int) -> list[Entry]:
        """Those with a higher number, oldest first; of more than `most`, the last ones."""
        with self._changed:
            newest = (self._entries[each] for each in takewhile(number.__lt__, reversed(self._entries)))
            return list(islice(newest, most))[::-1]

    def numbered(self, numbers: Collection[int]) -> list[Entry]:
        """Those of these numbers that are still kept, oldest first."""
        with self._changed:
            return [self._entries[number] for number in sorted(numbers) if number in self._entries]

    def visit_of(self, entry: Entry) -> int:
        """The number of the first exchange of the same visit that is kept; its own where it is the first."""
        with self._changed:
            firsts = (next(iter(self._visits[id_]), entry.number) for id_ in entry.visit_ids if id_ in self._visits)
            return min(firsts, default=entry.number)

    @property
    def stopping(self) -> bool:
        """Whether nothing will happen any more."""
        return self._stopping

    def misses(self) -> list[Entry]:
        """The last misses, oldest first."""
        with self._changed:
            return list(self._misses.values())

    def clear(self) -> None:
        """Forget everything; numbers go on."""
        with self._changed:
            self.cleared += 1
            self._entries.clear()
            self._visits.clear()
            self._misses.clear()
            self.expectations.clear()
            self._bytes = self._miss_bytes = 0

    def _trim(self) -> None:
        while len(self._misses) > _MAX_MISSES or (self._miss_bytes > self._max_bytes and len(self._misses) > 1):
            self._miss_bytes -= _size(self._misses.popitem(last=False)[1])
        while len(self._entries) > self._max_entries or (self._bytes > self._max_bytes and len(self._entries) > 1):
            _, oldest = self._entries.popitem(last=False)
            self._bytes -= _size(oldest)
            for visit_id in oldest.visit_ids:
                self._visits[visit_id].pop(oldest.number)
                if not self._visits[visit_id]:
                    del self._visits[visit_id]


def _size(entry: Entry) -> int:
    """Roughly the bytes an entry holds."""
    return 1000 + entry.request.held_bytes + _size_of_answer(entry)


def _size_of_answer(entry: Entry) -> int:
    return (entry.answer.held_bytes if entry.answer is not None else 0) + 32 * len(entry.sent_ms)
