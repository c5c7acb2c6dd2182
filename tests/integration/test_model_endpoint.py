"""The model endpoint over HTTP: one suite, through the async front and through Flask under a WSGI server."""

from __future__ import annotations

from typing import Any

import httpx2
import openai
import pytest

from mockserver.simulation.cassette_index import BUNDLED_CASSETTES, load_index
from mockserver.simulation.settings import OnMiss
from mockserver.simulation.simulation import Simulation
from mockserver.simulation.stub import parse_stub
from tests.integration.conftest import Serve

HELLO = [{"role": "system", "content": "You are a helpful assistant."}, {"role": "user", "content": "Hello!"}]


def client(url: str) -> Any:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0)


def text_of(stream: Any) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def test_a_recording_plays_through_the_sdk(serve: Serve) -> None:
    simulation = Simulation(load_index([BUNDLED_CASSETTES]))
    stream = client(serve(simulation)).chat.completions.create(
        model="smollm2-135m-instruct",
        messages=HELLO,
        stream=True,
        stream_options={"include_usage": True},
    )
    assert (
        text_of(stream)
        == "Hello! I'm here to help with any math or science-related tasks. What can I assist you with today?"
    )
    assert [(entry.decided_by, entry.end, entry.events_sent) for entry in simulation.journal] == [
        ("hello.yaml#1", "eof", 28)
    ]


@pytest.mark.parametrize("stream", [False, True])
def test_every_address_answers(serve: Serve, stream: bool) -> None:
    simulation = Simulation()
    simulation.scopes.say(parse_stub({"say": "Grüße 🙂"}, "said#1"))
    url = serve(simulation)
    clients: list[Any] = [
        client(url),
        openai.OpenAI(base_url=f"{url}/openai/v1", api_key="any"),
        openai.AzureOpenAI(azure_endpoint=url, api_key="any", api_version="2024-10-21"),
    ]
    for each in clients:
        answer = each.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "Hi"}], stream=stream
        )
        said = text_of(answer) if isinstance(answer, openai.Stream) else answer.choices[0].message.content
        assert said == "Grüße 🙂"


def test_a_tool_call_reaches_the_sdk(serve: Serve) -> None:
    simulation = Simulation()
    simulation.scopes.say(parse_stub({"call": {"get_weather": {"city": "Oslo"}}}, "said#1"))
    tool = {"type": "function", "function": {"name": "get_weather"}}
    asked = {"model": "m", "messages": [{"role": "user", "content": "Weather?"}], "tools": [tool]}
    answer = client(serve(simulation)).chat.completions.create(**asked)
    calls = [(call.function.name, call.function.arguments) for call in answer.choices[0].message.tool_calls]
    assert calls == [("get_weather", '{"city": "Oslo"}')]


def test_an_answer_its_request_makes_impossible_is_refused_and_named(serve: Serve) -> None:
    simulation = Simulation()
    simulation.scopes.say(parse_stub({"call": {"get_weather": {"city": "Oslo"}}}, "said#1"))
    with pytest.raises(openai.NotFoundError) as raised:
        client(serve(simulation)).chat.completions.create(model="m", messages=[{"role": "user", "content": "Weather?"}])
    assert raised.value.code == "mockserver_violation"
    assert "said#1 contradicts the request: tool-not-offered" in str(raised.value)
    assert "calls 'get_weather'; the request offers none" in str(raised.value)
    assert len(simulation.journal.misses()) == 1


def test_a_dropped_stream_is_an_error_after_what_came(serve: Serve) -> None:
    simulation = Simulation()
    simulation.scopes.say(parse_stub({"say": "one two three", "fault": "dropped", "after": 3}, "said#1"))
    asked = {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True}
    stream = client(serve(simulation)).chat.completions.create(**asked)
    came: list[str] = []
    with pytest.raises((openai.APIConnectionError, httpx2.HTTPError)):
        came.extend(chunk.choices[0].delta.content for chunk in stream)
    assert came == ["", "one", " two"]
    assert simulation.journal[-1].end == "reset"


def test_a_miss_reaches_the_sdk_as_it_reads(serve: Serve) -> None:
    simulation = Simulation(load_index([BUNDLED_CASSETTES]))
    with pytest.raises(openai.NotFoundError) as raised:
        client(serve(simulation)).chat.completions.create(model="smollm2-135m-instruct", messages=[*HELLO, HELLO[1]])
    assert "No recording fits POST /v1/chat/completions (smollm2-135m-instruct, 3 messages)." in str(raised.value)
    assert len(simulation.journal) == 1


def test_a_made_up_answer_says_so_in_its_header(serve: Serve) -> None:
    answer = client(serve(Simulation(on_miss=OnMiss.GENERATE))).chat.completions.with_raw_response.create(
        model="m", messages=[{"role": "user", "content": "x"}]
    )
    assert answer.headers["x-mockserver-answer"] == "made up"


def test_refusals_come_with_their_length_and_no_body_for_head(serve: Serve) -> None:
    url = serve(Simulation())
    refused = httpx2.get(f"{url}/openai/nowhere", headers={"api-key": "k"})
    assert (refused.status_code, refused.headers["content-length"]) == (404, "56")
    assert httpx2.post(f"{url}/v1/chat/completions", json={}).status_code == 401
    head = httpx2.head(f"{url}/openai/nowhere", headers={"api-key": "k"})
    assert (head.status_code, head.content) == (404, b"")


@pytest.mark.parametrize("azure", [False, True])
def test_responses_stream_through_the_sdk(serve: Serve, azure: bool) -> None:
    simulation = Simulation()
    simulation.scopes.say(parse_stub({"say": "Grüße 🙂", "call": {"f": {"x": 1}}, "when": {"prompt": "Hi"}}, "said#1"))
    url = serve(simulation)
    each: Any = (
        openai.AzureOpenAI(azure_endpoint=url, api_key="k", api_version="2025-04-01-preview", max_retries=0)
        if azure
        else client(url)
    )
    tools = [{"type": "function", "name": "f", "parameters": {}, "strict": False}]
    events = list(each.responses.create(model="d", input="Hi", tools=tools, stream=True))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == "Grüße 🙂"
    assert events[-1].response.output[1].name == "f"
    whole = each.responses.create(model="d", input=[{"role": "user", "content": "Hi"}], tools=tools)
    assert whole.output_text == "Grüße 🙂"


def test_embeddings_and_models_answer_the_sdk(serve: Serve) -> None:
    url = serve(
        Simulation(
            load_index([BUNDLED_CASSETTES]), on_miss=OnMiss.GENERATE, deployments={"embed": "text-embedding-3-small"}
        )
    )
    made = client(url).embeddings.create(model="text-embedding-3-small", input="x", dimensions=16)
    assert len(made.data[0].embedding) == 16
    assert [model.id for model in client(url).models.list()] == ["smollm2-135m-instruct", "embed"]
    azure = openai.AzureOpenAI(azure_endpoint=url, api_key="k", api_version="2024-10-21", max_retries=0)
    assert len(azure.embeddings.create(model="embed", input=["a", "b"]).data) == 2
    with pytest.raises(openai.BadRequestError) as raised:
        azure.chat.completions.create(model="embed", messages=[{"role": "user", "content": "x"}])
    assert raised.value.code == "OperationNotSupported"


def test_an_invalid_request_is_the_sdks_own_error(serve: Serve) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        client(serve(Simulation(on_miss=OnMiss.GENERATE))).chat.completions.create(model="m", messages=[])
    error = raised.value
    assert (error.type, error.param, error.code) == ("invalid_request_error", "messages", "empty_array")
