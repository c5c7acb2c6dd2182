"""The bug museum: clients with the mistakes people report, each failing as reported, and its fixed twin passing.

An exhibit is a pair of functions of the same name, `..._broken` and `..._fixed`; docs/bug-museum.md describes them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from mockserver.harness.mock_server import MockServer

MUSEUM = Path(__file__).parents[2] / "docs" / "bug-museum.md"
TEXT = "Lighthouses are tall."
ASKED = [{"role": "user", "content": "Tell me"}]


class FilteredError(Exception):
    """What the fixed clients raise for an answer the content filter stopped."""


def azure(server: MockServer) -> Any:
    return openai.AzureOpenAI(
        azure_endpoint=server.azure_endpoint, api_key="k", api_version="2024-10-21", max_retries=0
    )


def v1(server: MockServer) -> Any:
    return openai.OpenAI(base_url=f"{server.azure_endpoint}/openai/v1", api_key="k", max_retries=0)


TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def chunks(server: MockServer, **more: Any) -> Any:
    return azure(server).chat.completions.create(model="chat", messages=ASKED, stream=True, **more)


def lines(server: MockServer) -> list[str]:
    url = f"{server.azure_endpoint}/openai/v1/chat/completions"
    body = {"model": "chat", "messages": ASKED, "stream": True}
    return httpx2.post(url, json=body, headers={"api-key": "k"}).text.splitlines()


# --- the exhibits ---


def first_choice_broken(server: MockServer) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks(server))


def first_choice_fixed(server: MockServer) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks(server) if chunk.choices)


def delta_of_an_annotation_broken(server: MockServer) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks(server) if chunk.choices)


def delta_of_an_annotation_fixed(server: MockServer) -> str:
    deltas = [choice.delta for chunk in chunks(server) for choice in chunk.choices]
    return "".join(delta.content or "" for delta in deltas if delta is not None)


def adding_up_nothing_broken(server: MockServer) -> str:
    text = ""
    for chunk in chunks(server):
        for choice in chunk.choices:
            text += choice.delta.content
    return text


def adding_up_nothing_fixed(server: MockServer) -> str:
    text = ""
    for chunk in chunks(server):
        for choice in chunk.choices:
            text += choice.delta.content or ""
    return text


def every_line_is_json_broken(server: MockServer) -> str:
    events = [json.loads(line.removeprefix("data: ")) for line in lines(server) if line.startswith("data: ")]
    return "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])


def every_line_is_json_fixed(server: MockServer) -> str:
    datas = [line.removeprefix("data: ") for line in lines(server) if line.startswith("data: ")]
    events = [json.loads(data) for data in datas if data != "[DONE]"]
    return "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])


def usage_comes_last_broken(server: MockServer) -> str:
    *came, last = chunks(server, stream_options={"include_usage": True})
    assert last.usage.total_tokens > 0
    return "".join(choice.delta.content or "" for chunk in came for choice in chunk.choices)


def usage_comes_last_fixed(server: MockServer) -> str:
    text, counted = "", 0
    for chunk in chunks(server, stream_options={"include_usage": True}):
        counted = chunk.usage.total_tokens if chunk.usage else counted
        text += "".join(choice.delta.content or "" for choice in chunk.choices)
    return text if counted else f"{text} (stopped, tokens unknown)"


def content_of_a_blocked_answer_broken(server: MockServer) -> str:
    answer = azure(server).chat.completions.create(model="chat", messages=ASKED)
    return str(answer.choices[0].message.content.strip())


def content_of_a_blocked_answer_fixed(server: MockServer) -> str:
    choice = azure(server).chat.completions.create(model="chat", messages=ASKED).choices[0]
    if choice.finish_reason == "content_filter":
        raise FilteredError
    return str(choice.message.content.strip())


def categories_of_a_filtered_prompt_broken(server: MockServer) -> str:
    try:
        return str(azure(server).chat.completions.create(model="chat", messages=ASKED))
    except openai.BadRequestError as error:
        body: Any = error.body
        return ", ".join(body["innererror"]["content_filter_result"])


def categories_of_a_filtered_prompt_fixed(server: MockServer) -> str:
    try:
        return str(azure(server).chat.completions.create(model="chat", messages=ASKED))
    except openai.BadRequestError as error:
        body: Any = error.body
        results = body.get("innererror", {}).get("content_filter_result", {})
        return ", ".join(results) or "no category given"


def done_ends_a_response_broken(server: MockServer) -> str:
    body = {"model": "chat", "input": "Tell me", "stream": True}
    text = httpx2.post(f"{server.azure_endpoint}/openai/v1/responses", json=body, headers={"api-key": "k"}).text
    datas = re.findall(r"^data: (.*)$", text, re.MULTILINE)
    if datas[-1] != "[DONE]":
        raise ConnectionError("the stream ended early")
    return "".join(json.loads(data).get("delta", "") for data in datas[:-1])


def done_ends_a_response_fixed(server: MockServer) -> str:
    events = list(v1(server).responses.create(model="chat", input="Tell me", stream=True))
    if events[-1].type != "response.completed":
        raise ConnectionError("the stream ended early")
    return "".join(event.delta for event in events if event.type == "response.output_text.delta")


def status_of_an_error_in_the_stream_broken(server: MockServer) -> str:
    try:
        return str(list(v1(server).responses.create(model="chat", input="Tell me", stream=True)))
    except openai.APIError as error:
        return "try later" if error.status_code == 429 else "broken"  # type: ignore[attr-defined]  # the very mistake


def status_of_an_error_in_the_stream_fixed(server: MockServer) -> str:
    try:
        return str(list(v1(server).responses.create(model="chat", input="Tell me", stream=True)))
    except openai.APIStatusError as error:
        return "try later" if error.status_code == 429 else "broken"
    except openai.APIError as error:
        return "try later" if error.code == "rate_limit_exceeded" else "broken"


def arguments_in_one_piece_broken(server: MockServer) -> str:
    for chunk in chunks(server, tools=[TOOL]):
        for choice in chunk.choices:
            for call in choice.delta.tool_calls or ():
                if call.function.arguments:
                    return str(json.loads(call.function.arguments)["city"])
    return ""


def arguments_in_one_piece_fixed(server: MockServer) -> str:
    arguments = ""
    for chunk in chunks(server, tools=[TOOL]):
        for choice in chunk.choices:
            for call in choice.delta.tool_calls or ():
                arguments += call.function.arguments or ""
    return str(json.loads(arguments)["city"])


def the_end_is_the_whole_broken(server: MockServer) -> str:
    text = "".join(choice.delta.content or "" for chunk in chunks(server) for choice in chunk.choices)
    if text != TEXT:
        raise ValueError(f"stored as the whole answer: {text!r}")
    return text


def the_end_is_the_whole_fixed(server: MockServer) -> str:
    text, finish = "", None
    for chunk in chunks(server):
        for choice in chunk.choices:
            text += (choice.delta.content or "") if choice.delta else ""
            finish = choice.finish_reason or finish
    if finish != "stop":
        raise FilteredError
    return text


def limit_of_a_reasoning_model_broken(server: MockServer) -> str:
    answer = azure(server).chat.completions.create(model="gpt-5-mini", messages=ASKED, max_tokens=500)
    return str(answer.choices[0].message.content)


def limit_of_a_reasoning_model_fixed(server: MockServer) -> str:
    answer = azure(server).chat.completions.create(model="gpt-5-mini", messages=ASKED, max_completion_tokens=500)
    return str(answer.choices[0].message.content)


def _city_of_a_strict_call(server: MockServer, parameters: dict[str, Any]) -> str:
    tool = {"type": "function", "function": {"name": "f", "strict": True, "parameters": parameters}}
    answer = azure(server).chat.completions.create(model="gpt-4o", messages=ASKED, tools=[tool])
    return str(json.loads(answer.choices[0].message.tool_calls[0].function.arguments)["city"])


def schema_in_strict_mode_broken(server: MockServer) -> str:
    return _city_of_a_strict_call(server, {"type": "object", "properties": {"city": {"type": "string"}}})


def schema_in_strict_mode_fixed(server: MockServer) -> str:
    closed = {"required": ["city"], "additionalProperties": False}
    return _city_of_a_strict_call(server, {"type": "object", "properties": {"city": {"type": "string"}}, **closed})


def _second_turn(server: MockServer, **more: Any) -> str:
    client = v1(server)
    said: list[dict[str, Any]] = [{"role": "user", "content": "Tell me"}]
    for question in ("And then?", None):
        answer = client.responses.create(model="gpt-5-mini", input=said, store=False, **more)
        said = [*said, *(item.to_dict() for item in answer.output), {"role": "user", "content": question}]
    return str(answer.output_text)


def second_turn_without_a_store_broken(server: MockServer) -> str:
    return _second_turn(server)


def second_turn_without_a_store_fixed(server: MockServer) -> str:
    return _second_turn(server, include=["reasoning.encrypted_content"])


EXHIBITS: list[
    tuple[Callable[[MockServer], str], Callable[[MockServer], str], dict[str, Any], type[Exception], object]
] = [
    (first_choice_broken, first_choice_fixed, {}, IndexError, TEXT),
    (delta_of_an_annotation_broken, delta_of_an_annotation_fixed, {"filter": "asynchronous"}, AttributeError, TEXT),
    (adding_up_nothing_broken, adding_up_nothing_fixed, {}, TypeError, TEXT),
    (every_line_is_json_broken, every_line_is_json_fixed, {}, json.JSONDecodeError, TEXT),
    (
        usage_comes_last_broken,
        usage_comes_last_fixed,
        {"filter": "stopped"},
        AttributeError,
        "Lighthouses (stopped, tokens unknown)",
    ),
    (
        content_of_a_blocked_answer_broken,
        content_of_a_blocked_answer_fixed,
        {"filter": "stopped"},
        AttributeError,
        FilteredError,
    ),
    (
        categories_of_a_filtered_prompt_broken,
        categories_of_a_filtered_prompt_fixed,
        {"filter": "prompt_without_details"},
        KeyError,
        "no category given",
    ),
    (done_ends_a_response_broken, done_ends_a_response_fixed, {}, ConnectionError, TEXT),
    (
        status_of_an_error_in_the_stream_broken,
        status_of_an_error_in_the_stream_fixed,
        {"fault": "rate_limited_in_stream"},
        AttributeError,
        "try later",
    ),
    (
        arguments_in_one_piece_broken,
        arguments_in_one_piece_fixed,
        {"call": {"f": {"city": "Oslo"}}},
        json.JSONDecodeError,
        "Oslo",
    ),
    (
        the_end_is_the_whole_broken,
        the_end_is_the_whole_fixed,
        {"filter": "asynchronous_stopped"},
        AttributeError,
        FilteredError,
    ),
    (the_end_is_the_whole_broken, the_end_is_the_whole_fixed, {"filter": "stopped"}, ValueError, FilteredError),
    (limit_of_a_reasoning_model_broken, limit_of_a_reasoning_model_fixed, {}, openai.BadRequestError, TEXT),
    (
        schema_in_strict_mode_broken,
        schema_in_strict_mode_fixed,
        {"call": {"f": {"city": "Oslo"}}},
        openai.BadRequestError,
        "Oslo",
    ),
    (
        second_turn_without_a_store_broken,
        second_turn_without_a_store_fixed,
        {"reasoning": "Tall things."},
        openai.NotFoundError,
        TEXT,
    ),
]


@pytest.mark.parametrize(("broken", "fixed", "said", "exception", "outcome"), EXHIBITS)
def test_the_mistake_fails_as_reported_and_its_twin_does_not(
    broken: Callable[[MockServer], str],
    fixed: Callable[[MockServer], str],
    said: dict[str, Any],
    exception: type[Exception],
    outcome: object,
    mock_server: MockServer,
) -> None:
    mock_server.say(TEXT, **said)
    with pytest.raises(exception):
        broken(mock_server)
    if isinstance(outcome, type):
        with pytest.raises(outcome):
            fixed(mock_server)
    else:
        assert fixed(mock_server) == outcome


def test_every_exhibit_is_described() -> None:
    described = set(re.findall(r"^## `(\w+)`", MUSEUM.read_text(encoding="utf-8"), re.MULTILINE))
    assert described == {broken.__name__.removesuffix("_broken") for broken, *_ in EXHIBITS}
