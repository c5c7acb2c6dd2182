from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from mockserver.answers.authored.authored_answer import AuthoredAnswer, Filter, Pace, ToolCall
from mockserver.answers.authored.expand import expand
from mockserver.contract.operations import address_of
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


def said(said: AuthoredAnswer, backend: str, **body: Any) -> Answer:
    return expand(said, Call(chat(path=PATHS[backend], **body)), seed="s", model="gpt-4o-2024-08-06", at_s=1000.7)


@pytest.mark.parametrize("backend", PATHS)
def test_streamed_or_not_it_says_the_same(backend: str) -> None:
    whole = json.loads(said(AuthoredAnswer(TEXT), backend).body)
    deltas = [
        chunk["choices"][0]["delta"]
        for chunk in chunks(said(AuthoredAnswer(TEXT), backend, stream=True))
        if chunk["choices"]
    ]
    assert whole["choices"][0]["message"]["content"] == TEXT
    assert "".join(delta.get("content") or "" for delta in deltas) == TEXT
    assert deltas[0] == {"role": "assistant", "content": "", "refusal": None}
    assert deltas[-1] == {}


def test_azure_sends_its_prompt_filter_first_with_no_choice() -> None:
    first, second, third, *_ = chunks(said(AuthoredAnswer(TEXT), "azure", stream=True))
    assert list(first) == ["choices", "created", "id", "model", "object", "prompt_filter_results"]
    assert (first["choices"], first["id"], first["object"]) == ([], "", "")
    assert second["choices"][0]["content_filter_results"] == {}
    assert third["choices"][0]["content_filter_results"]["violence"] == {"filtered": False, "severity": "safe"}
    assert list(third) == sorted(third)


def test_openai_sends_no_filter() -> None:
    assert b"filter" not in said(AuthoredAnswer(TEXT), "openai", stream=True).body
    assert b"filter" not in said(AuthoredAnswer(TEXT), "openai").body


@pytest.mark.parametrize("backend", PATHS)
def test_usage_comes_last_and_only_when_asked_for(backend: str) -> None:
    without = chunks(said(AuthoredAnswer("a b"), backend, stream=True))
    assert not any("usage" in chunk for chunk in without)
    *others, last = chunks(said(AuthoredAnswer("a b"), backend, stream=True, stream_options={"include_usage": True}))
    assert (last["choices"], last["usage"]["completion_tokens"]) == ([], 2)
    assert all(chunk["usage"] is None for chunk in others if chunk["id"])


@pytest.mark.parametrize("backend", PATHS)
def test_a_tool_call_arrives_in_pieces(backend: str) -> None:
    call = AuthoredAnswer(None, (ToolCall("get_weather", {"city": "Zürich"}),))
    deltas = [chunk["choices"][0] for chunk in chunks(said(call, backend, stream=True)) if chunk["choices"]]
    assert deltas[0]["delta"]["content"] is None
    parts = [delta["delta"]["tool_calls"][0] for delta in deltas[1:-1]]
    assert parts[0]["function"] == {"name": "get_weather", "arguments": ""}
    assert json.loads("".join(part["function"]["arguments"] for part in parts)) == {"city": "Zürich"}
    assert deltas[-1]["finish_reason"] == "tool_calls"
    whole = json.loads(said(call, backend).body)["choices"][0]
    assert (whole["message"]["content"], whole["finish_reason"]) == (None, "tool_calls")


def test_the_pace_is_before_the_head_and_before_each_written_event() -> None:
    answer = said(AuthoredAnswer("a b c", pace=Pace(400, 30)), "azure", stream=True)
    assert (answer.head_after_ms, [event.after_ms for event in answer.events]) == (400, [0, 0, 30, 30, 30, 0, 0])


def test_the_same_seed_gives_the_same_bytes_and_another_gives_other_ids() -> None:
    one, same, other = (
        expand(AuthoredAnswer("a"), Call(chat()), seed=seed, model="m", at_s=1) for seed in ("s", "s", "t")
    )
    assert one == same
    assert json.loads(one.body)["id"] != json.loads(other.body)["id"]


@pytest.mark.parametrize("text", ["", " ", "a", " a  b\n\n", "日本 語", "\n\n```\nx\n```\n"])
def test_pieces_joined_are_the_text(text: str) -> None:
    assert "".join(words(text)) == text


@pytest.mark.parametrize("filter_", [each for each in Filter if not each.value.startswith("prompt")])
def test_every_way_of_filtering_keeps_the_contract(filter_: Filter) -> None:
    asked = {"stream": True, "stream_options": {"include_usage": True}}
    answer = said(AuthoredAnswer(TEXT, filter=filter_), "azure", **asked)
    address = address_of("POST", PATHS["azure"], "")
    assert [event_violations(address, chunk) for chunk in chunks(answer)] == [()] * (len(answer.events) - 1)
    whole = json.loads(said(AuthoredAnswer(TEXT, filter=filter_), "azure").body)
    assert answer_violations(address, whole) == ()


