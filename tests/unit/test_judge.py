"""Answers judged by their requests: every rule bites, and what was said by hand in every form passes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mockserver.answers.authored.authored_answer import AuthoredAnswer, ToolCall
from mockserver.answers.authored.expand import expand
from mockserver.answers.conformance import violations
from mockserver.cassettes import cassette
from mockserver.cassettes.cassette import Cassette, CassetteError, Source
from mockserver.exchange import Answer, End, Event, Interaction
from mockserver.matching.call import Call
from mockserver.simulation.cassette_index import load_index
from tests.unit.examples import chat

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
SCHEMA = {
    "type": "json_schema",
    "json_schema": {"name": "x", "strict": True, "schema": {"type": "object", "required": ["a"]}},
}


def rules(said: AuthoredAnswer, **asked: Any) -> set[str]:
    """The rules an answer breaks, streamed and not; both must agree."""
    found = []
    for stream in (False, True):
        options: dict[str, Any] = {"stream_options": {"include_usage": True}} if stream else {}
        request = chat(**asked, stream=stream, **options)
        found.append(
            {each.rule for each in violations(Call(request), expand(said, Call(request), seed="s", model="m", at_s=1))}
        )
    assert found[0] == found[1]
    return found[0]


@pytest.mark.parametrize(
    ("said", "asked", "rule"),
    [
        (AuthoredAnswer(None, (ToolCall("f", {}),)), {}, "tool-not-offered"),
        (AuthoredAnswer(None, (ToolCall("g", {}),)), {"tools": [TOOL]}, "tool-not-offered"),
        (AuthoredAnswer("text"), {"tools": [TOOL], "tool_choice": "required"}, "no-call"),
        (
            AuthoredAnswer("text"),
            {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}},
            "no-call",
        ),
        (AuthoredAnswer("one two three"), {"max_tokens": 2}, "longer-than-allowed"),
        (AuthoredAnswer("one two three"), {"max_completion_tokens": 2}, "longer-than-allowed"),
        (AuthoredAnswer("text"), {"response_format": {"type": "json_object"}}, "no-json"),
        (AuthoredAnswer("text"), {"response_format": SCHEMA}, "no-json"),
        (AuthoredAnswer('{"b": 1}'), {"response_format": SCHEMA}, "schema-broken"),
    ],
)
def test_an_answer_its_request_makes_impossible_is_named(
    said: AuthoredAnswer, asked: dict[str, Any], rule: str
) -> None:
    assert rules(said, **asked) == {rule}


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        (AuthoredAnswer("text"), {}),
        (AuthoredAnswer("text"), {"n": 3}),
        (
            AuthoredAnswer(None, (ToolCall("f", {"x": 1}), ToolCall("f", {}))),
            {"tools": [TOOL], "tool_choice": "required"},
        ),
        (AuthoredAnswer("text"), {"tools": [TOOL]}),
        (AuthoredAnswer("one two"), {"max_tokens": 2}),
        (AuthoredAnswer('{"a": 1}'), {"response_format": SCHEMA}),
    ],
)
def test_a_possible_answer_is_not(said: AuthoredAnswer, asked: dict[str, Any]) -> None:
    assert rules(said, **asked) == set()


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"choices": []}, "wrong-n"),
        ({"usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 3}}, "usage-sum"),
        ({"object": "chat"}, "value"),
        ({"id": None}, "type"),
    ],
)
def test_a_whole_answer_is_held_to_schema_and_sums(change: dict[str, Any], rule: str) -> None:
    good = json.loads(expand(AuthoredAnswer("x"), Call(chat()), seed="s", model="m", at_s=1).body)
    changed = Answer(200, (("content-type", "application/json"),), (Event(0, json.dumps({**good, **change}).encode()),))
    assert rule in {each.rule for each in violations(Call(chat()), changed)}


def test_a_refusal_and_an_answer_that_breaks_off_are_not_judged() -> None:
    broken = (Event(0, b"{}"),)
    for answer in (Answer(429, (), broken), Answer(200, (), broken, End.RESET)):
        assert violations(Call(chat()), answer) == ()


def test_an_authored_cassette_that_breaks_the_contract_does_not_load_and_a_recorded_one_is_listed(
    tmp_path: Path,
) -> None:
    broken = Answer(200, (("content-type", "application/json"),), (Event(0, b'{"object": "chat.completion"}'),))
    for source in (Source.RECORDED, Source.AUTHORED):
        path = tmp_path / "a.yaml"
        cassette.write(path, cassette.dump(Cassette(source, (Interaction(chat(), broken),))))
        if source is Source.RECORDED:
            findings = load_index([tmp_path]).findings
            assert {name for name, _ in findings} == {"a.yaml#1"}
            assert {violation.rule for _, violation in findings} == {"required", "wrong-n"}
        else:
            with pytest.raises(
                CassetteError, match="interaction 1: an authored answer keeps the contract; this one does not"
            ):
                load_index([tmp_path])
