"""What both workers must do, on apps of all kinds, each in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from mockserver.functions.app import open_app
from mockserver.functions.process import FunctionsProcess, InvocationRecord, StartError
from mockserver.functions.settings import LoadError
from mockserver.harness.function_app import FunctionApp
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import ApiOptions, ModelOptions
from mockserver.wire.server import bind
from tests.integration.running import Running
from tests.polling import wait_until

WORKERS = ("microsoft", "inprocess")
CLASSIC = """
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="echo/{name}", methods=["GET", "POST"])
def echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    facts = [req.method, req.route_params["name"], req.params.get("q"), req.headers.get("x-twice"), req.get_body().decode()]
    return func.HttpResponse("|".join(map(str, [*facts, context.function_name])), status_code=201, headers={"x-made": "1"})


@app.route()
async def plain(req: func.HttpRequest) -> str:
    return "grüße"


@app.route(route="boom")
def boom(req: func.HttpRequest) -> str:
    raise RuntimeError("secret detail")
"""


def write_app(folder: Path, source: str, host: str = '{"version": "2.0"}') -> Path:
    (folder / "function_app.py").write_text(source, encoding="utf-8")
    (folder / "host.json").write_text(host)
    return folder


@pytest.fixture(params=list(WORKERS))
def worker(request: pytest.FixtureRequest) -> str:
    if request.param == "microsoft" and sys.version_info < (3, 13):
        pytest.skip("Microsoft's worker needs Python 3.13 or newer; this run is on an older one")
    return str(request.param)


@pytest.fixture
def start(tmp_path: Path, worker: str) -> Iterator[Callable[..., str]]:
    running: list[FunctionsProcess] = []

    def start_app(
        source: str, host: str = '{"version": "2.0"}', options: Sequence[str] = (), **environment: str
    ) -> str:
        app = Path(os.path.relpath(write_app(tmp_path, source, host)))  # relative, as users write it
        options = ("--worker", worker, *options)
        running.append(FunctionsProcess(app, port=0, environment=environment, options=options))
        return running[-1].wait_until_ready()

    yield start_app
    for process in running:
        process.stop()


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


def test_the_route_prefix_comes_from_host_json(start: Callable[..., str]) -> None:
    url = start(CLASSIC, '{"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}')
    assert httpx2.get(f"{url}/plain").text == "grüße"


def test_local_settings_do_not_override_the_environment(start: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "local.settings.json").write_text('{"Values": {"COLOUR": "red", "SHAPE": "round"}}')
    source = "import os\nimport azure.functions as func\napp = func.FunctionApp()\n\n\n@app.route(route='x')\ndef x(req: func.HttpRequest) -> str:\n    return os.environ['COLOUR'] + ' ' + os.environ['SHAPE']\n"
    assert httpx2.get(f"{start(source, COLOUR='blue')}/api/x").text == "blue round"


HEAD = "import azure.functions as func\napp = func.FunctionApp()\n\n\n"
#: Apps that cannot be loaded, and a pattern for the message of both workers: the place, and the function or word.
BROKEN = {
    "syntax": ("def broken(:\n", r"function_app\.py, line 1: "),
    "import": ("x = 1\nimport no_such_module\n", r"function_app\.py, line 2: ModuleNotFoundError: .*no_such_module"),
    "ends-itself": ("import sys\nsys.exit('X is not set')\n", r"function_app\.py, line 2: SystemExit: X is not set"),
    "no-app": ("x = 1\n", r"function_app\.py"),
    "no-function": ("import azure.functions as func\napp = func.FunctionApp()\n", r"the app has no function"),
    "extra-parameter": (
        HEAD + "@app.route(route='x')\ndef fun(req: func.HttpRequest, extra: str) -> str:\n    return ''\n",
        r"function_app\.py, line [56]: .*fun.*extra",
    ),
    "wrong-parameter": (
        HEAD + "@app.route(route='x')\ndef fun(request: func.HttpRequest) -> str:\n    return ''\n",
        r"function_app\.py, line [56]: .*fun.*req",
    ),
    "route": (
        HEAD + "@app.route(route='{id:even}')\ndef fun(req: func.HttpRequest) -> str:\n    return ''\n",
        r"line [56]: function 'fun': route 'api/\{id:even\}': there is no constraint even; known: alpha",
    ),
    "reserved": (
        HEAD + "@app.route(route='Administrators')\ndef fun(req: func.HttpRequest) -> str:\n    return ''\n",
        r"line [56]: function 'fun': the route 'Administrators' begins with admin or runtime",
    ),
    "conflict": (
        HEAD + "@app.route(route='x', methods=['GET'])\ndef one(req: func.HttpRequest) -> str:\n    return ''\n\n\n"
        "@app.route(route='X')\ndef two(req: func.HttpRequest) -> str:\n    return ''\n",
        r"functions 'one' and 'two' have the route 'api/x' with the same methods",
    ),
    "return": (
        HEAD + "@app.route(route='x')\ndef fun(req: func.HttpRequest) -> dict:\n    return {}\n",
        r"function_app\.py, line [56]: .*fun.*dict",
    ),
    "mixed": (
        HEAD + "from azurefunctions.extensions.http.fastapi import Request\n\n\n"
        "@app.route(route='x')\nasync def fun(req: Request) -> str:\n    return ''\n\n\n"
        "@app.route(route='y')\ndef old(req: func.HttpRequest) -> str:\n    return ''\n",
        r"function_app\.py.*(?:old|fun)",
    ),
}


@pytest.mark.parametrize("broken", list(BROKEN))
def test_an_app_that_cannot_be_loaded_is_reported_with_its_line(broken: str, tmp_path: Path, worker: str) -> None:
    source, message = BROKEN[broken]
    command = [
        sys.executable,
        "-m",
        "mockserver",
        "functions",
        "--app",
        str(write_app(tmp_path, source)),
        "--port",
        "0",
    ]
    host = subprocess.run([*command, "--worker", worker], capture_output=True, text=True, timeout=60, check=False)
    assert host.returncode == 1
    assert re.search(message, host.stderr), host.stderr
    assert "Traceback" not in host.stderr


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
    assert [cookie.lower().split("; ")[0] for cookie in cookies] == ["a=1", "b=2"]
    assert {"path=/", "httponly", "samesite=lax"} <= set(cookies[0].lower().split("; "))
    assert {"secure", "max-age=60"} <= set(cookies[1].lower().split("; "))
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


def test_a_client_that_leaves_ends_the_function(start: Callable[..., str], capfd: pytest.CaptureFixture[str]) -> None:
    url = start(STREAMING)
    with httpx2.stream("POST", f"{url}/api/stream", json={"events": 1000, "wait": 0.05}, timeout=20) as live:
        next(live.iter_raw())
    wait_until(lambda: "generator closed" in capfd.readouterr().err)


def test_a_changed_app_restarts_and_a_broken_one_waits_for_a_change(
    start: Callable[..., str], tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)  # an old copy must not be loaded
    source = HEAD + "@app.route(route='x')\ndef x(req: func.HttpRequest) -> str:\n    return 'one'\n"
    url = start(source, options=("--reload",))

    def answer() -> str:
        try:
            return httpx2.get(f"{url}/api/x", timeout=5).text
        except httpx2.HTTPError as error:  # it restarts
            return str(error)

    wait_until(lambda: answer() == "one")
    write_app(tmp_path, source.replace("one", "two"))
    wait_until(lambda: answer() == "two")
    write_app(tmp_path, "import no_such_module\n")
    output = ""

    def waits() -> bool:
        nonlocal output
        output += capfd.readouterr().err
        return "Waiting for a change." in output

    wait_until(waits)
    assert "function_app.py, line 1: ModuleNotFoundError" in output
    write_app(tmp_path, source.replace("one", "three"))
    wait_until(lambda: answer() == "three")


@pytest.mark.parametrize("ending", ["", "import no_such_module\n"], ids=["valid", "broken"])
def test_an_edit_while_the_app_loads_counts(start: Callable[..., str], tmp_path: Path, ending: str) -> None:
    last = HEAD + "@app.route(route='x')\ndef x(req: func.HttpRequest) -> str:\n    return 'edited'\n"
    edited = f"import pathlib\npathlib.Path(__file__).write_text({last!r})\n{ending}"
    first = HEAD + "@app.route(route='x')\ndef x(req: func.HttpRequest) -> str:\n    return 'first'\n"
    url = start(first, options=("--reload",))
    write_app(tmp_path, edited + (first if not ending else ""))

    def answer() -> str:
        try:
            return httpx2.get(f"{url}/api/x", timeout=5).text
        except httpx2.HTTPError as error:  # it restarts
            return str(error)

    wait_until(lambda: answer() == "edited")


def test_a_folder_without_an_app_is_named(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mockserver", "functions", "--app", str(tmp_path / "x"), "--port", "0"]
    host = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ})
    assert (host.returncode, "there is no function_app.py" in host.stderr) == (1, True)


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("host.json", '{"extensions": {}}', r'host\.json: must have "version": "2\.0", has null'),
        ("host.json", '{"version": "4.0"}', 'has "4.0"; it is the version of this file'),
        ("host.json", '{"version": "2.0", ', "not valid JSON"),
        (
            "host.json",
            '{"version": "2.0", "extensions": {"http": {"maxConcurrentRequests": "x"}}}',
            "maxconcurrentrequests must be a whole number, got 'x'",
        ),
        (
            "host.json",
            '{"version": "2.0", "extensions": {"http": {"customHeaders": {"x y": "1"}}}}',
            "'x y': '1' cannot be sent",
        ),
        ("local.settings.json", '{"Values": []}', "Values must be a JSON object"),
        (
            "host.json",
            '{"version": "2.0", "extensions": {"http": {"customHeaders": {"Content-Length": "5"}}}}',
            "is the host's own",
        ),
        ("local.settings.json", '{"Host": 5}', "Host must be a JSON object"),
        ("local.settings.json", '{"Host": {"LocalHttpPort": 99999}}', "must be a port from 1 to 65535, got 99999"),
        ("local.settings.json", '{"Values": {"A": "\\ud800"}}', "'A' cannot be an environment variable"),
        ("local.settings.json", '{"Values": {"A=B": "x"}}', "no environment variable can be named 'A=B'"),
        ("local.settings.json", '{"IsEncrypted": true, "Values": {"A": "Q2lwaGVy"}}', "func settings decrypt"),
    ],
)
def test_settings_that_the_host_cannot_use_are_an_error(file: str, text: str, words: str, tmp_path: Path) -> None:
    write_app(tmp_path, CLASSIC)
    (tmp_path / file).write_text(text)
    with pytest.raises(LoadError, match=words):
        open_app(tmp_path)


def test_ctrl_c_ends_a_slow_import(run: Callable[..., Running], tmp_path: Path, worker: str) -> None:
    app = write_app(tmp_path, "import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    host = run("functions", "--app", str(app), "--port", "0", "--worker", worker)
    host.read_until("importing")
    host.process.send_signal(signal.SIGINT)
    assert host.exit_status() == 1
    assert "Aborted!" in host.lines


def test_a_host_that_ctrl_c_ended_is_not_reported_as_failed(tmp_path: Path) -> None:
    process, stopped = FunctionsProcess(tmp_path, port=0, environment={}), threading.Event()
    process.stop()
    with pytest.raises(StartError, match="did not start"):
        process.wait_until_ready(stopped)
    stopped.set()
    with pytest.raises(StartError, match="Stopped while"):
        process.wait_until_ready(stopped)


NOISY = r"""
import os, subprocess, sys
import azure.functions as func

