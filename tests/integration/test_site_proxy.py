"""The site's proxy to its API, with the same tests for the async front and for Flask under a WSGI server."""

from __future__ import annotations

import json
import re
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from http.client import HTTPConnection, IncompleteRead
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response
from werkzeug.serving import make_server

from mockserver.clock import SystemClock
from mockserver.flask_apps.site_app import create_app
from mockserver.fronts.gate import Delivery, SiteFront
from mockserver.journal.records import Records
from mockserver.swa.personas import load_personas
from mockserver.swa.session import SESSION_COOKIE, Sessions
from mockserver.swa.static_web_app import StaticWebApp, load_static_web_app
from mockserver.wire.server import Servers, bind, url_of

SESSIONS = Sessions("key", SystemClock())


@pytest.fixture
def site(request: pytest.FixtureRequest, tmp_path: Path, httpserver: HTTPServer) -> StaticWebApp:
    (tmp_path / "index.html").write_text("<h1>Start</h1>")
    api_url = getattr(request, "param", httpserver.url_for("").rstrip("/"))
    return load_static_web_app(
        tmp_path,
        personas=load_personas(),
        sessions=SESSIONS,
        clock=SystemClock(),
        api_urls=(api_url,) if api_url else (),
    )


@pytest.fixture(params=["front", "flask"])
def url(request: pytest.FixtureRequest, site: StaticWebApp) -> Iterator[str]:
    with ExitStack() as stack:
        if request.param == "front":
            front = SiteFront(create_app(site), site)
            sock = bind(0, "the test")
            servers = Servers((front, sock), at_end=front.close)
            servers.start()
            stack.callback(servers.stop)
            yield url_of(sock)
        else:
            server = make_server("127.0.0.1", 0, create_app(site), threaded=True)
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            stack.callback(server.server_close)
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            yield f"http://127.0.0.1:{server.server_port}"


@pytest.fixture
def echo(httpserver: HTTPServer) -> Callable[[], Request]:
    """Answers every request to /api/echo; returns the last one."""
    httpserver.expect_request("/api/echo").respond_with_data(
        "ok", status=201, headers=[("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x-made", "é")]
    )
    return lambda: httpserver.log[-1][0]


def test_answer_is_passed_on_with_status_headers_and_body(url: str, echo: Callable[[], Request]) -> None:
    answer = httpx2.post(f"{url}/api/echo?q=1&q=%C3%BC", content=b"x" * 100_000)
    assert (answer.status_code, answer.text) == (201, "ok")
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert len(answer.headers.get_list("date")) == 1
    assert echo().get_data() == b"x" * 100_000
    assert echo().args.getlist("q") == ["1", "ü"]


def test_headers_beyond_ascii_are_passed_on(url: str, echo: Callable[[], Request]) -> None:
    assert httpx2.get(f"{url}/api/echo", headers=[(b"x-name", "é".encode("latin-1"))]).status_code == 201
    assert echo().headers["x-name"] == "é"


def test_space_around_a_headers_value_is_no_part_of_it(url: str, echo: Callable[[], Request]) -> None:
    client = HTTPConnection(urlsplit(url).netloc)
    client.putrequest("GET", "/api/echo")
    client.putheader("x-name", " \t a b \t ")
    client.putheader("cookie", "a=b; ")
    client.endheaders()
    assert client.getresponse().status == 201
    client.close()
    assert (echo().headers["x-name"], echo().headers["cookie"]) == ("a b", "a=b;")


def test_principal_is_set_by_the_site_alone(url: str, echo: Callable[[], Request]) -> None:
    cookie = SESSIONS.cookie(load_personas()["alice"].principal("aad"), 60)
    forged = {"x-ms-client-principal": "forged", "cookie": f"{SESSION_COOKIE}={cookie}"}
    httpx2.get(f"{url}/api/echo", headers=forged)
    assert echo().headers["x-ms-client-principal"] != "forged"
    httpx2.get(f"{url}/api/echo", headers={"x-ms-client-principal": "forged"})
    assert "x-ms-client-principal" not in echo().headers


