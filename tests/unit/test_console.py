"""The console's way to the control routes: for the page that this port has served, and for nobody else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client

from mockserver.clock import SystemClock
from mockserver.exchange import Answer, Request
from mockserver.flask_apps import console, control
from mockserver.flask_apps.live import MOST_LISTENERS, ListenersError, Live
from mockserver.journal.changes import Changes, rows
from mockserver.matching.call import Call
from mockserver.simulation.limits import parse_limits
from mockserver.simulation.simulation import Simulation
from mockserver.simulation.state import state

HERE = {"origin": "http://localhost"}


@pytest.fixture
def simulation() -> Simulation:
    return Simulation(limits=parse_limits(["gpt-4o=6rpm,1000tpm"]))


@pytest.fixture
def client(simulation: Simulation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Client:
    (tmp_path / "index.html").write_text("<title>Console</title>")
    monkeypatch.setattr(console, "BUILT", tmp_path)
    return Client(control.create_app(simulation, "secret"))


def test_whoever_has_opened_the_console_needs_no_token(client: Client, simulation: Simulation) -> None:
    page = client.get("/__mock/")
    assert "HttpOnly; Path=/__mock/; SameSite=Strict" in page.headers["set-cookie"]
    assert "script-src 'self'" in page.headers["content-security-policy"]
    said = client.post("/__mock/control/stubs", json=[{"say": "Hi", "times": 2}], headers=HERE)
    assert (said.status_code, said.json) == (201, {"stubs": ["said#1"]})
    assert client.get("/__mock/control/state").json == {
        **state(simulation, simulation.scopes.everybody),
        "clock": any_clock(),
    }
    refused = client.post("/__mock/control/stubs", json=[{"say": "Hi", "fault": "none"}], headers=HERE)
    assert refused.status_code == 400
    assert "unknown fault" in (refused.json or {})["error"]


class any_clock(dict[str, Any]):  # noqa: N801  reads as a value
    def __eq__(self, other: object) -> bool:
        return isinstance(other, dict) and other.keys() == {"now_s", "frozen"}

    __hash__ = None


@pytest.mark.parametrize(
    "headers",
    [
        {},  # a form of another site in an old browser, or a script outside a browser
        {"origin": "null"},
        {"origin": "http://localhost:4281"},
        {"origin": "https://evil.example"},
        {**HERE, "sec-fetch-site": "same-site"},
        {**HERE, "sec-fetch-site": "cross-site"},
    ],
)
def test_another_page_changes_nothing(client: Client, simulation: Simulation, headers: dict[str, str]) -> None:
    client.get("/__mock/")
    assert client.post("/__mock/control/stubs", json=[{"say": "Hi"}], headers=headers).status_code == 403
    assert client.delete("/__mock/control/scopes/x", headers=headers).status_code == 403
    assert simulation.scopes.everybody.stubs == ()


def test_without_its_cookie_nothing_is_read_or_changed(client: Client) -> None:
    for cookie in ("", "mockserver-console-80=", "mockserver-console-80=guess"):
        headers = {**HERE, "cookie": cookie, "sec-fetch-site": "same-origin"}
        assert client.get("/__mock/control/journal", headers=headers).status_code == 403
        assert client.post("/__mock/control/reset", headers=headers).status_code == 403


def test_the_cookie_of_one_run_is_not_that_of_another(client: Client) -> None:
    other = Client(control.create_app(Simulation(), "secret"))
    cookie = other.get("/__mock/").headers["set-cookie"].partition(";")[0]
    assert client.post("/__mock/control/reset", headers={**HERE, "cookie": cookie}).status_code == 403


def test_no_file_beside_the_built_ones_is_served(client: Client) -> None:
    for name in ("../console.py", "%2e%2e/console.py", "..%2fconsole.py"):
        assert client.get(f"/__mock/console/{name}").status_code == 404


def test_one_that_is_not_built_says_how(client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(console, "BUILT", tmp_path / "nowhere")
    page = client.get("/__mock/")
    assert page.status_code == 503
    assert "make setup" in page.text


# --- what it shows ---------------------------------------------------------------------------------------------------


def ask(simulation: Simulation, prompt: str, **headers: str) -> Any:
    body = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": prompt}]}).encode()
    given = (("authorization", "Bearer k"), ("content-type", "application/json"), *headers.items())
    return simulation.answer(Request("POST", "/v1/chat/completions", "", given, body))


def test_changes_are_told_once_and_those_that_end_again(simulation: Simulation) -> None:
    records = simulation.journal.records
    changes = Changes(records)
    first, second = ask(simulation, "one"), ask(simulation, "two")
    assert [entry.number for entry in changes.next()[1]] == [1, 2]
    assert changes.next() == (False, [])
    records.close(second, end="eof", took_s=1)
    third = ask(simulation, "three")
    assert [(entry.number, entry.end) for entry in changes.next()[1]] == [(2, "eof"), (3, "open")]
    simulation.reset()
    fourth = ask(simulation, "four")
    cleared, entries = changes.next()
    assert (cleared, [entry.number for entry in entries]) == (True, [4])
    for entry in (first, third, fourth):
        records.close(entry, end="eof", took_s=1)
    assert [entry.number for entry in changes.next()[1]] == [4]


def test_of_very_many_the_newest_are_told(simulation: Simulation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mockserver.journal.changes.MOST", 3)
    for number in range(5):
        ask(simulation, str(number))
    assert [entry.number for entry in Changes(simulation.journal.records).next()[1]] == [3, 4, 5]


def test_a_row_knows_its_visit_and_has_no_secret(simulation: Simulation) -> None:
    simulation.scopes.say_entries({"say": "Hi"}, name="said")
    records = simulation.journal.records
    records.open(
        1.0, Call(Request("GET", "/api/x?code=hush-hush-hush", "", (("x-request-id", "a"),), b"")), Answer(200)
    )
    entry = ask(simulation, "My key is sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD", **{"x-request-id": "a"})
    (row,) = rows([entry], records)
    assert row["visit"] == 1
    assert row["status"] == 200
    assert "abcdefghijklmnop" not in json.dumps(row)


def test_the_state_of_a_scope_has_what_is_left(simulation: Simulation) -> None:
    scope = simulation.scopes.open()
    simulation.scopes.say_entries(
        {"say": "Hi " * 60, "times": 2}, {"fault": "dropped", "when": {"prompt": "x"}}, name="said", scope=scope
    )
    ask(simulation, "Hi")
    now = state(simulation, scope)
    assert now["said"] == [
        {"name": "said#1", "words": "“" + ("Hi " * 60)[:79], "left": 1},
        {"name": "said#2", "words": "dropped to prompt 'x'", "left": None},
    ]
    (limit,) = now["limits"]
    assert (limit["name"], limit["requests"], limit["requests_left"]) == ("gpt-4o", 6, 5)
    assert 0 < limit["tokens_left"] < 1000
    assert isinstance(simulation.clock, SystemClock)
    simulation.clock.freeze()
    simulation.clock.advance(61)
    assert state(simulation, scope)["limits"][0]["requests_left"] == 6
    assert state(simulation, scope)["clock"]["frozen"]


def test_what_happens_is_told_in_events_until_the_scope_is_closed(simulation: Simulation) -> None:
    scope = simulation.scopes.open()
    told = Live(simulation).events(scope)
    assert '"cleared": false, "exchanges": []' in next(told)
    assert next(told).startswith("event: state\n")
    ask(simulation, "Hi")
    assert '"prompt": "Hi"' in next(told)
    assert '"requests_left": 5' in next(told)
    simulation.close_scope(scope.name)
    assert list(told) == []


def test_so_many_may_listen_and_no_more(simulation: Simulation) -> None:
    live = Live(simulation)
    listening: list[Iterator[str]] = [live.events(simulation.scopes.everybody) for _ in range(MOST_LISTENERS)]
    for each in listening:
        next(each)
    with pytest.raises(ListenersError, match="16 consoles are open"):
        live.events(simulation.scopes.everybody)
    listening.pop().close()  # type: ignore[attr-defined]  # a generator
    next(live.events(simulation.scopes.everybody))
