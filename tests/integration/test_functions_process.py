"""The host's process: apps that cannot be loaded, restarts, Ctrl-C, what an app prints; with both workers."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from mockserver.functions.process import FunctionsProcess, InvocationRecord, StartError
from tests.integration.function_apps import HEAD, write_app
from tests.integration.running import Running
from tests.polling import wait_until

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


@pytest.mark.slow
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
