"""A debugger in the API: it attaches, pauses, and the gate waits."""

from __future__ import annotations

import itertools
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from mockserver.harness.function_app import FunctionApp
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import ApiOptions, ModelOptions, OptionsError, SiteOptions, Topology
from mockserver.harness.whole_app import WholeApp
from mockserver.swa.personas import load_personas

ROUTES = Path(__file__).parents[2] / "api" / "chat_api" / "routes.py"


class Debugger:
    """As much of the Debug Adapter Protocol as an editor needs to stop at a line."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._file, self._numbers = self._socket.makefile("rb"), itertools.count(1)

    def send(self, command: str, **arguments: Any) -> None:
        message = {"seq": next(self._numbers), "type": "request", "command": command, "arguments": arguments}
        data = json.dumps(message).encode()
        self._socket.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(data), data))

    def wait_for(self, name: str) -> Any:
        """The next event of that name, or answer to that command."""
        while True:
            size = 0
            while line := self._file.readline().strip():
                size = int(line.split(b":")[1])
            message = json.loads(self._file.read(size))
            if name in (message.get("event"), message.get("command")):
                return message

    def break_at(self, path: Path, text: str) -> None:
        line = next(n for n, each in enumerate(path.read_text().splitlines(), 1) if text in each)
        self.send("initialize", adapterID="test")
        self.wait_for("initialize")
        self.send("attach", justMyCode=False)
        self.wait_for("initialized")
        self.send("setBreakpoints", source={"path": str(path)}, breakpoints=[{"line": line}])
        self.wait_for("setBreakpoints")
        self.send("configurationDone")
        self.wait_for("configurationDone")

    def close(self) -> None:
        self._file.close()
        self._socket.close()


@pytest.fixture
def app(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[tuple[ModelEndpoint, WholeApp]]:
    del capfd  # output is captured from here on
    (tmp_path / "index.html").write_text("<title>x</title>")
    model = ModelEndpoint(ModelOptions())
    functions = FunctionApp(model, ApiOptions(ROUTES.parents[1], debug=True))
    whole_app = WholeApp(model, functions, SiteOptions(tmp_path, load_personas()))
    with model, functions, whole_app:
        yield model, whole_app


def console_line(capfd: pytest.CaptureFixture[str], output: list[str], text: str) -> str:
    """The first line of the console with this text, waited for."""
    while not (lines := [line for line in "".join(output).splitlines() if text in line]):
        output.append(capfd.readouterr().out)
    return lines[0]


def test_time_in_a_debugger_does_not_count_against_the_gates_limit(
    app: tuple[ModelEndpoint, WholeApp], capfd: pytest.CaptureFixture[str]
) -> None:
    (model, site), console = app, list[str]()
    debugger = Debugger(int(console_line(capfd, console, "attach to").rpartition(":")[2]))
    debugger.break_at(ROUTES, 'missing = () if "live"')
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(httpx2.get, f"{site.url}/api/health", headers=site.headers("alice"), timeout=60)
        thread = debugger.wait_for("stopped")["body"]["threadId"]
        console_line(capfd, console, "has paused the API")
        model.clock.advance(100)
        assert not answer.done()
        debugger.send("continue", threadId=thread)
        console_line(capfd, console, "has resumed the API")
        assert answer.result().status_code == 200
    debugger.close()


@pytest.mark.parametrize("more", [{"instances": 2}, {"topology": Topology.DIRECT}])
def test_a_debugger_needs_a_single_process(more: dict[str, Any]) -> None:
    with pytest.raises(OptionsError, match="--debug needs a single process"):
        FunctionApp(ModelEndpoint(ModelOptions()), ApiOptions(ROUTES.parents[1], debug=True, **more))
