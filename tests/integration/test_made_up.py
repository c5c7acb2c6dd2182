"""Made-up answers, driven by the official SDK as an app would: loops over tools, JSON for a type, stored objects."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from openai import pydantic_function_tool
from pydantic import BaseModel, Field

from mockserver.answers.latency import Latency
from mockserver.simulation.settings import OnMiss
from mockserver.simulation.simulation import Simulation
from tests.integration.conftest import Serve


class Step(BaseModel):
    explanation: str
    output: str


class Solution(BaseModel):
    steps: list[Step]
    final_answer: str
    confidence: float = Field(ge=0, le=1)


class GetWeather(BaseModel):
    """The weather in a city."""

    city: str
    unit: str | None


@pytest.fixture(params=["openai", "azure"])
def client(serve: Serve, request: pytest.FixtureRequest) -> Any:
    url = serve(Simulation(on_miss=OnMiss.GENERATE, latency=Latency(0, 0, 100_000)))
    if request.param == "openai":
        return openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0)
    return openai.AzureOpenAI(azure_endpoint=url, api_key="any", api_version="2025-04-01-preview", max_retries=0)


def ask(prompt: str) -> dict[str, str]:
    return {"role": "user", "content": prompt}


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True])
def test_a_loop_over_tools_ends(client: Any, stream: bool) -> None:
    tools = [pydantic_function_tool(GetWeather, name="get_weather")]
    messages: list[Any] = [ask("What does get_weather say of Oslo?")]
    called = []
    for _ in range(5):
        if stream:
            with client.chat.completions.stream(model="gpt-4o", messages=messages, tools=tools) as events:
                message = events.get_final_completion().choices[0].message
        else:
            message = client.chat.completions.parse(model="gpt-4o", messages=messages, tools=tools).choices[0].message
        messages.append(message.to_dict())
        if not message.tool_calls:
            break
        for call in message.tool_calls:
            called.append(call.function.parsed_arguments)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": "12 °C"})
    assert [type(each) for each in called] == [GetWeather]
    assert "Made up by the mock" in messages[-1]["content"]


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True])
def test_json_is_of_the_type_that_is_asked_for(client: Any, stream: bool) -> None:
    asked = {"model": "gpt-4o", "messages": [ask("Solve 8x + 7 = -23")], "response_format": Solution}
    if stream:
        with client.chat.completions.stream(**asked) as events:
            parsed = events.get_final_completion().choices[0].message.parsed
    else:
        parsed = client.chat.completions.parse(**asked).choices[0].message.parsed
    assert isinstance(parsed, Solution)
    assert parsed.steps


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True])
def test_responses_are_parsed_too(client: Any, stream: bool) -> None:
    asked = {"model": "gpt-4o", "input": "Solve 8x + 7 = -23", "text_format": Solution}
    if stream:
        with client.responses.stream(**asked) as events:
            parsed = events.get_final_response().output_parsed
    else:
        parsed = client.responses.parse(**asked).output_parsed
    assert isinstance(parsed, Solution)


def test_usage_is_what_was_sent_and_what_came(client: Any) -> None:
    asked = {"model": "gpt-4o", "messages": [ask("Hello!")], "max_tokens": 5}
    chunks = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    usage = chunks[-1].usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (9, 5)
    assert usage == client.chat.completions.create(**asked).usage


def test_stored_responses_are_there_for_any_id(client: Any) -> None:
    kept = client.responses.retrieve("resp_1")
    assert (kept.id, kept.status) == ("resp_1", "completed")
    assert kept.output_text == client.responses.retrieve("resp_1").output_text
    assert client.responses.cancel("resp_1").status == "cancelled"
    assert list(client.responses.input_items.list("resp_1")) == []
    assert client.responses.delete("resp_1") is None
    events = client.responses.retrieve("resp_1", stream=True, starting_after=1)
    assert next(iter(events)).sequence_number == 2


@pytest.mark.slow
def test_stored_chats_are_openais_alone(client: Any) -> None:
    if isinstance(client, openai.AzureOpenAI):
        with pytest.raises(openai.NotFoundError, match="Resource not found"):
            client.chat.completions.retrieve("chatcmpl_1")
        return
    assert client.chat.completions.retrieve("chatcmpl_1").id == "chatcmpl_1"
    assert list(client.chat.completions.list(limit=1)) == []  # nobody has made one
    assert client.chat.completions.update("chatcmpl_1", metadata={"a": "b"}).metadata == {"a": "b"}
    assert client.chat.completions.delete("chatcmpl_1").deleted is True
    compacted = client.responses.compact(model="gpt-4o", input=[ask("Hello!")])
    assert [item.type for item in compacted.output] == ["message", "compaction"]
    assert client.responses.input_tokens.count(model="gpt-4o", input="Hello!").input_tokens == 9


def test_arguments_arrive_as_json_in_responses(client: Any) -> None:
    tool = {"type": "function", "name": "get_weather", "strict": False, "parameters": GetWeather.model_json_schema()}
    answer = client.responses.create(model="gpt-4o", input="get_weather in Oslo", tools=[tool])
    assert list(json.loads(answer.output[0].arguments)) == ["city", "unit"]
