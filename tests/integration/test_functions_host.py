"""What both workers answer to requests, on apps of all kinds, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from tests.integration.function_apps import CLASSIC, HEAD, write_app
from tests.integration.running import Running


def test_a_classic_app_answers_as_on_azure(start: Callable[..., str]) -> None:
    url = start(CLASSIC)
    answer = httpx2.post(
        f"{url}/api/Echo/zo%C3%AB?q=1&q=2", content="body", headers=[("x-twice", "a"), ("x-twice", "b")]
    )
    assert (answer.status_code, answer.text, answer.headers["x-made"]) == (201, "POST|zoë|1,2|a,b|body|echo", "1")
    assert httpx2.get(f"{url}/api/plain").text == "grüße"
    assert httpx2.delete(f"{url}/api/echo/x").status_code == 404
    assert httpx2.get(f"{url}/api/nowhere").content == b""
    failed = httpx2.get(f"{url}/api/boom")
    assert (failed.status_code, failed.content) == (500, b"")


COOKIES = (
    HEAD
    + """
@app.route(route="cookies", auth_level=func.AuthLevel.ANONYMOUS)
def cookies(req: func.HttpRequest) -> func.HttpResponse:
    response = func.HttpResponse("ok")
    response.headers.add("Set-Cookie", "a=1; Path=/; HttpOnly; SameSite=Lax")
    response.headers.add("Set-Cookie", "b=2; Secure; Max-Age=60")
    return response


@app.route(route="nothing", auth_level=func.AuthLevel.ANONYMOUS)
def nothing(req: func.HttpRequest):
    return None


@app.route(route="items/{id:int}")
def item(req: func.HttpRequest) -> str:
    return "item " + req.route_params["id"]


@app.route(route="items/new", auth_level=func.AuthLevel.ANONYMOUS)
def new(req: func.HttpRequest) -> str:
    return "new"


@app.route(route="files/{*rest}", auth_level=func.AuthLevel.ANONYMOUS)
def files(req: func.HttpRequest) -> str:
    return req.route_params["rest"]


@app.route(route="maybe/{x?}", auth_level=func.AuthLevel.ANONYMOUS)
def maybe(req: func.HttpRequest) -> str:
    return req.route_params.get("x") or "none"
"""
)


def test_each_cookie_is_sent_and_a_function_that_returns_none_is_an_empty_500(start: Callable[..., str]) -> None:
    url = start(COOKIES)
    cookies = httpx2.get(f"{url}/api/cookies").headers.get_list("set-cookie")
    assert cookies == ["a=1; domain=; path=/; samesite=lax; httponly", "b=2; max-age=60; domain=; path=; secure"]
    nothing = httpx2.get(f"{url}/api/nothing")
    assert (nothing.status_code, nothing.content) == (500, b"")


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("items/new", 200, "new"),
        ("ITEMS/7", 200, "item 7"),
        ("items/x", 404, ""),
        ("files/a/b", 200, "a/b"),
        ("files/a%2Fb%20c", 200, "a%2Fb c"),
        ("maybe/y%2fz", 200, "y%2fz"),
        ("maybe", 200, "none"),
        ("maybe/y", 200, "y"),
    ],
)
def test_routes_match_as_in_the_real_host(
    routed: Callable[[str], httpx2.Response], path: str, status: int, text: str
) -> None:
    answer = routed(path)
    assert (answer.status_code, answer.text) == (status, text)


@pytest.fixture
def routed(start: Callable[..., str]) -> Callable[[str], httpx2.Response]:
    url = start(COOKIES)
    return lambda path: httpx2.get(f"{url}/api/{path}")


def test_functions_that_are_not_anonymous_need_the_key(start: Callable[..., str]) -> None:
    url = start(COOKIES, options=("--key", "s3cret"))
    assert httpx2.get(f"{url}/api/items/new").status_code == 200
    for headers, query, status in (({}, "", 401), ({}, "?code=s3cret", 200), ({"x-functions-key": "s3cret"}, "", 200)):
        answer = httpx2.get(f"{url}/api/items/1{query}", headers=headers)
        assert (answer.status_code, answer.content == b"") == (status, status == 401)
    wrong = httpx2.get(f"{url}/api/items/1?code=s3cret", headers=[(b"x-functions-key", "ü".encode())])
    assert wrong.status_code == 401


def test_only_origins_of_the_local_settings_are_allowed(start: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "local.settings.json").write_text('{"Host": {"CORS": "http://localhost:5173"}}')
    url = start(COOKIES)
    headers = {"origin": "http://localhost:5173", "access-control-request-method": "GET"}
    preflight = httpx2.options(f"{url}/api/items/new", headers=headers)
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (204, headers["origin"])
    allowed = httpx2.get(f"{url}/api/items/new", headers={"origin": headers["origin"]})
    assert (allowed.text, allowed.headers["access-control-allow-origin"]) == ("new", headers["origin"])
    foreign = httpx2.get(f"{url}/api/items/new", headers={"origin": "http://evil.example"})
    assert "access-control-allow-origin" not in foreign.headers


ODD = (
    HEAD
    + """
