"""The site's files: types that no machine decides, compressed forms, ranges; and sessions as large as production's."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from mockserver.exchange import Request
from mockserver.flask_apps import static_files
from mockserver.flask_apps.site_app import create_app
from mockserver.fronts.gate import _headers_from_site
from mockserver.swa.principal import ClientPrincipal
from mockserver.swa.routing import Action
from mockserver.swa.session import SESSION_COOKIE, Sessions, cookie_parts
from mockserver.swa.static_web_app import load_static_web_app
from mockserver.wire.upstream import upstream_request
from tests.unit.examples import FakeClock
from tests.unit.test_site_app import ClosingClient

FILES = {
    "index.html": b"<h1>Start</h1>",
    "contact/index.html": b"<h1>Contact</h1>",
    "a.tar.gz": b"\x1f\x8b",
    "app.wasm": b"\0asm" * 10,
    "app.wasm.br": b"brotli",
    "app.js": b"let a;",
    "app.js.gz": b"gzip",
    "app.ts": b"x",
    "site.webmanifest": b"{}",
    "letters.txt": b"0123456789",
    "app_data/x.txt": b"x",
    "unknown.qqq": b"x",
}


@pytest.fixture
def client(tmp_path: Path, clock: FakeClock) -> FlaskClient:
    for name, data in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "staticwebapp.config.json").write_text(
        json.dumps({"trailingSlash": "always", "mimeTypes": {".qqq": "x/y"}})
    )
    site = load_static_web_app(tmp_path, personas={}, sessions=Sessions("k", clock), clock=clock, api_urls=())
    app = create_app(site)
    app.test_client_class = ClosingClient
    return app.test_client()


@pytest.mark.parametrize(
    ("path", "accepted", "content_type", "encoding", "data"),
    [
        ("/a.tar.gz", "gzip", "application/gzip", None, b"\x1f\x8b"),
        ("/app.wasm", "", "application/wasm", None, b"\0asm" * 10),
        ("/app.wasm", "gzip, br", "application/wasm", "br", b"brotli"),
        ("/app.wasm", "br;q=0", "application/wasm", None, b"\0asm" * 10),
        ("/app.js", "gzip", "text/javascript; charset=utf-8", "gzip", b"gzip"),
        ("/app.js", "identity", "text/javascript; charset=utf-8", None, b"let a;"),
        ("/app.ts", "", "video/mp2t", None, b"x"),
        ("/site.webmanifest", "", "application/manifest+json", None, b"{}"),
        ("/unknown.qqq", "", "x/y", None, b"x"),
    ],
)
def test_a_file_has_its_type_and_its_compressed_form(
    client: FlaskClient, path: str, accepted: str, content_type: str, encoding: str | None, data: bytes
) -> None:
    answer = client.get(path, headers={"accept-encoding": accepted})
    assert (answer.content_type, answer.headers.get("content-encoding"), answer.data) == (content_type, encoding, data)
    assert answer.headers.get("vary") == ("Accept-Encoding" if encoding else None)


@pytest.mark.parametrize(
    ("span", "status", "data"),
    [
        ("bytes=2-4", 206, b"234"),
        ("bytes=2-4,6-7", 200, b"0123456789"),
        ("lines=1-2", 200, b"0123456789"),
        ("bytes=90-", 416, None),
    ],
)
def test_a_range_is_one_of_bytes_or_none(client: FlaskClient, span: str, status: int, data: bytes | None) -> None:
    answer = client.get("/letters.txt", headers={"range": span})
    assert answer.status_code == status
    assert data is None or answer.data == data


def test_a_redirect_to_the_proper_address_keeps_the_query(client: FlaskClient) -> None:
    answer = client.get("/contact?a=1&b=%20")
    assert (answer.status_code, answer.location) == (301, "/contact/?a=1&b=%20")


def test_app_data_is_never_served(client: FlaskClient) -> None:
    assert [client.get(path).status_code for path in ("/app_data/x.txt", "/App_Data/x.txt")] == [404, 404]


def test_the_providers_answer_without_its_sign_in_is_refused(client: FlaskClient) -> None:
    assert client.get("/.auth/login/aad/callback?code=x").status_code == 401


def test_a_path_with_dots_is_called_that(clock: FakeClock, tmp_path: Path) -> None:
    (tmp_path / "index.html").touch()
    site = load_static_web_app(tmp_path, personas={}, sessions=Sessions("k", clock), clock=clock, api_urls=())
    for path, because in (
        ("/a/../b", "path has a segment . or .."),
        ("/%2e%2E/b", "path has a segment . or .."),
        ("/%zz", "path cannot be decoded"),
    ):
        decision = site.decide(Request("GET", path), None)
        assert (decision.action, decision.because) == (Action.ERROR, because)


@pytest.mark.parametrize("count", [0, 3, 125, 900])
def test_a_session_is_as_large_as_its_claims(clock: FakeClock, count: int) -> None:
    claims = tuple(
        (f"http://schemas.example/groups/{number}", hashlib.sha256(str(number).encode()).hexdigest()[:36])
        for number in range(count)
    )
    principal = ClientPrincipal("aad", "1", "ada", ("anonymous", "authenticated"), claims)
    sessions = Sessions("k", clock)
    parts = cookie_parts(sessions.cookie(principal, 60))
    assert all(
        len(f"{name}={value}; Max-Age=28800; HttpOnly; Path=/; SameSite=Lax") <= 4096 for name, value in parts.items()
    )
    assert (len(parts) > 1) is (count > 30)
    header = "; ".join(f"{name}={value}" for name, value in reversed(parts.items()))
    assert sessions.principal(header) == principal
    if len(parts) > 1:  # what is missing, changed or left over signs nobody in
        assert sessions.principal(f"{SESSION_COOKIE}={parts[SESSION_COOKIE]}") is None
        assert (
            sessions.principal(header.replace(parts[f"{SESSION_COOKIE}_1"], parts[f"{SESSION_COOKIE}_1"][::-1])) is None
        )
    small = cookie_parts(sessions.cookie(ClientPrincipal("aad", "2", "bob", ("anonymous",)), 60))
    left_over = sessions.principal("; ".join(f"{name}={value}" for name, value in (parts | small).items()))
    assert left_over is not None
    assert left_over.user_details == "bob"


@pytest.mark.parametrize("value", ["9~x", "99999~x", "0~", "~", "x~y", "2~"])
def test_a_forged_division_signs_nobody_in(clock: FakeClock, value: str) -> None:
    assert Sessions("k", clock).principal(f"{SESSION_COOKIE}={value}; {SESSION_COOKIE}_1=y") is None


@pytest.mark.parametrize(("count", "reads"), [("1", True), ("10", True), ("99", True), ("100", False), ("001", False)])
def test_a_session_has_at_most_99_cookies(clock: FakeClock, count: str, reads: bool) -> None:
    sessions = Sessions("k", clock)
    value = sessions.cookie(ClientPrincipal("aad", "1", "ada", ("anonymous", "authenticated")), 60)
    assert cookie_parts(value) == {SESSION_COOKIE: value}
    rest = "".join(f"; {SESSION_COOKIE}_{number}=" for number in range(1, int(count)))
    assert (sessions.principal(f"{SESSION_COOKIE}={count}~{value}{rest}") is not None) is reads


@pytest.mark.parametrize(
    ("location", "sent"),
    [
        ("http://127.0.0.1:7071/api/x?y=1", "/api/x?y=1"),
        ("http://127.0.0.1:7071", "/"),
        ("http://127.0.0.1:7071?y=1", "/?y=1"),
        ("http://127.0.0.1:70711/api/x", "http://127.0.0.1:70711/api/x"),
        ("http://127.0.0.1:7071.evil.example/", "http://127.0.0.1:7071.evil.example/"),
        ("/api/y", "/api/y"),
        ("https://example.com/", "https://example.com/"),
    ],
)
def test_a_redirect_to_the_api_stays_on_the_site(location: str, sent: str) -> None:
    assert _headers_from_site((("location", location),), "http://127.0.0.1:7071") == (("location", sent),)


def test_headers_of_the_connection_stay_on_it() -> None:
    import httpx2

    headers = (
        ("connection", "x-hop, close, x-ms-client-principal"),
        ("x-hop", "1"),
        ("x-kept", "2"),
        ("x-ms-client-principal", "p"),
    )
    request = upstream_request(Request("GET", "/", "", headers), "http://127.0.0.1:1", "/", httpx2.Timeout(1))
    assert [name for name in ("x-hop", "x-kept", "x-ms-client-principal", "connection") if name in request.headers] == [
        "x-kept",
        "x-ms-client-principal",
    ]


def test_a_file_may_have_any_name_and_one_that_cannot_be_read_is_not_found(
    client: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for letter in "\n\r\t":
        (tmp_path / f"a{letter}b.txt").write_text("odd")
        assert client.get(f"/a%{ord(letter):02X}b.txt", buffered=True).text == "odd"

    def unreadable(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(static_files, "send_file", unreadable)
    refused = client.get("/letters.txt", buffered=True)
    assert (refused.status_code, refused.text) == (404, "/letters.txt cannot be read: Permission denied.\n")


def test_the_folder_of_a_site_may_be_the_root_and_no_path_is_an_error(tmp_path: Path, clock: FakeClock) -> None:
    (tmp_path / "index.html").write_text("x")
    site = load_static_web_app(tmp_path, personas={}, sessions=Sessions("k", clock), clock=clock, api_urls=())
    assert not site.is_file("/index.html\0")
    at_root = replace(site, folder=Path(tmp_path.anchor))
    assert at_root.is_file(f"/{(tmp_path / 'index.html').relative_to(tmp_path.anchor).as_posix()}")
