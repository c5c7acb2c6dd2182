"""What a request costs, in calls: the same on every machine, unlike its time. A step that is done twice exceeds the bound.

The bounds are what was counted with Python 3.13, and a twentieth more. Whoever lowers a cost lowers its bound.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections.abc import MutableMapping
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from uvicorn.server import ServerState

from mockserver.cli import console
from mockserver.exchange import Answer, Event, Interaction, Request, parse_json
from mockserver.flask_apps.site_app import create_app
from mockserver.fronts.gate import SiteFront
from mockserver.fronts.model_front import ModelFront
from mockserver.matching.call import Call
from mockserver.simulation import steps
from mockserver.simulation.cassette_index import CassetteIndex
from mockserver.simulation.simulation import Simulation
from mockserver.swa.principal import ClientPrincipal
from mockserver.swa.routing import Decision
from mockserver.swa.session import Sessions
from mockserver.swa.static_web_app import StaticWebApp, load_static_web_app
from mockserver.wire.direct import DirectProtocol
from mockserver.wire.server import _config
from tests.unit.examples import FakeClock, chat
from tests.unit.test_direct import Client, plain

pytestmark = pytest.mark.skipif(sys.version_info < (3, 13), reason="older interpreters count other calls")

EVENTS = 60
JSON = chat("whole")
STREAMS = {pieces: chat(f"in {pieces} pieces", stream=True) for pieces in (EVENTS, 2 * EVENTS)}
MOST_CALLS = {"the same bytes": 225, "a head and a body of its own": 520, "an event of a paced stream": 61}
MOST_CALLS_OF_A_FILE = 1310
_other = itertools.count(1)


def recorded() -> CassetteIndex:
    index = CassetteIndex()
    whole = Event(0, json.dumps({"object": "chat.completion", "choices": []}).encode())
    index.add("c.yaml#1", Interaction(JSON, Answer(200, (("content-type", "application/json"),), (whole,))))
    for pieces, request in STREAMS.items():
        data = b'data: {"choices":[{"delta":{"content":"x"}}]}\n\n'
        answer = Answer(200, (("content-type", "text/event-stream"),), (Event(20, data),) * pieces)
        index.add(f"c.yaml#{pieces}", Interaction(request, answer))
    return index


class Counting:
    """Counts the functions that are called inside `with`, Python's and C's."""

    def __enter__(self) -> Counting:
        self.calls = -2  # what begins and ends the counting
        sys.setprofile(self._watch)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _watch(self, _frame: FrameType, event: str, _argument: object) -> None:
        self.calls += event in ("call", "c_call")


class Port:
    """The model's port with a connection; its lines are made, as for a console."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        simulation = Simulation(recorded(), clock=FakeClock())
        self.front = ModelFront(lambda _environ, _start: [], simulation, report=self._report)
        self.client = Client()
        self._protocol = DirectProtocol(_config(self.front, None, None, websockets=False), ServerState(), {})
        self._protocol.connection_made(self.client)

    def _report(self, entries: Any) -> None:
        self.lines += map(console.model_line, entries)

    async def calls(self, request: Request) -> int:
        """The calls for a request, to the end of its answer, a 200, and its line."""
        data, lines = plain(request), len(self.lines)
        self.client.received.clear()
        with Counting() as counting:
            self._protocol.data_received(data)
            while len(self.lines) == lines:
                await asyncio.sleep(0)
        assert self.client.received.startswith(b"HTTP/1.1 200")
        return counting.calls


def costs() -> dict[str, int]:
    """The calls for a request that came before, one that did not, and one more event of a stream."""

    async def run() -> dict[str, int]:
        port = Port()
        number = next(_other)
        other = Request("POST", JSON.raw_path, "", (*JSON.headers, ("x-n", str(number))), JSON.body + b" " * number)
        for request in (JSON, *STREAMS.values()):
            await port.calls(request)
        shorter, longer = [await port.calls(request) for request in STREAMS.values()]
        found = await port.calls(JSON), await port.calls(other), (longer - shorter) // EVENTS
        return dict(zip(MOST_CALLS, found, strict=True))

    return asyncio.run(run())


def test_a_request_costs_no_more_calls_than_it_did() -> None:
    found = costs()
    assert {name: cost for name, cost in found.items() if cost > MOST_CALLS[name]} == {}, found


def test_a_bound_is_no_looser_than_a_tenth() -> None:
    found = costs()
    assert {name: cost for name, cost in found.items() if cost and cost < MOST_CALLS[name] * 0.9} == {}, found


def file_costs(folder: Path) -> int:
    """The calls for a file of a site, to the end of its answer and its line."""
    (folder / "index.html").write_text("x")
    clock = FakeClock()
    site = load_static_web_app(folder, personas={}, sessions=Sessions("key", clock), clock=clock, api_urls=())
    lines: list[str | None] = []
    front = SiteFront(create_app(site), site, report=lambda entry: lines.append(console.visit_line(entry, ())))
    scope = {
        **{"type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "raw_path": b"/index.html"},
        **{"path": "/index.html", "query_string": b"", "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 9)},
    }

    async def run() -> int:
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        for _ in range(2):
            sent.clear()
            with Counting() as counting:
                await front({**scope, "headers": [(b"host", b"127.0.0.1")]}, receive, send)
        assert (sent[0]["status"], sent[1]["body"], len(lines)) == (200, b"x", 2), sent
        return counting.calls

    return asyncio.run(run())


def test_a_file_costs_no_more_calls_than_it_did_all_in_the_servers_own_thread(tmp_path: Path) -> None:
    assert MOST_CALLS_OF_A_FILE * 0.9 <= file_costs(tmp_path) <= MOST_CALLS_OF_A_FILE


def test_a_second_decision_on_a_file_exceeds_the_bound(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    decide = StaticWebApp.decide

    def twice(site: StaticWebApp, request: Request, principal: ClientPrincipal | None) -> Decision:
        decide(site, request, principal)
        return decide(site, request, principal)

    monkeypatch.setattr(StaticWebApp, "decide", twice)
    assert file_costs(tmp_path) > MOST_CALLS_OF_A_FILE


def test_a_second_parse_exceeds_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    found = steps.answer_from_recordings

    def parsing_again(turn: Any) -> Any:
        parse_json(turn.call.request.body)
        return found(turn)

    monkeypatch.setattr(steps, "STEPS", tuple(parsing_again if step is found else step for step in steps.STEPS))
    assert costs()["the same bytes"] > MOST_CALLS["the same bytes"]


def test_what_is_remembered_is_compared_by_every_byte() -> None:
    request = chat("x")
    other = Request(request.method, request.raw_path, request.query, request.headers, request.body + b" ")
    assert hash(request) != hash(other)
    assert request != other
    assert Call(request).canonical == Call(other).canonical
