"""The real API in the Functions host, behind the real gate, with the mock server as its model."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx2
import openai
import pytest
from pydantic import BaseModel

from mockserver.harness.mock_server import MockServer
from mockserver.harness.whole_app import WholeApp
from mockserver.matching.call import Call

ASK = {"messages": [{"role": "user", "content": "Hello!"}]}


def client(site: WholeApp, persona: str = "alice") -> Any:
    url, headers = f"{site.url}/api", site.headers(persona)
    return openai.OpenAI(base_url=url, api_key="unused", default_headers=headers, max_retries=0)


def ask(site: WholeApp, prompt: str = "Hello!", *, usage: bool = False) -> Any:
    options = {"stream_options": {"include_usage": True}} if usage else {}
    body = {"model": "any", "messages": [{"role": "user", "content": prompt}], "stream": True, **options}
    return client(site).chat.completions.create(**body)


def test_the_official_client_streams_from_our_api(site: WholeApp, mock_server: MockServer) -> None:
    text = "".join(chunk.choices[0].delta.content or "" for chunk in ask(site))
    assert text.startswith("Hello! I'm here to help")
    assert mock_server.journal[-1].decided_by == "hello.yaml#1"


def test_usage_is_sent_only_on_request(site: WholeApp) -> None:
    assert all(chunk.choices for chunk in ask(site))
    *_, last = ask(site, usage=True)
    assert (last.choices, last.usage and last.usage.total_tokens) == ([], 47)


def test_the_official_client_gets_one_json_answer(site: WholeApp) -> None:
    answer = client(site).chat.completions.create(
        model="any", messages=[{"role": "user", "content": "Name the seven days of the week."}]
    )
    assert "Wednesday" in (answer.choices[0].message.content or "")


def test_azures_stream_passes_through_with_its_empty_first_choices(
    azure_site: WholeApp, mock_server: MockServer
) -> None:
    first, *others = ask(azure_site)
    assert first.choices == []
    assert "".join(chunk.choices[0].delta.content or "" for chunk in others).startswith("Hello! I'm the assistant")
    assert mock_server.journal[-1].request.raw_path == "/openai/v1/chat/completions"


def test_azures_filtered_prompt_keeps_its_categories(azure_site: WholeApp) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        ask(azure_site, "How can I hurt somebody?")
    body = raised.value.body
    assert isinstance(body, dict)
    assert raised.value.code == "content_filter"
    assert body["innererror"]["content_filter_result"]["violence"] == {"filtered": True, "severity": "medium"}


@pytest.mark.parametrize(("persona", "status"), [("bob", 403), ("carol", 200)])
def test_the_gate_admits_invited_users(site: WholeApp, persona: str, status: int) -> None:
    answer = httpx2.get(f"{site.url}/api/config", headers=site.headers(persona))
    assert answer.status_code == status


def test_without_a_sign_in_only_health_answers(site: WholeApp) -> None:
    statuses = {path: httpx2.get(f"{site.url}/api/{path}").status_code for path in ("health", "config", "me")}
    assert statuses == {"health": 200, "config": 302, "me": 302}


def test_without_a_session_the_gate_redirects_to_the_sign_in(site: WholeApp) -> None:
    answer = httpx2.post(f"{site.url}/api/chat/completions", json=ASK)
    assert (answer.status_code, answer.headers["location"]) == (
        302,
        "/.auth/login/aad?post_login_redirect_uri=%2Fapi%2Fchat%2Fcompletions",
    )


@pytest.mark.parametrize("header", ["x-ms-client-principal", "X-MS-CLIENT-PRINCIPAL"])
def test_the_gate_ignores_a_principal_that_a_client_sends(site: WholeApp, mock_server: MockServer, header: str) -> None:
    invited = site.site.personas["alice"].principal("aad").header()
    answer = httpx2.get(f"{site.url}/api/config", headers={header: invited})
    assert answer.status_code == 302
    mock_server.say("Hi")
    headers = {header: "forged", **site.headers("alice")}
    assert httpx2.post(f"{site.url}/api/chat/completions", json=ASK, headers=headers).status_code == 200


def test_the_api_checks_the_role_even_without_the_gate(site: WholeApp) -> None:
    url = f"{site.api_url}/api/chat/completions"
    bob = site.site.personas["bob"].principal("aad").header()
    assert (
        httpx2.post(url, json=ASK).status_code,
        httpx2.post(url, json=ASK, headers={"x-ms-client-principal": bob}).status_code,
    ) == (401, 403)


def test_an_interrupted_stream_ends_with_an_error_and_done(site: WholeApp, mock_server: MockServer) -> None:
    mock_server.say("one two three", fault="dropped", after=3)
    answer = httpx2.post(
        f"{site.url}/api/chat/completions",
        json={**ASK, "stream": True},
        headers=site.headers("alice"),
    )
    events = [line for line in answer.text.split("\n\n") if line]
    assert events[0] == ": open"
    assert '"content":" two"' in events[3]
    assert '"code":"upstream_unavailable"' in events[4]
    assert events[5:] == ["data: [DONE]"]
    assert "127.0.0.1" not in answer.text


def test_the_model_notices_a_client_that_leaves(site: WholeApp, mock_server: MockServer) -> None:
    mock_server.say("one " * 100, pace={"each_ms": 100})
    stream = ask(site)
    next(stream)
    stream.close()
    for _ in range(500):
        if mock_server.journal[-1].end != "open":
            break
        time.sleep(0.01)
    assert mock_server.journal[-1].end == "client left"


def test_the_request_id_reaches_the_model_and_comes_back(site: WholeApp, mock_server: MockServer) -> None:
    mock_server.say("Hi")
    headers = {**site.headers("alice"), "x-request-id": "my-own-1"}
    answer = httpx2.post(f"{site.url}/api/chat/completions", json=ASK, headers=headers)
    assert answer.headers["x-request-id"] == "my-own-1"
    assert mock_server.journal[-1].request.header("x-request-id") == "my-own-1"


@pytest.mark.parametrize("stream", [False, True])
def test_half_an_emoji_from_the_model_is_spelled_as_it_came(
    site: WholeApp, mock_server: MockServer, stream: bool
) -> None:
    choice = {"index": 0, "finish_reason": "stop", "delta" if stream else "message": {"content": "HALF"}}
    answer: Any = {"id": "c", "object": "x", "created": 1, "model": "m", "choices": [choice]}
    text = json.dumps(answer).replace("HALF", "\\ud83d")
    if stream:
        mock_server.say(events=[text, "[DONE]"])
    else:
        mock_server.say(body=text, headers={"content-type": "application/json"})
    got = httpx2.post(f"{site.url}/api/chat/completions", json={**ASK, "stream": stream}, headers=site.headers("alice"))
    assert (got.status_code, '"content":"\\ud83d"' in got.text) == (200, True)


@pytest.mark.expects_miss
def test_the_user_sees_a_plain_error_for_a_miss(site: WholeApp, mock_server: MockServer) -> None:
    with pytest.raises(openai.InternalServerError) as raised:
        ask(site, "Something nobody recorded")
    assert raised.value.code == "model_not_found"
    assert "No recording" not in str(raised.value)
    assert len(mock_server.journal.misses()) == 1


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"messages": []}'])
def test_a_bad_body_is_a_clear_400(site: WholeApp, body: bytes) -> None:
    answer = httpx2.post(f"{site.url}/api/chat/completions", content=body, headers=site.headers("alice"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")


def test_health_says_ok(site: WholeApp) -> None:
    assert httpx2.get(f"{site.api_url}/api/health").json() == {"status": "ok", "missing": []}


# --- a full chat completions endpoint --------------------------------------------------------------------------------


class Weather(BaseModel):
    """What the model is to answer in."""

    city: str
    degrees: int


TOOL: Any = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


def test_tools_and_their_results_pass_in_both_directions(site: WholeApp, mock_server: MockServer) -> None:
    mock_server.say(call={"look": {"at": "Oslo"}})
    mock_server.say("Cold.", when={"tool_result": "-3"})
    messages: list[Any] = [{"role": "user", "content": "Weather?"}]
    model = client(site).chat.completions
    asked = model.create(model="any", messages=messages, tools=[TOOL], tool_choice="required").choices[0]
    assert asked.finish_reason == "tool_calls"
    call = asked.message.tool_calls[0]
    assert (call.function.name, json.loads(call.function.arguments)) == ("look", {"at": "Oslo"})
    messages += [asked.message, {"role": "tool", "tool_call_id": call.id, "content": "-3"}]
    streamed = model.create(model="any", messages=messages, tools=[TOOL], stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in streamed) == "Cold."
    sent = Call(mock_server.journal[0].request).body or {}
    assert (sent["tools"], sent["tool_choice"]) == ([TOOL], "required")


def test_structured_output_is_what_was_asked_for(site: WholeApp, mock_server: MockServer) -> None:
    mock_server.say('{"city": "Oslo", "degrees": -3}')
    parsed = client(site).chat.completions.parse(
        model="any", messages=[{"role": "user", "content": "Weather?"}], response_format=Weather
    )
    assert parsed.choices[0].message.parsed == Weather(city="Oslo", degrees=-3)
    sent = Call(mock_server.journal[-1].request).body or {}
    assert sent["response_format"]["json_schema"]["name"] == "Weather"


def test_parts_images_and_several_choices_reach_the_model(site: WholeApp, mock_server: MockServer) -> None:
    mock_server.say("A cat.")
    content = [{"type": "text", "text": "What is it?"}, IMAGE]
    answer = client(site).chat.completions.create(
        model="any", messages=[{"role": "user", "content": content}], n=2, temperature=0, seed=7, max_tokens=50
    )
    assert [choice.message.content for choice in answer.choices] == ["A cat.", "A cat."]
    sent = Call(mock_server.journal[-1].request).body or {}
    assert {name: sent[name] for name in ("n", "temperature", "seed", "max_tokens")} == {
        "n": 2, "temperature": 0, "seed": 7, "max_tokens": 50,
    }  # fmt: skip
    assert sent["messages"][-1]["content"] == content


def test_models_are_listed_and_what_is_not_offered_is_named(site: WholeApp) -> None:
    assert [model.id for model in client(site).models.list()] == list(settings_of(site))
    with pytest.raises(openai.BadRequestError) as refused:
        client(site).chat.completions.create(
            model="any", messages=[{"role": "user", "content": "Hi"}], extra_body={"data_sources": []}
        )
    assert (refused.value.param, refused.value.code) == ("data_sources", "bad_request")


def settings_of(site: WholeApp) -> tuple[str, ...]:
    """The models that the page is offered."""
    answer = httpx2.get(f"{site.url}/api/config", headers=site.headers("alice"))
    return tuple(answer.json()["models"])


def test_a_parameter_that_the_model_refuses_is_named_without_its_words(site: WholeApp, mock_server: MockServer) -> None:
    error = {"message": "secret words", "type": "invalid_request_error", "param": "temperature", "code": "x"}
    mock_server.say(status=400, error=error)
    with pytest.raises(openai.BadRequestError, match="did not accept temperature") as refused:
        client(site).chat.completions.create(model="any", messages=[{"role": "user", "content": "Hi"}])
    assert (refused.value.param, "secret" in str(refused.value)) == ("temperature", False)


@pytest.mark.parametrize("body", [{"hello": "world"}, {"choices": []}, {"choices": [5]}, [], 5, None])
def test_an_answer_that_is_no_completion_is_an_error_of_the_upstream(
    site: WholeApp, mock_server: MockServer, body: Any
) -> None:
    mock_server.say(body=body)
    answer = httpx2.post(f"{site.url}/api/chat/completions", json=ASK, headers=site.headers("alice"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_unavailable")


@pytest.mark.parametrize(
    "event", ["5", "[]", "null", '{"message": "SECRET"}', '"text"', '{"choices": 5}', '{"choices": [5]}']
)
def test_an_event_that_is_no_chunk_ends_in_the_error_event(site: WholeApp, mock_server: MockServer, event: str) -> None:
    mock_server.say(events=[event])
    answer = httpx2.post(
        f"{site.url}/api/chat/completions", json={**ASK, "stream": True}, headers=site.headers("alice")
    )
    events = [line for line in answer.text.splitlines() if line.startswith("data: ")]
    assert answer.status_code == 200
    assert events[-1] == "data: [DONE]"
    assert json.loads(events[-2].removeprefix("data: "))["error"]["code"] == "upstream_unavailable"


def test_json_that_no_model_reads_is_refused(site: WholeApp) -> None:
    body = '{"messages": [{"role": "user", "content": "x"}], "logit_bias": {"1": NaN}}'
    answer = httpx2.post(f"{site.url}/api/chat/completions", content=body, headers=site.headers("alice"))
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, "The body must be valid JSON.")


def test_an_error_beside_an_answer_is_not_passed_on(site: WholeApp, mock_server: MockServer) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}
    mock_server.say(body={"id": "1", "object": "chat.completion", "choices": [choice], "error": {"message": "SECRET"}})
    answer = httpx2.post(f"{site.url}/api/chat/completions", json=ASK, headers=site.headers("alice"))
    assert (answer.status_code, "SECRET" in answer.text) == (200, False)
