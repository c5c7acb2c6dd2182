"""Whose request is it? Opposite scenarios for the same question on one server, through the whole app."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx2
import openai
import pytest

from mockserver.harness.function_app import FunctionApp
from mockserver.harness.mock_server import MockServer
from mockserver.harness.whole_app import WholeApp
from mockserver.journal.entry import Place
from mockserver.journal.journal import Journal
from mockserver.simulation.fault import FaultKind
from mockserver.swa.principal import ClientPrincipal

ROUNDS = 25
QUESTION = {"messages": [{"role": "user", "content": "The same question"}], "stream": True}


def test_eight_workers_with_opposite_scenarios_for_the_same_question_never_cross(
    mock_server: MockServer, site: WholeApp, journal: Journal
) -> None:
    with ExitStack() as stack:
        scopes = [stack.enter_context(mock_server.scope()) for _ in range(8)]
        for number, scope in enumerate(scopes):
            scope.say(f"Answer {number}") if number % 2 else scope.say("x", fault="key_expired")

        def worked(number: int) -> list[str]:
            headers = {**site.headers("alice"), **scopes[number].headers}
            met = []
            with httpx2.Client(base_url=site.url, headers=headers, trust_env=False) as client:
                for _ in range(ROUNDS):
                    answer = client.post("/api/chat/completions", json=QUESTION)
                    met.append("answered" if f'" {number}"' in answer.text else f"{answer.status_code}")
            return met

        with ThreadPoolExecutor(8) as pool:
            for number, met in enumerate(pool.map(worked, range(8))):
                assert met == (["answered"] if number % 2 else ["502"]) * ROUNDS
        assert [len(scope.journal) for scope in scopes] == [ROUNDS] * 8
        visit = journal.only(place=Place.SITE, scope=scopes[1].owner.name)[0]
        assert [entry.place for entry in journal.joined(visit)] == [Place.SITE, Place.MODEL, Place.HOST]


def ask(url: str, **headers: str) -> Any:
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0, default_headers=headers)
    return client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])


@pytest.mark.expects_miss
def test_a_request_that_could_be_of_two_scopes_is_refused_loudly(mock_server: MockServer) -> None:
    with mock_server.scope() as one, mock_server.scope() as two:
        one.say("of one")
        two.say("of two")
        for scope, text in ((one, "of one"), (two, "of two")):
            assert ask(mock_server.model.url, **scope.headers).choices[0].message.content == text
        with pytest.raises(openai.NotFoundError, match="cannot attribute: 2 scopes are open"):
            ask(mock_server.model.url)
    (miss,) = mock_server.journal.misses()
    assert miss.decided_by == "cannot_attribute"


def test_the_host_alone_joins_by_trace_or_request_id_too(
    mock_server: MockServer, functions_host: FunctionApp, journal: Journal
) -> None:
    mock_server.say("Hi")
    alice = ClientPrincipal("aad", "1", "alice@example.com", ("anonymous", "authenticated", "invited"))
    headers = {"x-ms-client-principal": alice.header(), "x-request-id": "mine-1"}
    httpx2.post(f"{functions_host.url}/api/chat/completions", json=QUESTION, headers=headers, trust_env=False)
    (called,) = journal.wait_for(place=Place.HOST, request_id="mine-1")
    assert (called.rule, called.status, called.end) == ("chat_completions", 200, "eof")
    assert called.events_sent > 0


def test_a_scope_that_is_closed_or_made_up_is_refused_at_the_gate(
    mock_server: MockServer, persona: Callable[[str], httpx2.Client]
) -> None:
    with mock_server.scope() as scope:
        pass
    for name in (scope.owner.name, "made-up"):
        answer = persona("alice").get("/api/health", headers={"x-mockserver-scope": name})
        assert (answer.status_code, "no open scope" in answer.text) == (409, True)


def test_two_scopes_that_send_the_same_request_id_are_told(
    mock_server: MockServer, persona: Callable[[str], httpx2.Client]
) -> None:
    alice = persona("alice")
    with mock_server.scope() as one, mock_server.scope() as two:
        for scope, status in ((one, 200), (two, 409)):
            headers = {
                **scope.headers,
                "x-request-id": "always-the-same",
                "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01",
            }
            assert alice.get("/api/health", headers=headers).status_code == status


def test_scopes_are_opened_told_and_closed_by_control_calls(mock_server: MockServer) -> None:
    url, token = mock_server.model.url, {"x-mockserver-token": mock_server.model.token}
    made = [httpx2.post(f"{url}/__admin/scopes", json={}, headers=token).json() for _ in range(2)]
    for number, each in enumerate(made):
        said = httpx2.post(f"{url}/__admin/stubs", json=[{"say": f"of {number}"}], headers={**token, **each["headers"]})
        assert said.status_code == 201
    assert [ask(url, **each["headers"]).choices[0].message.content for each in made] == ["of 0", "of 1"]
    shown = httpx2.get(f"{url}/__admin/journal", params={"scope": made[0]["scope"], "status": "200-299"}).json()
    assert [(each["place"], each["scope"]) for each in shown] == [("model", made[0]["scope"])]
    verify = f"{url}/__admin/journal/verify"
    assert httpx2.get(verify, params={"times": 2, "prompt": "x"}).status_code == 200
    unmet = httpx2.get(verify, params={"times": 3, "prompt": "x", "within_s": 0})
    assert (unmet.status_code, unmet.json()["error"].splitlines()[0]) == (
        409,
        "Expected exactly 3 requests with prompt=x, got 2. All requests:",
    )
    assert "did you mean 'prompt'?" in httpx2.get(verify, params={"promt": "x"}).json()["error"]
    assert httpx2.get(f"{url}/__admin/journal", params={"status": "high"}).status_code == 400
    for within in ("inf", "nan", "-1", "x"):
        assert httpx2.get(verify, params={"within_s": within}).status_code == 400
    assert "of 1" in httpx2.get(f"{url}/__admin/timeline").text
    wrong: Any
    for wrong in ({"scenario": 7}, []):
        assert httpx2.post(f"{url}/__admin/scopes", json=wrong, headers=token).status_code in (201, 400)
    assert httpx2.post(f"{url}/__admin/scopes", json={"scenario": "x"}, headers=token).status_code == 404
    for expected in (204, 404):
        assert httpx2.delete(f"{url}/__admin/scopes/{made[0]['scope']}", headers=token).status_code == expected
    assert httpx2.delete(f"{url}/__admin/scopes/{made[1]['scope']}").status_code == 403


def test_the_same_run_twice_gives_the_same_journal(mock_server: MockServer, site: WholeApp) -> None:
    """But for who and when: the moment it began, request ids and traces, and what the client says of itself."""
    del site

    def run() -> list[tuple[Any, ...]]:
        mock_server.model.simulation.reset()
        mock_server.clock.freeze()
        mock_server.limit("*", "6rpm")
        faults: tuple[FaultKind | None, ...] = (None, "rate_limited", "dropped")
        for text, fault in itertools.product(("one two three", "four"), faults):
            mock_server.say(text, fault=fault, times=1)
        began_s = mock_server.clock.now()
        for _ in range(9):
            try:
                ask(mock_server.model.url)
            except openai.APIError:
                mock_server.clock.advance(7)
        journal = mock_server.journal
        return [
            (each.at_s - began_s, each.request.body, each.answer and (each.answer.status, each.decided_by), each.end)
            for each in journal.only(after=0)
        ]

    def asked() -> list[tuple[Any, ...]]:
        return [(round(at_s, 3), body, answer, end) for at_s, body, answer, end in run()]

    assert asked() == asked()
