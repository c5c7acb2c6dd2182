"""No upgrade leads past the gate: WebSockets alone become tunnels, and only once the server has said 101."""

from __future__ import annotations

import json
import re
import socket
import socketserver
import threading
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

import pytest

from mockserver.clock import SystemClock
from mockserver.flask_apps.site_app import create_app
from mockserver.fronts.gate import SiteFront
from mockserver.swa.personas import load_personas
from mockserver.swa.session import Sessions
from mockserver.swa.static_web_app import load_static_web_app
from mockserver.wire.server import Servers, bind, url_of

CONFIG = {
    "routes": [{"route": "/admin*", "allowedRoles": ["admin"]}, {"route": "/api/secret", "allowedRoles": ["admin"]}]
}
WEBSOCKET = "upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
H2C = "upgrade: h2c\r\nconnection: Upgrade, HTTP2-Settings\r\nhttp2-settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"
#: The first bytes of HTTP/2, as a client sends them after its upgrade.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Upstream(socketserver.BaseRequestHandler):
    """Speaks any protocol that it is asked for, and remembers every byte that it got."""

    received: list[bytes]

    def handle(self) -> None:
        data = b""
        while chunk := self.request.recv(1000):
            self.received.append(chunk)
            data += chunk
            while b"\r\n\r\n" in data:
                head, _, data = data.partition(b"\r\n\r\n")
                wanted = [line for line in head.lower().split(b"\r\n") if line.startswith(b"upgrade:")]
                if wanted and b"/refused" not in head:
                    self.request.sendall(
                        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n" + wanted[0] + b"\r\n\r\nhello"
                    )
                    while more := self.request.recv(1000):
                        self.received.append(more)
                        self.request.sendall(more.upper())
                    return
                self.request.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")


@pytest.fixture
def ports(tmp_path: Path) -> Iterator[tuple[int, list[bytes]]]:
    """The port of a site in front of a dev server and an API, and what these received."""
    received: list[bytes] = []
    handler = type("Handler", (Upstream,), {"received": received})
    (tmp_path / "staticwebapp.config.json").write_text(json.dumps(CONFIG))
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url, clock = f"http://127.0.0.1:{server.server_address[1]}", SystemClock()
        site = load_static_web_app(
            url, personas=load_personas(), sessions=Sessions("k", clock), clock=clock, api_urls=(url,), config=tmp_path
        )
        front, sock = SiteFront(create_app(site), site), bind(0, "the test")
        servers = Servers((front, sock), at_end=front.close)
        servers.start()
        yield int(url_of(sock).rpartition(":")[2]), received
        servers.stop()
        server.shutdown()


def converse(port: int, *parts: bytes, answers: int = 1) -> list[bytes]:
    """What comes for each part: `answers` answers, or the bytes of a tunnel; empty at the end of the connection."""
    got = []
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client, client.makefile("rb") as reader:
        tunnel = False
        for part in parts:
            client.sendall(part)
            if tunnel:
                got.append(reader.read(len(part)))
                continue
            data = b"".join(one_answer(reader) for _ in range(answers))
            tunnel = data.startswith(b"HTTP/1.1 101")
            got.append(data)
    return got


def one_answer(reader: BufferedReader) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        if not (line := reader.readline()):
            return head
        head += line
    length = re.search(rb"content-length: (\d+)", head.lower())
    return head + reader.read(5 if head.startswith(b"HTTP/1.1 101") else int(length[1]) if length else 0)


