from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from mockserver.flask_apps import control
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


def test_a_wrong_stub_is_refused_whole(client: FlaskClient, simulation: Simulation) -> None:
    answer = client.post("/__admin/stubs", json=[{"say": "Hi"}, {"sai": "Hi"}], headers=TOKEN)
    assert answer.status_code == 400
    assert answer.json == {
        "error": "said#2: unknown key 'sai' (did you mean 'say'?); known keys: when, say, call, refusal, reasoning, citations, context, finish, usage, pace, filter, status, error, body, events, headers, fault, after, wait_ms, retry_after, times"
    }
    assert client.post("/__admin/stubs", data="x", headers=TOKEN).status_code == 400
    assert simulation.scopes.everybody.stubs == ()
