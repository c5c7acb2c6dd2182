"""The API with other settings, each time in its own Functions host."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from chat_api import completion
from chat_api.errors import ApiError
from chat_api.settings import Settings
from pytest_httpserver import HTTPServer

from mockserver.contract.addresses import Backend
from mockserver.functions.process import FunctionsProcess
from mockserver.harness.function_app import api_environment
from mockserver.harness.mock_server import CitationKeys, MockServer
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


@pytest.mark.slow
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


@pytest.mark.slow
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
        pytest.param("server_error", 502, "upstream_unavailable", marks=pytest.mark.slow),
        pytest.param("rate_limited_in_stream", 200, "rate_limit_exceeded", marks=pytest.mark.slow),
        pytest.param("dropped", 200, "upstream_unavailable", marks=pytest.mark.slow),
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


@pytest.mark.parametrize("surface", ["chat", "responses"])
def test_the_official_client_reads_all_that_an_answer_carries(
    app: Callable[..., str], mock_server: MockServer, surface: str
) -> None:
    pages: list[CitationKeys] = [
        {"url": f"https://{name}.example", "title": name, "quote": name} for name in ("Oslo", "Bergen")
    ]
    thought = "Two cities."
    mock_server.say("Oslo or Bergen.", to="Which?", citations=pages, reasoning=thought, reasoning_content=thought)
    mock_server.say(to="How?", refusal="I can't help with that.")
    url = app(MODEL_API=surface, REASONING_SUMMARY="auto", OPENAI_MODEL="gpt-5")
    asked = openai.OpenAI(base_url=f"{url}/api", api_key="any", default_headers=ALICE).chat.completions

    def both(question: str) -> list[Any]:
        messages: list[Any] = [{"role": "user", "content": question}]
        with asked.stream(model="any", messages=messages, stream_options={"include_usage": True}) as stream:
            streamed = stream.get_final_completion()
        whole = asked.create(model="any", messages=messages)
        assert [problems("Completion", each.to_dict()) for each in (whole, streamed)] == [[], []]
        return [each.choices[0].message for each in (whole, streamed)]

    cited = [("Oslo", "https://Oslo.example", 0, 4), ("Bergen", "https://Bergen.example", 8, 14)]
    for message in both("Which?"):
        assert (message.content, message.reasoning_content) == ("Oslo or Bergen.", thought)
        places = [each.url_citation for each in message.annotations]
        assert [(each.title, each.url, each.start_index, each.end_index) for each in places] == cited
    assert [message.refusal for message in both("How?")] == ["I can't help with that."] * 2


def test_the_official_client_reads_what_on_your_data_found(app: Callable[..., str], mock_server: MockServer) -> None:
    found = {"intent": '["x"]', "citations": [{"content": "Open.", "title": "a", "filepath": "a.md", "chunk_id": "0"}]}
    mock_server.say("Open [doc1].", context=found)
    url = app(Backend.AZURE)
    asked = openai.OpenAI(base_url=f"{url}/api", api_key="any", default_headers=ALICE).chat.completions
    messages: list[Any] = [{"role": "user", "content": "Hello"}]
    with asked.stream(model="any", messages=messages) as stream:
        streamed: Any = stream.get_final_completion().choices[0].message
    whole: Any = asked.create(model="any", messages=messages).choices[0].message
    assert [(each.content, each.context) for each in (whole, streamed)] == [("Open [doc1].", found)] * 2


def test_parts_of_a_summary_are_divided_by_a_blank_line(app: Callable[..., str], mock_server: MockServer) -> None:
    head = {"id": "r", "object": "response", "created_at": 1, "model": "m", "output": []}
    pieces = [("a", 0, "One"), ("a", 0, " two."), ("a", 1, "Three."), ("b", 0, "Four.")]
    events: list[dict[str, Any]] = [{"type": "response.created", "response": {**head, "status": "in_progress"}}]
    for item, part, text in pieces:
        place = {"item_id": item, "output_index": 0, "summary_index": part}
        events.append({"type": "response.reasoning_summary_text.delta", **place, "delta": text})
    mock_server.say(events=[*events, {"type": "response.completed", "response": {**head, "status": "completed"}}])
    lines = chat(app(MODEL_API="responses"), stream=True).text.splitlines()
    deltas = [json.loads(line[6:])["choices"][0]["delta"] for line in lines if line.startswith("data: {")]
    summary = "".join(delta.get("reasoning_content", "") for delta in deltas)
    assert summary == "One two.\n\nThree.\n\nFour."


@pytest.mark.parametrize("stream", [False, True])
def test_reasoning_has_one_name_whatever_the_upstream_calls_it(
    app: Callable[..., str], mock_server: MockServer, stream: bool
) -> None:
    choice = {
        "index": 0,
        "finish_reason": "stop",
        "delta" if stream else "message": {"role": "assistant", "content": "x", "reasoning": "hm"},
    }
    answer = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    mock_server.say(events=[answer, "[DONE]"]) if stream else mock_server.say(body=answer)
    text = chat(app(), stream=stream).text
    assert ('"reasoning_content":"hm"' in text, '"reasoning":' in text) == (True, False)


@pytest.mark.parametrize("surface", ["chat", "responses"])
@pytest.mark.parametrize("stream", [False, True])
def test_images_are_refused_by_their_own_code_where_the_model_has_no_eyes(
    app: Callable[..., str], mock_server: MockServer, surface: str, stream: bool
) -> None:
    mock_server.say("x")
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    url = app(MODEL_API=surface, OPENAI_MODEL="o3-mini")
    refused = chat(url, messages=[{"role": "user", "content": [image]}], stream=stream)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "images_not_supported")
    assert problems("Error", refused.json()) == []


def test_the_page_is_told_what_may_be_sent_and_asked(app: Callable[..., str]) -> None:
    url = app(IMAGES="off", SUGGESTIONS="Travel > Where is Oslo?|Two?", FOLLOW_UPS="Shorter?| In Norwegian? ")
    config = httpx2.get(f"{url}/api/config").json()
    assert problems("Config", config) == []
    assert (config["images"], config["feedback"], config["limits"]["bytes"]) == (False, True, 30_000_000)
    assert config["suggestions"] == [
        {"topic": "Travel", "question": "Where is Oslo?"},
        {"topic": "", "question": "Two?"},
    ]
    assert config["follow_ups"] == ["Shorter?", "In Norwegian?"]


@pytest.mark.parametrize("topology", ["managed", "linked"])
def test_a_body_beyond_the_limit_is_too_large(app: Callable[..., str], topology: str) -> None:
    url = app(TOPOLOGY=topology)
    for path in ("completions", "feedback"):
        answer = httpx2.post(f"{url}/api/chat/{path}", content=b" " * 30_000_001, headers=ALICE, timeout=60)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
        assert answer.json()["error"]["message"] == "The request is larger than 30 MB; send fewer or smaller files."
    fits = httpx2.post(f"{url}/api/chat/feedback", content=b" " * 30_000_000, headers=ALICE, timeout=60)
    assert fits.status_code == 400


@pytest.mark.parametrize("topology", ["managed", "linked"])
def test_feedback_is_logged_without_any_text(
    app: Callable[..., str], topology: str, capfd: pytest.CaptureFixture[str]
) -> None:
    url = f"{app(TOPOLOGY=topology)}/api/chat/feedback"
    body = {"request_id": "my-1", "rating": "down", "reason": "wrong"}
    assert problems("Feedback", body) == []
    answer = httpx2.post(url, json=body, headers=ALICE)
    assert (answer.status_code, answer.content) == (204, b"")
    assert httpx2.post(url, json={"request_id": "my-2", "rating": "up"}, headers=ALICE).status_code == 204
    for change, parameter in (
        ({"comment": "private words"}, "comment"),
        ({"request_id": "private words"}, "request_id"),
        ({"request_id": None}, "request_id"),
        ({"rating": "private words"}, "rating"),
        ({"rating": []}, "rating"),
        ({"reason": "private words"}, "reason"),
        ({"reason": None}, "reason"),
    ):
        assert problems("Feedback", {**body, **change}) != []
        refused = httpx2.post(url, json={**body, **change}, headers=ALICE)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, parameter)
    assert httpx2.post(url, json=[body], headers=ALICE).status_code == 400
    nobody = {"x-ms-client-principal": ClientPrincipal("aad", "1", "bob@example.com", ("authenticated",)).header()}
    assert [httpx2.post(url, json=body, headers=headers).status_code for headers in ({}, nobody)] == [401, 403]
    log = capfd.readouterr().err
    assert '{"event": "feedback", "request_id": "my-1", "rating": "down", "reason": "wrong"}' in log
    assert '{"event": "feedback", "request_id": "my-2", "rating": "up", "reason": ""}' in log
    assert "private" not in log


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
    url = app(INVITED="Ada@example.com, @example.org", REQUIRED_ROLE="reader")
    for address, roles in (
        ("ada@example.com", ["reader"]),
        ("x@example.org", ["reader"]),
        ("x@example.com", []),
        ("", []),
    ):
        assert httpx2.post(f"{url}/api/roles", json={"userDetails": address}).json() == {"roles": roles}
    assert httpx2.post(f"{url}/api/roles", content=b"[").status_code == 400


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
