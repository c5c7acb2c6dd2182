"""Answers judged by their requests: every rule bites, and what was said by hand in every form passes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mockserver import cassette
from mockserver.cassette import Cassette, CassetteError, Source
from mockserver.exchange import Answer, End, Event, Interaction
from mockserver.judge import violations
from mockserver.library import load_library
from mockserver.say import Call, Said, expand
from tests.unit.examples import chat

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
SCHEMA = {
    "type": "json_schema",
    "json_schema": {"name": "x", "strict": True, "schema": {"type": "object", "required": ["a"]}},
}


def rules(said: Said, **asked: Any) -> set[str]:
    """The rules an answer breaks, streamed and not; both must agree."""
    found = []
    for stream in (False, True):
        options: dict[str, Any] = {"stream_options": {"include_usage": True}} if stream else {}
        request = chat(**asked, stream=stream, **options)
        found.append({each.rule for each in violations(request, expand(said, request, seed="s", model="m", at_s=1))})
    assert found[0] == found[1]
    return found[0]


@pytest.mark.parametrize(
    ("said", "asked", "rule"),
    [
        (Said(None, (Call("f", {}),)), {}, "tool-not-offered"),
        (Said(None, (Call("g", {}),)), {"tools": [TOOL]}, "tool-not-offered"),
        (Said("text"), {"tools": [TOOL], "tool_choice": "required"}, "no-call"),
        (Said("text"), {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}}, "no-call"),
        (Said("one two three"), {"max_tokens": 2}, "longer-than-allowed"),
        (Said("one two three"), {"max_completion_tokens": 2}, "longer-than-allowed"),
        (Said("text"), {"response_format": {"type": "json_object"}}, "no-json"),
        (Said("text"), {"response_format": SCHEMA}, "no-json"),
        (Said('{"b": 1}'), {"response_format": SCHEMA}, "schema-broken"),
    ],
)
def test_an_answer_its_request_makes_impossible_is_named(said: Said, asked: dict[str, Any], rule: str) -> None:
    assert rules(said, **asked) == {rule}


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        (Said("text"), {}),
        (Said("text"), {"n": 3}),
        (Said(None, (Call("f", {"x": 1}), Call("f", {}))), {"tools": [TOOL], "tool_choice": "required"}),
        (Said("text"), {"tools": [TOOL]}),
        (Said("one two"), {"max_tokens": 2}),
        (Said('{"a": 1}'), {"response_format": SCHEMA}),
    ],
)
def test_a_possible_answer_is_not(said: Said, asked: dict[str, Any]) -> None:
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
    good = json.loads(expand(Said("x"), chat(), seed="s", model="m", at_s=1).body)
    changed = Answer(200, (("content-type", "application/json"),), (Event(0, json.dumps({**good, **change}).encode()),))
    assert rule in {each.rule for each in violations(chat(), changed)}


def test_a_refusal_and_an_answer_that_breaks_off_are_not_judged() -> None:
    broken = (Event(0, b"{}"),)
    for answer in (Answer(429, (), broken), Answer(200, (), broken, End.RESET)):
        assert violations(chat(), answer) == ()


def test_an_authored_cassette_that_breaks_the_contract_does_not_load_and_a_recorded_one_is_listed(
    tmp_path: Path,
) -> None:
    broken = Answer(200, (("content-type", "application/json"),), (Event(0, b'{"object": "chat.completion"}'),))
    for source in (Source.RECORDED, Source.AUTHORED):
        path = tmp_path / "a.yaml"
        cassette.write(path, cassette.dump(Cassette(source, (Interaction(chat(), broken),))))
        if source is Source.RECORDED:
            findings = load_library([tmp_path]).findings
            assert {name for name, _ in findings} == {"a.yaml#1"}
            assert {violation.rule for _, violation in findings} == {"required", "wrong-n"}
        else:
            with pytest.raises(
                CassetteError, match="interaction 1: an authored answer keeps the contract; this one does not"
            ):
                load_library([tmp_path])
