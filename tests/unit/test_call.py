"""A call works each thing out once, however many rooms and stubs ask for it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from mockserver.contract.addresses import address_of
from mockserver.exchange import Interaction, Request
from mockserver.matching.call import Call
from mockserver.simulation.cassette_index import CassetteIndex
from mockserver.simulation.limits import Limit
from mockserver.simulation.settings import OnMiss
from mockserver.simulation.simulation import Simulation
from mockserver.simulation.stub import parse_stub
from tests.unit.examples import FakeClock, answered, chat

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often a request's body was parsed, and its address looked up."""
    counts: Counter[str] = Counter()
    decode = json.JSONDecoder.decode

    def counted_decode(decoder: json.JSONDecoder, text: str, *options: Any) -> Any:
        counts["parsed"] += text.startswith('{"model": "gpt-4o", "messages"')
        return decode(decoder, text, *options)

    def counted_address_of(*parts: str) -> Any:
        counts["looked up"] += 1
        return address_of(*parts)

    monkeypatch.setattr(json.JSONDecoder, "decode", counted_decode)
    monkeypatch.setattr("mockserver.matching.call.address_of", counted_address_of)
    return counts


@pytest.mark.parametrize("on_miss", [OnMiss.ERROR, OnMiss.GENERATE, OnMiss.RECORD])
@pytest.mark.parametrize("stubs", [0, 200])
@pytest.mark.parametrize("prompt", ["recorded", "authored", "unknown"])
def test_a_request_is_parsed_and_looked_up_once(on_miss: OnMiss, stubs: int, prompt: str, work: Counter[str]) -> None:
    index = CassetteIndex()
    index.add("a.yaml#1", Interaction(chat("recorded"), answered("x")))
    simulation = Simulation(index, on_miss=on_miss, clock=FakeClock(), limits={"*": Limit(requests=60, tokens=100_000)})
    simulation.scopes.say(*(parse_stub({"say": "x", "when": {"prompt": f"p{n}"}}, f"s#{n}") for n in range(stubs)))
    simulation.scopes.say(parse_stub({"say": "x", "when": {"prompt": "authored", "model": "gpt-4o"}}, "s#last"))
    work.clear()
    simulation.answer(chat(prompt))
    assert work == {"parsed": 1, "looked up": 1}


def test_an_address_alone_needs_no_body(work: Counter[str]) -> None:
    simulation = Simulation(clock=FakeClock())
    simulation.answer(replace(chat(), headers=()))  # refused for want of a key
    assert work["parsed"] == 0


@pytest.mark.parametrize(
    ("headers", "ids"),
    [
        ((("x-request-id", "r1"), ("traceparent", f"00-{TRACE}-b7ad6b7169203331-01")), {"r1", TRACE}),
        ((("traceparent", f"00-{TRACE}-b7ad6b7169203331-01"),), {TRACE}),
        ((("traceparent", "nonsense"),), set()),
        ((("traceparent", f"00-{TRACE}"),), set()),
        ((("traceparent", f"00-{TRACE[:31]}-b7ad6b7169203331-01"),), set()),
        ((("tracestate", TRACE), ("request-id", "r1")), set()),
        ((("x-request-id", ""),), set()),
    ],
)
def test_a_visit_is_known_by_its_request_id_and_its_trace(headers: tuple[tuple[str, str], ...], ids: set[str]) -> None:
    assert Call(Request("GET", "/", headers=headers)).visit_ids == ids


@pytest.mark.parametrize("body", [b"", b"[1]", b"{", b'"x"', b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_none(body: bytes) -> None:
    assert Call(Request("POST", "/v1/chat/completions", body=body)).body is None
