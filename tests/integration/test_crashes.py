"""A fault of the mock's own code, anywhere: counted, told in one line, and nothing that comes later is spoiled by it."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.sync.client import connect

from mockserver.crash import Crash
from mockserver.exchange import End, Request
from mockserver.fronts.model_front import ModelFront
from mockserver.functions.bindings import Bindings
from mockserver.functions.function import Function
from mockserver.functions.host import FunctionsHost
from mockserver.functions.process import FunctionsProcess, InvocationRecord
from mockserver.harness.function_app import FunctionApp
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import ApiOptions, ModelOptions
from mockserver.journal.records import Records
from mockserver.redaction.redaction import Redaction
from mockserver.simulation import group, simulation
from mockserver.simulation.settings import OnMiss
from mockserver.simulation.stub import parse_stub
from mockserver.wire.connection import Connection
from mockserver.wire.server import Servers, bind, url_of
from tests.polling import wait_until

CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "the question"}]}
KEY = {"authorization": "Bearer any"}


def broken(*_: Any, **__: Any) -> Any:
    raise ZeroDivisionError("a fault of ours, with sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD in it")


@pytest.fixture
def model() -> Iterator[ModelEndpoint]:
    with ModelEndpoint(ModelOptions(on_miss=OnMiss.GENERATE, speed=1000)) as endpoint:
        yield endpoint


def ask(model: ModelEndpoint) -> int:
    return httpx2.post(f"{model.url}/v1/chat/completions", json=CHAT, headers=KEY).status_code


def health(model: ModelEndpoint) -> int:
    crashes = httpx2.get(f"{model.url}/__admin/health").json()["crashes"]
    assert isinstance(crashes, int)
    return crashes


def test_a_crash_on_a_request_is_told_and_counted(
    model: ModelEndpoint, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(simulation, "decide", broken)
        answer = httpx2.post(f"{model.url}/v1/chat/completions", json=CHAT, headers=KEY)
    assert (answer.status_code, answer.headers["x-should-retry"]) == (500, "false")
    assert (ask(model), health(model)) == (200, 1)
    (line,) = caplog.messages
    assert line.startswith("The mock failed on POST /v1/chat/completions: ZeroDivisionError: a fault of ours")
    (crash,) = httpx2.get(f"{model.url}/__admin/crashes").json()
    assert json.loads(crash["body"]) == CHAT
    assert crash["traceback"].startswith("Traceback")
    assert "sk-proj" not in line + json.dumps(crash)


def test_a_crash_of_a_control_route_is_told_and_counted(model: ModelEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(group, "timeline", broken)
        assert httpx2.get(f"{model.url}/__admin/timeline").status_code == 500
    assert httpx2.get(f"{model.url}/__admin/timeline").status_code == 200
    assert model.simulation.journal.records.crashes[0].during == "GET /__admin/timeline"


def test_a_crash_after_the_head_breaks_the_answer_off(model: ModelEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    model.simulation.scopes.say(parse_stub({"say": "one two", "pace": {"each_ms": 60_000}, "times": 1}, "said#1"))
    model.clock.freeze()
    url, asked = f"{model.url}/v1/chat/completions", {**CHAT, "stream": True}
    with monkeypatch.context() as patch, httpx2.stream("POST", url, json=asked, headers=KEY) as live:
        pieces = live.iter_raw()
        assert b"data: " in next(pieces)
        patch.setattr(model.simulation.journal.records, "close", broken)
        model.clock.advance(3600)
        with pytest.raises(httpx2.RemoteProtocolError):
            list(pieces)
    model.clock.resume()
    assert (ask(model), health(model)) == (200, 1)


def test_a_crash_before_the_head_has_left_is_a_500(model: ModelEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(model.simulation.journal.records, "close", broken)
        assert ask(model) == 500
    assert (ask(model), health(model)) == (200, 1)


def test_a_crash_of_a_realtime_session_is_told_and_counted(
    model: ModelEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(simulation, "decide", broken)
        url = f"{model.url.replace('http', 'ws', 1)}/v1/realtime?model=gpt-realtime"
        with connect(url, additional_headers=KEY) as session:
            session.send('{"type": "response.create"}')
            kinds = [json.loads(session.recv(timeout=10))["type"] for _ in range(2)]
    assert kinds == ["session.created", "error"]
    assert health(model) == 1


def test_a_client_that_leaves_a_session_is_no_crash(model: ModelEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    async def left(*_: Any) -> None:
        raise ConnectionResetError("the client has left")  # as uvicorn says it

    with monkeypatch.context() as patch:
        patch.setattr(ModelFront, "converse", left)
        url = f"{model.url.replace('http', 'ws', 1)}/v1/realtime?model=gpt-realtime"
        with pytest.raises(Exception, match=r"HTTP 500|did not receive"), connect(url, additional_headers=KEY):
            pass
    assert health(model) == 0


def test_a_crash_where_redaction_is_at_fault_is_told_without_words(monkeypatch: pytest.MonkeyPatch) -> None:
    records = Records()
    monkeypatch.setattr(Redaction, "text", broken)
    records.crashed(Crash("GET /secret", "KeyError: secret", "secret"))
    assert "secret" not in str(records.crashes[0])
    assert records.crash_count == 1


def test_a_secret_at_the_end_of_what_is_shown_of_a_body_is_not_cut_before_it_is_found() -> None:
    records, key = Records(), b"sk-proj-" + b"a1" * 30
    records.crashed(Crash.of("POST /", ValueError(), b" " * 1_980 + key + b" " * 30_000))
    assert "sk-proj" not in records.crashes[0].body
    assert len(records.crashes[0].body) == 2_000


def test_a_crash_in_a_callback_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    records = Records()

    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        asyncio.get_running_loop().call_soon(broken)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    socket = bind(0, "the test")
    servers = Servers((application, socket), crashed=records.crashed)
    servers.start()
    try:
        assert httpx2.get(url_of(socket)).status_code == 200
        wait_until(lambda: records.crash_count == 1)
    finally:
        servers.stop()


APP = """
import azure.functions as func