@pytest.mark.parametrize("site", ["http://127.0.0.1:9"], indirect=True)
def test_api_that_does_not_answer_is_a_plain_502(url: str) -> None:
    answer = httpx2.get(f"{url}/api/echo")
    assert (answer.status_code, answer.text) == (502, "The API does not answer.\n")


@contextmanager
def raw_server(answer: bytes) -> Iterator[str]:
    """The URL of a server that answers everything with these bytes."""

    class Raw(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(10_000)
            self.request.sendall(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Raw) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def site_before(folder: Path, api: str) -> StaticWebApp:
    """A site whose API is at a URL."""
    (folder / "index.html").write_text("<h1>Start</h1>")
    return load_static_web_app(
        folder, personas=load_personas(), sessions=SESSIONS, clock=SystemClock(), api_urls=(api,)
    )


@pytest.mark.parametrize("status", [b"600 Odd", b"999 Odd"])
def test_an_answer_with_a_status_that_http_does_not_have_is_a_502(tmp_path: Path, status: bytes) -> None:
    with ExitStack() as stack:
        api = stack.enter_context(raw_server(b"HTTP/1.1 %b\r\ncontent-length: 0\r\n\r\n" % status))
        answer = httpx2.get(f"{serve(site_before(tmp_path, api), stack)}/api/x", trust_env=False)
    assert (answer.status_code, answer.text) == (502, "The API does not answer.\n")


def test_answer_that_breaks_off_breaks_off_for_the_client(url: str, httpserver: HTTPServer) -> None:
    def events() -> Iterator[bytes]:
        yield b"data: 1\n\n"
        raise ConnectionResetError

    httpserver.expect_request("/api/broken").respond_with_handler(
        lambda _: Response(events(), headers={"content-length": "99"}, content_type="text/event-stream")
    )
    with pytest.raises(httpx2.HTTPError):
        httpx2.get(f"{url}/api/broken")
    httpserver.clear()


# --- what only the front can do --------------------------------------------------------------------------------------


def serve(site: StaticWebApp, stack: ExitStack, **options: Any) -> str:
    front = SiteFront(create_app(site), site, **options)
    sock = bind(0, "the test")
    servers = Servers((front, sock), at_end=front.close)
    servers.start()
    stack.callback(servers.stop)
    return url_of(sock)


@pytest.mark.parametrize(
    ("delivery", "content_type", "pieces"),
    [
        (Delivery.AS_AZURE, "text/event-stream; charset=utf-8", 3),
        (Delivery.AS_AZURE, "application/octet-stream", 3),
        (Delivery.AS_AZURE, "application/x-ndjson", 1),
        (Delivery.AS_AZURE, "text/plain", 1),
        (Delivery.BUFFERED, "text/event-stream", 1),
        (Delivery.LIVE, "text/plain", 3),
    ],
)
def test_answer_is_delivered_as_configured(
    site: StaticWebApp, httpserver: HTTPServer, delivery: Delivery, content_type: str, pieces: int
) -> None:
    passed = threading.Semaphore(0)

    def answer(_request: Request) -> Response:
        def body() -> Iterator[bytes]:
            for number in range(3):
                yield f"piece {number}\n".encode()
                passed.acquire(timeout=0.3)  # in one piece, nothing is read meanwhile

        return Response(body(), content_type=content_type)

    httpserver.expect_request("/api/stream").respond_with_handler(answer)
    with ExitStack() as stack, httpx2.Client(trust_env=False) as client:
        url = serve(site, stack, delivery=delivery)
        with client.stream("GET", f"{url}/api/stream") as live:
            chunks = []
            for chunk in live.iter_raw():
                chunks.append(chunk)
                passed.release()
    assert b"".join(chunks) == b"piece 0\npiece 1\npiece 2\n"
    assert len(chunks) == pieces


def test_the_proxy_keeps_no_cookie_of_an_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    redirect = b"HTTP/1.1 302 Found\r\nlocation: /api/y\r\nset-cookie: a=\xff; path=/\r\ncontent-length: 0\r\n\r\n"
    with ExitStack() as stack:
        url = serve(site_before(tmp_path, stack.enter_context(raw_server(redirect))), stack)
        statuses = []
        for _ in range(2):
            client = HTTPConnection(urlsplit(url).netloc)
            stack.callback(client.close)
            client.request("GET", "/api/x")
            statuses.append(client.getresponse().status)
    assert statuses == [302, 302]
    assert caplog.messages == []


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_that_has_no_body_may_say_how_long_it_would_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    with ExitStack() as stack:
        api = stack.enter_context(raw_server(b"HTTP/1.1 %d Odd\r\ncontent-length: 5\r\netag: x\r\n\r\n" % status))
        answer = httpx2.get(f"{serve(site_before(tmp_path, api), stack)}/api/x", trust_env=False)
    assert (answer.status_code, answer.headers["etag"], answer.content) == (status, "x", b"")
    assert caplog.messages == []


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_answer_without_a_body_keeps_its_headers(site: StaticWebApp, httpserver: HTTPServer, method: str) -> None:
    httpserver.expect_request("/api/x").respond_with_data("12345", headers={"etag": '"1"'})
    httpserver.expect_request("/api/none").respond_with_data("", status=204)
    httpserver.expect_request("/api/same").respond_with_data("", status=304, headers={"etag": '"1"'})
    with ExitStack() as stack:
        url = serve(site, stack)
        answer = httpx2.request(method, f"{url}/api/x", trust_env=False)
        assert (answer.headers["content-length"], answer.headers["etag"]) == ("5", '"1"')
        for path, status in (("none", 204), ("same", 304)):
            answer = httpx2.request(method, f"{url}/api/{path}", trust_env=False)
            assert (answer.status_code, "content-length" in answer.headers) == (status, False)


def test_instances_of_an_api_are_called_in_turn(site: StaticWebApp, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/api/who").respond_with_data("one")
    with HTTPServer() as other, ExitStack() as stack:
        other.expect_request("/api/who").respond_with_data("other")
        url = serve(replace(site, api_urls=(*site.api_urls, other.url_for("").rstrip("/"))), stack)
        assert [httpx2.get(f"{url}/api/who").text for _ in range(4)] == ["one", "other"] * 2


def test_web_socket_to_the_api_is_refused_and_the_api_not_called(site: StaticWebApp, httpserver: HTTPServer) -> None:
    with ExitStack() as stack:
        url = serve(site, stack)
        headers = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}
        answer = httpx2.get(f"{url}/api/socket", headers=headers, trust_env=False)
    assert (answer.status_code, httpserver.log) == (400, [])


def test_redirect_of_the_api_to_itself_stays_on_the_site_and_its_token_is_the_platforms(
    site: StaticWebApp, httpserver: HTTPServer
) -> None:
    target = httpserver.url_for("/api/there")
    httpserver.expect_request("/api/here").respond_with_data("", status=302, headers={"location": target})
    with ExitStack() as stack:
        headers = {"authorization": "Bearer mine"}
        answer = httpx2.get(f"{serve(site, stack)}/api/here", headers=headers, trust_env=False)
    assert answer.headers["location"] == "/api/there"
    sent = httpserver.log[-1][0].headers["authorization"]
    assert sent.startswith("Bearer ey")
    assert "mine" not in sent


# --- a dev server ----------------------------------------------------------------------------------------------------


class DevServer(socketserver.BaseRequestHandler):
    """Answers with the request line, with 404 for /missing, and with an upgrade that echoes."""

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.request.recv(1)
        line = head.split(b"\r\n")[0]
        if b"upgrade: websocket" in head.lower():
            self.request.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"
            )
            while data := self.request.recv(100):
                self.request.sendall(data.upper())
            return
        body = b"<script>inline()</script> " + line
        if b" /origin" in line:
            body = next((part for part in head.split(b"\r\n") if part.lower().startswith(b"origin: ")), b"")
        status = b"404 Not Found" if b" /missing" in line else b"200 OK"
        if b" /redirects" in line:  # to an address made from what it was asked, as frameworks do
            host = next(part[6:] for part in head.split(b"\r\n") if part.lower().startswith(b"host: "))
            status = b"302 Found\r\nlocation: http://" + (b"other.test" if b"?out" in line else host) + b"/there?x=1"
        self.request.sendall(b"HTTP/1.1 %s\r\ncontent-length: %d\r\nx-dev: 1\r\n\r\n%s" % (status, len(body), body))


