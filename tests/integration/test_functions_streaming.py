"""Functions that stream their answers or read uploads as they come, with both workers."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.integration.function_apps import write_app
from tests.integration.running import Running
from tests.polling import wait_until

STREAMING = """
import asyncio
import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, StreamingResponse, JSONResponse
from tests.polling import wait_until

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="stream", methods=["POST"])
async def stream(req: Request) -> StreamingResponse:
    asked = await req.json()

    async def events():
        try:
            for number in range(asked["events"]):
                yield f"data: {number}\\n\\n"
                await asyncio.sleep(asked.get("wait", 0))
        finally:
            print("generator closed", flush=True)

    return StreamingResponse(events(), media_type="text/event-stream", headers={"x-made": "1"})


@app.route(route="plain/{name}")
def plain(req: Request) -> JSONResponse:
    return JSONResponse({"name": req.path_params["name"], "q": req.query_params.get("q")}, 201)


@app.route(route="boom")
async def boom(req: Request) -> JSONResponse:
    raise RuntimeError("secret detail")
"""


def test_a_streaming_app_answers_event_by_event(start: Callable[..., str], capfd: pytest.CaptureFixture[str]) -> None:
    url = start(STREAMING)
    with httpx2.stream("POST", f"{url}/api/stream", json={"events": 3, "wait": 0.05}, timeout=20) as live:
        assert (live.status_code, live.headers["x-made"]) == (200, "1")
        assert list(live.iter_raw()) == [b"data: 0\n\n", b"data: 1\n\n", b"data: 2\n\n"]
    answer = httpx2.get(f"{url}/api/Plain/zo%C3%AB?q=1")
    assert (answer.status_code, answer.json()) == (201, {"name": "zoë", "q": "1"})
    failed = httpx2.get(f"{url}/api/boom")
    assert (failed.status_code, failed.text) == (500, "Internal Server Error")
    assert httpx2.get(f"{url}/api/stream").status_code == 404
    output = capfd.readouterr()
    assert "secret detail" in output.out + output.err


UPLOADS = """
import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, PlainTextResponse

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="upload", methods=["POST"])
async def upload(req: Request) -> PlainTextResponse:
    size = 0
    try:
        async for piece in req.stream():
            size += len(piece)
            if piece:
                print("has come", size, flush=True)
    finally:
        print("ended after", size, flush=True)
    return PlainTextResponse(str(size))


@app.route(route="ignore", methods=["POST"])
async def ignore(req: Request) -> PlainTextResponse:
    return PlainTextResponse("not read")
"""


def test_an_upload_reaches_a_streaming_function_as_it_comes(
    start: Callable[..., str], capfd: pytest.CaptureFixture[str]
) -> None:
    url, printed = start(UPLOADS), ""

    def has_printed(words: str) -> bool:
        nonlocal printed
        printed += capfd.readouterr().err
        return words in printed

    def pieces() -> Iterator[bytes]:
        yield b"one"
        wait_until(lambda: has_printed("has come 3\n"))
        yield b"two" * 100_000

    with httpx2.Client(timeout=20) as client:
        assert client.post(f"{url}/api/upload", content=pieces()).text == "300003"
        assert client.post(f"{url}/api/upload", content=b"x" * 5_000_000).text == "5000000"
        assert client.post(f"{url}/api/upload").text == "0"
        assert client.post(f"{url}/api/ignore", content=b"x" * 200).text == "not read"
        assert client.get(f"{url}/api/upload").status_code == 404
    printed = ""
    address = urlsplit(url)
    with socket.create_connection((address.hostname or "", address.port or 80)) as leaving:
        head = f"POST /api/upload HTTP/1.1\r\nhost: {address.netloc}\r\ncontent-length: 1000\r\n\r\nfour"
        leaving.sendall(head.encode())
        wait_until(lambda: has_printed("has come 4\n"))
    wait_until(lambda: has_printed("ended after 4\n"))


VALUES = """
import datetime
import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request
from pydantic import BaseModel

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


class Lamp(BaseModel):
    name: str
    lit: datetime.date


VALUES = ["a", b"a", 1.5, {"at": datetime.date(2026, 1, 2)}, [{1}], Lamp(name="a", lit="2026-01-02"), object, None]


@app.route(route="value/{number:int}")
def value(req: Request):
    return VALUES[int(req.path_params["number"])]
