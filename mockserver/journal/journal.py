"""What happened at the gate, the Functions host and the model, in order and bounded: to look at, wait for and verify."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Unpack, overload

from mockserver.errors import count_of
from mockserver.journal.criteria import JournalCriteria, check, fits
from mockserver.journal.entry import Entry, Place
from mockserver.journal.har import har
from mockserver.journal.incremental import cannot_tell, held_back
from mockserver.journal.records import Records
from mockserver.redaction.redaction import clean

_MAX_SHOWN = 20


class ExpectationError(AssertionError):
    """What was expected of the journal did not happen; says what did."""


class Journal(Sequence[Entry]):
    """Exchanges to look at, oldest first. Thread-safe.

    `records` is where they are written; `only` gives a part of it, which grows as the whole does.
    """

    def __init__(self, records: Records | None = None, **criteria: Unpack[JournalCriteria]) -> None:
        """Everything that is recorded, or what fits the criteria.

        Raises:
            JournalError: an unknown criterion, or a value that no exchange can have.
        """
        check(criteria)
        self.records = records or Records()
        self._criteria = criteria

    def only(self, **criteria: Unpack[JournalCriteria]) -> Journal:
        """The part of this that fits the criteria too.

        Raises:
            JournalError: as the constructor.
        """
        merged: JournalCriteria = {**self._criteria, **criteria}
        return Journal(self.records, **merged)

    def wait_for(
        self, times: int = 1, *, within_s: float = 5, **criteria: Unpack[JournalCriteria]
    ) -> tuple[Entry, ...]:
        """The exchanges that fit, once there are at least `times` of them and those have ended.

        Raises:
            ExpectationError: there were fewer after that many seconds of real time.
        """
        __tracebackhide__ = True  # pytest shows the test's line, not ours
        part = self.only(**criteria)

        def enough() -> bool:
            return sum(entry.end != "open" for entry in part) >= times

        if not self.records.wait(enough, within_s):
            raise ExpectationError(
                self._report(f"at least {count_of(times, 'request')}", part, f" within {within_s:g} s")
            )
        return tuple(part)

    def verify(self, times: int, *, within_s: float = 1, **criteria: Unpack[JournalCriteria]) -> None:
        """Check that exactly `times` exchanges fit. Where there are too few, wait for more.

        Raises:
            ExpectationError: there were more or fewer; says what came.
        """
        __tracebackhide__ = True
        part = self.only(**criteria)
        if not self.records.wait(lambda: len(part) >= times, within_s) or len(part) != times:
            raise ExpectationError(self._report(f"exactly {count_of(times, 'request')}", part))

    def expect(self, times: int, **criteria: Unpack[JournalCriteria]) -> None:
        """Verify when the test ends that exactly `times` exchanges fit."""
        self.only(**criteria)  # a typing error shows where it was made
        self.records.expectations.append(lambda: self.verify(times, **criteria))

    def unmet(self) -> tuple[str, ...]:
        """What was expected and did not happen, each in words."""
        reports = []
        for expectation in tuple(self.records.expectations):
            try:
                expectation()
            except ExpectationError as error:
                reports.append(str(error))
        return tuple(reports)

    def assert_incremental(self, *, share: float = 0.5, **criteria: Unpack[JournalCriteria]) -> None:
        """Check that nothing on the way held a stream back: at the Functions host and at the site, never more than this share of
        the model's events waited for something to leave. The criteria choose the model's answers.

        Raises:
            ExpectationError: something did, and which place; or there is no stream whose way can be seen.
        """
        __tracebackhide__ = True

        def ways() -> list[tuple[Entry, Entry]]:
            sent = (
                each for each in self.only(**criteria).only(place=Place.MODEL) if each.answer and each.answer.streams
            )
            return [(each, on) for each in sent for on in self.joined(each) if on.place is not Place.MODEL]

        # A client may have the last event a moment before it is written down at each place.
        self.records.wait(lambda: all("open" not in (model.end, place.end) for model, place in ways()), 5)
        if not ways():
            raise ExpectationError(self._report("a stream that went on to a host or a site", self.only(**criteria)))
        found = []
        for model, place in ways():
            most, words = held_back(model, place)
            found += [cannot_tell(model) or f"{model}: {words}"] if cannot_tell(model) or most > share else []
        if found:
            raise ExpectationError(str(clean("Not incremental:\n  " + "\n  ".join(found))))

    def joined(self, entry: Entry) -> Journal:
        """The exchanges of the same visit: those that share a request id or a trace with this one."""
        return Journal(self.records, request_id=entry.visit_ids)

    def har(self, *, tls: bool = False) -> dict[str, Any]:
        """The exchanges as a HAR 1.2 document, without secrets; with `tls`, the model's addresses are https."""
        return har(self, tls=tls)

    def misses(self, since: int = 0) -> tuple[Entry, ...]:
        """The exchanges after number `since` that no stub answered."""
        return tuple(entry for entry in self.records.misses() if entry.number > since and fits(self._criteria, entry))

    def clear(self) -> None:
        """Forget everything, expectations too; numbers go on."""
        self.records.clear()

    @property
    def last_number(self) -> int:
        """The number of the newest entry ever written, 0 if there was none."""
        return self.records.count

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Entry]: ...
    def __getitem__(self, index: int | slice) -> Entry | Sequence[Entry]:
        return self._entries()[index]

    def __len__(self) -> int:
        return len(self._entries())

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries())

    def _entries(self) -> list[Entry]:
        visit_ids = self._criteria.get("request_id")
        return [entry for entry in self.records.entries(visit_ids) if fits(self._criteria, entry)]

    def _report(self, expected: str, part: Journal, how_long: str = "") -> str:
        criteria = ", ".join(f"{name}={value}" for name, value in part._criteria.items()) or ""
        entries = [f"  {entry}" for entry in self]
        which = f" with {criteria}" if criteria else ""
        got = f"{len(part)}. All requests:" if entries else "none; no request came."
        report = [f"Expected {expected}{which}{how_long}, got {got}", *entries[-_MAX_SHOWN:]]
        return str(clean("\n".join(report)))
