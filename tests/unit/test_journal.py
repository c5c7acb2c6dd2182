from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from mockserver.journal.criteria import JournalError
from mockserver.journal.entry import Entry, Place
from mockserver.journal.journal import ExpectationError, Journal
from mockserver.journal.records import Records, _size
from mockserver.matching.call import Call
from mockserver.matching.miss import Miss
from tests.unit.examples import answered, chat


def test_an_entry_is_open_until_it_is_closed_with_what_happened() -> None:
    journal = Journal()
    entry = journal.records.open(1.0, Call(chat()), answered("x"))
    assert journal[-1].end == "open"
    journal.records.close(entry, end="client left", sent_ms=[3], took_s=0.5)
    assert (journal[-1].end, journal[-1].events_sent, journal[-1].took_s) == ("client left", 1, 0.5)


def test_it_forgets_the_oldest_beyond_its_number_of_entries() -> None:
    records = Records(max_entries=2)
    for _ in range(3):
        records.open(1.0, Call(chat()), answered("x"))
    assert [entry.number for entry in records.entries()] == [2, 3]
    assert records.count == 3


def test_it_forgets_the_oldest_beyond_its_number_of_bytes_but_keeps_the_newest() -> None:
    records = Records(max_bytes=1000)
    for size in (600, 600, 5000):
        records.open(1.0, Call(chat("x" * size)), None)
    assert [entry.number for entry in records.entries()] == [3]


def test_closing_a_forgotten_entry_does_no_harm() -> None:
    records = Records(max_entries=1)
    first = records.open(1.0, Call(chat()), None)
    records.open(1.0, Call(chat()), None)
    records.close(first, end="eof", took_s=0)
    assert [entry.number for entry in records.entries()] == [2]


CHATS = [("Hi", 200, "eof", 3), ("Hi", 429, "eof", 1), ("Else", 200, "client left", 2)]


def written(journal: Journal) -> list[Entry]:
    entries = []
    for number, (prompt, status, end, events) in enumerate(CHATS):
        request = replace(chat(prompt), headers=(("x-request-id", f"r{number % 2}"), ("x-stainless-retry-count", "1")))
        answer = replace(answered("x"), status=status, decided_by="hello.yaml#1, dropped by said#1")
        entry = journal.records.open(
            1.0, Call(request), answer, place=Place.SITE if number == 2 else Place.MODEL, persona="alice"
        )
        entries.append(journal.records.close(entry, end=end, sent_ms=list(range(events)), took_s=0.1))
    return entries


@pytest.mark.parametrize(
    ("criteria", "numbers"),
    [
        ({}, [1, 2, 3]),
        ({"prompt": "Hi"}, [1, 2]),
        ({"model": "gpt-4o", "status": 429}, [2]),
        ({"status": range(400, 600)}, [2]),
        ({"status": {200, 429}, "place": "model"}, [1, 2]),
        ({"end": "client left", "events_sent": range(5)}, [3]),
        ({"decided_by": "dropped"}, [1, 2, 3]),
        ({"request_id": "r0"}, [1, 3]),
        ({"after": 1, "persona": "alice"}, [2, 3]),
        ({"attempt": 1}, []),
        ({"path": "/v1/chat/completions", "attempt": 2}, [1, 2, 3]),
    ],
)
def test_is_asked_by_criteria_that_all_must_fit(criteria: dict[str, Any], numbers: list[int]) -> None:
    journal = Journal()
    entries = written(journal)
    assert [entry.number for entry in journal.only(**criteria)] == numbers
    assert [entry.number for entry in journal.joined(entries[0])] == [1, 3]


def test_an_unknown_criterion_is_an_error_with_the_nearest() -> None:
    with pytest.raises(
        JournalError, match=r"unknown criterion 'promt' \(did you mean 'prompt'\?\); known criteria: prompt, "
    ):
        Journal().only(promt="Hi")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("criteria", "complaint"),
    [
        ({"end": "eoff"}, "end must be one of open, eof, reset, stall, client left, got 'eoff'"),
        ({"place": "modell"}, "place must be one of site, host, model, got 'modell'"),
        ({"status": "200"}, "status must be an int, got '200'"),
        ({"persona": 5}, "persona must be a string, got 5"),
        ({"prompt": {"Hi", "Ho"}}, "prompt must be a string, got "),
        ({"turn": range(1, 3)}, "turn must be an integer >= 1, got range"),
        ({"turn": 0}, "turn must be an integer >= 1, got 0"),
        ({"operation": "createRespons"}, "did you mean 'createResponse'"),
        ({"pattern": "("}, "pattern is not a regular expression: missing "),
    ],
)
def test_a_value_that_no_exchange_can_have_is_an_error(criteria: dict[str, Any], complaint: str) -> None:
    with pytest.raises(JournalError, match=complaint):
        Journal().verify(0, **criteria)