def test_the_asynchronous_filters_verdicts_follow_the_end_and_have_no_delta() -> None:
    *_, stop, first, second, usage = chunks(
        said(
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


def test_a_blocklist_lets_the_text_through_and_says_so_afterwards() -> None:
    *_, verdict, _protected = chunks(
        said(AuthoredAnswer(TEXT, filter=Filter.ASYNCHRONOUS_BLOCKLIST), "azure", stream=True)
    )
    assert verdict["choices"][0]["content_filter_results"]["custom_blocklists"]["filtered"] is True
    assert verdict["choices"][0]["finish_reason"] is None


@pytest.mark.parametrize(("filter_", "has_delta"), [(Filter.STOPPED, True), (Filter.ASYNCHRONOUS_STOPPED, False)])
def test_a_stop_in_the_middle_ends_the_stream_without_usage(filter_: Filter, has_delta: bool) -> None:
    came = chunks(
        said(AuthoredAnswer(TEXT, filter=filter_), "azure", stream=True, stream_options={"include_usage": True})
    )
    assert came[-1]["choices"][0]["finish_reason"] == "content_filter"
    assert ("delta" in came[-1]["choices"][0]) is has_delta
    text = "".join((choice.get("delta") or {}).get("content") or "" for chunk in came for choice in chunk["choices"])
    assert text
    assert TEXT.startswith(text)
    assert text != TEXT


def test_without_a_filter_azure_sends_none_of_it() -> None:
    answer = said(AuthoredAnswer(TEXT, filter=Filter.NONE), "azure", stream=True)
    assert b"filter" not in answer.body
    assert chunks(answer)[0]["choices"][0]["delta"]["role"] == "assistant"


def test_a_filtered_prompt_is_a_400_even_where_a_stream_was_asked_for() -> None:
    full = said(AuthoredAnswer("x", filter=Filter.PROMPT), "azure", stream=True)
    error = json.loads(full.body)["error"]
    assert (full.status, error["code"], error["status"]) == (400, "content_filter", 400)
    assert error["innererror"]["content_filter_result"]["violence"]["filtered"] is True
    assert (
        "innererror"
        not in json.loads(said(AuthoredAnswer("x", filter=Filter.PROMPT_WITHOUT_DETAILS), "azure").body)["error"]
    )
    responses = expand(
        AuthoredAnswer("x", filter=Filter.PROMPT), Call(chat(path="/openai/v1/responses")), seed="s", model="m", at_s=1
    )
    assert "OpenAI\N{RIGHT SINGLE QUOTATION MARK}s" in responses.body.decode()


@pytest.mark.parametrize("filter_", list(Filter))
def test_openai_knows_nothing_of_filters(filter_: Filter) -> None:
    assert b"filter" not in said(AuthoredAnswer("text", filter=filter_), "openai", stream=True).body


# --- responses ---


def responded(said: AuthoredAnswer, backend: str, **body: Any) -> Answer:
    path = {"openai": "/v1/responses", "azure": "/openai/v1/responses"}[backend]
    asked = Request("POST", path, body=json.dumps({"model": "d", "input": "Hi", **body}).encode())
    return expand(said, Call(asked), seed="s", model="gpt-4o-2024-08-06", at_s=1000)


def typed(answer: Answer) -> list[dict[str, Any]]:
    events = []
    for event in answer.events:
        first, second = event.data.decode().removesuffix("\n\n").split("\n")
        payload = json.loads(second.removeprefix("data: "))
        assert first == f"event: {payload['type']}"
        events.append(payload)
    return events


@pytest.mark.parametrize("backend", PATHS)
def test_a_response_streams_by_type_in_the_recorded_order_and_without_a_done(backend: str) -> None:
    events = typed(responded(AuthoredAnswer(TEXT), backend, stream=True))
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
    whole = json.loads(responded(AuthoredAnswer(TEXT), backend).body)
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
def test_every_response_and_every_event_keeps_the_contract(backend: str, answer: AuthoredAnswer) -> None:
    address = address_of("POST", "/v1/responses", "")
    for event in typed(responded(answer, backend, stream=True)):
        assert event_violations(address, event) == ()
    assert answer_violations(address, json.loads(responded(answer, backend).body)) == ()


def test_a_responses_function_call_arrives_in_pieces() -> None:
    events = typed(responded(AuthoredAnswer(None, (ToolCall("get_weather", {"city": "Oslo"}),)), "openai", stream=True))
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
def test_every_completion_and_every_chunk_keeps_the_contract(backend: str, answer: AuthoredAnswer) -> None:
    address = address_of("POST", PATHS[backend], "")
    for chunk in chunks(said(answer, backend, stream=True, stream_options={"include_usage": True})):
        assert event_violations(address, chunk) == ()
    assert answer_violations(address, json.loads(said(answer, backend).body)) == ()
