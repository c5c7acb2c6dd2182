from __future__ import annotations

import base64
import hashlib
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import ANY

import pytest
from flask.testing import FlaskClient

from mockserver.clock import SystemClock
from mockserver.flask_apps import control
from mockserver.simulation.cassette_index import load_index
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


def test_the_journal_shows_images_by_size_and_hash(client: FlaskClient, simulation: Simulation) -> None:
    url = f"data:image/png;base64,{base64.b64encode(bytes(300)).decode()}"
    image = {"type": "image_url", "image_url": {"url": url}}
    simulation.answer(chat("Hi"))
    simulation.answer(chat(messages=[{"role": "user", "content": [image]}]))
    shown = client.get("/__admin/journal?images=true").json
    assert shown is not None
    (entry,) = shown
    short = f"data:image/png;base64,… (300 bytes, sha256 {hashlib.sha256(bytes(300)).hexdigest()})"
    assert entry["body"]["messages"][0]["content"][0]["image_url"] == {"url": short}
    assert url not in client.get("/__admin/timeline").text


@pytest.mark.parametrize("headers", [{}, {"x-mockserver-token": "wrong"}, {"x-mockserver-token": "ü"}])
def test_nothing_changes_without_the_token(
    client: FlaskClient, simulation: Simulation, headers: dict[str, str]
) -> None:
    for path in ("/__admin/stubs", "/__admin/reset"):
        assert client.post(path, json=[{"say": "Hi"}], headers=headers).status_code == 403
    assert simulation.scopes.everybody.stubs == ()


@pytest.mark.parametrize(
    "path", ["health", "journal", "journal.har", "timeline", "crashes", "scenarios", "journal/verify", "none"]
)
def test_what_the_routes_show_is_kept_by_nobody_and_taken_for_nothing_else(client: FlaskClient, path: str) -> None:
    headers = client.get(f"/__admin/{path}?within_s=0").headers
    assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")


def test_a_wrong_stub_is_refused_whole(client: FlaskClient, simulation: Simulation) -> None:
    answer = client.post("/__admin/stubs", json=[{"say": "Hi"}, {"sai": "Hi"}], headers=TOKEN)
    assert answer.status_code == 400
    assert answer.json == {
        "error": "said#2: unknown key 'sai' (did you mean 'say'?); known keys: when, say, call, refusal, reasoning, reasoning_content, citations, context, finish, usage, pace, filter, status, error, body, events, headers, fault, after, wait_ms, retry_after, times"
    }
    assert client.post("/__admin/stubs", data="x", headers=TOKEN).status_code == 400
    assert simulation.scopes.everybody.stubs == ()


@pytest.mark.parametrize("count", ["²", "9" * 5000, "-1", "1.5", "x"])
def test_an_odd_count_of_retries_does_not_spoil_the_journal(
    client: FlaskClient, simulation: Simulation, count: str
) -> None:
    request = chat()
    simulation.answer(replace(request, headers=(*request.headers, ("x-stainless-retry-count", count))))
    for path in ("/__admin/journal", "/__admin/journal.har", "/__admin/timeline", "/__admin/journal/verify?attempt=1"):
        assert client.get(path).status_code == 200


@pytest.mark.parametrize("number", ["²", "9" * 5000, "1-", "-1", "", "1-" + "9" * 5000])
@pytest.mark.parametrize("name", ["number", "status", "attempt", "turn"])
def test_an_odd_number_is_refused(client: FlaskClient, name: str, number: str) -> None:
    for path in ("/__admin/journal", "/__admin/journal.har", "/__admin/timeline", "/__admin/journal/verify"):
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
    assert simulation.answer(chat()).status == 200
    assert [client.get(f"/__admin/{page}").status_code for page in ("timeline", "journal.har")] == [200, 200]