DEV_CONFIG = {
    "routes": [
        {"route": "/admin*", "allowedRoles": ["admin"]},
        {"route": "/api/*", "allowedRoles": ["invited"]},
        {"route": "/renamed", "rewrite": "/page.html"},
    ],
    "navigationFallback": {"rewrite": "/index.html", "exclude": ["/img/*"]},
    "globalHeaders": {"content-security-policy": "default-src 'none'", "x-global": "1"},
    "responseOverrides": {"403": {"rewrite": "/denied.html"}},
}


@pytest.fixture
def dev_site(tmp_path: Path) -> Iterator[str]:
    """The URL of a site in front of a dev server, which listens on one loopback address alone, as Node does."""
    (tmp_path / "staticwebapp.config.json").write_text(json.dumps(DEV_CONFIG))
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), DevServer) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        app = f"http://localhost:{server.server_address[1]}"
        options = {"personas": load_personas(), "sessions": SESSIONS, "clock": SystemClock()}
        site = load_static_web_app(app, **options, api_urls=(), config=tmp_path)  # type: ignore[arg-type]  # the options above
        with ExitStack() as stack:
            yield serve(site, stack)
        server.shutdown()


def cookie_of(persona: str) -> dict[str, str]:
    return {"cookie": f"{SESSION_COOKIE}={SESSIONS.cookie(load_personas()[persona].principal('aad'), 60)}"}


