"""Below ASGI the model's port says, byte for byte, what it says through uvicorn, however a client's bytes come."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.server import ServerState

from mockserver.clock import Clock, SystemClock
from mockserver.exchange import Answer, Request
from mockserver.fronts.model_front import ModelFront
from mockserver.simulation.simulation import Simulation
from mockserver.simulation.stub import Stub, parse_stub
from mockserver.wire import connection as connection_module
from mockserver.wire import writer as writer_module
from mockserver.wire.direct import DirectProtocol
from mockserver.wire.protocol import WireProtocol
from mockserver.wire.server import _config
from mockserver.wire.writer import AnswerWriter
from tests.unit.examples import FakeClock, chat


class Client(asyncio.Transport):
    """A client's end of a connection: keeps what it is sent."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        super().__init__({"peername": (address, 5000), "sockname": ("127.0.0.1", 4281)})
        self.received, self.closed, self.paused = bytearray(), False, False

    def write(self, data: Any) -> None:
        self.received += data if not self.closed else b""

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def get_write_buffer_size(self) -> int:
        return 0


def front(clock: Clock | None = None) -> ModelFront:
    simulation = Simulation(clock=clock or FakeClock())
    simulation.scopes.say(
        parse_stub({"when": {"prompt": "slowly"}, "say": "one two three", "pace": {"each_ms": 20}}, "said#1"),
        parse_stub({"say": "one two"}, "said#2"),
    )
    return ModelFront(lambda _environ, _start: [], simulation)


def head(request: Request, *lines: str, version: str = "1.1", host: str = "127.0.0.1") -> bytes:
    named = [f"{name}: {value}" for name, value in request.headers]
    return "\r\n".join(
        [f"{request.method} {request.target} HTTP/{version}", f"host: {host}", *named, *lines, "", ""]
    ).encode()


def plain(request: Request, *lines: str, **kind: str) -> bytes:
    return head(request, *lines, f"content-length: {len(request.body)}", **kind) + request.body


def chunked(request: Request) -> bytes:
    half = len(request.body) // 2
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (request.body[:half], request.body[half:]))
    return head(request, "transfer-encoding: chunked") + chunks + b"0\r\n\r\n"


JSON, STREAM, SLOW = chat("a"), chat("b", stream=True), chat("slowly", stream=True)
LIST = Request("GET", "/v1/models", "", JSON.headers)
WHOLE = {
    "json": plain(JSON),
    "stream": plain(STREAM),
    "slow": plain(SLOW),
    "list": head(LIST),
    "chunked": chunked(STREAM),
    "expects": plain(JSON, "expect: 100-continue"),
    "large": plain(chat("x" * 20_000)),
    "no key": plain(Request("POST", "/v1/chat/completions", "", (), JSON.body)),
    "page": plain(JSON, "origin: http://127.0.0.1:1"),
    "other host": plain(JSON, host="evil.example"),
    "two hosts": plain(JSON, "host: 127.0.0.1"),
    "space": plain(JSON, "x-odd:   \t v \t"),
    "odd path": plain(Request("POST", "/v1/%zz/../x;y", "a=b&a", JSON.headers, JSON.body)),
    "absolute": plain(Request("POST", "http://127.0.0.1/v1/chat/completions", "", JSON.headers, JSON.body)),
    "unknown": plain(Request("POST", "/v1/nothing", "", JSON.headers, JSON.body)),
    "upgrade": plain(JSON, "connection: upgrade", "upgrade: h2c"),
    "empty line before": b"\r\n" + plain(JSON),
    "delete": head(Request("DELETE", "/v1/responses/resp_1", "", JSON.headers)),
}
LAST = {
    "head": head(Request("HEAD", "/v1/models", "", JSON.headers)),
    "closes, without a body": head(LIST, "connection: close"),
    "closes": plain(STREAM, "connection: close"),
    "old": plain(JSON, version="1.0"),
    "old, without a body": head(LIST, version="1.0"),
    "upgrade without a body": head(LIST, "connection: upgrade", "upgrade: websocket"),
    "no http": b"nonsense\r\n\r\n",
    "bare lines": plain(JSON).replace(b"\r\n", b"\n"),
    "two lengths": plain(JSON, "content-length: 1"),
    "both lengths": plain(JSON, "transfer-encoding: chunked"),
    "odd length": head(JSON, "content-length: +5") + b"12345",
    "folded": plain(JSON, "x-a: b\r\n  c"),
    "odd letters": plain(JSON).replace(b"/v1/", "/é/".encode()),
    "not whole": plain(JSON)[:-5],
    "half a head": plain(JSON)[:40],
}
KINDS = {**WHOLE, **LAST}


