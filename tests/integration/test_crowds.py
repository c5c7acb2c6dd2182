"""Crowds: what many clients do at once does not keep others from their answers."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from mockserver.clock import SystemClock
from mockserver.flask_apps import control
from mockserver.flask_apps.site_app import create_app
from mockserver.fronts.gate import SiteFront
from mockserver.fronts.model_front import ModelFront
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import ModelOptions
from mockserver.simulation.simulation import Simulation
from mockserver.swa.personas import load_personas
from mockserver.swa.session import Sessions
from mockserver.swa.static_web_app import load_static_web_app
from mockserver.wire.server import Servers, bind, url_of
from tests.integration.running import Running
from tests.polling import wait_until

CROWD = 200
LARGE = 16 << 20  # more than the buffers of a connection hold


@pytest.fixture
def site_port(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "index.html").write_text("<p>here</p>")
    (tmp_path / "large.bin").write_bytes(bytes(LARGE))
    clock = SystemClock()
    site = load_static_web_app(
        tmp_path, personas=load_personas(), sessions=Sessions("k", clock), clock=clock, api_urls=(), config=None
    )
    front, sock = SiteFront(create_app(site), site), bind(0, "the test")
    servers = Servers((front, sock), at_end=front.close)
    servers.start()
    yield int(url_of(sock).rpartition(":")[2])
    servers.stop()


@pytest.mark.slow
def test_downloads_that_nobody_reads_do_not_stop_the_site(site_port: int) -> None:
    request = f"GET /large.bin HTTP/1.1\r\nhost: 127.0.0.1:{site_port}\r\n\r\n".encode()
    with ExitStack() as crowd:
        clients = [crowd.enter_context(socket.create_connection(("127.0.0.1", site_port))) for _ in range(CROWD)]
        for client in clients:
            client.sendall(request)
        for client in clients:
            client.settimeout(20)
            assert client.recv(12) == b"HTTP/1.1 200"
        assert httpx2.get(f"http://127.0.0.1:{site_port}/", timeout=10).text == "<p>here</p>"
        assert httpx2.get(f"http://127.0.0.1:{site_port}/.auth/me", timeout=10).status_code == 200
        whole = crowd.enter_context(clients[0].makefile("rb"))
        while whole.readline().strip():
            pass
        assert whole.read(LARGE) == bytes(LARGE)


def test_many_who_wait_for_the_journal_do_not_stop_the_model() -> None:
    with ModelEndpoint(ModelOptions()) as model, ExitStack() as crowd:
        port = int(model.url.rpartition(":")[2])
        for _ in range(40):
            client = crowd.enter_context(socket.create_connection(("127.0.0.1", port)))
            client.sendall(b"GET /__admin/journal/verify?within_s=8 HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        assert httpx2.get(f"{model.url}/__admin/health", timeout=5).status_code == 200


def test_more_bytes_of_uploads_than_memory_is_for_are_refused_until_some_have_ended() -> None:
    front = ModelFront(control.create_app(Simulation(), "t"), Simulation())
    front.budget.most_bytes = 10 << 20
    sock = bind(0, "the test")
    servers = Servers((front, sock))
    servers.start()
    port = int(url_of(sock).rpartition(":")[2])

    def upload(part: int) -> socket.socket:
        client = crowd.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
        head = (
            "POST /v1/files HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer k\r\ncontent-length: 5000000\r\n\r\n"
        )
        client.sendall(head.encode() + bytes(part))
        return client

    with ExitStack() as crowd:
        held = [upload(4_900_000), upload(4_900_000)]
        wait_until(lambda: front.budget.held_bytes == 9_800_000)
        assert upload(1_000_000).recv(12) == b"HTTP/1.1 503"
        held[0].close()
        wait_until(lambda: front.budget.held_bytes == 4_900_000)
        assert upload(5_000_000).recv(12) == b"HTTP/1.1 400"
        wait_until(lambda: front.budget.held_bytes == 4_900_000)
    wait_until(lambda: front.budget.held_bytes == 0)
    servers.stop()


@pytest.mark.parametrize("who_floods", ["client", "server"])
def test_neither_side_of_a_tunnel_fills_the_memory_where_the_other_does_not_read(
    who_floods: str, tmp_path: Path
) -> None:
    (tmp_path / "staticwebapp.config.json").write_text("{}")
    listening, clock = socket.create_server(("127.0.0.1", 0)), SystemClock()
    site = load_static_web_app(
        f"http://127.0.0.1:{listening.getsockname()[1]}",
        personas=load_personas(),
        sessions=Sessions("k", clock),
        clock=clock,
        api_urls=(),
        config=tmp_path,
    )
    front, sock = SiteFront(create_app(site), site), bind(0, "the test")
    servers = Servers((front, sock), at_end=front.close)
    servers.start()
    address = ("127.0.0.1", int(url_of(sock).rpartition(":")[2]))
    with listening, socket.create_connection(address, timeout=20) as client:
        upgrade = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        client.sendall(f"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n{upgrade}\r\n".encode())
        with listening.accept()[0] as server:
            server.recv(10_000)
            server.sendall(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
            assert client.recv(12) == b"HTTP/1.1 101"
            flooding = client if who_floods == "client" else server
            flooding.settimeout(1)
            with pytest.raises(TimeoutError):
                flooding.sendall(bytes(200 << 20))
    servers.stop()


def test_without_file_descriptors_new_connections_wait_and_the_console_says_so_once(
    run: Callable[..., Running],
) -> None:
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    model = run("model", "--port", "0", "--on-miss", "generate", limits={resource.RLIMIT_NOFILE: 64})
    port = int(model.read_until(r"^ready http://127\.0\.0\.1:(\d+)$")[1])
    with ExitStack() as crowd:
        for _ in range(100):
            crowd.enter_context(socket.create_connection(("127.0.0.1", port)))
        model.read_until("no new connection can be accepted for now: Too many open files")
    assert httpx2.get(f"http://127.0.0.1:{port}/__admin/health", timeout=20).json()["crashes"] == 0
    model.process.send_signal(signal.SIGINT)
    assert model.exit_status() == 0
    assert model.lines[model.lines.index(next(line for line in model.lines if "no new" in line)) + 1 :] == []
