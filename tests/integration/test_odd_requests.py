"""Malformed and hostile requests: the site neither stops nor opens what is guarded. ODD_REQUESTS=100000 sends that many."""

from __future__ import annotations

import json
import os
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from mockserver.clock import SystemClock
from mockserver.flask_apps.site_app import create_app
from mockserver.fronts.gate import SiteFront
from mockserver.swa.personas import load_personas
from mockserver.swa.session import SESSION_COOKIE, Sessions
from mockserver.swa.static_web_app import load_static_web_app
from mockserver.wire.server import Servers, bind, url_of

REQUESTS = int(os.environ.get("ODD_REQUESTS", "3000"))
SECRET = b"the guarded words"
CONFIG = {
    "routes": [{"route": "/admin*", "allowedRoles": ["boss"]}, {"route": "/api/*", "allowedRoles": ["boss"]}],
    "navigationFallback": {"rewrite": "/index.html"},
    "responseOverrides": {"401": {"redirect": "/.auth/login/aad?post_login_redirect_uri=.referrer"}},
}
PIECES = [
    *(
        b"/",
        b"admin",
        b"/admin/secret.txt",
        b"%61dmin",
        b"secret.txt",
        b"..",
        b".",
        b"%2e%2e",
        b"%2f",
        b"%5c",
        b"\\",
        b"%",
    ),
    *(
        b"%zz",
        b"%00",
        b"//",
        b";",
        b"?",
        b"#",
        b"%c3%28",
        b"%ff",
        b"\xff",
        b"api/x",
        b"/.auth/me",
        b"/.auth/login/aad",
        b"*",
    ),
    *(b"staticwebapp.config.json", b"/__mock/", b"%2Fadmin%2Fsecret.txt", b"/ADMIN/", b"?x=1", b"&persona=alice"),
]
HEADERS = [
    *(
        b"cookie: %b=%%zz" % SESSION_COOKIE.encode(),
        b"cookie: %b=\xff\xfe" % SESSION_COOKIE.encode(),
        b"cookie: a=b; ;;=; %b" % SESSION_COOKIE.encode(),
    ),
    *(
        b"cookie: %b=eyJ1c2VyUm9sZXMiOlsiYm9zcyJdfQ==" % SESSION_COOKIE.encode(),
        b"x-ms-client-principal: eyJ1c2VyUm9sZXMiOlsiYm9zcyJdfQ==",
    ),
    *(
        b"x-original-url: /admin/secret.txt",
        b"x-rewrite-url: /admin/secret.txt",
        b"x-forwarded-host: evil",
        b"range: bytes=0-9",
    ),
    *(
        b"if-none-match: *",
        b"content-length: 0",
        b"accept-encoding: gzip",
        b"x: " + b"y" * 5000,
        b"expect: 100-continue",
    ),
    *(
        b"traceparent: nonsense",
        b"x-request-id: \xe9",
        b"upgrade: websocket\r\nconnection: upgrade",
        b"x-mockserver-scope: mine",
    ),
    *(b"transfer-encoding: chunked", b"host: 127.0.0.1", b"content-length: -1", b"authorization: Basic \xff"),
]
METHODS = [b"GET"] * 8 + [b"HEAD", b"POST", b"OPTIONS", b"PUT", b"get", b"TRACE", b"PROPFIND", b"\x00", b"GET GET"]


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "admin").mkdir()
    (tmp_path / "admin" / "secret.txt").write_bytes(SECRET)
    (tmp_path / "index.html").write_text("<h1>Start</h1>")
    (tmp_path / "staticwebapp.config.json").write_text(json.dumps(CONFIG))
    clock = SystemClock()
    options = {"personas": load_personas(), "sessions": Sessions("key", clock), "clock": clock}
    site = load_static_web_app(tmp_path, **options, api_urls=("http://127.0.0.1:1",))  # type: ignore[arg-type]  # the options above
    front = SiteFront(create_app(site), site)
    sock = bind(0, "the test")
    servers = Servers((front, sock), at_end=front.close)
    servers.start()
    yield int(url_of(sock).rpartition(":")[2])
    servers.stop()


def test_odd_requests_neither_stop_the_site_nor_open_what_is_guarded(port: int) -> None:
    rng = random.Random(11)
    statuses = dict[bytes, int]()
    for _ in range(REQUESTS):
        target = b"/" * rng.randrange(2) + b"".join(rng.choices(PIECES, k=rng.randrange(1, 6)))
        headers = [b"host: 127.0.0.1:%d" % port, *rng.choices(HEADERS, k=rng.randrange(3)), b"connection: close"]
        request = b"%b %b HTTP/1.1\r\n%b\r\n\r\n0\r\n\r\n" % (rng.choice(METHODS), target, b"\r\n".join(headers))
        answer = b""
        with socket.create_connection(("127.0.0.1", port), timeout=0.5) as client:
            client.sendall(request)
            try:
                while data := client.recv(1 << 16):
                    answer += data
            except (ConnectionResetError, TimeoutError):  # some requests promise more bytes
                pass
        status = answer[9:12]
        statuses[status] = statuses.get(status, 0) + 1
        assert SECRET not in answer, request
        assert b"allowedRoles" not in answer, request
        assert not status.startswith(b"500"), (request, answer)
    assert httpx2.get(f"http://127.0.0.1:{port}/", trust_env=False).status_code == 200
    assert statuses[b"200"] > REQUESTS / 100  # and some of them were ordinary