app = func.FunctionApp()


@app.route(route="x", auth_level="anonymous")
def x(req: func.HttpRequest) -> str:
    return "ok"
"""


def test_a_crash_while_a_report_of_the_host_is_taken_ends_nothing(tmp_path: Path, model: ModelEndpoint) -> None:
    (tmp_path / "function_app.py").write_text(APP)
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    records, fails = model.simulation.journal.records, threading.Event()
    opened = records.open

    def sometimes(*args: Any, **more: Any) -> Any:
        return broken() if fails.is_set() else opened(*args, **more)

    records.open = sometimes  # type: ignore[method-assign]
    with FunctionApp(model, ApiOptions(tmp_path)) as functions:
        fails.set()
        assert httpx2.get(f"{functions.url}/api/x").text == "ok"
        wait_until(lambda: records.crash_count == 1)
        fails.clear()
        assert httpx2.get(f"{functions.url}/api/x").text == "ok"
        wait_until(lambda: len(model.simulation.journal) == 1)


def test_a_crash_of_the_host_itself_is_told() -> None:
    class NoWorker:
        functions: tuple[Function, ...] = ()
        streams = False

        async def answer(self, _invocation: Any) -> None:
            """Never called: there is no function."""

        async def run(self, _function: Function, _given: str, _bindings: Bindings) -> str:
            return ""

        async def close(self) -> None:
            """Nothing to close."""

    told: list[Crash] = []
    host = FunctionsHost(NoWorker(), crashed=told.append)
    host._find = broken  # type: ignore[method-assign]
    socket = bind(0, "the test")
    servers = Servers((host, socket))
    servers.start()
    try:
        assert httpx2.post(f"{url_of(socket)}/api/x", content=b"sent").status_code == 500
    finally:
        servers.stop()
    assert [(crash.during, crash.body) for crash in told] == [("POST /api/x, at the Functions host", "sent")]


FORKING = (
    APP
    + """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"], close_fds=False)
"""
)


def test_a_process_that_an_app_left_does_not_hold_the_end_up(tmp_path: Path) -> None:
    (tmp_path / "function_app.py").write_text(FORKING)
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    records: list[InvocationRecord] = []
    process = FunctionsProcess(tmp_path, port=0, environment={}, report=records.append)
    process.wait_until_ready()
    ended = threading.Thread(target=process.stop, daemon=True)
    ended.start()
    ended.join(20)
    assert not ended.is_alive()
    assert process.exit_status is not None


def test_a_request_is_named_as_it_may_be_shown() -> None:
    crash = Crash.of("GET /v1", ValueError("first line\nsecond line"), Request("POST", "/v1", body=b"\xff").body)
    assert (str(crash), crash.body) == ("The mock failed on GET /v1: ValueError: first line", "\ufffd")


def test_a_reset_of_a_connection_that_has_gone_does_nothing() -> None:
    class Gone:
        def is_closing(self) -> bool:
            return True

    async def send(_message: Any) -> None:
        """Nobody is there."""

    scope = {"headers": [], "extensions": {"mockserver": {"transport": Gone()}}}
    asyncio.run(Connection(scope, asyncio.sleep, send).end(End.RESET))  # type: ignore[arg-type]  # nothing is received


def test_a_machine_without_room_is_no_crash(model: ModelEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Any:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr(simulation, "decide", full)
        answer = httpx2.post(f"{model.url}/v1/chat/completions", json=CHAT, headers=KEY)
    assert (answer.status_code, answer.text) == (503, "This machine cannot answer for now: Too many open files.\n")
    assert (ask(model), health(model)) == (200, 0)