def test_what_was_expected_is_verified_and_said_with_what_came_instead() -> None:
    journal = Journal()
    written(journal)
    journal.verify(2, prompt="Hi")
    journal.verify(0, prompt="Nobody said this", within_s=0)
    with pytest.raises(ExpectationError) as unmet:
        journal.only(place=Place.MODEL).verify(3, prompt="Hi", within_s=0)
    assert str(unmet.value).splitlines() == [
        "Expected exactly 3 requests with place=model, prompt=Hi, got 2. All requests:",
        "  model #1  alice  POST /v1/chat/completions  hello.yaml#1, dropped by said#1  200  3 events  eof",
        "  model #2  alice  POST /v1/chat/completions  hello.yaml#1, dropped by said#1  429  1 event  eof",
    ]
    journal.expect(2, prompt="Hi")
    journal.expect(1, status=500)
    (text,) = journal.unmet()
    assert text.startswith("Expected exactly 1 request with status=500, got 0. All requests:")
    journal.clear()
    assert journal.unmet() == ()


def test_waits_for_what_has_not_happened_yet() -> None:
    journal = Journal()
    entry = journal.records.open(1.0, Call(chat()), answered("x"))
    threading.Timer(0.05, lambda: journal.records.close(entry, end="eof", took_s=0)).start()
    assert [each.end for each in journal.wait_for(prompt="Hello!")] == ["eof"]
    with pytest.raises(ExpectationError, match="Expected at least 2 requests within 0 s, got 1"):
        journal.wait_for(2, within_s=0)


def test_a_miss_outlives_what_came_after_it() -> None:
    journal = Journal(Records(max_entries=2))
    for number in range(5):
        journal.records.open(1.0, Call(chat()), answered("x"), Miss(Call(chat())) if number == 0 else None)
    assert [entry.number for entry in journal] == [4, 5]
    assert [entry.number for entry in journal.misses()] == [1]


def test_memory_is_bounded_and_nothing_is_left_of_what_was_forgotten() -> None:
    records = Records(max_entries=10)
    for number in range(1000):
        records.open(1.0, Call(replace(chat(), headers=(("x-request-id", f"r{number}"),))), answered("x"))
    assert (len(records.entries()), len(records._visits), records.count) == (10, 10, 1000)
    assert records._bytes == sum(map(_size, records.entries()))


def test_only_the_last_thousand_misses_are_kept_and_a_clear_forgets_them() -> None:
    journal = Journal(Records(max_entries=2))
    for number in range(1001):
        journal.records.open(1.0, Call(chat(str(number))), None, Miss(Call(chat(str(number)))))
    assert [entry.number for entry in journal.misses()] == list(range(2, 1002))
    assert [entry.number for entry in journal.misses(since=1000)] == [1001]
    journal.clear()
    assert (journal.misses(), len(journal), journal.last_number) == ((), 0, 1001)
    assert journal.records.open(1.0, Call(chat()), None).number == 1002


def test_a_part_of_who_decided_is_enough_and_another_text_is_not() -> None:
    journal = Journal()
    journal.records.open(
        1.0, Call(chat()), replace(answered("x"), decided_by="hello.yaml#1, dropped by said#1"), rule="rule 3 (invited)"
    )
    assert [len(journal.only(decided_by=text)) for text in ("hello.yaml", "dropped", "nowhere")] == [1, 1, 0]
    assert [len(journal.only(rule=text)) for text in ("rule 3", "rule 4")] == [1, 0]


def test_the_bytes_that_are_counted_are_those_that_are_held() -> None:
    records = Records()
    entry = records.open(1.0, Call(replace(chat(), headers=(("x-request-id", "r1"),))), None)
    records.close(entry, end="eof", took_s=0, sent_ms=[1, 2], answer=answered("x" * 5000))
    assert records._bytes == sum(map(_size, records.entries())) > 5000
    records.clear()
    assert (records._bytes, records._visits, records.entries("r1")) == (0, {}, [])


def test_a_stored_miss_holds_the_bytes_of_its_request_and_no_credentials() -> None:
    records = Records(max_bytes=100_000)
    for number in range(50):
        call = Call(chat(f"{number} " + "x" * 10_000, key="sk-secret"))
        entry = records.open(1.0, call, None, Miss(call))
        records.close(entry, end="eof", took_s=0)
    stored = [entry.miss for entry in records.misses() if entry.miss]
    assert 0 < len(stored) < 10
    assert records._miss_bytes == sum(map(_size, records.misses())) <= 100_000
    assert {entry.end for entry in records.misses()} == {"eof"}
    assert [sorted(vars(miss.call)) for miss in stored] == [["ignores", "request"]] * len(stored)
    assert "sk-secret" not in repr([miss.call.request for miss in stored])
    assert stored[-1].fingerprint == call.canonical.fingerprint


def test_the_misses_of_a_visit_are_its_own() -> None:
    journal = Journal()
    calls = [Call(replace(chat(), headers=(("x-request-id", name),))) for name in ("one", "two")]
    one, _ = (journal.records.open(1.0, call, None, Miss(call)) for call in calls)
    assert [entry.number for entry in journal.joined(one).misses()] == [one.number]
