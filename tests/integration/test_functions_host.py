"""The Functions host on apps of all kinds, each in a process of its own as it must be."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from mockserver.functions.process import FunctionsProcess

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


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., str]]:
    running: list[FunctionsProcess] = []

    def started(source: str, host: str = '{"version": "2.0"}', **environment: str) -> str:
        running.append(FunctionsProcess(write_app(tmp_path, source, host), port=0, environment=environment))
        return running[-1].wait_until_ready()

    yield started
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


def test_the_route_prefix_is_the_apps(start: Callable[..., str]) -> None:
    url = start(CLASSIC, '{"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}')
    assert httpx2.get(f"{url}/plain").text == "grüße"


def test_local_settings_fill_in_what_the_environment_leaves_open(start: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "local.settings.json").write_text('{"Values": {"COLOUR": "red", "SHAPE": "round"}}')
    source = "import os\nimport azure.functions as func\napp = func.FunctionApp()\n\n\n@app.route(route='x')\ndef x(req: func.HttpRequest) -> str:\n    return os.environ['COLOUR'] + ' ' + os.environ['SHAPE']\n"
    assert httpx2.get(f"{start(source, COLOUR='blue')}/api/x").text == "blue round"


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("def broken(:\n", "function_app.py, line 1: "),
        (
            "x = 1\nimport no_such_module\n",
            "function_app.py, line 2: ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("x = 1\n", "one FunctionApp at top level is needed, there are 0"),
        ("import azure.functions as func\napp = func.FunctionApp()\n", "the app has no HTTP function"),
        (
            "import azure.functions as func\napp = func.FunctionApp()\n\n\n@app.route(route='x')\ndef x(req: func.HttpRequest, extra: str) -> str:\n    return ''\n",
            "line 5: function 'x' has a parameter 'extra' that nothing is bound to",
        ),
        (
            "import azure.functions as func\napp = func.FunctionApp()\n\n\n@app.route(route='x')\ndef x(request: func.HttpRequest) -> str:\n    return ''\n",
            "line 5: function 'x' has no parameter 'req' for its request",
        ),
        (
            "import azure.functions as func\napp = func.FunctionApp()\n\n\n@app.route(route='{id:even}')\ndef x(req: func.HttpRequest) -> str:\n    return ''\n",
            "line 5: function 'x': '{id:even}' in route 'api/{id:even}' is not supported",
        ),
    ],
    ids=["syntax", "import", "no-app", "no-function", "extra-parameter", "wrong-parameter", "route"],
)
def test_an_app_that_cannot_be_loaded_says_where_and_why(source: str, complaint: str, tmp_path: Path) -> None:
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
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert complaint in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_folder_without_an_app_is_named(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mockserver", "functions", "--app", str(tmp_path / "x"), "--port", "0"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ})
    assert (ended.returncode, "there is no function_app.py" in ended.stderr) == (1, True)


def test_what_an_app_prints_goes_to_the_console_and_never_stops_it(
    start: Callable[..., str], capfd: pytest.CaptureFixture[str]
) -> None:
    source = (
        "import azure.functions as func\nprint('loading')\napp = func.FunctionApp()\n\n\n"
        "@app.route(route='x')\ndef x(req: func.HttpRequest) -> str:\n    print('asked ' + 'x' * 2000)\n    return 'ok'\n"
    )
    url = start(source)
    with httpx2.Client() as client:
        assert [client.get(f"{url}/api/x").text for _ in range(100)] == ["ok"] * 100
    assert "loading" in capfd.readouterr().out
