"""The site's proxy to its API: one suite, through the async front and through Flask under a WSGI server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response
from werkzeug.serving import make_server

from mockserver.apps.site import create_app
from mockserver.clock import SystemClock
from mockserver.front import SiteFront
from mockserver.server import Servers, bind, url_of
from mockserver.swa.personas import load_personas
from mockserver.swa.principal import COOKIE, Sessions
from mockserver.swa.site import Site, load_site

SESSIONS = Sessions("key", SystemClock())


@pytest.fixture
def site(request: pytest.FixtureRequest, tmp_path: Path, httpserver: HTTPServer) -> Site:
    (tmp_path / "index.html").write_text("<h1>Start</h1>")
    api_url = getattr(request, "param", httpserver.url_for("").rstrip("/"))
    return load_site(tmp_path, personas=load_personas(), sessions=SESSIONS, clock=SystemClock(), api_url=api_url)


@pytest.fixture(params=["front", "flask"])
def url(request: pytest.FixtureRequest, site: Site) -> Iterator[str]:
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
    """Answers everything; what was asked last."""
    httpserver.expect_request("/api/echo").respond_with_data(
        "ok", status=201, headers=[("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x-made", "é")]
    )
    return lambda: httpserver.log[-1][0]


def test_an_answer_comes_through_with_status_headers_and_body(url: str, echo: Callable[[], Request]) -> None:
    answer = httpx2.post(f"{url}/api/echo?q=1&q=%C3%BC", content=b"x" * 100_000)
    assert (answer.status_code, answer.text) == (201, "ok")
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert len(answer.headers.get_list("date")) == 1
    assert echo().get_data() == b"x" * 100_000
    assert echo().args.getlist("q") == ["1", "ü"]


def test_headers_that_are_no_ascii_come_through(url: str, echo: Callable[[], Request]) -> None:
    assert httpx2.get(f"{url}/api/echo", headers=[(b"x-name", "é".encode("latin-1"))]).status_code == 201
    assert echo().headers["x-name"] == "é"


def test_the_principal_is_the_sites_own(url: str, echo: Callable[[], Request]) -> None:
    cookie = SESSIONS.cookie(load_personas()["alice"].principal("aad"), 60)
    forged = {"x-ms-client-principal": "forged", "cookie": f"{COOKIE}={cookie}"}
    httpx2.get(f"{url}/api/echo", headers=forged)
    assert echo().headers["x-ms-client-principal"] != "forged"
    httpx2.get(f"{url}/api/echo", headers={"x-ms-client-principal": "forged"})
    assert "x-ms-client-principal" not in echo().headers


@pytest.mark.parametrize("site", ["http://127.0.0.1:9"], indirect=True)
def test_an_api_that_is_not_there_is_a_plain_502(url: str) -> None:
    answer = httpx2.get(f"{url}/api/echo")
    assert (answer.status_code, answer.text) == (502, "The API does not answer.\n")


def test_an_answer_that_breaks_off_breaks_off_for_the_client(url: str, httpserver: HTTPServer) -> None:
    def events() -> Iterator[bytes]:
        yield b"data: 1\n\n"
        raise ConnectionResetError

    httpserver.expect_request("/api/broken").respond_with_handler(
        lambda _: Response(events(), headers={"content-length": "99"}, content_type="text/event-stream")
    )
    with pytest.raises(httpx2.HTTPError):
        httpx2.get(f"{url}/api/broken")
    httpserver.clear()
