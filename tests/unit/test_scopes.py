"""Scopes: a request belongs to one, by its header, its ids, or because no other is open."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from mockserver.matching.call import Call
from mockserver.simulation import scopes as scopes_module
from mockserver.simulation.limits import Limit
from mockserver.simulation.scenarios import ScenarioError, Scenarios
from mockserver.simulation.scopes import SCOPE_HEADER, ScopeError, Scopes
from mockserver.simulation.simulation import Simulation
from mockserver.simulation.stub import parse_stub
from tests.unit.examples import FakeClock, chat


def call(**headers: str) -> Call:
    return Call(replace(chat(), headers=tuple((name.replace("_", "-"), value) for name, value in headers.items())))


def test_the_oldest_visit_is_forgotten_first_and_a_used_one_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scopes_module, "MAX_VISITS", 3)
    scopes = Scopes(Scenarios())
    one, _ = scopes.open(name="one"), scopes.open(name="two")
    for visit_id in ("a", "b", "c", "a", "d"):  # "a" is renewed, so "b" is the oldest when "d" comes
        scopes.attribute([visit_id], "one")
    assert [scopes.of(call(x_request_id=visit_id)) for visit_id in "acd"] == [one, one, one]
    with pytest.raises(ScopeError, match="2 scopes are open"):
        scopes.of(call(x_request_id="b"))


def test_an_id_stays_with_the_scope_that_sent_it_first() -> None:
    scopes = Scopes(Scenarios())
    one, _ = scopes.open(name="one"), scopes.open(name="two")
    scopes.attribute(["a"], "one")
    with pytest.raises(ScopeError, match="another scope has sent"):
        scopes.attribute(["a"], "two")
    assert scopes.of(call(x_request_id="a")) is one


def test_a_request_id_and_a_trace_of_two_scopes_are_refused() -> None:
    scopes, trace = Scopes(Scenarios()), "0af7651916cd43dd8448eb211c80319c"
    scopes.open(name="one"), scopes.open(name="two")
    scopes.attribute(["a"], "one")
    scopes.attribute([trace], "two")
    with pytest.raises(ScopeError, match="request id belongs to one scope, and its trace to another"):
        scopes.of(call(x_request_id="a", traceparent=f"00-{trace}-b7ad6b7169203331-01"))


def test_a_closed_scope_leaves_nothing_behind() -> None:
    scopes = Scopes(Scenarios())
    scopes.open(name="one")
    scopes.attribute(["a"], "one")
    scopes.close("one")
    assert scopes.of(call(x_request_id="a")) is scopes.everybody
    for refused in (lambda: scopes.close("one"), lambda: scopes.of(call(**{SCOPE_HEADER.replace("-", "_"): "one"}))):
        with pytest.raises(ScopeError, match="no open scope 'one'"):
            refused()


def test_a_reset_restores_what_everybody_started_with_in_the_same_object() -> None:
    scopes = Scopes(Scenarios(), limits={"m": Limit(requests=1)})
    everybody = scopes.everybody
    scopes.say(parse_stub({"say": "x"}, "said#1"))
    everybody.limits["other"] = Limit(tokens=1)
    said = parse_stub({"say": "x", "times": 1}, "said#1")
    assert scopes.take(everybody, [said])
    assert not scopes.has_left(everybody, said)
    scopes.open(name="one")
    scopes.reset()
    assert (everybody.stubs, everybody.limits) == ((), {"m": Limit(requests=1)})
    assert scopes.has_left(everybody, said)
    assert scopes.everybody is everybody
    assert scopes.ever_used == {"said#1"}
    with pytest.raises(ScopeError):
        scopes.named("one")


def test_a_scenario_that_does_not_exist_is_refused_wherever_it_is_named() -> None:
    for refused in (
        lambda: Scopes(Scenarios(), scenario="busy"),
        lambda: Scopes(Scenarios()).open("busy"),
        lambda: Scopes(Scenarios()).choose("busy"),
    ):
        with pytest.raises(ScenarioError, match="no scenario 'busy'; known scenarios: none"):
            refused()


def test_a_scopes_own_stubs_and_limits_go_before_everybodys() -> None:
    scopes = Scopes(Scenarios(), limits={"*": Limit(requests=9), "m": Limit(requests=1)})
    scope = scopes.open()
    scopes.say(parse_stub({"say": "all"}, "all#1"))
    scopes.say(parse_stub({"say": "own"}, "own#1"), scope=scope)
    scope.limits["m"] = Limit(requests=2)
    assert [stub.name for stub in scopes.stubs(scope)] == ["own#1", "all#1"]
    assert [stub.name for stub in scopes.stubs(scopes.everybody)] == ["all#1"]
    assert [scopes.limit(scope, name) for name in ("m", "else")] == [Limit(requests=2), Limit(requests=9)]
    assert scopes.limit(scopes.everybody, "m") == Limit(requests=1)


def test_a_stub_of_a_scope_never_uses_up_everybodys() -> None:
    simulation = Simulation(clock=FakeClock())
    scope = simulation.scopes.open(name="one")
    (own,) = simulation.scopes.say_entries({"say": "own", "times": 1}, name="said", scope=scope)
    (everybodys,) = simulation.scopes.say_entries({"say": "all", "times": 1}, name="said")
    request = replace(chat(), headers=(*chat().headers, (SCOPE_HEADER, "one")))
    decided = [simulation.answer(request).decided_by for _ in range(3)]
    assert decided == [own.name, everybodys.name, "miss"]


def test_a_stub_that_answers_once_answers_once_however_many_ask_at_the_same_time() -> None:
    simulation = Simulation(clock=FakeClock())
    simulation.scopes.say(parse_stub({"say": "x", "times": 5}, "said#1"))
    with ThreadPoolExecutor(8) as pool:
        entries = list(pool.map(simulation.answer, [chat()] * 40))
    assert [entry.status for entry in entries].count(200) == 5


def test_stubs_that_are_said_at_the_same_time_have_names_of_their_own() -> None:
    scopes = Scopes(Scenarios())
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda _: scopes.say_entries({"say": "x"}, name="said")[0].name, range(200)))
    assert (len(set(said)), len(scopes.everybody.stubs)) == (200, 200)


def test_scopes_that_nobody_closes_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scopes_module, "MAX_SCOPES", 2)
    simulation = Simulation()
    names = [simulation.scopes.open(name=name).name for name in ("a", "b", "a")]
    assert names == ["a", "b", "a"]
    with pytest.raises(ScopeError, match="2 scopes are open"):
        simulation.scopes.open()
    simulation.scopes.close("a")
    simulation.scopes.open()


def test_a_visit_of_everybodys_and_what_has_no_visit_never_belong_to_a_person() -> None:
    scopes = Scopes(Scenarios())
    one = scopes.open(name="one", personal=True)
    scopes.open(name="two", personal=True)
    scopes.attribute(["a"], "one")
    scopes.attribute(["b"], "")
    assert [scopes.of(call(x_request_id=visit_id)) for visit_id in "abc"] == [one, scopes.everybody, scopes.everybody]
    three = scopes.open(name="three")
    assert [scopes.of(call(x_request_id=visit_id)) for visit_id in "abc"] == [one, scopes.everybody, three]


def test_an_id_of_everybodys_may_become_a_scopes_but_not_the_reverse() -> None:
    scopes = Scopes(Scenarios())
    one = scopes.open(name="one")
    for owner in ("", "one", ""):
        scopes.attribute(["a"], owner)
    assert scopes.of(call(x_request_id="a")) is one