@pytest.mark.parametrize("on_miss", [OnMiss.ERROR, OnMiss.GENERATE])
def test_half_an_emoji_is_shown_as_it_was_spelled(on_miss: OnMiss) -> None:
    simulation = Simulation(on_miss=on_miss)
    client = control.create_app(simulation, "t0").test_client()
    simulation.answer(chat("\ud83d"))
    pages = ("journal", "journal.har", "journal/verify", "timeline")
    assert [client.get(f"/__admin/{page}").status_code for page in pages] == [200] * 4
    assert "\\ud83d" in client.get("/__admin/timeline").text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/__admin/stubs"),
        ("POST", "/__admin/reset"),
        ("POST", "/__admin/scopes"),
        ("DELETE", "/__admin/scopes/a"),
        ("POST", "/__admin/scenarios"),
        ("POST", "/__admin/clock"),
    ],
)
def test_whatever_changes_something_needs_the_token(client: FlaskClient, method: str, path: str) -> None:
    refused = client.open(path, method=method)
    assert (refused.status_code, refused.json) == (
        403,
        {"error": f"{method} changes something: send this run's token in x-mockserver-token"},
    )
    assert client.open(path, method=method, headers=TOKEN).status_code != 403


def test_what_is_loaded_and_what_went_wrong_is_read_without_the_token(client: FlaskClient) -> None:
    assert client.get("/__admin/health").json == {
        "status": "ok", "on_miss": "error", "files": 0, "stubs": 0, "crashes": 0,
    }  # fmt: skip
    assert client.get("/__admin/crashes").json == []
    assert client.get("/__admin/scenarios").json == {"chosen": None, "names": []}


def test_a_scope_has_its_own_stubs_until_it_is_closed(client: FlaskClient, simulation: Simulation) -> None:
    opened = client.post("/__admin/scopes", headers=TOKEN)
    assert opened.json is not None
    name = opened.json["scope"]
    assert (opened.status_code, opened.json) == (201, {"scope": name, "headers": {"x-mockserver-scope": name}})
    scoped = {**TOKEN, "x-mockserver-scope": name}
    assert client.post("/__admin/stubs", json=[{"say": "Hi"}], headers=scoped).status_code == 201
    assert (len(simulation.scopes.named(name).stubs), simulation.scopes.everybody.stubs) == (1, ())
    closed = client.delete(f"/__admin/scopes/{name}", headers=TOKEN)
    assert (closed.status_code, closed.data) == (204, b"")
    for answer in (
        client.delete(f"/__admin/scopes/{name}", headers=TOKEN),
        client.post("/__admin/stubs", json=[{"say": "Hi"}], headers=scoped),
    ):
        assert answer.json is not None
        assert (answer.status_code, f"no open scope '{name}'" in answer.json["error"]) == (404, True)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/__admin/scopes", "{}", 201),
        ("/__admin/scopes", '{"scenario": null}', 201),
        ("/__admin/scopes", '{"scenario": "late"}', 201),
        ("/__admin/scopes", '{"scenario": "never"}', 404),
        ("/__admin/scopes", '{"scenario": 1}', 400),
        ("/__admin/scopes", "[1]", 400),
        ("/__admin/scenarios", '{"chosen": null}', 200),
        ("/__admin/scenarios", '{"chosen": "late"}', 200),
        ("/__admin/scenarios", '{"chosen": "never"}', 404),
        ("/__admin/scenarios", '{"chosen": 0}', 400),
        ("/__admin/scenarios", "{}", 400),
        ("/__admin/scenarios", "[1]", 400),
        ("/__admin/scenarios", "", 400),
    ],
)
def test_a_scenario_is_chosen_by_its_name(tmp_path: Path, path: str, body: str, status: int) -> None:
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "late.yaml").write_text("- {fault: overloaded}\n")
    simulation = Simulation(load_index([tmp_path]))
    client = control.create_app(simulation, "t0").test_client()
    answer = client.post(path, data=body, headers=TOKEN)
    assert answer.status_code == status
    if path == "/__admin/scenarios":
        chosen = "late" if status == 200 and "late" in body else None
        assert simulation.scopes.everybody.scenario == chosen
        assert client.get(path).json == {"chosen": chosen, "names": ["late"]}
        assert status != 200 or answer.json == {"chosen": chosen}


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"freeze": true}', '{"frozen": 2}', '{"frozen": true, "x": 1}'])
def test_what_the_clock_does_not_understand_is_refused(body: str) -> None:
    client = control.create_app(Simulation(clock=(clock := SystemClock())), "t0").test_client()
    answer = client.post("/__admin/clock", data=body, headers=TOKEN)
    assert (answer.status_code, clock.frozen) == (400, False)


