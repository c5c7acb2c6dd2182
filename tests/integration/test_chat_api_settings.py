"""The API with other settings, each time in its own Functions host."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from chat_api import completion
from chat_api.errors import ApiError
from chat_api.settings import Settings
from pytest_httpserver import HTTPServer

from mockserver.contract.addresses import Backend
from mockserver.functions.process import FunctionsProcess
from mockserver.harness.function_app import api_environment
from mockserver.harness.mock_server import MockServer
from mockserver.matching.call import Call
from mockserver.simulation.fault import FaultKind
from mockserver.swa.principal import ClientPrincipal
from tests.chat_api_contract import problems

API = Path(__file__).parents[2] / "api"
ALICE = {"x-ms-client-principal": ClientPrincipal("aad", "1", "alice@example.com", ("invited",)).header()}
Ask = Callable[..., httpx2.Response]


@pytest.fixture
def app(mock_server: MockServer) -> Iterator[Callable[..., str]]:
    """Starts the API with this test's mock server and these settings over the default ones; returns its URL."""
    running: list[FunctionsProcess] = []

    def start(backend: Backend = Backend.OPENAI, **settings: str) -> str:
        environment = {**api_environment(mock_server.model, backend), **settings}
        running.append(FunctionsProcess(API, port=0, environment=environment))
        return running[-1].wait_until_ready()

    yield start
    for process in running:
        process.stop()


def chat(url: str, **body: Any) -> httpx2.Response:
    body = {"messages": [{"role": "user", "content": "Hello"}], **body}
    return httpx2.post(f"{url}/api/chat/completions", json=body, headers=ALICE, timeout=30)


@pytest.mark.parametrize("backend", [Backend.OPENAI, Backend.AZURE])
def test_the_responses_api_upstream_makes_no_difference_to_the_client(
    app: Callable[..., str], mock_server: MockServer, backend: Backend
) -> None:
    mock_server.say("One two three")
    url = app(backend, MODEL_API="responses")
    complete = chat(url).json()
    assert problems("Completion", complete) == []
    assert (complete["choices"][0]["message"]["content"], complete["choices"][0]["finish_reason"]) == (
        "One two three",
        "stop",
    )
    streamed = chat(url, stream=True, stream_options={"include_usage": True})
    events = [
        httpx2.Response(200, text=line[6:]).json() for line in streamed.text.splitlines() if line.startswith("data: {")
    ]
    assert [problems("Event", event) for event in events] == [[]] * len(events)
    text = "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])
    assert (text, events[-1]["usage"]["completion_tokens"]) == ("One two three", 3)
    assert {entry.request.raw_path.rpartition("/")[2] for entry in mock_server.journal} == {"responses"}


def test_tools_pass_through_the_responses_api_too(app: Callable[..., str], mock_server: MockServer) -> None:
    mock_server.say(call={"look": {"at": "Oslo"}})
    mock_server.say("Cold.", when={"tool_result": "-3"})
    url = app(MODEL_API="responses")
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    asked = chat(url, tools=[tool], tool_choice="required").json()
    assert problems("Completion", asked) == []
    (call,) = asked["choices"][0]["message"]["tool_calls"]
    assert (call["function"], asked["choices"][0]["finish_reason"]) == (
        {"name": "look", "arguments": '{"at": "Oslo"}'},
        "tool_calls",
    )
    streamed = chat(url, tools=[tool], stream=True)
    deltas = [
        delta
        for line in streamed.text.splitlines()
        if line.startswith("data: {")
        for choice in json.loads(line[6:])["choices"]
        for delta in choice["delta"].get("tool_calls") or ()
    ]
    assert "".join(delta["function"].get("arguments", "") for delta in deltas) == '{"at": "Oslo"}'
    assert {delta["index"] for delta in deltas} == {0}
    turn = [{"role": "user", "content": "Hello"}, asked["choices"][0]["message"]]
    result = {"role": "tool", "tool_call_id": call["id"], "content": "-3"}
    answer = chat(url, messages=[*turn, result], tools=[tool]).json()
    assert answer["choices"][0]["message"]["content"] == "Cold."
    assert chat(url, n=2).json()["error"]["param"] == "n"


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("rate_limited", 429, "rate_limit_exceeded"),
        ("server_error", 502, "upstream_unavailable"),
        ("rate_limited_in_stream", 200, "rate_limit_exceeded"),
        ("dropped", 200, "upstream_unavailable"),
    ],
)
def test_errors_of_the_responses_api_are_those_of_a_chat_completion(
    app: Callable[..., str], mock_server: MockServer, fault: FaultKind, status: int, code: str
) -> None:
    mock_server.say("One two three", fault=fault)
    answer = chat(app(MODEL_API="responses"), stream=True)
    assert answer.status_code == status
    last = [line for line in answer.text.splitlines() if '"error"' in line][-1].removeprefix("data: ")
    assert (problems("Error", httpx2.Response(200, text=last).json()), code in last) == ([], True)