def answer(*arguments, **options):
    return func.HttpResponse(*arguments, **options)


@app.route(route="users/{id}", auth_level="anonymous")
def a_details(req: func.HttpRequest) -> str:
    return "details of " + req.route_params["id"]


@app.route(route="users/recent", auth_level="anonymous")
def b_recent(req: func.HttpRequest) -> str:
    return "recent"


@app.route(route="users/first", auth_level="anonymous")
def A_First(req: func.HttpRequest) -> str:
    return "first"


@app.route(route="size", auth_level="anonymous")
def size(req: func.HttpRequest) -> str:
    return str(len(req.get_body()))


@app.route(route="locked")
def locked(req: func.HttpRequest) -> str:
    return "open"


@app.route(route="status/{code:int}", auth_level="anonymous")
def status(req: func.HttpRequest) -> func.HttpResponse:
    return answer("body", status_code=int(req.route_params["code"]), headers={"Transfer-Encoding": "chunked", "x-made": "1"})


@app.route(route="kind", auth_level="anonymous")
def kind(req: func.HttpRequest) -> func.HttpResponse:
    return answer(b"{}", mimetype="application/json")


@app.route(route="cookie", auth_level="anonymous")
def cookie(req: func.HttpRequest) -> func.HttpResponse:
    response = answer("x")
    response.headers.add("Set-Cookie", 'a="x y=1/2"; Max-Age=31536000; Path=/; HttpOnly; SameSite=None; Secure')
    response.headers.add("Set-Cookie", "b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Domain=example.org")
    return response


@app.route(route="out", auth_level="anonymous", binding_arg_name="res")
def out(req: func.HttpRequest, res: func.Out[func.HttpResponse]) -> None:
    res.set(answer("put", status_code=203))


@app.route(route="untyped", auth_level="anonymous")
def untyped(req):
    return "untyped"
"""
)


def test_answers_are_those_of_azures_host(start: Callable[..., str]) -> None:
    url = start(ODD, options=("--key", "abc/+=="))

    def get(path: str, **headers: str) -> httpx2.Response:
        return httpx2.get(f"{url}/api/{path}", headers=headers, timeout=20)

    # By name, in letters of one case: the first route that fits, literal or not.
    assert [get(path).text for path in ("users/recent", "users/first")] == ["details of recent", "details of first"]
    assert get("locked?code=abc%2F%2B%3D%3D").text == "open"
    assert [get(f"locked{query}").status_code for query in ("?code=abc/+==", "?code=abc%2F%2B%3D%3D&code=x", "")] == [
        401,
        200,
        401,
    ]
    assert get("locked?code=abc%2F%2B%3D%3D", **{"x-functions-key": ""}).status_code == 401

    def chunks() -> Iterator[bytes]:
        yield b"four"
        yield b"more"

    assert httpx2.post(f"{url}/api/size", content=b"fourmore").text == "8"
    assert httpx2.post(f"{url}/api/size", content=chunks()).text == "0"
    for code, expected, body in ((204, 204, ""), (304, 304, ""), (418, 418, "body"), (600, 500, ""), (100, 500, "")):
        answer = get(f"status/{code}")
        assert (answer.status_code, answer.text) == (expected, body)
        assert "transfer-encoding" not in answer.headers
        assert ("content-length" in answer.headers) == (expected not in (204, 304))
    assert get("kind").headers["content-type"] == "application/json"
    assert get("cookie").headers.get_list("set-cookie") == [
        "a=x%20y%3D1%2F2; max-age=31536000; domain=; path=/; secure; samesite=none; httponly",
        "b=2; expires=Wed, 21 Oct 2026 07:28:00 GMT; domain=example.org; path=",
    ]
    put = get("out")
    assert (put.status_code, put.text) == (203, "put")
    assert get("untyped").text == "untyped"


def test_the_host_answers_tools_that_wait_for_it(start: Callable[..., str]) -> None:
    url = start(CLASSIC, options=("--key", "s3cret"))
    home = httpx2.get(url)
    assert (home.status_code, "up and running" in home.text) == (200, True)
    assert httpx2.post(f"{url}/admin/host/ping").status_code == 200
    for path in ("host/status", "functions", "functions/echo"):
        assert httpx2.get(f"{url}/admin/{path}").status_code == 401
        assert httpx2.get(f"{url}/admin/{path}?code=s3cret").status_code == 200
    assert httpx2.get(f"{url}/admin/host/status?code=s3cret").json()["state"] == "Running"
    described = httpx2.get(f"{url}/admin/functions/Echo?code=s3cret").json()
    assert described["invoke_url_template"] == f"{url}/api/echo/{{name}}"
    assert described["config"]["bindings"][0]["route"] == "echo/{name}"
    assert httpx2.get(f"{url}/admin/nothing?code=s3cret").status_code == 404


ENDS = {
    "exits": "sys.exit('x is not set')",
    "interrupts": "raise KeyboardInterrupt",
    "cancels": "raise asyncio.CancelledError",
    "ends": "raise BaseException('odd')",
}


ENDING = (
    "import asyncio, sys\n"
    + HEAD
    + "".join(
        f"""
