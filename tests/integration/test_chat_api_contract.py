"""The chat API against its OpenAPI document: every kind of answer fits it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest

from mockserver.harness.mock_server import MockServer
from mockserver.harness.whole_app import WholeApp
from mockserver.simulation.fault import FaultKind
from mockserver.simulation.stub_entry import FilterName
from tests.chat_api_contract import document, problems

API = Path(__file__).parents[2] / "api" / "chat_api"
ASK = {"messages": [{"role": "user", "content": "Hello!"}]}


def post(site: WholeApp, body: Any, persona: str = "alice") -> httpx2.Response:
    principal = site.site.personas[persona].principal("aad").header()
    return httpx2.post(f"{site.api_url}/api/chat/completions", json=body, headers={"x-ms-client-principal": principal})


def events(answer: httpx2.Response) -> list[Any]:
    assert answer.headers["content-type"].startswith("text/event-stream")
    datas = re.findall(r"^data: (.*)$", answer.text, re.MULTILINE)
    assert datas.pop() == "[DONE]"
    return [json.loads(data) for data in datas]


@pytest.mark.parametrize("filter_", ["default", "none", "stopped", "asynchronous", "asynchronous_stopped"])
def test_every_stream_fits_the_contract(azure_site: WholeApp, mock_server: MockServer, filter_: FilterName) -> None:
    mock_server.say("One two three", filter=filter_)
    received = events(post(azure_site, {**ASK, "stream": True, "stream_options": {"include_usage": True}}))
    assert [problems("Event", event) for event in received] == [[]] * len(received)
    assert not any("error" in event for event in received)


@pytest.mark.parametrize(
    ("fault", "code"), [("dropped", "upstream_unavailable"), ("rate_limited_in_stream", "rate_limit_exceeded")]
)
def test_an_error_in_the_stream_fits_the_contract(
    site: WholeApp, mock_server: MockServer, fault: FaultKind, code: str
) -> None:
    mock_server.say("One two three", fault=fault, after=2)
    received = events(post(site, {**ASK, "stream": True}))
    assert [problems("Event", event) for event in received] == [[]] * len(received)
    assert received[-1]["error"]["code"] == code


def test_a_complete_answer_fits_the_contract(site: WholeApp, mock_server: MockServer) -> None:
    mock_server.say("One two three")
    assert problems("Completion", post(site, ASK).json()) == []


@pytest.mark.parametrize(
    ("body", "persona", "keywords", "status", "code"),
    [
        ({}, "alice", {}, 400, "bad_request"),
        ({"messages": [{"role": "user", "content": "x"}] * 2049}, "alice", {}, 400, "context_length_exceeded"),
        (ASK, "bob", {}, 403, "forbidden"),
        (ASK, "alice", {"filter": "prompt"}, 400, "content_filter"),
        (ASK, "alice", {"filter": "prompt_without_details"}, 400, "content_filter"),
        (ASK, "alice", {"fault": "firewall"}, 502, "model_access_refused"),
        (ASK, "alice", {"fault": "role_missing"}, 502, "model_role_missing"),
        (ASK, "alice", {"fault": "token_expired"}, 502, "model_access_refused"),
    ],
)
def test_every_refusal_fits_the_contract(
    azure_site: WholeApp,
    mock_server: MockServer,
    body: Any,
    persona: str,
    keywords: dict[str, Any],
    status: int,
    code: str,
) -> None:
    mock_server.say("x", **keywords)
    answer = post(azure_site, body, persona)
    assert problems("Error", answer.json()) == []
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize(
    ("method", "path", "persona", "schema", "expected"),
    [
        ("GET", "health", None, "Health", {"status": "ok"}),
        ("GET", "health?live", None, "Health", {"status": "ok", "missing": []}),
        ("GET", "config", "alice", "Config", {"delivery": "streamed", "suggestions": []}),
        ("GET", "me", "alice", "Me", {"userDetails": "alice@example.com", "allowed": True}),
        ("GET", "me", "bob", "Me", {"userDetails": "bob@example.com", "allowed": False}),
        ("GET", "me", None, "Error", {}),
        ("GET", "models", "alice", "Models", {"object": "list"}),
        ("GET", "models", "bob", "Error", {}),
        ("POST", "roles", None, "Roles", {"roles": []}),
    ],
)
def test_every_other_route_fits_the_contract(
    site: WholeApp, method: str, path: str, persona: str | None, schema: str, expected: dict[str, Any]
) -> None:
    principal = site.site.personas[persona].principal("aad").header() if persona else ""
    body = {"userDetails": "ada@example.com"} if method == "POST" else None
    answer = httpx2.request(
        method, f"{site.api_url}/api/{path}", headers={"x-ms-client-principal": principal}, json=body
    ).json()
    assert problems(schema, answer) == []
    assert {key: answer[key] for key in expected} == expected


def test_the_contract_lists_exactly_the_codes_of_the_api() -> None:
    source = "".join(path.read_text() for path in API.glob("*.py"))
    raised = set(re.findall(r'ApiError\(\s*\d+,\s*"(\w+)"', source)) | set(re.findall(r'"(model_\w+)"', source))
    assert (
        set(document()["components"]["schemas"]["Error"]["properties"]["error"]["properties"]["code"]["enum"]) == raised
    )


def test_the_contract_refuses_what_does_not_fit() -> None:
    assert problems("Request", {"messages": []}) != []
    assert problems("Completion", {"object": "chat.completion"}) != []
    assert (
        problems("Event", {"error": {"message": "x", "type": "server_error", "param": None, "code": "invented"}}) != []
    )
    assert (
        problems(
            "Error",
            {"error": {"message": "x", "type": "server_error", "param": None, "code": "forbidden", "host": "h"}},
        )
        != []
    )