ITEM = {
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "x", "annotations": []}],
}


def test_strange_answers_of_the_responses_api_end_in_errors(app: Callable[..., str], mock_server: MockServer) -> None:
    url = app(MODEL_API="responses")
    whole = {"id": "r", "object": "response", "status": "completed", "model": "m", "created_at": 1, "output": [ITEM]}
    for change in (
        {"output": None},
        {"output": [None]},
        {"output": [5]},
        {"output": [{**ITEM, "content": None}]},
        {"output": [{**ITEM, "content": [None]}]},
        {"usage": "x"},
        {"incomplete_details": "x"},
        {"status": "queued"},
        {"status": "cancelled"},
    ):
        mock_server.say(body={**whole, **change}, times=1)
        answer = chat(url)
        assert (change, answer.status_code, answer.json()["error"]["code"]) == (change, 502, "upstream_unavailable")
    for event in ({"type": "response.created"}, {"type": "response.output_item.added"}, {"type": "response.completed"}):
        mock_server.say(events=[event], times=1)
        lines = [line for line in chat(url, stream=True).text.splitlines() if line.startswith("data: ")]
        assert lines[-1] == "data: [DONE]"
        assert "upstream_unavailable" in lines[-2]


@pytest.mark.parametrize("topology", ["managed", "linked"])
def test_the_app_starts_in_an_empty_environment_and_lists_what_is_missing(
    app: Callable[..., str], topology: str
) -> None:
    url = app(OPENAI_API_KEY="", OPENAI_MODEL="", OPENAI_BASE_URL="", TOPOLOGY=topology)
    health = httpx2.get(f"{url}/api/health")
    assert (health.status_code, health.json()["missing"]) == (503, ["OPENAI_API_KEY", "OPENAI_MODEL"])
    assert httpx2.get(f"{url}/api/health?live").status_code == 200
    refused = chat(url)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "not_configured")


def test_roles_depend_on_the_address_or_its_domain(app: Callable[..., str]) -> None:
    url = app(INVITED="Ada@example.com, @example.org", REQUIRED_ROLE="reader", SUGGESTIONS="One?|Two?")
    for address, roles in (
        ("ada@example.com", ["reader"]),
        ("x@example.org", ["reader"]),
        ("x@example.com", []),
        ("", []),
    ):
        assert httpx2.post(f"{url}/api/roles", json={"userDetails": address}).json() == {"roles": roles}
    assert httpx2.post(f"{url}/api/roles", content=b"[").status_code == 400
    assert httpx2.get(f"{url}/api/config").json()["suggestions"] == ["One?", "Two?"]


def test_a_users_own_system_prompt_needs_a_role(app: Callable[..., str], mock_server: MockServer) -> None:
    url = app(SYSTEM_PROMPT_ROLE="author")
    mock_server.say("Hi")
    for roles, may in ((("invited",), False), (("invited", "author"), True)):
        headers = {"x-ms-client-principal": ClientPrincipal("aad", "1", "alice@example.com", roles).header()}
        assert httpx2.get(f"{url}/api/config", headers=headers).json()["system_prompt"] is may
        messages = [{"role": "system", "content": "Rhyme."}, {"role": "user", "content": "Hi"}]
        answer = httpx2.post(f"{url}/api/chat/completions", json={"messages": messages}, headers=headers)
        if not may:
            assert (answer.status_code, answer.json()["error"]["param"]) == (400, "messages[0].role")
            continue
        body = Call(mock_server.journal[-1].request).body or {}
        assert body["messages"][0]["content"] == "Rhyme."


def test_the_log_has_the_request_id_and_the_outcome_but_no_content(
    app: Callable[..., str], mock_server: MockServer, capfd: pytest.CaptureFixture[str]
) -> None:
    mock_server.say("A secret answer", fault="overloaded", times=2)
    chat(app())
    log = capfd.readouterr().err
    assert '"event": "refused"' in log
    assert '"request_id": "' in log
    assert "secret" not in log
    assert "Hello" not in log


def test_the_timeout_covers_all_attempts(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v1/chat/completions").respond_with_data(status=500, headers={"retry-after": "30"})
    settings = Settings(api_key="k", base_url=httpserver.url_for("/v1"), models=("m",), answer_s=3.3)

    async def ask() -> None:
        async with completion.client_for(settings) as client:
            await completion.complete(client, {"model": "m", "messages": []}, "r", settings)

    with pytest.raises(ApiError) as raised:
        asyncio.run(ask())
    assert (raised.value.status, raised.value.code, len(httpserver.log)) == (504, "upstream_timeout", 1)
