"""host.json, local.settings.json and the host's other settings, with both workers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from mockserver.functions.app import open_app
from mockserver.functions.settings import LoadError
from mockserver.wire.server import bind
from tests.integration.function_apps import CLASSIC, HEAD, write_app
from tests.integration.running import Running


def test_the_route_prefix_comes_from_host_json(start: Callable[..., str]) -> None:
    url = start(CLASSIC, '{"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}')
    assert httpx2.get(f"{url}/plain").text == "grüße"


def test_local_settings_do_not_override_the_environment(start: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "local.settings.json").write_text('{"Values": {"COLOUR": "red", "SHAPE": "round"}}')
    source = "import os\nimport azure.functions as func\napp = func.FunctionApp()\n\n\n@app.route(route='x')\ndef x(req: func.HttpRequest) -> str:\n    return os.environ['COLOUR'] + ' ' + os.environ['SHAPE']\n"
    assert httpx2.get(f"{start(source, COLOUR='blue')}/api/x").text == "blue round"


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
            answers = list(pool.map(lambda _: client.get("/slow"), range(4)))
        assert sorted(each.status_code for each in answers) == [200, 200, 429, 429]
        assert {each.headers.get("x-function-scaleout") for each in answers if each.status_code == 429} == {"1"}
        listed = {each["name"]: each["isDisabled"] for each in client.get(f"{url}/admin/functions").json()}
        assert listed == {"env": False, "off": True, "other": True, "own": False, "slow": False}


def test_the_port_of_local_settings_is_that_of_the_host(run: Callable[..., Running], tmp_path: Path) -> None:
    app = write_app(tmp_path, CLASSIC)
    with bind(0, "the test") as sock:
        port = sock.getsockname()[1]
    (tmp_path / "local.settings.json").write_text(f'{{"Host": {{"LocalHttpPort": {port}}}}}')
    host = run("functions", "--app", str(app))
    assert host.read_until(r"^ready (.*)")[1] == f"http://127.0.0.1:{port}"


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
    logging.getLogger("azure_functions_worker").error("a line for Azure")
    logging.getLogger("azure.functions.x").error("a line for Azure")
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
    assert "a line for Azure" not in output
    if "low stock" in lines:
        assert "log        warning  low stock   (shop.orders)" in output
