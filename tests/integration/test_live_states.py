"""States of the page that somebody has opened live: theirs alone, until they end; and refusals that say what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from mockserver.cli.console import visit_line
from mockserver.harness.external_api import ExternalApi
from mockserver.harness.function_app import FunctionApp
from mockserver.harness.mock_server import MockServer
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import SiteOptions
from mockserver.harness.whole_app import WholeApp
from mockserver.swa.personas import load_personas
from mockserver.swa.states import State
from tests.polling import wait_until

ROOT = Path(__file__).parents[2]
STATES = (
    State("Too long", "failed", "Hi", "", scenario="too-long"),
    State("Out of order", "failed", "Hi", "", scenario="overloaded"),
    State("Interrupted once", "interrupted", "Hi", "", scenario="dropped"),
    State("Plain", "done", "Hi", ""),
)
QUESTION = {"messages": [{"role": "user", "content": "Hi"}], "stream": True}


@pytest.fixture(scope="module")
def app(mock_model: ModelEndpoint, mock_functions: FunctionApp) -> Iterator[WholeApp]:
    options = SiteOptions(ROOT / "webapp" / "dist", load_personas(), states=STATES)
    with WholeApp(mock_model, mock_functions, options) as running:
        yield running


@pytest.fixture(autouse=True)
def said(mock_server: MockServer) -> MockServer:
    mock_server.say("one two three four five six seven eight")
    return mock_server


def asks_model(app: WholeApp) -> httpx2.Response:
    """What the model answers to a request without an id of a visit."""
    url, key = f"{app.model.url}/v1/chat/completions", {"authorization": "Bearer any"}
    return httpx2.post(url, json={"model": "m", **QUESTION}, headers=key, trust_env=False)


class Browser:
    """A browser: its cookies, and what its page is answered."""

    def __init__(self, app: WholeApp, host: str = "127.0.0.1") -> None:
        self._client = httpx2.Client(
            base_url=app.url, headers={"host": f"{host}:{app.url.rpartition(':')[2]}"}, trust_env=False
        )

    def sign_in(self, persona: str) -> None:
        assert self._client.get("/.auth/login/aad", params={"persona": persona}).status_code == 302

    def asks(self, **headers: str) -> str:
        """What a question leads to: the code of the failure, or `done`."""
        answer = self._client.post("/api/chat/completions", json=QUESTION, headers=headers)
        code = re.search(r'"code": ?"(\w+)"', answer.text)
        if answer.status_code == 302:
            return "signed_out"
        return code[1] if code else "done" if "[DONE]" in answer.text else str(answer.status_code)

    def get(self, path: str) -> httpx2.Response:
        return self._client.get(path)

    def belongs_to(self, scope: str) -> None:
        self._client.cookies.set("mockserver-scope", scope)

    def closes(self, scope: str, **headers: str) -> int:
        return self._client.post("/__mock/states/close", data={"scope": scope}, headers=headers).status_code


def opened(browser: Browser) -> list[str]:
    """The live states that /__mock/states shows."""
    return re.findall(r'name="scope" value="([^"]+)"', browser.get("/__mock/states").text)


def test_a_live_state_is_for_whoever_opened_it_alone(app: WholeApp) -> None:
    alice, one, other, plain = (Browser(app) for _ in range(4))
    alice.sign_in("alice")
    one.sign_in("state-too-long")
    assert (one.asks(), alice.asks()) == ("context_length_exceeded", "done")
    other.sign_in("state-out-of-order")
    plain.sign_in("state-plain")
    assert [each.asks() for each in (other, one, alice, plain)] == [
        "upstream_unavailable",
        "context_length_exceeded",
        "done",
        "done",
    ]


def test_what_comes_to_the_model_without_a_visit_is_of_no_live_state(app: WholeApp) -> None:
    for state in ("state-too-long", "state-out-of-order"):
        browser = Browser(app)
        browser.sign_in(state)
        browser.asks()
        assert asks_model(app).status_code == 200


def assert_told_of(states: list[str], caplog: pytest.LogCaptureFixture) -> None:
    told_of = re.compile(r"the scenario of (\S+) has not answered: .* without the visit's")
    wait_until(lambda: told_of.findall(caplog.text) == states)  # reported a moment after the client has its answer


def test_an_api_that_passes_no_id_of_the_visit_on_is_told_of(
    app: WholeApp, httpserver: HTTPServer, caplog: pytest.LogCaptureFixture
) -> None:
    def forgetful(_request: Request) -> Response:
        return Response(asks_model(app).content)

    httpserver.expect_request("/api/chat/completions").respond_with_handler(forgetful)
    options = SiteOptions(ROOT / "webapp" / "dist", load_personas(), states=STATES)
    with WholeApp(app.model, ExternalApi(httpserver.url_for("").rstrip("/")), options) as other:
        for persona, told in (("alice", []), ("state-plain", []), ("state-too-long", ["state-too-long"])):
            browser = Browser(other)
            browser.sign_in(persona)
            assert browser.asks() == "done"
            assert_told_of(told, caplog)


def test_every_opening_begins_anew(app: WholeApp) -> None:
    for _ in range(2):
        browser = Browser(app)
        browser.sign_in("state-interrupted-once")
        assert [browser.asks(), browser.asks()] == ["upstream_unavailable", "done"]


def test_a_live_state_ends_with_the_session_that_opened_it(app: WholeApp) -> None:
    browser = Browser(app)
    for leave in (
        lambda: browser.sign_in("alice"),
        lambda: browser.get("/.auth/logout"),
        lambda: browser.get("/.auth/purge/aad"),
    ):
        browser.sign_in("state-too-long")
        browser.sign_in("state-too-long")
        assert len(opened(browser)) == 1
        leave()
        assert opened(browser) == []
    assert app.model.simulation.scopes.count == 0


def test_a_live_state_lasts_an_hour_at_most(app: WholeApp, said: MockServer) -> None:
    browser = Browser(app)
    browser.sign_in("state-too-long")
    said.clock.freeze()
    said.clock.advance(3599)
    assert (browser.asks(), len(opened(browser))) == ("context_length_exceeded", 1)
    said.clock.advance(1)
    assert (browser.asks(), opened(browser), app.model.simulation.scopes.count) == ("signed_out", [], 0)


def test_a_live_state_is_closed_from_the_list_of_states(app: WholeApp, said: MockServer) -> None:
    one, other, elsewhere = (Browser(app) for _ in range(3))
    one.sign_in("state-too-long")
    other.sign_in("state-out-of-order")
    first, second = opened(elsewhere)
    assert elsewhere.closes(first, origin="http://elsewhere.example") == 403
    assert elsewhere.closes(first) == 302
    assert (opened(elsewhere), one.asks(), other.asks()) == ([second], "signed_out", "upstream_unavailable")
    assert elsewhere.closes(first) == 302  # somebody else was faster
    said.model.simulation.reset()
    assert (opened(elsewhere), other.asks()) == ([], "signed_out")


def test_a_live_state_of_an_earlier_run_is_no_session(app: WholeApp) -> None:
    browser = Browser(app)
    browser.sign_in("state-too-long")
    app.model.simulation.reset()
    assert browser.get("/.auth/me").json() == {"clientPrincipal": None}


@pytest.mark.slow
def test_at_most_a_hundred_live_states_are_open(app: WholeApp) -> None:
    first = Browser(app)
    first.sign_in("state-too-long")
    for _ in range(100):
        Browser(app).sign_in("state-too-long")
    assert (len(opened(first)), app.model.simulation.scopes.count, first.asks()) == (100, 100, "signed_out")


def test_each_state_has_an_address_of_its_own_where_the_browser_stays_who_it_is(app: WholeApp) -> None:
    links = re.findall(
        r'href="(http://too-long\.localhost:\d+/\.auth/login/aad\?persona=state-too-long[^"]*)"',
        Browser(app).get("/__mock/states").text,
    )
    assert len(links) == 1
    assert 'href="/.auth/login/aad?persona=state-too-long' in Browser(app).get("/__mock/states?here=1").text
    browser = Browser(app, "too-long.localhost")
    browser.sign_in("state-too-long")
    assert browser.asks() == "context_length_exceeded"
    assert [Browser(app, host).get("/").status_code for host in ("too-long.localhost", "made-up.localhost")] == [
        302,
        421,
    ]


def test_a_page_without_a_scope_is_answered_as_everybody_is_however_many_are_open(
    app: WholeApp, said: MockServer
) -> None:
    alice = Browser(app)
    alice.sign_in("alice")
    with said.scope("too-long") as one:
        assert (alice.asks(), alice.asks(**one.headers)) == ("done", "context_length_exceeded")
        with said.scope("overloaded") as two:
            assert alice.asks() == "done"
            assert [alice.asks(**each.headers) for each in (one, two)] == [
                "context_length_exceeded",
                "upstream_unavailable",
            ]


def test_a_refusal_of_the_gate_has_a_code_a_sentence_and_a_line_that_says_what_to_do(app: WholeApp) -> None:
    lines: list[str | None] = []
    options = SiteOptions(ROOT / "webapp" / "dist", load_personas())
    with WholeApp(
        app.model, ExternalApi(app.api_url), options, report=lambda *visit: lines.append(visit_line(*visit))
    ) as site:
        headers = {**site.headers("alice"), "x-mockserver-scope": "gone"}
        answer = httpx2.post(f"{site.url}/api/chat/completions", json=QUESTION, headers=headers, trust_env=False)
        wait_until(lambda: lines)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["type"]) == (409, *["mockserver_cannot_attribute"] * 2)
    assert "no open scope 'gone'" in error["message"]
    (line,) = lines
    assert line is not None
    assert line.rpartition("  ")[0] == (  # but for how long it took
        "alice   POST /api/chat/completions  x-mockserver-scope: no open scope 'gone'; it was closed, or removed by a reset. "
        "Open one: POST /__admin/scopes, or mock_server.scope() in a test.  409"
    )


def test_a_browser_belongs_to_the_scope_that_its_cookie_names(app: WholeApp, mock_server: MockServer) -> None:
    scopes = app.model.simulation.scopes
    scope = scopes.open(personal=True)
    browser, other = Browser(app), Browser(app)
    for each in (browser, other):
        each.sign_in("alice")
    browser.belongs_to(scope.name)
    scopes.say_entries({"fault": "overloaded"}, name="said", scope=scope)
    assert (browser.asks(), other.asks()) == ("upstream_unavailable", "done")
    assert asks_model(app).status_code == 200  # what names no visit is not this browser's
    scopes.close(scope.name)
    assert browser.asks() == "done"  # what is not open any more counts for nothing


def test_a_browsers_person_keeps_its_scenario_until_one_is_chosen(
    mock_model: ModelEndpoint, mock_functions: FunctionApp
) -> None:
    personas = load_personas()
    personas["bob"] = replace(personas["alice"], key="bob", email="bob@example.com", scenario="overloaded")
    with WholeApp(mock_model, mock_functions, SiteOptions(ROOT / "webapp" / "dist", personas)) as app:
        scopes = app.model.simulation.scopes
        scope, browser = scopes.open(personal=True), Browser(app)
        browser.belongs_to(scope.name)
        answers = []
        for persona, chosen in (("bob", None), ("alice", None), ("bob", "too-long"), ("bob", None)):
            scopes.choose(chosen, scope)
            browser.sign_in(persona)
            answers.append(browser.asks())
        assert answers == ["upstream_unavailable", "done", "context_length_exceeded", "upstream_unavailable"]
