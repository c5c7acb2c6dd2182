from __future__ import annotations

import json
from typing import Any

import pytest

from mockserver.exchange import Answer
from mockserver.say import Call, Pace, Said, expand, pieces
from tests.unit.examples import chat

TEXT = "Grüße 🙂 from **here**,\n\nand there.  \n"
PATHS = {"openai": "/v1/chat/completions", "azure": "/openai/v1/chat/completions"}


def chunks(answer: Answer) -> list[dict[str, Any]]:
    *events, last = [event.data for event in answer.events]
    assert last == b"data: [DONE]\n\n"
    return [json.loads(event.removeprefix(b"data: ")) for event in events]


def said(said: Said, backend: str, **body: Any) -> Answer:
    return expand(said, chat(path=PATHS[backend], **body), seed="s", at_s=1000.7)


@pytest.mark.parametrize("backend", PATHS)
def test_streamed_or_not_it_says_the_same(backend: str) -> None:
    whole = json.loads(said(Said(TEXT), backend).body)
    deltas = [
        chunk["choices"][0]["delta"] for chunk in chunks(said(Said(TEXT), backend, stream=True)) if chunk["choices"]
    ]
    assert whole["choices"][0]["message"]["content"] == TEXT
    assert "".join(delta.get("content") or "" for delta in deltas) == TEXT
    assert deltas[0] == {"role": "assistant", "content": "", "refusal": None}
    assert deltas[-1] == {}


def test_azure_sends_its_prompt_filter_first_with_no_choice() -> None:
    first, second, third, *_ = chunks(said(Said(TEXT), "azure", stream=True))
    assert list(first) == ["choices", "created", "id", "model", "object", "prompt_filter_results"]
    assert (first["choices"], first["id"], first["object"]) == ([], "", "")
    assert second["choices"][0]["content_filter_results"] == {}
    assert third["choices"][0]["content_filter_results"]["violence"] == {"filtered": False, "severity": "safe"}
    assert list(third) == sorted(third)


def test_openai_sends_no_filter() -> None:
    assert b"filter" not in said(Said(TEXT), "openai", stream=True).body
    assert b"filter" not in said(Said(TEXT), "openai").body


@pytest.mark.parametrize("backend", PATHS)
def test_usage_comes_last_and_only_when_asked_for(backend: str) -> None:
    without = chunks(said(Said("a b"), backend, stream=True))
    assert not any("usage" in chunk for chunk in without)
    *others, last = chunks(said(Said("a b"), backend, stream=True, stream_options={"include_usage": True}))
    assert (last["choices"], last["usage"]["completion_tokens"]) == ([], 2)
    assert all(chunk["usage"] is None for chunk in others if chunk["id"])


@pytest.mark.parametrize("backend", PATHS)
def test_a_tool_call_arrives_in_pieces(backend: str) -> None:
    call = Said(None, (Call("get_weather", {"city": "Zürich"}),))
    deltas = [chunk["choices"][0] for chunk in chunks(said(call, backend, stream=True)) if chunk["choices"]]
    assert deltas[0]["delta"]["content"] is None
    parts = [delta["delta"]["tool_calls"][0] for delta in deltas[1:-1]]
    assert parts[0]["function"] == {"name": "get_weather", "arguments": ""}
    assert json.loads("".join(part["function"]["arguments"] for part in parts)) == {"city": "Zürich"}
    assert deltas[-1]["finish_reason"] == "tool_calls"
    whole = json.loads(said(call, backend).body)["choices"][0]
    assert (whole["message"]["content"], whole["finish_reason"]) == (None, "tool_calls")


def test_the_pace_is_before_the_head_and_before_each_written_event() -> None:
    answer = said(Said("a b c", pace=Pace(400, 30)), "azure", stream=True)
    assert (answer.head_after_ms, [event.after_ms for event in answer.events]) == (400, [0, 0, 30, 30, 30, 0, 0])


def test_the_same_seed_gives_the_same_bytes_and_another_gives_other_ids() -> None:
    one, same, other = (expand(Said("a"), chat(), seed=seed, at_s=1) for seed in ("s", "s", "t"))
    assert one == same
    assert json.loads(one.body)["id"] != json.loads(other.body)["id"]


@pytest.mark.parametrize("text", ["", " ", "a", " a  b\n\n", "日本 語", "\n\n```\nx\n```\n"])
def test_pieces_joined_are_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text