@pytest.mark.parametrize(
    ("path", "persona", "status", "request_line"),
    [
        ("/src/main.ts?t=1", None, 200, "GET /src/main.ts?t=1 "),
        ("/", None, 200, "GET / "),
        ("/@vite/client", None, 200, "GET /@vite/client "),
        ("/%40fs/a%20b", None, 200, "GET /%40fs/a%20b "),
        ("/renamed", None, 200, "GET /page.html "),
        ("/missing/page", None, 200, "GET /index.html "),
        ("/admin/x", "bob", 403, "GET /denied.html "),
        ("/admin/x", "carol", 200, "GET /admin/x "),
    ],
)
def test_dev_server_is_behind_the_gate_and_its_bytes_are_unchanged(
    dev_site: str, path: str, persona: str | None, status: int, request_line: str
) -> None:
    headers = cookie_of(persona) if persona else {}
    answer = httpx2.get(dev_site + path, headers=headers, trust_env=False)
    assert (answer.status_code, answer.text) == (status, f"<script>inline()</script> {request_line}HTTP/1.1")
    assert (answer.headers["x-dev"], answer.headers["x-global"]) == ("1", "1")
    assert "content-security-policy" not in answer.headers


def test_a_redirect_of_the_dev_server_to_itself_stays_on_the_site(dev_site: str) -> None:
    here, away = (httpx2.get(f"{dev_site}/redirects{query}", trust_env=False) for query in ("", "?out"))
    assert [here.headers["location"], away.headers["location"]] == ["/there?x=1", "http://other.test/there?x=1"]


