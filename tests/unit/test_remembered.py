"""What is remembered of a request's bytes is its canonical form alone: every request is decided again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mockserver import remembered
from mockserver.exchange import Request
from mockserver.matching import call as call_module
from mockserver.matching.call import Call, Calls
from mockserver.matching.canonical import canonical_request
from mockserver.matching.ignore import parse_ignore
from mockserver.simulation.limits import parse_limits
from mockserver.simulation.settings import OnMiss
from mockserver.simulation.simulation import Simulation
from mockserver.simulation.stub import parse_stub
from tests.unit.examples import FakeClock, chat


def test_the_same_bytes_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    request, times = replace(chat("asked again"), headers=(("content-type", "application/json"),)), list[None]()

    def counted(*args: object) -> object:
        times.append(None)
        return canonical_request(*args)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(call_module, "canonical_request", counted)
    forms = {
        Call(replace(request, headers=(*request.headers, ("x-n", str(n))))).canonical.fingerprint for n in range(9)
    }
    assert (len(forms), len(times)) == (1, 1)


def test_another_type_another_query_or_something_ignored_is_another_form() -> None:
    request = chat("asked in several ways")
    form = replace(request, body=b"key=sk-x", headers=(("content-type", "application/x-www-form-urlencoded"),))
    calls = [Call(request), Call(replace(request, query="a=b")), Call(request, (parse_ignore("messages"),))]
    calls += [Call(form), Call(replace(form, headers=()))]
    assert len({call.canonical.fingerprint for call in calls}) == len(calls)


def test_what_is_said_limited_and_counted_since_decides_the_next_answer(clock: FakeClock) -> None:
    simulation, request = Simulation(on_miss=OnMiss.GENERATE, clock=clock), chat("the same each time")
    assert simulation.answer(request).decided_by == "made up"
    simulation.scopes.say(parse_stub({"say": "one", "times": 1}, "said#1"))
    assert [simulation.answer(request).decided_by for _ in range(2)] == ["said#1", "made up"]
    simulation.scopes.everybody.limits |= parse_limits(["*=1rpm"])
    assert [simulation.answer(request).status for _ in range(2)] == [200, 429]
    clock.now_s += 120
    assert simulation.answer(request).status == 200
    assert len(simulation.journal) == 6


def test_the_oldest_are_forgotten_within_a_bound_of_entries_and_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "MAX_ENTRIES", 3)
    monkeypatch.setattr(remembered, "MAX_BYTES", 100)
    monkeypatch.setattr(remembered, "MAX_BYTES_EACH", 60)
    memory = remembered.Remembered[str, int]()
    for number, key in enumerate("abcd"):
        assert memory.put(key, number, 10) == number
    assert [memory.get(key) for key in "abcd"] == [None, 1, 2, 3]
    assert memory.put("too large", 9, 61) == 9
    assert memory.get("too large") is None
    memory.put("e", 4, 60)
    memory.put("f", 5, 60)
    assert [memory.get(key) for key in "cdef"] == [None, None, None, 5]
    memory.put("f", 6, 60)  # another thread was first: its value stays, and is counted once
    assert (memory.get("f"), len(memory)) == (5, 1)


def test_nothing_that_an_answer_adds_to_a_call_is_remembered() -> None:
    calls, request = Calls(), chat("Hi")
    first = calls.call(request, ())
    assert (first.prompt, first.visit_ids) == ("Hi", frozenset())
    first.earlier = [{"role": "user", "content": "before"}]
    calls.keep(first)
    again = calls.call(request, ())
    assert again.is_known
    assert {*vars(again)} & {"body", "conversation", "earlier", "form"} == set()
    assert not calls.call(request, (parse_ignore("messages"),)).is_known
    calls.clear()
    assert not calls.call(request, ()).is_known


def test_what_is_remembered_counts_heads_and_what_bodies_are_read_as() -> None:
    def counted(request: Request) -> int:
        calls = Calls()
        calls.keep(calls.call(request, ()))
        return calls._known._bytes

    plain, head = chat("x"), chat("x", path="/v1/chat/completions?" + "a" * 5000)
    lists = replace(plain, body=b'{"model": "m", "x": [' + b"[]," * 200 + b"[]]}")
    assert counted(replace(plain, headers=(("x-n", "v" * 5000),))) > 5000
    assert counted(head) > 5000
    assert counted(lists) > 200 * 100


def test_a_reset_forgets_requests(clock: FakeClock) -> None:
    simulation = Simulation(on_miss=OnMiss.GENERATE, clock=clock)
    simulation.answer(chat("x"))
    assert len(simulation._calls._known) == 1
    simulation.reset()
    assert len(simulation._calls._known) == 0


def test_the_same_bytes_are_one_request_with_one_key_and_another_key_is_another(clock: FakeClock) -> None:
    simulation = Simulation(on_miss=OnMiss.GENERATE, clock=clock, api_key="right")
    asked = [simulation.answer(chat("x", key=key)).status for key in ("right", "wrong", "right", "wrong")]
    assert asked == [200, 401, 200, 401]