def noise():
    forged = {"function": "forged", "method": "GET", "path": "/", "ids": {}, "status": 200, "end": "eof", "took_s": 0, "sent_ms": []}
    print("ready http://forged.test")
    print(json.dumps({"ready": "http://forged.test"}))
    print(json.dumps({"ended": forged}))
    print("mockserver call " + json.dumps(forged))
    print("mockserver call {")
    print("debugger   has paused the API: so it seems")
    sys.stdout.flush()
    os.write(1, b"no UTF-8: \xff\xfe\n")
    subprocess.run([sys.executable, "-c", "print('from a process of the app')"])
    print("x" * 5000)
    print("half a line", end="")

import json
noise()
app = func.FunctionApp()


@app.route(route="x", auth_level="anonymous")
def x(req: func.HttpRequest) -> str:
    noise()
    return "ok"
"""


def test_what_an_app_prints_goes_to_the_error_output_and_is_nothing_else(
    worker: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    records: list[InvocationRecord] = []
    app = write_app(tmp_path, NOISY)
    process = FunctionsProcess(app, port=0, environment={}, report=records.append, options=("--worker", worker))
    try:
        url = process.wait_until_ready()
        assert url.startswith("http://127.0.0.1:")
        with httpx2.Client(timeout=20) as client:
            assert [client.get(f"{url}/api/x").text for _ in range(30)] == ["ok"] * 30
        wait_until(lambda: len(records) >= 30)
        assert [(record.function, record.path) for record in records] == [("x", "/api/x")] * 30
        assert not process.paused
    finally:
        process.stop()
    output = capfd.readouterr()
    assert "forged" not in output.out
    assert "half a line" in output.err
    assert output.err.count("from a process of the app") == 31


# --- settings --------------------------------------------------------------------------------------------------------

SETTINGS = (
    HEAD
    + """