def test_a_clock_stops_goes_on_and_moves_on() -> None:
    client = control.create_app(Simulation(clock=(clock := SystemClock())), "t0").test_client()

    def asked(**body: object) -> object:
        return client.post("/__admin/clock", json=body, headers=TOKEN).json

    assert asked(frozen=True) == {"now_s": (frozen_s := clock.now()), "frozen": True}
    assert asked(advance_s=60) == {"now_s": frozen_s + 60, "frozen": True}
    assert asked(advance_s=0, frozen=True) == {"now_s": frozen_s + 60, "frozen": True}
    latest_s = datetime(9999, 1, 1, tzinfo=UTC).timestamp() - 86_400 - 1
    assert asked(advance_s=latest_s - clock.now() + 2) == {"error": ANY}
    assert asked(advance_s=latest_s - clock.now()) == {"now_s": latest_s, "frozen": True}
    asked(frozen=False)
    assert not clock.frozen


def test_the_clock_of_a_test_is_not_moved_by_others(client: FlaskClient) -> None:
    assert client.post("/__admin/clock", json={"frozen": True}, headers=TOKEN).status_code == 400


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 200),
        ("times=1&within_s=0", 200),
        ("within_s=60", 200),
        ("within_s=60.5", 400),
        ("within_s=-0.5", 400),
        ("within_s=soon", 400),
        ("times=x", 400),
        ("times=0&within_s=0", 409),
        ("times=2&within_s=0", 409),
        ("model=other&within_s=0", 409),
        ("model=gpt-4o", 200),
        ("status=404", 200),
        ("status=400-404", 200),
        ("status=404-500", 200),
        ("status=405-500&within_s=0", 409),
        ("number=1", 200),
        ("number=2&within_s=0", 409),
        ("attempt=1", 200),
        ("turn=1", 200),
        ("turn=2&within_s=0", 409),
        ("events_sent=0", 200),
        ("modell=x", 400),
    ],
)
def test_the_journal_is_asked_whether_something_happened(
    client: FlaskClient, simulation: Simulation, query: str, status: int
) -> None:
    simulation.answer(chat())
    answer = client.get(f"/__admin/journal/verify?{query}")
    assert (answer.status_code, isinstance(answer.json, list)) == (status, status == 200)


def test_an_entry_is_shown_whole_but_for_secrets(client: FlaskClient, simulation: Simulation) -> None:
    request = chat("Hello!", key="sk-" + "a1B2" * 12)
    simulation.answer(replace(request, headers=(*request.headers, ("x-request-id", "r1"))))
    shown = client.get("/__admin/journal").json
    assert shown is not None
    assert shown[0] == {
        "number": 1, "place": "model", "scope": "", "persona": None, "rule": "", "attempt": 1, "ids": ["r1"],
        "method": "POST", "target": "/v1/chat/completions", "status": 404, "decided_by": "miss", "end": ANY,
        "body": {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello!"}]}, "events_sent": ANY, "took_ms": ANY,
    }  # fmt: skip
    simulation.answer(replace(request, body=b"no \xff JSON"))
    shown = client.get("/__admin/journal").json
    assert shown is not None
    assert shown[1]["body"] == "no \ufffd JSON"
