"""Limits, the clock and scenarios, as a user's test uses them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from mockserver.harness.function_app import FunctionApp
from mockserver.harness.mock_server import MockServer
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import ApiOptions, ModelOptions, SiteOptions
from mockserver.harness.whole_app import WholeApp
from mockserver.simulation.cassette_index import BUNDLED_CASSETTES
from mockserver.simulation.scenarios import ScenarioError
from mockserver.simulation.stub import parse_stub
from mockserver.swa.personas import load_personas

ROOT = Path(__file__).parents[2]
HELLO = [{"role": "system", "content": "You are a helpful assistant."}, {"role": "user", "content": "Hello!"}]


def ask(server: MockServer, **more: Any) -> Any:
    client: Any = openai.OpenAI(base_url=server.base_url, api_key="any", max_retries=0)
    stream = client.chat.completions.with_raw_response.create(
        model="smollm2-135m-instruct", messages=HELLO, stream=True, stream_options={"include_usage": True}, **more
    )
    list(stream.parse())
    return stream.headers


def test_a_limit_per_minute_applies_to_recordings_and_follows_the_test_clock(mock_server: MockServer) -> None:
    mock_server.limit("smollm2-135m-instruct", "12rpm")
    assert ask(mock_server)["x-ratelimit-remaining-requests"] == "11"
    ask(mock_server)
    mock_server.clock.freeze()
    with pytest.raises(openai.RateLimitError) as error:
        ask(mock_server)
    mock_server.clock.advance(float(error.value.response.headers["retry-after"]))
    mock_server.clock.resume()
    ask(mock_server)
    assert [entry.decided_by for entry in mock_server.journal] == ["hello.yaml#1"] * 2 + [
        "limit of requests",
        "hello.yaml#1",
    ]


def test_limits_end_with_their_test(mock_server: MockServer) -> None:
    for _ in range(5):
        assert "x-ratelimit-limit-requests" not in ask(mock_server)


def test_the_clock_can_be_moved_by_a_control_call(mock_server: MockServer) -> None:
    url, headers = f"{mock_server.model.url}/__admin/clock", {"x-mockserver-token": mock_server.model.token}
    stopped = httpx2.post(url, json={"frozen": True}, headers=headers).json()
    later = httpx2.post(url, json={"advance_s": 60}, headers=headers).json()
    assert later == {"now_s": stopped["now_s"] + 60, "frozen": True}
    assert httpx2.post(url, json={"frozen": False}, headers=headers).json()["frozen"] is False
    wrong: Any
    for wrong in ({}, {"advance_s": -1}, {"speed": 3}, [], {"frozen": "yes"}):
        assert httpx2.post(url, json=wrong, headers=headers).status_code == 400
    assert httpx2.post(url, json={"frozen": True}).status_code == 403


@pytest.mark.scenario("server-error")
def test_a_scenario_is_chosen_by_a_mark_or_within_the_test(
    mock_server: MockServer, scenario: Callable[[str | None], None]
) -> None:
    with pytest.raises(openai.InternalServerError):
        ask(mock_server)
    scenario(None)
    ask(mock_server)


def test_a_scenario_ends_with_its_test_and_can_be_chosen_by_a_control_call(mock_server: MockServer) -> None:
    ask(mock_server)
    url, headers = f"{mock_server.model.url}/__admin/scenarios", {"x-mockserver-token": mock_server.model.token}
    assert "rate-limited" in httpx2.get(url).json()["names"]
    assert httpx2.post(url, json={"chosen": "overloaded"}, headers=headers).json() == {"chosen": "overloaded"}
    with pytest.raises(openai.InternalServerError):
        ask(mock_server)
    assert httpx2.post(url, json={"chosen": "overload"}, headers=headers).status_code == 404
    assert httpx2.post(url, json={}, headers=headers).status_code == 400


PERSONAS = """
alice: {roles: [invited]}
dora: {roles: [invited], scenario: server-error}
"""


def test_two_personas_get_different_scenarios_at_the_same_time(tmp_path: Path) -> None:
    (tmp_path / "personas.yaml").write_text(PERSONAS)
    model = ModelEndpoint(ModelOptions((BUNDLED_CASSETTES,)))
    functions = FunctionApp(model, ApiOptions(ROOT / "api"))
    site = SiteOptions(ROOT / "webapp" / "dist", load_personas(tmp_path / "personas.yaml"))
    with model, functions, WholeApp(model, functions, site) as app:

        def ask_as(persona: str) -> str:
            headers = app.headers(persona)
            client: Any = openai.OpenAI(base_url=f"{app.url}/api", api_key="x", default_headers=headers, max_retries=0)
            try:
                return str(
                    client.chat.completions.create(model="m", messages=HELLO[1:], stream=False).choices[0].finish_reason
                )
            except openai.APIStatusError as error:
                return str(error.code)

        model.simulation.scopes.say(parse_stub({"say": "Hi"}, "said#1"))
        with ThreadPoolExecutor(8) as pool:
            outcomes = list(pool.map(ask_as, ["alice", "dora"] * 25))
        assert set(outcomes[::2]) == {"stop"}
        assert set(outcomes[1::2]) == {"upstream_unavailable"}


def test_an_unknown_scenario_of_a_persona_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "personas.yaml").write_text("dora: {scenario: server-eror}")
    personas, model = load_personas(tmp_path / "personas.yaml"), ModelEndpoint(ModelOptions((BUNDLED_CASSETTES,)))
    with pytest.raises(ScenarioError, match="did you mean 'server-error'"):
        WholeApp(model, FunctionApp(model, ApiOptions(ROOT / "api")), SiteOptions(ROOT / "webapp" / "dist", personas))
