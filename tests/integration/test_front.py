"""What only the async front can do: reset a connection, notice that a client left, check the Host."""

from __future__ import annotations

import json
import re
import socket
import struct
from urllib.parse import urlsplit

import httpx2
import pytest

from mockserver.exchange import Answer, Event, Interaction, Request
from mockserver.flask_apps.live import MOST_LISTENERS
from mockserver.fronts.front import REQUEST_LIMIT_BYTES
from mockserver.simulation.cassette_index import CassetteIndex
from mockserver.simulation.simulation import Simulation
from mockserver.simulation.stub import parse_stub
from mockserver.wire.server import bind
from tests.integration.conftest import Serve, served_by_front
from tests.polling import wait_until

BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True}).encode()


@pytest.fixture
def simulation() -> Simulation:
    return Simulation()


def connect(url: str) -> socket.socket:
    """A raw connection that has sent a request for a completion."""
    host, port = urlsplit(url).netloc.split(":")
    connection = socket.create_connection((host, int(port)), timeout=30)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer k\r\ncontent-length: {len(BODY)}\r\n\r\n"
    connection.sendall(head.encode() + BODY)
    return connection


def wait_for_end(simulation: Simulation) -> str:
    return simulation.journal.wait_for()[-1].end


def test_a_dropped_answer_ends_with_a_reset(simulation: Simulation, serve_front: Serve) -> None:
    simulation.scopes.say(parse_stub({"say": "one two", "fault": "dropped", "after": 2}, "said#1"))
    with connect(serve_front(simulation)) as connection:
        received: list[bytes] = []
        with pytest.raises(ConnectionResetError):
            received.extend(iter(lambda: connection.recv(65536), b""))
    assert b"".join(received).count(b"data: ") == 2


def test_a_client_that_leaves_ends_its_answer_at_once(simulation: Simulation, serve_front: Serve) -> None:
    simulation.scopes.say(parse_stub({"say": "one two", "pace": {"each_ms": 60_000}}, "said#1"))
    with connect(serve_front(simulation)) as connection:
        assert b"200" in connection.recv(65536)
    assert wait_for_end(simulation) == "client left"


def test_clients_that_reset_a_burst_leave_nothing_on_the_console(
    simulation: Simulation, serve_front: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    simulation.scopes.say(parse_stub({"say": "word " * 2000}, "said#1"))
    url = serve_front(simulation)
    for _ in range(20):
        with connect(url) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with connect(url) as connection:  # those before it have come, where the kernel did not drop them with the reset
        assert b"200" in connection.recv(65536)
    wait_until(lambda: simulation.journal and all(entry.end != "open" for entry in simulation.journal))
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


def test_a_client_that_leaves_before_the_head_ends_its_answer(simulation: Simulation, serve_front: Serve) -> None:
    simulation.scopes.say(parse_stub({"say": "one", "pace": {"first_ms": 60_000}}, "said#1"))
    url = serve_front(simulation)
    with connect(url):
        wait_until(lambda: simulation.journal)
    assert wait_for_end(simulation) == "client left"
    assert simulation.journal[-1].events_sent == 0


def test_a_console_that_leaves_makes_room_for_another(serve_front: Serve) -> None:
    """Nothing tells an application that nobody reads its stream any more: uvicorn takes what is sent without a word."""
    url = f"{serve_front(Simulation())}/__admin/live"

    def listens() -> bool:
        with httpx2.stream("GET", url, trust_env=False) as live:
            return live.status_code == 200 and bool(next(live.iter_raw()))

    for _ in range(MOST_LISTENERS):
        assert listens()
    assert wait_until(listens)


def test_stopping_the_server_breaks_off_a_slow_answer() -> None:
    simulation = Simulation()
    simulation.scopes.say(parse_stub({"say": "one two", "pace": {"each_ms": 60_000}}, "said#1"))
    with served_by_front(simulation) as url:
        connection = connect(url)
        assert b"200" in connection.recv(65536)
    with connection:  # the server stopped, so the rest never comes; a wait would exceed the time limit of this test
        assert b"[DONE]" not in b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_server_listens_on_loopback() -> None:
    with bind(0, "the test") as listening:
        assert listening.getsockname()[0] == "127.0.0.1"


def test_an_incomplete_request_uses_no_stub(simulation: Simulation, serve_front: Serve) -> None:
    simulation.scopes.say(parse_stub({"say": "one"}, "said#1"))
    url = serve_front(simulation)
    host, port = urlsplit(url).netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=30) as half:
        half.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer k\r\ncontent-length: 999\r\n\r\n{"
        )
    assert httpx2.get(f"{url}/__admin/journal").json() == []