"""


def test_what_a_streaming_function_returns_becomes_json(start: Callable[..., str]) -> None:
    url = start(VALUES)
    answers = [httpx2.get(f"{url}/api/value/{number}", timeout=20) for number in range(8)]
    json = ['"a"', '"a"', "1.5", '{"at":"2026-01-02"}', "[[1]]", '{"name":"a","lit":"2026-01-02"}']
    assert [answer.text for answer in answers] == [*json, "Internal Server Error", "Internal Server Error"]


HEADERS = """
import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, JSONResponse

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="headers")
async def headers(req: Request) -> JSONResponse:
    return JSONResponse({"headers": sorted(req.headers), "body": (await req.body()).decode()})
"""


@pytest.mark.parametrize(("body", "framing"), [(None, set()), (b"", {"content-length"}), (b"x", {"content-length"})])
def test_a_streaming_function_gets_a_body_only_where_the_client_sent_one(
    start: Callable[..., str], body: bytes | None, framing: set[str]
) -> None:
    url = start(HEADERS)
    answer = httpx2.request("GET" if body is None else "POST", f"{url}/api/headers", content=body).json()
    assert ({"content-length", "transfer-encoding"} & set(answer["headers"]), answer["body"]) == (
        framing,
        (body or b"").decode(),
    )


def test_a_request_that_the_workers_server_answers_itself_ends_too(start: Callable[..., str]) -> None:
    limits = '{"version": "2.0", "extensions": {"http": {"maxConcurrentRequests": 1, "maxOutstandingRequests": 2}}}'
    url = start(HEADERS, limits)
    for _ in range(3):
        assert httpx2.request("PROPFIND", f"{url}/api/headers", timeout=20).status_code in (200, 405)
    assert httpx2.get(f"{url}/api/headers", timeout=20).status_code == 200


@pytest.mark.parametrize("sent", ["aaaa", ""])
def test_a_clients_own_invocation_id_is_not_the_workers(start: Callable[..., str], sent: str) -> None:
    answer = httpx2.get(f"{start(HEADERS)}/api/headers", headers={"x-ms-invocation-id": sent}, timeout=20)
    assert answer.status_code == 200


def test_a_client_that_leaves_ends_the_function(start: Callable[..., str], capfd: pytest.CaptureFixture[str]) -> None:
    url = start(STREAMING)
    with httpx2.stream("POST", f"{url}/api/stream", json={"events": 1000, "wait": 0.05}, timeout=20) as live:
        next(live.iter_raw())
    wait_until(lambda: "generator closed" in capfd.readouterr().err)


STREAMING_ENDS = """
import asyncio, sys
import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, StreamingResponse, JSONResponse, PlainTextResponse

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="boom")
async def boom(req: Request) -> JSONResponse:
    raise RuntimeError("detail")


@app.route(route="exits")
async def exits(req: Request) -> JSONResponse:
    sys.exit("x is not set")


@app.route(route="cancels")
async def cancels(req: Request) -> JSONResponse:
    raise asyncio.CancelledError


@app.route(route="middle")
async def middle(req: Request) -> StreamingResponse:
    async def pieces():
        yield "one"
        raise ValueError("in the middle")

    return StreamingResponse(pieces())


@app.route(route="status/{code:int}")
async def status(req: Request) -> PlainTextResponse:
    return PlainTextResponse("body", int(req.path_params["code"]))


@app.route(route="ok")
async def ok(req: Request) -> JSONResponse:
    return JSONResponse("ok")
"""


def test_a_streaming_function_that_raises_what_is_not_an_exception_ends_nothing_else(
    worker: str, run: Callable[..., Running], tmp_path: Path
) -> None:
    host = run("functions", "--app", str(write_app(tmp_path, STREAMING_ENDS)), "--port", "0", "--worker", worker)
    url = host.read_until(r"^ready (.*)")[1]
    with httpx2.Client(timeout=10) as client:
        for _ in range(40):
            assert client.get(f"{url}/api/boom").status_code == 500
            assert client.get(f"{url}/api/ok").json() == "ok"
        for name in ("exits", "cancels", "middle"):
            try:
                assert (name, client.get(f"{url}/api/{name}").status_code) == (name, 500)
            except (httpx2.RemoteProtocolError, httpx2.ReadError):
                assert name == "middle"
            assert client.get(f"{url}/api/ok").json() == "ok"
        for code in (204, 304, 418):
            assert client.get(f"{url}/api/status/{code}").status_code == code
            assert client.get(f"{url}/api/ok").json() == "ok"
    host.process.terminate()
    host.exit_status()
    assert "The mock failed" not in "\n".join(host.lines)
