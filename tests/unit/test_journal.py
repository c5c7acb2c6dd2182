from __future__ import annotations

from mockserver.journal import Journal
from tests.unit.examples import answered, chat


def test_an_entry_is_open_until_it_is_closed_with_what_happened() -> None:
    journal = Journal()
    entry = journal.open(1.0, chat(), answered("x"))
    assert journal[-1].end == "open"
    journal.close(entry, end="client left", events_sent=1, took_s=0.5)
    assert (journal[-1].end, journal[-1].events_sent, journal[-1].took_s) == ("client left", 1, 0.5)


def test_it_forgets_the_oldest_beyond_its_number_of_entries() -> None:
    journal = Journal(max_entries=2)
    for _ in range(3):
        journal.open(1.0, chat(), answered("x"))
    assert [entry.number for entry in journal] == [2, 3]
    assert journal.last_number == 3


def test_it_forgets_the_oldest_beyond_its_number_of_bytes_but_keeps_the_newest() -> None:
    journal = Journal(max_bytes=1000)
    for size in (600, 600, 5000):
        journal.open(1.0, chat("x" * size), None)
    assert [entry.number for entry in journal] == [3]


def test_closing_a_forgotten_entry_does_no_harm() -> None:
    journal = Journal(max_entries=1)
    first = journal.open(1.0, chat(), None)
    journal.open(1.0, chat(), None)
    journal.close(first, end="eof", events_sent=0, took_s=0)
    assert [entry.number for entry in journal] == [2]