def test_an_entry_is_closed_before_the_last_bytes_are_sent(simulation: Simulation, serve_front: Serve) -> None:
    simulation.scopes.say(parse_stub({"say": "one"}, "said#1"))
    url = serve_front(simulation)
    for _ in range(100):
        httpx2.post(f"{url}/v1/chat/completions", content=BODY, headers={"authorization": "Bearer k"})
        assert simulation.journal[-1].end == "eof"


def test_framing_headers_of_a_cassette_are_replaced(serve_front: Serve) -> None:
    headers = (("content-type", "application/json"), ("transfer-encoding", "chunked"), ("content-length", "5"))
    index = CassetteIndex()
    request = Request("POST", "/v1/chat/completions", body=BODY)
    index.add("a.yaml#1", Interaction(request, Answer(200, headers, (Event(0, b'{"a": "longer"}'),))))
    answer = httpx2.post(
        f"{serve_front(Simulation(index))}/v1/chat/completions", content=BODY, headers={"authorization": "Bearer k"}
    )
    assert (answer.headers.get("content-length"), "transfer-encoding" in answer.headers) == ("15", False)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost.evil:80", "[::2]"])
def test_another_host_name_is_refused(host: str, simulation: Simulation, serve_front: Serve) -> None:
    answer = httpx2.get(f"{serve_front(simulation)}/__admin/journal", headers={"host": host})
    assert answer.status_code == 421
    assert list(simulation.journal) == []


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:4281", "127.0.0.1", "[::1]:4281"])
def test_the_names_of_this_machine_are_accepted(host: str, simulation: Simulation, serve_front: Serve) -> None:
    assert httpx2.get(f"{serve_front(simulation)}/__admin/health", headers={"host": host}).status_code == 200


def test_a_web_page_may_not_call_the_model(simulation: Simulation, serve_front: Serve) -> None:
    answer = httpx2.post(
        f"{serve_front(simulation)}/v1/chat/completions",
        content=BODY,
        headers={"origin": "http://127.0.0.1:4280", "authorization": "Bearer k"},
    )
    assert (answer.status_code, list(simulation.journal)) == (403, [])


def test_a_body_beyond_the_limit_is_refused(simulation: Simulation, serve_front: Serve) -> None:
    url = serve_front(simulation)
    assert httpx2.post(f"{url}/v1/chat/completions", content=b"x" * (REQUEST_LIMIT_BYTES + 1)).status_code == 413
    assert httpx2.get(f"{url}/__admin/health").status_code == 200


def test_a_large_body_within_the_limit_is_answered(simulation: Simulation, serve_front: Serve) -> None:
    simulation.scopes.say(parse_stub({"say": "big"}, "said#1"))
    image = {
        "type": "image_url",
        "image_url": {"url": f"data:image/png;base64,{'A' * 20_000_000}"},
    }  # no text: no window
    body = {"model": "m", "messages": [{"role": "user", "content": [image]}]}
    answer = httpx2.post(
        f"{serve_front(simulation)}/v1/chat/completions", json=body, headers={"authorization": "Bearer k"}, timeout=60
    )
    assert answer.json()["choices"][0]["message"]["content"] == "big"


def test_invalid_http_does_not_stop_the_server(simulation: Simulation, serve_front: Serve) -> None:
    url = serve_front(simulation)
    host, port = urlsplit(url).netloc.split(":")
    for garbage in (
        b"\x16\x03\x01\x02\x00\x01",
        b"GET /%zz HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET  HTTP/9\r\n\r\n",
    ):
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(garbage)
            assert re.match(rb"HTTP/1.1 (400|401|404)", connection.recv(65536))
    assert httpx2.get(f"{url}/__admin/health").status_code == 200


def test_an_answer_does_not_wait_for_an_acknowledgement() -> None:
    with bind(0, "the test") as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:  # asyncio turns Nagle's algorithm off for sockets that are named TCP
            assert accepted.proto == socket.IPPROTO_TCP


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("head", ["", "connection: close\r\n"])
def test_an_answer_that_waits_for_nothing_is_whole_on_every_connection(
    simulation: Simulation, serve_front: Serve, head: str, stream: bool
) -> None:
    simulation.scopes.say(parse_stub({"say": "one two", "pace": {"first_ms": 0, "each_ms": 0}}, "said#1"))
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": stream}).encode()
    lines = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer k\r\n{head}"
    request = f"{lines}content-length: {len(body)}\r\n\r\n".encode() + body
    with socket.create_connection(("127.0.0.1", urlsplit(serve_front(simulation)).port or 0), timeout=10) as client:
        client.sendall(request)
        answer = client.recv(1 << 16)
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n" if stream else b"}")
        if head:
            assert client.recv(1) == b""
        else:
            client.sendall(request)
            assert client.recv(1 << 16)[9:12] == b"200"
