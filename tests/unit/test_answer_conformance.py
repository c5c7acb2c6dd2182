"""Conformance of answers to their requests: every rule finds its violation, and good answers pass."""

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


def broken_rules(authored: AuthoredAnswer, **body: Any) -> set[str]:
    """The rules that an answer breaks, which must be the same as JSON and as a stream."""
    results = []
    for stream in (False, True):
        options: dict[str, Any] = {"stream_options": {"include_usage": True}} if stream else {}
        call = Call(chat(**body, stream=stream, **options))
        answer = expand(authored, call, seed="s", model="m", at_s=1)
        results.append({violation.rule for violation in violations(call, answer)})
    assert results[0] == results[1]
    return results[0]


@pytest.mark.parametrize(
    ("authored", "body", "rule"),
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
def test_an_answer_that_its_request_rules_out_breaks_a_rule(
    authored: AuthoredAnswer, body: dict[str, Any], rule: str
) -> None:
    assert broken_rules(authored, **body) == {rule}


@pytest.mark.parametrize(
    ("authored", "body"),
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
def test_an_answer_that_its_request_allows_breaks_no_rule(authored: AuthoredAnswer, body: dict[str, Any]) -> None:
    assert broken_rules(authored, **body) == set()


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"choices": []}, "wrong-n"),
        ({"usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 3}}, "usage-sum"),
        ({"object": "chat"}, "value"),
        ({"id": None}, "type"),
    ],
)
def test_a_complete_answer_is_checked_against_its_schema_and_sums(change: dict[str, Any], rule: str) -> None:
    good = json.loads(expand(AuthoredAnswer("x"), Call(chat()), seed="s", model="m", at_s=1).body)
    changed = Answer(200, (("content-type", "application/json"),), (Event(0, json.dumps({**good, **change}).encode()),))
    assert rule in {violation.rule for violation in violations(Call(chat()), changed)}


def test_refusals_and_answers_that_break_off_are_not_checked() -> None:
    broken = (Event(0, b"{}"),)
    for answer in (Answer(429, (), broken), Answer(200, (), broken, End.RESET)):
        assert violations(Call(chat()), answer) == ()


def test_an_authored_cassette_must_keep_the_contract_and_a_recorded_one_lists_its_violations(
    tmp_path: Path,
) -> None:
    broken = Answer(200, (("content-type", "application/json"),), (Event(0, b'{"object": "chat.completion"}'),))
    for source in (Source.RECORDED, Source.AUTHORED):
        path = tmp_path / "a.yaml"
        cassette.write(path, cassette.dump(Cassette(source, (Interaction(chat(), broken),))))
        if source is Source.RECORDED:
            named_violations = load_index([tmp_path]).violations
            assert {name for name, _ in named_violations} == {"a.yaml#1"}
            assert {violation.rule for _, violation in named_violations} == {"required", "wrong-n"}
        else:
            with pytest.raises(CassetteError, match="interaction 1: an authored answer must keep the contract"):
                load_index([tmp_path])