import asyncio, os
from there import here


@app.route(route="env/{name}", auth_level="anonymous")
def env(req: func.HttpRequest) -> str:
    return os.environ.get(req.route_params["name"], "-") + here


@app.route(route="own", auth_level="anonymous")
def own(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("x", headers={"X-Frame-Options": "SAMEORIGIN"})


@app.route(route="off", auth_level="anonymous")
def off(req: func.HttpRequest) -> str:
    return "on"


@app.route(route="other", auth_level="anonymous")
def other(req: func.HttpRequest) -> str:
    return "on"


@app.route(route="slow", auth_level="anonymous")
async def slow(req: func.HttpRequest) -> str:
    await asyncio.sleep(0.3)
    return "slow"
"""
)
LENIENT_HOST = """\ufeff{
  // the schema's version
  "version": "2.0",
  "functions": ["env", "own", "off", "slow"],  /* not `other` */
  "extensions": {"http": {
    "routePrefix": "v1",
    "maxConcurrentRequests": 1,
    "maxOutstandingRequests": 2,
    "customHeaders": {"X-Frame-Options": "DENY", "X-Made": "1",},
  }},
}"""
LENIENT_LOCAL = """\ufeff{
  "IsEncrypted": false, // not here
  "Values": {"NUMBER": 5, "FLAG": true, "NOTHING": null, "AzureFunctionsJobHost__extensions__http__routePrefix": "v2",
             "AzureWebJobs.off.Disabled": "1",},
  "Host": {"LocalHttpPort": 7099, "CORS": "http://localhost:5173", "CORSCredentials": true},
}"""


def test_the_settings_of_both_files_are_those_of_the_host(start: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "local.settings.json").write_text(LENIENT_LOCAL, encoding="utf-8")
    packages = tmp_path / ".python_packages" / "lib" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "there.py").write_text("here = '!'")
    (tmp_path / "main.py").write_text(SETTINGS, encoding="utf-8")
    url = start("raise AssertionError('not this file')", LENIENT_HOST, PYTHON_SCRIPT_FILE_NAME="main.py")
    with httpx2.Client(timeout=20, base_url=f"{url}/v2") as client:
        assert [client.get(f"/env/{name}").text for name in ("NUMBER", "FLAG", "NOTHING", "MISSING")] == [
            "5!", "true!", "!", "-!",
        ]  # fmt: skip
        assert [client.get(f"/{name}").status_code for name in ("off", "other")] == [404, 404]
        headers = client.get("/env/x", headers={"origin": "http://localhost:5173"}).headers
        assert (headers["x-frame-options"], headers["x-made"]) == ("DENY", "1")
        assert headers["access-control-allow-credentials"] == "true"
        assert client.get("/own").headers["x-frame-options"] == "SAMEORIGIN"
        assert client.get(f"{url}/nowhere").headers["x-made"] == "1"
        with ThreadPoolExecutor(4) as pool:
            statuses = sorted(pool.map(lambda _: client.get("/slow").status_code, range(4)))
        assert statuses == [200, 200, 429, 429]
        listed = {each["name"]: each["isDisabled"] for each in client.get(f"{url}/admin/functions").json()}
        assert listed == {"env": False, "off": True, "other": True, "own": False, "slow": False}


def test_the_port_of_local_settings_is_that_of_the_host(run: Callable[..., Running], tmp_path: Path) -> None:
    app = write_app(tmp_path, CLASSIC)
    with bind(0, "the test") as sock:
        port = sock.getsockname()[1]
    (tmp_path / "local.settings.json").write_text(f'{{"Host": {{"LocalHttpPort": {port}}}}}')
    host = run("functions", "--app", str(app))
    assert host.read_until(r"^ready (.*)")[1] == f"http://127.0.0.1:{port}"


# --- order, keys, bodies, answers ------------------------------------------------------------------------------------

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
        "a=x%20y%3D1%2F2; max-age=31536000; path=/; secure; samesite=none; httponly",
        "b=2; expires=Wed, 21 Oct 2026 07:28:00 GMT; domain=example.org",
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


# --- what an app logs ------------------------------------------------------------------------------------------------

LOGGING = (
    """
import logging
logging.basicConfig(level=logging.DEBUG, format="own format %(message)s")
"""
    + HEAD
    + """
@app.route(route="x", auth_level="anonymous")
def x(req: func.HttpRequest) -> str:
    logging.debug("too quiet")
    logging.info("for your information")
    logging.getLogger("shop.orders").warning("low stock")
    return "ok"
"""
)


@pytest.mark.parametrize(
    ("level", "debug", "lines"),
    [
        ("", "", ["information", "low stock"]),
        ('"default": "Warning"', "", ["low stock"]),
        ('"default": "Error", "Function": "Information"', "", ["information", "low stock"]),
        ('"default": "Trace"', "1", ["too quiet", "information", "low stock"]),
        ('"default": "None"', "", []),
    ],
)
def test_what_an_app_logs_is_shown_from_the_level_of_host_json(
    start: Callable[..., str], capfd: pytest.CaptureFixture[str], level: str, debug: str, lines: list[str]
) -> None:
    host = f'{{"version": "2.0", "logging": {{"logLevel": {{{level}}}}}}}'
    url = start(LOGGING, host, PYTHON_ENABLE_DEBUG_LOGGING=debug)
    assert httpx2.get(f"{url}/api/x").text == "ok"
    output = capfd.readouterr().err
    assert [line for line in ("too quiet", "information", "low stock") if line in output] == lines
    assert "own format" not in output
    if "low stock" in lines:
        assert "log        warning  low stock   (shop.orders)" in output


# --- functions that no request sets off ------------------------------------------------------------------------------

TRIGGERS = (
    HEAD
    + """
@app.timer_trigger(arg_name="timer", schedule="0 */5 * * * *")
def tick(timer: func.TimerRequest) -> None:
    print("ticked", timer.past_due)


@app.queue_trigger(arg_name="msg", queue_name="orders", connection="Storage")
def order(msg: func.QueueMessage) -> None:
    print("ordered", msg.get_body().decode(), msg.dequeue_count)


@app.blob_trigger(arg_name="blob", path="in/{name}", connection="Storage")
def stored(blob: func.InputStream) -> None:
    print("stored", blob.read().decode(), blob.name)


@app.service_bus_queue_trigger(arg_name="msg", queue_name="bus", connection="Bus")
def bus(msg: func.ServiceBusMessage) -> None:
    print("bus", msg.get_body().decode())


@app.event_hub_message_trigger(arg_name="event", event_hub_name="hub", connection="Hub")
def hub(event: func.EventHubEvent) -> None:
    print("hub", event.get_body().decode())


@app.event_grid_trigger(arg_name="event")
def grid(event: func.EventGridEvent) -> None:
    print("grid", event.get_json()["a"])


@app.cosmos_db_trigger(arg_name="docs", connection="Db", database_name="d", container_name="c")
def changed(docs: func.DocumentList) -> None:
    print("changed", len(docs))


@app.timer_trigger(arg_name="timer", schedule="0 0 3 * * *")
def fails(timer: func.TimerRequest) -> None:
    raise RuntimeError("out of order")


@app.timer_trigger(arg_name="timer", schedule="0 0 4 * * *")
@app.queue_output(arg_name="msg", queue_name="orders", connection="Storage")
def writes(timer: func.TimerRequest, msg: func.Out[str]) -> None:
    msg.set("one")


@app.route(route="reads", auth_level="anonymous")
@app.blob_input(arg_name="blob", path="in/x", connection="Storage")
def reads(req: func.HttpRequest, blob: func.InputStream) -> str:
    return "read"


@app.route(route="sends", auth_level="anonymous")
@app.queue_output(arg_name="msg", queue_name="orders", connection="Storage")
def sends(req: func.HttpRequest, msg: func.Out[str]) -> str:
    if req.params.get("yes"):
        msg.set("one")
    return "sent"
"""
)
EVENT = (
    '{"id": "1", "subject": "s", "data": {"a": 7}, "eventType": "e", "topic": "t", '
    '"eventTime": "2026-11-30T10:00:00Z", "dataVersion": "1"}'
)


def test_other_triggers_are_listed_and_run_by_hand(worker: str, run: Callable[..., Running], tmp_path: Path) -> None:
    host = run("functions", "--app", str(write_app(tmp_path, TRIGGERS)), "--port", "0", "--worker", worker)
    url = host.read_until(r"^ready (.*)")[1]
    started = "\n".join(host.lines)
    assert f"timer      tick  0 */5 * * * *  run it: POST {url}/admin/functions/tick" in started
    assert f"queue      order  orders  run it: POST {url}/admin/functions/order" in started
    assert "refused    http reads: it reads the blob 'in/x' (blob), and no such service is imitated" in started
    assert "functions  2 routes on" in started
    for name, given, printed in (
        ("tick", None, "ticked False"),
        ("order", "ten", "ordered ten 1"),
        ("stored", "bytes", "stored bytes in/{name}"),
        ("bus", "hop on", "bus hop on"),
        ("hub", "event", "hub event"),
        ("grid", EVENT, "grid 7"),
        ("changed", '[{"id": "a"}, {"id": "b"}]', "changed 2"),
        ("fails", None, "RuntimeError: out of order"),
        ("writes", None, "timer writes has failed: it has written to the queue 'orders' (msg)"),
    ):
        started_it = httpx2.post(f"{url}/admin/functions/{name}", json={"input": given} if given else {})
        assert (name, started_it.status_code, started_it.content) == (name, 202, b"")
        host.read_until(re.escape(printed))
    assert httpx2.get(f"{url}/api/reads").status_code == 500
    host.read_until("reads is not called: it reads the blob 'in/x'")
    assert httpx2.get(f"{url}/api/sends").text == "sent"
    assert httpx2.get(f"{url}/api/sends?yes=1").status_code == 500
    host.read_until("sends: it has written to the queue 'orders' .msg.")
    for path, content, status in (("nothing", "{}", 404), ("tick", "no JSON", 400), ("sends", "{}", 400)):
        answer = httpx2.post(f"{url}/admin/functions/{path}", content=content)
        assert (path, answer.status_code) == (path, status)
    foreign = httpx2.post(f"{url}/admin/functions/tick", content="{}", headers={"origin": "http://evil.example"})
    assert foreign.status_code == 403


def test_an_app_without_routes_is_served(start: Callable[..., str]) -> None:
    url = start(TRIGGERS[: TRIGGERS.index("@app.queue_trigger")])
    assert httpx2.get(url).status_code == 200


# --- timers ----------------------------------------------------------------------------------------------------------

TIMERS = (
    HEAD
    + """
@app.timer_trigger(arg_name="timer", schedule="0 */5 * * * *")
def tick(timer: func.TimerRequest) -> None:
    print("ticked")


@app.timer_trigger(arg_name="timer", schedule="%NIGHTLY%")
def nightly(timer: func.TimerRequest) -> None:
    print("nightly")


@app.timer_trigger(arg_name="timer", schedule="0 0 3 * * *", run_on_startup=True)
def first(timer: func.TimerRequest) -> None:
    print("first")
"""
)


def test_timers_run_on_the_mocks_clock_which_tests_stop_and_advance(tmp_path: Path, worker: str) -> None:
    del worker
    (tmp_path / "local.settings.json").write_text('{"Values": {"NIGHTLY": "0 0 3 * * *"}}')
    with ModelEndpoint(ModelOptions()) as model:
        model.clock.freeze()
        model.clock.advance(-model.clock.now() % 86400)  # midnight

        def runs() -> list[str]:
            return [entry.rule for entry in model.simulation.journal.only(place="host")]

        with FunctionApp(model, ApiOptions(write_app(tmp_path, TIMERS))):
            wait_until(lambda: runs() == ["first"])
            model.clock.advance(299)
            model.clock.advance(1)
            wait_until(lambda: runs() == ["first", "tick"])
            model.clock.advance(2 * 3600)  # 24 runs of tick are due, which are one after a pause
            wait_until(lambda: runs() == ["first", "tick", "tick"])
            model.clock.advance(3600)
            wait_until(lambda: sorted(runs()[3:]) == ["first", "nightly", "tick"])
            assert {entry.status for entry in model.simulation.journal.only(place="host")} == {202}


def test_timers_of_a_host_alone_run_in_real_time(run: Callable[..., Running], tmp_path: Path, worker: str) -> None:
    app = write_app(tmp_path, TIMERS.replace("0 */5 * * * *", "* * * * * *"))
    host = run("functions", "--app", str(app), "--port", "0", "--worker", worker, NIGHTLY="1.00:00:00")
    host.read_until("^ready")
    host.read_until("^ticked")
    host.read_until("^ticked")
    assert "nightly" not in host.lines


def test_a_schedule_that_cannot_be_read_ends_the_start(
    run: Callable[..., Running], tmp_path: Path, worker: str
) -> None:
    app = write_app(tmp_path, TIMERS)  # NIGHTLY is not set
    host = run("functions", "--app", str(app), "--port", "0", "--worker", worker)
    assert host.exit_status() == 1
    assert "function 'nightly': the app setting NIGHTLY is not set" in "\n".join(host.lines)


# --- functions that end as none does -----------------------------------------------------------------------------------

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


def test_a_function_that_ends_as_none_does_ends_nothing_else(
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


def test_a_streaming_function_that_ends_as_none_does_ends_nothing_else(
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


def test_the_route_of_a_disabled_function_is_nobody_elses(start: Callable[..., str]) -> None:
    url = start(ODD, **{"AzureWebJobs.a_details.Disabled": "true"})
    assert [httpx2.get(f"{url}/api/users/{name}").status_code for name in ("recent", "first")] == [404, 404]


def test_runs_of_a_timer_do_not_overlap(run: Callable[..., Running], tmp_path: Path, worker: str) -> None:
    slow = (
        HEAD
        + """
import time


@app.timer_trigger(arg_name="timer", schedule="* * * * * *")
def slow(timer: func.TimerRequest) -> None:
    print("begins")
    time.sleep(2.5)
    print("ends")
"""
    )
    host = run("functions", "--app", str(write_app(tmp_path, slow)), "--port", "0", "--worker", worker)
    host.read_until("^begins")
    host.read_until("timer slow is still running, and is not started again")
    host.read_until("^begins")
    steps = [line for line in host.lines if line in ("begins", "ends")]
    assert steps == ["begins", "ends", "begins"]


def test_no_page_starts_a_function_whatever_origins_are_allowed(start: Callable[..., str]) -> None:
    url = start(TIMERS, options=("--cors", "*"), NIGHTLY="1.00:00:00")
    asked = httpx2.post(f"{url}/admin/functions/tick", content="{}", headers={"origin": "http://evil.example"})
    assert asked.status_code == 403
