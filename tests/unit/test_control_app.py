from __future__ import annotations

import time
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from mockserver.clock import SystemClock
from mockserver.flask_apps import control
from mockserver.simulation.settings import OnMiss
from mockserver.simulation.simulation import Simulation
from tests.unit.examples import FakeClock, chat

TOKEN = {"x-mockserver-token": "t0"}


@pytest.fixture
def simulation(clock: FakeClock) -> Simulation:
    return Simulation(clock=clock)


@pytest.fixture
def client(simulation: Simulation) -> FlaskClient:
    return control.create_app(simulation, "t0").test_client()


def test_what_is_said_over_the_wire_is_answered(client: FlaskClient, simulation: Simulation) -> None:
    said = client.post("/__admin/stubs", json=[{"say": "Hi"}], headers=TOKEN)
    assert (said.status_code, said.json) == (201, {"stubs": ["said#1"]})
    assert simulation.answer(chat()).decided_by == "said#1"
    shown = client.get("/__admin/journal").json
    assert shown is not None
    assert [(entry["number"], entry["decided_by"], entry["status"]) for entry in shown] == [(1, "said#1", 200)]
    assert client.post("/__admin/reset", headers=TOKEN).status_code == 204
    assert client.get("/__admin/journal").json == []


@pytest.mark.parametrize("headers", [{}, {"x-mockserver-token": "wrong"}, {"x-mockserver-token": "ü"}])
def test_nothing_changes_without_the_token(
    client: FlaskClient, simulation: Simulation, headers: dict[str, str]
) -> None:
    for path in ("/__admin/stubs", "/__admin/reset"):
        assert client.post(path, json=[{"say": "Hi"}], headers=headers).status_code == 403
    assert simulation.scopes.everybody.stubs == ()


@pytest.mark.parametrize("path", ["health", "journal", "timeline", "crashes", "scenarios", "journal/verify", "none"])
def test_what_the_routes_show_is_kept_by_nobody_and_taken_for_nothing_else(client: FlaskClient, path: str) -> None:
    headers = client.get(f"/__admin/{path}?within_s=0").headers
    assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")


def test_a_wrong_stub_is_refused_whole(client: FlaskClient, simulation: Simulation) -> None:
    answer = client.post("/__admin/stubs", json=[{"say": "Hi"}, {"sai": "Hi"}], headers=TOKEN)
    assert answer.status_code == 400
    assert answer.json == {
        "error": "said#2: unknown key 'sai' (did you mean 'say'?); known keys: when, say, call, refusal, reasoning, citations, context, finish, usage, pace, filter, status, error, body, events, headers, fault, after, wait_ms, retry_after, times"
    }
    assert client.post("/__admin/stubs", data="x", headers=TOKEN).status_code == 400
    assert simulation.scopes.everybody.stubs == ()


@pytest.mark.parametrize("count", ["²", "9" * 5000, "-1", "1.5", "x"])
def test_an_odd_count_of_retries_does_not_spoil_the_journal(
    client: FlaskClient, simulation: Simulation, count: str
) -> None:
    request = chat()
    simulation.answer(replace(request, headers=(*request.headers, ("x-stainless-retry-count", count))))
    for path in ("/__admin/journal", "/__admin/timeline", "/__admin/journal/verify?attempt=1"):
        assert client.get(path).status_code == 200


@pytest.mark.parametrize("number", ["²", "9" * 5000, "1-", "-1", "", "1-" + "9" * 5000])
@pytest.mark.parametrize("name", ["number", "status", "attempt", "turn"])
def test_an_odd_number_is_refused(client: FlaskClient, name: str, number: str) -> None:
    for path in ("/__admin/journal", "/__admin/timeline", "/__admin/journal/verify"):
        assert client.get(path, query_string={name: number}).status_code == 400


@pytest.mark.parametrize("seconds", ["NaN", "Infinity", "-1", "1e308", "1e12", "true", '"60"', "9" * 400])
def test_a_clock_that_cannot_be_told_stays_as_it_is(seconds: str) -> None:
    clock = SystemClock()
    client = control.create_app(Simulation(clock=clock), "t0").test_client()
    answer = client.post("/__admin/clock", data=f'{{"advance_s": {seconds}}}', headers=TOKEN)
    assert (answer.status_code, "advance_s" in answer.text) == (400, True)
    assert clock.now() < time.time() + 60


def test_answers_are_made_at_the_latest_time_of_the_clock() -> None:
    simulation = Simulation(on_miss=OnMiss.GENERATE, clock=(clock := SystemClock()))
    client = control.create_app(simulation, "t0").test_client()
    moved = client.post("/__admin/clock", json={"advance_s": 253_300_000_000 - clock.now()}, headers=TOKEN)
    assert moved.status_code == 200
    assert [simulation.answer(chat()).status, client.get("/__admin/timeline").status_code] == [200, 200]


@pytest.mark.parametrize("on_miss", [OnMiss.ERROR, OnMiss.GENERATE])
def test_half_an_emoji_is_shown_as_it_was_spelled(on_miss: OnMiss) -> None:
    simulation = Simulation(on_miss=on_miss)
    client = control.create_app(simulation, "t0").test_client()
    simulation.answer(chat("\ud83d"))
    assert [client.get(f"/__admin/{page}").status_code for page in ("journal", "journal/verify", "timeline")] == [
        200
    ] * 3
    assert "\\ud83d" in client.get("/__admin/timeline").text
