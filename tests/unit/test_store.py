"""The store is bounded, forgets what is oldest, and remembers what was deleted."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from mockserver.exchange import Request
from mockserver.simulation.settings import OnMiss
from mockserver.simulation.simulation import Simulation
from mockserver.stored import search, store
from mockserver.stored.store import Store
from tests.unit.examples import FakeClock, chat


def test_the_oldest_objects_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MAX_OBJECTS", 3)
    kept = Store()
    for number in range(5):
        kept.put("file", str(number), number, 10)
    assert list(kept.all("file")) == [2, 3, 4]
    kept.put("file", "2", "again", 10)
    assert list(kept.all("file")) == [3, 4, "again"]


def test_large_objects_push_out_others_but_never_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MAX_BYTES", 100)
    kept = Store()
    kept.put("file", "a", "a", 60)
    kept.put("file", "b", "b", 60)
    kept.put("file", "c", "c", 500)
    assert list(kept.all("file")) == ["c"]
    kept.delete("file", "c")
    kept.put("file", "d", "d", 60)
    assert list(kept.all("file")) == ["d"]


def test_what_was_deleted_is_known_until_it_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MAX_DELETED", 1)
    kept = Store()
    for name in ("a", "b"):
        kept.put("file", name, name, 1)
        kept.delete("file", name)
    assert [kept.was_deleted("file", name) for name in ("a", "b")] == [False, True]
    kept.put("file", "b", "b", 1)
    assert not kept.was_deleted("file", "b")
    kept.clear()
    assert (len(kept), kept.next_number("file"), kept.next_number("file")) == (0, 0, 1)


@pytest.mark.parametrize(
    ("condition", "fit"),
    [
        (None, True),
        ({"type": "eq", "key": "year", "value": 2024}, True),
        ({"type": "ne", "key": "year", "value": 2024}, False),
        ({"type": "gte", "key": "year", "value": 2024}, True),
        ({"type": "lt", "key": "year", "value": 2024}, False),
        ({"type": "gt", "key": "name", "value": 1}, False),
        ({"type": "in", "key": "name", "value": ["a", "b"]}, True),
        ({"type": "nin", "key": "name", "value": ["a", "b"]}, False),
        ({"type": "and", "filters": [{"type": "eq", "key": "name", "value": "a"}, {"type": "eq", "key": "x", "value": 1}]}, False),
        ({"type": "or", "filters": [{"type": "eq", "key": "name", "value": "a"}, {"type": "eq", "key": "x", "value": 1}]}, True),
    ],
)  # fmt: skip
def test_a_filter_compares_attributes(condition: object, fit: bool) -> None:
    assert search.fits({"year": 2024, "name": "a"}, condition) is fit


def test_the_text_that_shares_rare_words_scores_best() -> None:
    texts = ["the cat sat on the mat", "the dog barked at the cat", "a lighthouse by the sea"]
    scores = search.scores("where is the lighthouse", list(map(search.words, texts)))
    assert max(range(3), key=scores.__getitem__) == 2
    assert all(0 <= score <= 1 for score in scores)
    assert search.scores("lighthouse", [search.words("lighthouse")]) == [1.0]


def test_a_long_text_is_cut_into_overlapping_chunks() -> None:
    text = "".join(f"{number:07d} " for number in range(1000))
    parts = search.chunks(text)
    assert [part[1600:] for part in parts[:-1]] == [part[:1600] for part in parts[1:-1]] + [parts[-1][:1600]]
    assert parts[0][:1600] + "".join(part[1600:] for part in parts) == text
    assert search.chunks("   ") == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
@pytest.mark.parametrize("spelled", ["store", "st\\u006fre"])
def test_a_body_in_any_encoding_and_spelling_says_that_its_answer_is_stored(
    encoding: str, spelled: str, clock: FakeClock
) -> None:
    simulation, asked = Simulation(on_miss=OnMiss.GENERATE, clock=clock), chat(store=True)
    body = asked.body.replace(b"store", spelled.encode()).decode().encode(encoding)
    simulation.answer(replace(asked, body=body))
    listed = simulation.answer(Request("GET", "/v1/chat/completions", "", asked.headers)).answer
    assert listed is not None
    assert len(json.loads(listed.body)["data"]) == 1