@app.route(route="{style}/{name}", auth_level="anonymous")
{"async " if style == "later" else ""}def {style}_{name}(req: func.HttpRequest) -> str:
    {how}


@app.queue_trigger(arg_name="msg", queue_name="q", connection="c")
{"async " if style == "later" else ""}def q_{style}_{name}(msg: func.QueueMessage) -> None:
    {how}

"""
        for style in ("sync", "later")
        for name, how in ENDS.items()
    )
    + """
@app.route(route="ok", auth_level="anonymous")
def ok(req: func.HttpRequest) -> str:
    return "ok"


@app.route(route="header/{which}", auth_level="anonymous")
def header(req: func.HttpRequest) -> func.HttpResponse:
    name, value = {"space": ("x y", "1"), "line": ("x", "1\\r\\ny: 2"), "euro": ("x", "€")}[req.route_params["which"]]
    return func.HttpResponse("x", headers={name: value})
"""
)


def test_a_function_that_raises_what_is_not_an_exception_ends_nothing_else(
    worker: str, run: Callable[..., Running], tmp_path: Path
) -> None:
    host = run("functions", "--app", str(write_app(tmp_path, ENDING)), "--port", "0", "--worker", worker)
    url = host.read_until(r"^ready (.*)")[1]
    with httpx2.Client(timeout=10) as client:
        for style in ("sync", "later"):
            for name in ENDS:
                answer = client.get(f"{url}/api/{style}/{name}")
                assert (style, name, answer.status_code, answer.content) == (style, name, 500, b"")
                assert client.post(f"{url}/admin/functions/q_{style}_{name}", json={}).status_code == 202
                host.read_until(rf"queue q_{style}_{name} has failed")
                assert client.get(f"{url}/api/ok").text == "ok"
        for which in ("space", "line", "euro"):
            answer = client.get(f"{url}/api/header/{which}")
            assert (which, answer.status_code, answer.content) == (which, 500, b"")
    assert "The mock failed" not in "\n".join(host.lines)


def test_the_route_of_a_disabled_function_is_nobody_elses(start: Callable[..., str]) -> None:
    url = start(ODD, **{"AzureWebJobs.a_details.Disabled": "true"})
    assert [httpx2.get(f"{url}/api/users/{name}").status_code for name in ("recent", "first")] == [404, 404]


def test_an_empty_key_is_refused_and_a_null_in_a_path_too(start: Callable[..., str], tmp_path: Path) -> None:
    url = start(COOKIES, options=("--key", "k"))
    assert httpx2.get(f"{url}/api/maybe/a%00b").status_code == 400
    for query, status in (("?CODE=k", 200), ("?code=&code=k", 401)):
        assert httpx2.get(f"{url}/api/items/1{query}").status_code == status
    command = [sys.executable, "-m", "mockserver", "functions", "--app", str(tmp_path), "--key", ""]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (refused.returncode, "leave --key out" in refused.stderr) == (2, True)
