"""Which requests from other machines get in."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mockserver.wire.connection import Connection
from mockserver.wire.token_gate import COOKIE, TokenGate

TOKEN = "a-token-of-this-run"
ELSEWHERE = "10.0.0.9"


def ask(
    *headers: tuple[str, str],
    client: str = ELSEWHERE,
    host: str = "mock:4281",
    path: str = "/v1/models",
    method: str = "GET",
    hidden: bool = False,
) -> tuple[int, dict[str, str], list[tuple[str, str]]]:
    """The status, the headers, and the request headers that the application behind the gate saw."""
    raw, _, query = path.partition("?")
    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "raw_path": raw.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in (("host", host), *headers)],
        "client": (client, 50_000),
        "server": ("10.0.0.2", 4281),
        "extensions": {"mockserver": {}},
    }
    sent: list[Any] = []
    seen: list[tuple[str, str]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        request = await Connection(scope, receive, send).accept(1000)
        if request is not None:
            seen.extend(request.headers)
            await Connection(scope, receive, send).answer(200, "in")

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(TokenGate(app, TOKEN, hidden=hidden, open_path="/__admin/ready")(scope, receive, send))
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}, seen


@pytest.mark.parametrize(
    "header",
    [("authorization", f"Bearer {TOKEN}"), ("api-key", TOKEN), ("x-mockserver-token", TOKEN)],
)
def test_the_token_is_accepted_in_each_of_its_headers(header: tuple[str, str]) -> None:
    host = ("host", "mock:4281")
    status, _, seen = ask(header)
    assert (status, seen) == (200, [host, header])
    status, _, seen = ask(header, ("api-key", "another"), hidden=True)
    assert (status, seen) == (200, [host, ("api-key", "another")])


def test_a_balancer_needs_no_token_for_the_one_open_path() -> None:
    assert ask(path="/__admin/ready")[0] == 200
    for other in ("/__admin/ready/", "/__admin/readyx", "/__ADMIN/ready", "/__admin/journal", "//__admin/ready"):
        assert ask(path=other)[0] == 401
    assert ask(path="/__admin/ready", method="POST")[0] == 401


@pytest.mark.parametrize("between", ["; ", ";"])
def test_the_gates_own_cookie_is_removed_from_the_request(between: str) -> None:
    status, _, seen = ask(("cookie", between.join(["a=1", f"{COOKIE}={TOKEN}", "b=2"])))
    assert (status, [value for name, value in seen if name == "cookie"]) == (200, ["a=1; b=2"])
    assert ask(("cookie", f"{COOKIE}={TOKEN}"))[2] == [("host", "mock:4281")]


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("authorization", "Bearer any")],
        [("x-forwarded-for", "127.0.0.1")],
        [("cookie", f"{COOKIE}=")],
        [("api-key", "")],
        [("api-key", TOKEN[:-1])],
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_without_the_token_is_refused(headers: list[tuple[str, str]], method: str) -> None:
    for host in ("mock:4281", "localhost:4281", "10.0.0.9"):
        status, _, seen = ask(*headers, method=method, host=host)
        assert (status, seen) == (401, [])


def test_a_cookie_is_enough_beside_old_ones_and_the_token_in_another_header_is_not() -> None:
    for cookies in (f"{COOKIE}=old; {COOKIE}={TOKEN}", f"{COOKIE}={TOKEN}; {COOKIE}=old"):
        assert ask(("cookie", cookies))[0] == 200
    assert ask(("x-other", TOKEN))[0] == 401
    assert ask(("cookie", f"mockserver-token={TOKEN}"))[0] == 200
    assert ask(("cookie", f"{COOKIE}={TOKEN}=x"))[0] == 401
    assert ask(("cookie", f"{COOKIE}=x={TOKEN}"))[0] == 401


def test_a_web_socket_without_the_token_is_closed() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def none(*_: Any) -> Any:
        raise AssertionError("nothing gets in")

    scope = {"type": "websocket", "query_string": b"", "headers": [], "client": (ELSEWHERE, 1)}
    asyncio.run(TokenGate(none, TOKEN, hidden=True)(scope, none, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_a_token_in_an_address_is_moved_to_a_cookie() -> None:
    status, headers, seen = ask(path=f"/c/1?q=%C3%BC&token={TOKEN}&a=")
    assert (status, headers["location"], seen) == (303, "?q=%C3%BC&a=", [])
    assert headers["set-cookie"] == f"{COOKIE}={TOKEN}; Path=/; HttpOnly; SameSite=Lax"
    assert ask(path="/?token=wrong")[0] == 401
    assert ask(path=f"/?token={TOKEN}", method="POST")[0] == 401


@pytest.mark.parametrize(("host", "status"), [("localhost:4281", 200), ("10.0.0.2:4281", 421), ("mock:4281", 421)])
def test_a_request_from_this_machine_needs_no_token(host: str, status: int) -> None:
    assert ask(client="127.0.0.1", host=host)[0] == status


def test_a_request_from_the_machines_own_address_needs_the_token() -> None:
    """Source: rootless Podman's port forwarder puts the container's address in the place of every client's (CVE-2021-20199)."""
    assert ask(client="10.0.0.2", host="localhost:4281")[0] == 401