async def settle() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


def exchange(protocol: type[WireProtocol], pieces: Iterable[bytes]) -> tuple[bytes, bool, list[tuple[Any, ...]]]:
    """What a client receives, whether the connection is closed then, and what the journal has."""

    async def run() -> tuple[bytes, bool, list[tuple[Any, ...]]]:
        app, client = front(), Client()
        config = _config(app, None, None, websockets=False)
        server = protocol(config, ServerState(), {})
        server.connection_made(client)
        for piece in pieces:
            if not client.closed:
                assert not client.paused, "it never reads again"
                server.data_received(piece)
                await settle()
        await settle()
        received, closed = bytes(client.received), client.closed
        server.connection_lost(None)
        await settle()
        assert app.budget.held_bytes == 0
        records = app._records.entries()
        assert app._records.crash_count == 0
        return received, closed, [(each.request.target, each.request.body, each.end, each.sent_ms) for each in records]

    return asyncio.run(run())


@pytest.fixture(autouse=True, scope="module")
def _one_date() -> Any:
    patch = pytest.MonkeyPatch()
    for module in (writer_module, connection_module):
        patch.setattr(module, "date", lambda _second: b"now")
    yield
    patch.undo()


@pytest.mark.parametrize("kind", KINDS)
def test_one_request_is_answered_as_through_uvicorn(kind: str) -> None:
    assert exchange(DirectProtocol, [KINDS[kind]]) == exchange(WireProtocol, [KINDS[kind]])


@st.composite
def connections(draw: st.DrawFn) -> tuple[list[bytes], list[bytes]]:
    """What a client sends, request by request, and in the pieces in which it comes. The last may end the connection."""
    requests = [KINDS[name] for name in draw(st.lists(st.sampled_from(sorted(WHOLE)), min_size=1, max_size=4))]
    data, last = b"".join(requests), [KINDS[name] for name in draw(st.lists(st.sampled_from(sorted(LAST)), max_size=1))]
    cuts = sorted(draw(st.sets(st.integers(1, len(data) - 1), max_size=6)))
    # Cut before the last too: where it is no HTTP, uvicorn forgets what it has not answered yet.
    return [*requests, *last], [*(data[start:end] for start, end in itertools.pairwise([0, *cuts, len(data)])), *last]


@settings(max_examples=100, deadline=None)
@given(connections())
def test_whatever_comes_in_whatever_pieces_is_answered_as_through_uvicorn(
    sent: tuple[list[bytes], list[bytes]],
) -> None:
    requests, pieces = sent
    assert exchange(DirectProtocol, pieces) == exchange(WireProtocol, requests)


def test_a_request_before_what_is_no_http_is_answered() -> None:
    received, closed, entries = exchange(DirectProtocol, [KINDS["json"] + KINDS["no http"]])
    assert re.findall(rb"HTTP/1.1 (\d+)", received) == [b"200", b"400"]
    assert (closed, len(entries)) == (True, 1)


def test_a_client_on_another_machine_is_never_answered_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> int:
        app, client, direct = front(), Client("192.0.2.1"), list[Request]()

        def answer_directly(request: Request, _writer: AnswerWriter) -> bool:
            direct.append(request)
            return False

        monkeypatch.setattr(app, "answer_directly", answer_directly)
        server = DirectProtocol(_config(app, None, None, websockets=False), ServerState(), {})
        server.connection_made(client)
        server.data_received(KINDS["json"])
        await settle()
        assert client.received.startswith(b"HTTP/1.1 200")
        return len(direct)

    assert asyncio.run(run()) == 0


def test_an_idle_connection_closes_and_one_in_use_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> list[bool]:
        app, client, closed = front(SystemClock()), Client(), list[bool]()
        server = DirectProtocol(_config(app, None, None, websockets=False), ServerState(), {})
        server.connection_made(client)
        server.timeout_keep_alive = 1
        now_s = asyncio.get_running_loop().time()
        monkeypatch.setattr(server.loop, "time", lambda: now_s)
        server.data_received(KINDS["json"])
        now_s += 0.9
        server.timeout_keep_alive_handler()
        closed.append(client.closed)
        server.data_received(KINDS["slow"])  # its answer takes a while
        now_s += 60
        server.timeout_keep_alive_handler()
        closed.append(client.closed)
        assert server._writer is not None
        server._writer.leave()
        now_s += 1
        server.timeout_keep_alive_handler()
        closed.append(client.closed)
        return closed

    assert asyncio.run(run()) == [False, False, True]