def head(path: str, more: str = "", method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{more}\r\n".encode()


def test_a_web_socket_is_a_tunnel_once_the_server_has_agreed(ports: tuple[int, list[bytes]]) -> None:
    port, received = ports
    first, second = converse(port, head("/socket", WEBSOCKET), b"hot")
    assert first.startswith(b"HTTP/1.1 101")
    assert (first[-5:], second) == (b"hello", b"HOT")
    assert b"sec-websocket-key" in received[0].lower()


@pytest.mark.parametrize("path", ["/", "/api/open"])
@pytest.mark.parametrize(
    "more", [H2C, "upgrade: foo\r\nconnection: upgrade\r\n", "upgrade: websocket, h2c\r\nconnection: upgrade\r\n"]
)
def test_any_other_upgrade_is_ignored_and_the_connection_stays_behind_the_gate(
    ports: tuple[int, list[bytes]], path: str, more: str
) -> None:
    port, received = ports
    first, second, third = converse(port, head(path, more), head("/admin/secret"), head("/"))
    assert (first[:15], first[-2:]) == (b"HTTP/1.1 200 OK", b"ok")
    assert second.startswith(b"HTTP/1.1 401")
    assert third.startswith(b"HTTP/1.1 200")
    assert b"upgrade" not in b"".join(received).lower()
    assert b"admin" not in b"".join(received)


def test_bytes_behind_an_upgrade_are_requests_of_their_own(ports: tuple[int, list[bytes]]) -> None:
    port, received = ports
    (data,) = converse(port, head("/", H2C) + head("/admin/secret") + head("/api/secret"), answers=3)
    assert re.findall(rb"HTTP/1.1 (\d+)", data) == [b"200", b"401", b"401"]
    assert b"secret" not in b"".join(received)


@pytest.mark.parametrize("path", ["/", "/api/open"])
def test_a_body_goes_with_its_request_whatever_that_asks_for(ports: tuple[int, list[bytes]], path: str) -> None:
    """Java's own client offers HTTP/2 with its first request, whose body looks like another request here."""
    port, received = ports
    inner = head("/admin/secret")
    more = f"{H2C}content-length: {len(inner)}\r\n"
    (data,) = converse(port, head(path, more, "POST") + inner + head("/api/secret"), answers=2)
    statuses = re.findall(rb"HTTP/1.1 (\d+)", data)
    assert statuses == ([b"405", b"401"] if path == "/" else [b"200", b"401"])
    assert b"".join(received).count(b"/admin/secret") == (0 if path == "/" else 1)
    assert (b"".join(received).endswith(inner)) is (path != "/")


@pytest.mark.parametrize("path", ["/refused", "/refused/deeper"])
def test_a_web_socket_that_the_server_does_not_want_stays_http(ports: tuple[int, list[bytes]], path: str) -> None:
    port, received = ports
    first, second = converse(port, head(path, WEBSOCKET), head("/admin/secret"))
    assert first.startswith(b"HTTP/1.1 200")
    assert second == b"" or second.startswith(b"HTTP/1.1 401")
    assert b"admin" not in b"".join(received)


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("POST", WEBSOCKET),
        ("GET", "upgrade: websocket\r\n"),
        ("GET", "upgrade: websocket\r\nconnection: Upgrade\r\n"),
        ("GET", WEBSOCKET + "content-length: 4\r\n"),
    ],
)
def test_what_is_no_whole_handshake_opens_nothing(ports: tuple[int, list[bytes]], method: str, more: str) -> None:
    port, received = ports
    body = b"body" if "content-length" in more else b""
    converse(port, head("/", more, method) + body + head("/admin/secret"), answers=2)
    assert b"admin" not in b"".join(received)
    assert b"upgrade" not in b"".join(received).lower()


@pytest.mark.parametrize("path", ["/", "/api/open"])
def test_connect_opens_no_tunnel(ports: tuple[int, list[bytes]], path: str) -> None:
    port, received = ports
    first, second = converse(port, head(path, method="CONNECT"), head("/admin/secret"))
    assert (first[9:12], second[9:12]) == (b"405", b"401")
    assert received == []


def test_the_preface_of_http2_is_no_request(ports: tuple[int, list[bytes]]) -> None:
    port, received = ports
    converse(port, PREFACE + head("/admin/secret"))
    converse(port, head("/", H2C), PREFACE + head("/admin/secret"))
    assert b"secret" not in b"".join(received)
    assert b"SM" not in b"".join(received)
