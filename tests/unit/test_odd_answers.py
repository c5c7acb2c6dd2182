"""Answers of any shape, as tests say them and recorders find them: they can be sent, shown, compared, stored and spoken."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from mockserver.answers.conformance import violations
from mockserver.cassette_tools.structure import changes
from mockserver.cassette_tools.transcript import transcript
from mockserver.exchange import Answer, Event, Interaction, Request
from mockserver.journal.whole_answer import whole_answer
from mockserver.matching.call import Call
from mockserver.simulation.cassette_index import CassetteIndex
from mockserver.simulation.fault import MODEL_FAULT_KINDS
from mockserver.simulation.realtime import METHOD, session_of
from mockserver.simulation.settings import OnMiss
from mockserver.simulation.simulation import Simulation
from mockserver.simulation.stub import Stub, parse_stub
from tests.unit.examples import odd_shapes

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
KEY = (("authorization", "Bearer k"),)


def asked(path: str, *, stream: bool = False, **more: object) -> Request:
    """A question that a call of a function answers."""
    tool: dict[str, object] = {"type": "function", "name": "f", "parameters": {}}
    if path == CHAT:
        tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    text: dict[str, object] = {"input": "Call f"} if path == RESPONSES else {}
    text = text or {"messages": [{"role": "user", "content": "Call f"}]}
    body = {"model": "gpt-4o", "stream": stream, "store": True, "tools": [tool], **text, **more}
    return Request("POST", path, "", (*KEY, ("content-type", "application/json")), json.dumps(body).encode())


def usual(request: Request) -> Answer:
    answer = Simulation(on_miss=OnMiss.GENERATE).answer(request).answer
    assert answer is not None
    assert answer.status == 200
    return answer


def said(answer: Answer) -> Simulation:
    """A simulation that gives an answer to everything."""
    simulation = Simulation(on_miss=OnMiss.GENERATE)
    simulation.scopes.say(Stub("said#1", answer=answer, times=1))
    return simulation


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", [CHAT, RESPONSES])
def test_they_are_shown_and_compared_and_their_violations_are_named(path: str, stream: bool) -> None:
    request = asked(path, stream=stream)
    first = usual(request)
    for answer in islice(odd_shapes(first), None, None, 3):  # `make fuzz` tries them all
        interaction = Interaction(request, answer)
        list(transcript(interaction).lines())
        whole_answer(interaction.answer)
        list(map(str, (*changes(first, answer), *changes(answer, first))))
        violations(Call(request), answer)


@pytest.mark.parametrize("body", ["[" * 5000 + "]" * 5000, "NaN", "null", "", "\ud83d"])
def test_what_is_no_json_is_shown_as_it_is(body: str) -> None:
    request = asked(CHAT)
    answer = next(odd_shapes(usual(request)))
    odd = Answer(
        200, answer.headers, tuple(type(event)(0, body.encode("utf-8", "surrogatepass")) for event in answer.events)
    )
    interaction = Interaction(request, odd)
    list(transcript(interaction).lines())
    assert changes(odd, odd) == ()
    assert violations(Call(request), odd) != ()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", [CHAT, RESPONSES])
def test_they_are_stored_and_found_again(path: str, stream: bool) -> None:
    request = asked(path, stream=stream)
    for answer in islice(odd_shapes(usual(request)), None, None, 3):
        simulation = said(answer)
        simulation.answer(request)
        found = re.search(rb'"id": ?"((?:chatcmpl-|resp_)[\w-]+)"', answer.body)
        for target in _addresses(path, found[1].decode() if found else "x"):
            raw_path, _, query = target.partition("?")
            simulation.answer(Request("GET", raw_path, query, KEY))
        more: dict[str, Any] = {"previous_response_id": found[1].decode()} if found and path == RESPONSES else {}
        simulation.answer(asked(path, **more))


def _addresses(path: str, name: str) -> Iterator[str]:
    yield from (
        path,
        f"{path}/{name}",
        f"{path}/{name}?stream=true",
        f"{path}/{name}/messages",
        f"{path}/{name}/input_items",
    )


@pytest.mark.parametrize("address", ["/v1/realtime", "/openai/realtime"])
@pytest.mark.parametrize("silent", [False, True])
def test_a_realtime_session_says_which_event_of_an_answer_it_cannot_send(address: str, silent: bool) -> None:
    kinds = set()
    for answer in odd_shapes(usual(asked(RESPONSES, stream=True))):
        session = session_of(Request(METHOD, address, "model=m", KEY), 0, 1)
        list(session.begin())
        told = {"modalities": ["text"], "output_modalities": ["text"]} if silent else {}
        kinds |= {event["type"] for _, event in session.response(answer, told)}
        json.dumps(session.request({}).body.decode())
    assert {"response.done", "error"} <= kinds


@pytest.mark.parametrize("kind", MODEL_FAULT_KINDS)
@pytest.mark.parametrize("path", [CHAT, RESPONSES])
def test_every_fault_may_happen_to_them(kind: str, path: str) -> None:
    request = asked(path, stream=True)
    first = usual(request)
    odd = [
        first,
        Answer(200, first.headers),
        *(answer for answer in odd_shapes(Answer(200, first.headers, first.events[:1]))),
    ]
    odd += [
        Answer(
            200,
            first.headers,
            tuple(type(event)(0, b"event: response.created\ndata: \xff\n\n") for event in first.events),
        )
    ]
    for answer in odd:
        simulation = said(answer)
        simulation.scopes.say(parse_stub({"fault": kind}, "said#2"))
        simulation.answer(request)


def test_an_index_takes_them() -> None:
    request = asked(CHAT, stream=True)
    for number, answer in enumerate(odd_shapes(usual(request))):
        index = CassetteIndex()
        index.add(f"a.yaml#{number}", Interaction(request, answer))
        assert Simulation(index).answer(request).decided_by == f"a.yaml#{number}"


def test_a_large_answer_is_split_at_its_beginning_alone() -> None:
    answer = Answer(200, (("content-type", "text/event-stream"),), (Event(5, b"a" * 40_000), Event(7, b"b" * 400_000)))
    simulation = said(answer)
    simulation.scopes.say(parse_stub({"fault": "split_events"}, "said#2"))
    split = simulation.answer(asked(CHAT)).answer
    assert split is not None
    assert split.body == answer.body
    assert len(split.events) == (64 << 10) + 1
    assert sum(event.after_ms for event in split.events) == 12


def test_half_a_letter_in_another_encoding_is_read_too() -> None:
    body = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "\ud83d"}]}).encode("utf-16")
    entry = Simulation(on_miss=OnMiss.GENERATE).answer(Request("POST", CHAT, headers=KEY, body=body))
    assert entry.status == 200


def test_half_a_letter_in_what_is_said_for_a_response_in_the_background_stays_as_it_was_spelled() -> None:
    whole = usual(asked(RESPONSES))
    odd = Answer(
        200, whole.headers, (Event(0, whole.body.replace(b'"metadata": {}', b'"metadata": {"a": "\\ud83d"}')),)
    )
    assert odd.body != whole.body
    answer = said(odd).answer(asked(RESPONSES, background=True)).answer
    assert answer is not None
    assert b"\\ud83d" in answer.body
    assert b"queued" in answer.body