def test_what_comes_while_an_answer_is_sent_waits_unread_for_its_turn() -> None:
    clock = SystemClock()
    clock.freeze()

    async def run() -> tuple[list[bool], list[bytes]]:
        app, client, paused = front(clock), Client(), list[bool]()
        server = DirectProtocol(_config(app, None, None, websockets=False), ServerState(), {})
        server.connection_made(client)
        server.data_received(KINDS["slow"])
        await settle()
        server.data_received(KINDS["json"] + KINDS["list"])
        paused.append(client.paused)
        server.data_received(KINDS["large"] * 4)
        paused.append(client.paused)
        clock.advance(60)
        await settle()
        paused.append(client.paused)
        return paused, re.findall(rb"content-type: ([\w/-]+)", client.received)

    paused, kinds = asyncio.run(run())
    assert paused == [False, True, False]
    assert kinds == [b"text/event-stream", *[b"application/json"] * 6]


def connected(app: ModelFront, protocol: type[WireProtocol] = DirectProtocol) -> tuple[WireProtocol, Client]:
    server, client = protocol(_config(app, None, None, websockets=False), ServerState(), {}), Client()
    server.connection_made(client)
    return server, client


def answers(client: Client) -> int:
    return client.received.count(b"HTTP/1.1 200")


@pytest.mark.parametrize("protocol", [DirectProtocol, WireProtocol])
def test_who_does_not_read_is_answered_no_more_until_it_does(protocol: type[WireProtocol]) -> None:
    async def run() -> list[int]:
        server, client = connected(front(), protocol)
        server.data_received(KINDS["json"])
        await settle()
        found = [answers(client)]
        server.pause_writing()
        server.data_received(KINDS["json"] * 5)
        await settle()
        found.append(answers(client))
        server.resume_writing()
        await settle()
        return [*found, answers(client)]

    assert asyncio.run(run()) == [1, 1, 6]


def test_only_what_has_come_of_a_request_is_counted_and_all_is_let_go_with_its_answer() -> None:
    async def run() -> list[int]:
        app = front()
        server, _ = connected(app)
        begins, rest = plain(chat("x" * 5000))[:300], plain(chat("x" * 5000))[300:]
        held = []
        for piece in (begins, rest[:1000], rest[1000:]):
            server.data_received(piece)
            await settle()
            held.append(app.budget.held_bytes)
        return held

    assert asyncio.run(run()) == [300, 1300, 0]


def test_more_than_the_server_may_hold_is_refused_as_through_uvicorn() -> None:
    async def run() -> bytes:
        app = front()
        app.budget.most_bytes = 2000
        server, client = connected(app)
        request = plain(chat("x" * 5000))
        for start in range(0, len(request), 700):
            server.data_received(request[start : start + 700])
            await settle()
        assert app.budget.held_bytes == 0
        return bytes(client.received)

    assert asyncio.run(run()).startswith(b"HTTP/1.1 503")


def test_an_answer_that_cannot_be_sent_or_noted_is_a_500_with_an_entry_that_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run(app: ModelFront) -> tuple[bytes, list[str]]:
        server, client = connected(app)
        server.data_received(KINDS["json"])
        await settle()
        assert app._records.crash_count == 1
        return bytes(client.received[:12]), [entry.end for entry in app._records.entries()]

    broken = front()
    broken._simulation.scopes.everybody.stubs = (Stub("s#1", answer=Answer(200, (("x-a", "b\r\nc: d"),))),)
    assert asyncio.run(run(broken)) == (b"HTTP/1.1 500", ["failed"])
    unnoted = front()
    monkeypatch.setattr(unnoted._records, "close", lambda *_, **__: 1 / 0)
    assert asyncio.run(run(unnoted)) == (b"HTTP/1.1 500", ["open"])


def test_a_client_that_leaves_is_seen_after_a_request_that_uvicorn_stopped_reading() -> None:
    clock = SystemClock()
    clock.freeze()

    async def run() -> tuple[bool, list[str]]:
        app = front(clock)
        server, client = connected(app)
        request = plain(chat("slowly", stream=True, user="x" * 200_000), "expect: 100-continue")
        for piece in (request[:300], request[300:]):
            server.data_received(piece)
            await settle()
        paused = client.paused
        server.connection_lost(None)
        await settle()
        return paused, [entry.end for entry in app._records.entries()]

    assert asyncio.run(run()) == (False, ["client left"])
