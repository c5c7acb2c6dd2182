"""Authored answers: the form of each backend, streamed or not, with every content filter."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from mockserver.answers.authored.authored_answer import AuthoredAnswer, Filter, Pace, ToolCall
from mockserver.answers.authored.expand import expand
from mockserver.contract.addresses import address_of
from mockserver.contract.violations import answer_violations, event_violations
from mockserver.exchange import Answer, Request
from mockserver.matching.call import Call
from mockserver.tokens import words
from tests.unit.examples import chat

TEXT = "Grüße 🙂 from **here**,\n\nand there.  \n"
PATHS = {"openai": "/v1/chat/completions", "azure": "/openai/v1/chat/completions"}


def chunks(answer: Answer) -> list[dict[str, Any]]:
    *events, last = [event.data for event in answer.events]
    assert last == b"data: [DONE]\n\n"
    return [json.loads(event.removeprefix(b"data: ")) for event in events]


def completion(authored: AuthoredAnswer, backend: str, **body: Any) -> Answer:
    return expand(authored, Call(chat(path=PATHS[backend], **body)), seed="s", model="gpt-4o-2024-08-06", at_s=1000.7)


@pytest.mark.parametrize("backend", PATHS)
def test_the_text_is_the_same_as_json_and_as_a_stream(backend: str) -> None:
    whole = json.loads(completion(AuthoredAnswer(TEXT), backend).body)
    deltas = [
        chunk["choices"][0]["delta"]
        for chunk in chunks(completion(AuthoredAnswer(TEXT), backend, stream=True))
        if chunk["choices"]
    ]
    assert whole["choices"][0]["message"]["content"] == TEXT
    assert "".join(delta.get("content") or "" for delta in deltas) == TEXT
    assert deltas[0] == {"role": "assistant", "content": "", "refusal": None}
    assert deltas[-1] == {}


def test_azures_stream_begins_with_the_prompt_filter_and_no_choices() -> None:
    first, second, third, *_ = chunks(completion(AuthoredAnswer(TEXT), "azure", stream=True))
    assert list(first) == ["choices", "created", "id", "model", "object", "prompt_filter_results"]
    assert (first["choices"], first["id"], first["object"]) == ([], "", "")
    assert second["choices"][0]["content_filter_results"] == {}
    assert third["choices"][0]["content_filter_results"]["violence"] == {"filtered": False, "severity": "safe"}
    assert list(third) == sorted(third)


def test_openai_sends_no_filter() -> None:
    assert b"filter" not in completion(AuthoredAnswer(TEXT), "openai", stream=True).body
    assert b"filter" not in completion(AuthoredAnswer(TEXT), "openai").body


@pytest.mark.parametrize("backend", PATHS)
def test_usage_is_the_last_chunk_and_only_sent_on_request(backend: str) -> None:
    without = chunks(completion(AuthoredAnswer("a b"), backend, stream=True))
    assert not any("usage" in chunk for chunk in without)
    *others, last = chunks(
        completion(AuthoredAnswer("a b"), backend, stream=True, stream_options={"include_usage": True})
    )
    assert (last["choices"], last["usage"]["completion_tokens"]) == ([], 2)
    assert all(chunk["usage"] is None for chunk in others if chunk["id"])


@pytest.mark.parametrize("backend", PATHS)
def test_a_tool_call_is_streamed_in_pieces(backend: str) -> None:
    call = AuthoredAnswer(None, (ToolCall("get_weather", {"city": "Zürich"}),))
    deltas = [chunk["choices"][0] for chunk in chunks(completion(call, backend, stream=True)) if chunk["choices"]]
    assert deltas[0]["delta"]["content"] is None
    parts = [delta["delta"]["tool_calls"][0] for delta in deltas[1:-1]]
    assert parts[0]["function"] == {"name": "get_weather", "arguments": ""}
    assert json.loads("".join(part["function"]["arguments"] for part in parts)) == {"city": "Zürich"}
    assert deltas[-1]["finish_reason"] == "tool_calls"
    whole = json.loads(completion(call, backend).body)["choices"][0]
    assert (whole["message"]["content"], whole["finish_reason"]) == (None, "tool_calls")


def test_the_pace_applies_to_the_head_and_to_events_with_text() -> None:
    answer = completion(AuthoredAnswer("a b c", pace=Pace(400, 30)), "azure", stream=True)
    assert (answer.head_after_ms, [event.after_ms for event in answer.events]) == (400, [0, 0, 30, 30, 30, 0, 0])


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_ids() -> None:
    one, same, other = (
        expand(AuthoredAnswer("a"), Call(chat()), seed=seed, model="m", at_s=1) for seed in ("s", "s", "t")
    )
    assert one == same
    assert json.loads(one.body)["id"] != json.loads(other.body)["id"]


@pytest.mark.parametrize("text", ["", " ", "a", " a  b\n\n", "日本 語", "\n\n```\nx\n```\n"])
def test_pieces_joined_are_the_text(text: str) -> None:
    assert "".join(words(text)) == text


@pytest.mark.parametrize("filter_", [filter_ for filter_ in Filter if not filter_.value.startswith("prompt")])
def test_answers_with_any_filter_keep_the_contract(filter_: Filter) -> None:
    options = {"stream": True, "stream_options": {"include_usage": True}}
    answer = completion(AuthoredAnswer(TEXT, filter=filter_), "azure", **options)
    address = address_of("POST", PATHS["azure"], "")
    assert [event_violations(address, chunk) for chunk in chunks(answer)] == [()] * (len(answer.events) - 1)
    whole = json.loads(completion(AuthoredAnswer(TEXT, filter=filter_), "azure").body)
    assert answer_violations(address, whole) == ()


def test_verdicts_of_the_asynchronous_filter_follow_the_end_without_a_delta() -> None:
    *_, stop, first, second, usage = chunks(
        completion(
            AuthoredAnswer(TEXT, filter=Filter.ASYNCHRONOUS),
            "azure",
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert stop["choices"][0]["finish_reason"] == "stop"
    assert "content_filter_results" not in stop["choices"][0]
    for annotation in (first, second):
        assert "delta" not in annotation["choices"][0]
        assert annotation["choices"][0]["finish_reason"] is None
        assert annotation["choices"][0]["content_filter_offsets"]["end_offset"] > len(TEXT)
    assert usage["usage"]["completion_tokens"] > 0


def test_a_blocklist_sends_the_text_and_its_verdict_afterwards() -> None:
    *_, verdict, _protected = chunks(
        completion(AuthoredAnswer(TEXT, filter=Filter.ASYNCHRONOUS_BLOCKLIST), "azure", stream=True)
    )
    assert verdict["choices"][0]["content_filter_results"]["custom_blocklists"]["filtered"] is True
    assert verdict["choices"][0]["finish_reason"] is None


@pytest.mark.parametrize(("filter_", "has_delta"), [(Filter.STOPPED, True), (Filter.ASYNCHRONOUS_STOPPED, False)])
def test_a_filter_that_stops_the_text_ends_the_stream_without_usage(filter_: Filter, has_delta: bool) -> None:
    received = chunks(
        completion(AuthoredAnswer(TEXT, filter=filter_), "azure", stream=True, stream_options={"include_usage": True})
    )
    assert received[-1]["choices"][0]["finish_reason"] == "content_filter"
    assert ("delta" in received[-1]["choices"][0]) is has_delta
    text = "".join(
        (choice.get("delta") or {}).get("content") or "" for chunk in received for choice in chunk["choices"]
    )
    assert text
    assert TEXT.startswith(text)
    assert text != TEXT


def test_without_a_filter_azure_sends_no_filter_results() -> None:
    answer = completion(AuthoredAnswer(TEXT, filter=Filter.NONE), "azure", stream=True)
    assert b"filter" not in answer.body
    assert chunks(answer)[0]["choices"][0]["delta"]["role"] == "assistant"


def test_a_filtered_prompt_is_a_400_even_for_a_stream() -> None:
    full = completion(AuthoredAnswer("x", filter=Filter.PROMPT), "azure", stream=True)
    error = json.loads(full.body)["error"]
    assert (full.status, error["code"], error["status"]) == (400, "content_filter", 400)
    assert error["innererror"]["content_filter_result"]["violence"]["filtered"] is True
    assert (
        "innererror"
        not in json.loads(completion(AuthoredAnswer("x", filter=Filter.PROMPT_WITHOUT_DETAILS), "azure").body)["error"]
    )
    responses = expand(
        AuthoredAnswer("x", filter=Filter.PROMPT), Call(chat(path="/openai/v1/responses")), seed="s", model="m", at_s=1
    )
    assert "OpenAI\N{RIGHT SINGLE QUOTATION MARK}s" in responses.body.decode()


@pytest.mark.parametrize("filter_", list(Filter))
def test_openai_ignores_every_filter(filter_: Filter) -> None:
    assert b"filter" not in completion(AuthoredAnswer("text", filter=filter_), "openai", stream=True).body


# --- responses ---


def response(authored: AuthoredAnswer, backend: str, **body: Any) -> Answer:
    path = {"openai": "/v1/responses", "azure": "/openai/v1/responses"}[backend]
    request = Request("POST", path, body=json.dumps({"model": "d", "input": "Hi", **body}).encode())
    return expand(authored, Call(request), seed="s", model="gpt-4o-2024-08-06", at_s=1000)


def events_of(answer: Answer) -> list[dict[str, Any]]:
    events = []
    for event in answer.events:
        first, second = event.data.decode().removesuffix("\n\n").split("\n")
        payload = json.loads(second.removeprefix("data: "))
        assert first == f"event: {payload['type']}"
        events.append(payload)
    return events


@pytest.mark.parametrize("backend", PATHS)
def test_a_response_is_streamed_in_the_recorded_order_without_a_done_event(backend: str) -> None:
    events = events_of(response(AuthoredAnswer(TEXT), backend, stream=True))
    kinds = [event["type"].removeprefix("response.") for event in events]
    assert [kind for kind, _ in itertools.groupby(kinds)] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta") == TEXT
    whole = json.loads(response(AuthoredAnswer(TEXT), backend).body)
    assert events[-1]["response"]["output"][0]["content"] == whole["output"][0]["content"]


@pytest.mark.parametrize("backend", PATHS)
@pytest.mark.parametrize(
    "answer",
    [
        AuthoredAnswer(TEXT),
        AuthoredAnswer(None, (ToolCall("f", {"x": 1}), ToolCall("g", {}))),
        AuthoredAnswer("Both", (ToolCall("f", {"x": "ü"}),)),
    ],
)
def test_responses_and_their_events_keep_the_contract(backend: str, answer: AuthoredAnswer) -> None:
    address = address_of("POST", "/v1/responses", "")
    for event in events_of(response(answer, backend, stream=True)):
        assert event_violations(address, event) == ()
    assert answer_violations(address, json.loads(response(answer, backend).body)) == ()


def test_a_function_call_of_a_response_is_streamed_in_pieces() -> None:
    events = events_of(
        response(AuthoredAnswer(None, (ToolCall("get_weather", {"city": "Oslo"}),)), "openai", stream=True)
    )
    deltas = [event["delta"] for event in events if event["type"] == "response.function_call_arguments.delta"]
    assert json.loads("".join(deltas)) == {"city": "Oslo"}
    assert events[-1]["response"]["output"][0]["name"] == "get_weather"


@pytest.mark.parametrize("backend", PATHS)
@pytest.mark.parametrize(
    "answer",
    [
        AuthoredAnswer(TEXT),
        AuthoredAnswer(None, (ToolCall("f", {"x": 1}),)),
        AuthoredAnswer("Both", (ToolCall("f", {}),)),
    ],
)
def test_completions_and_their_chunks_keep_the_contract(backend: str, answer: AuthoredAnswer) -> None:
    address = address_of("POST", PATHS[backend], "")
    for chunk in chunks(completion(answer, backend, stream=True, stream_options={"include_usage": True})):
        assert event_violations(address, chunk) == ()
    assert answer_violations(address, json.loads(completion(answer, backend).body)) == ()