def test_the_dev_server_sees_its_own_origin_for_the_sites_and_any_other_as_it_is(dev_site: str) -> None:
    origins = (dev_site, "http://other.test", "null", "http://[")
    seen = [httpx2.get(f"{dev_site}/origin", headers={"origin": origin}, trust_env=False).text for origin in origins]
    assert re.fullmatch(r"origin: http://localhost:\d+", seen[0])
    assert seen[0] != f"origin: {dev_site}"
    assert seen[1:] == [f"origin: {origin}" for origin in origins[1:]]


def test_no_path_under_api_or_auth_goes_to_the_dev_server(dev_site: str) -> None:
    assert httpx2.get(f"{dev_site}/.auth/me", trust_env=False).json() == {"clientPrincipal": None}
    for persona, status in (("bob", 403), ("alice", 404)):
        answer = httpx2.get(f"{dev_site}/api/x", headers=cookie_of(persona), trust_env=False)
        assert (answer.status_code, "main.ts" in answer.text) == (status, False)


def test_web_socket_reaches_the_dev_server_but_not_a_guarded_path(dev_site: str) -> None:
    host, port = dev_site.removeprefix("http://").split(":")

    def answer_to_upgrade(path: str, origin: str = "") -> bytes:
        with socket.create_connection((host, int(port)), timeout=30) as client:
            head = f"GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{origin}\r\n"
            client.sendall(head.encode())
            answer = client.recv(1000)
            if answer.startswith(b"HTTP/1.1 101"):
                client.sendall(b"hot")
                answer = client.recv(100)
            return answer

    assert answer_to_upgrade("/?token=x") == b"HOT"
    assert answer_to_upgrade("/", f"origin: http://{host}:{port}\r\n") == b"HOT"
    for foreign in ("http://evil.example", "http://["):
        assert answer_to_upgrade("/", f"origin: {foreign}\r\n").startswith(b"HTTP/1.1 403")
    assert answer_to_upgrade("/admin/socket").startswith(b"HTTP/1.1 401")
    assert httpx2.get(f"{dev_site}/", trust_env=False).status_code == 200


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["grows", "shrinks", "is deleted"])
def test_a_file_that_changes_while_it_is_sent_is_no_fault_of_the_mock(site: StaticWebApp, change: str) -> None:
    assert site.folder is not None
    file, size, records = site.folder / "bundle.bin", 40 << 20, Records()
    file.write_bytes(bytes(size))
    with ExitStack() as stack:
        url = urlsplit(serve(site, stack, records=records))
        connection = HTTPConnection(str(url.hostname), url.port, timeout=20)
        stack.callback(connection.close)
        connection.request("GET", "/bundle.bin")
        answer = connection.getresponse()
        got = len(answer.read(1 << 10))  # the server waits for this client: no system buffers so much
        if change == "is deleted":
            file.unlink()
        else:
            with file.open("r+b") as changed:
                changed.truncate(size + 1000 if change == "grows" else size // 2)
        try:
            got += len(answer.read())
        except (ConnectionError, IncompleteRead) as error:
            got += len(getattr(error, "partial", b""))
        assert (got == size) == (change != "shrinks")
    assert list(records.crashes) == []


def test_files_do_not_wait_for_sign_ins_that_wait(site: StaticWebApp) -> None:
    assert site.folder is not None
    big = bytes(1 << 20)
    (site.folder / "big.bin").write_bytes(big)
    with ExitStack() as stack:
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=200))
        auth = replace(site.config.auth, roles_source="/api/roles")
        api_url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        waiting = replace(site, config=replace(site.config, auth=auth), api_urls=(api_url,))
        url = serve(waiting, stack)
        place = urlsplit(url)
        for _ in range(70):  # more than there are threads for them
            client = stack.enter_context(socket.create_connection((str(place.hostname), place.port or 0)))
            client.sendall(b"GET /.auth/login/aad?persona=alice HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        stack.enter_context(silent.accept()[0])
        assert httpx2.get(f"{url}/.auth/me", timeout=20).json() == {"clientPrincipal": None}
        assert httpx2.get(f"{url}/big.bin", timeout=20).content == big
