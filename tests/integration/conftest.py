from __future__ import annotations

import importlib
import os
import pkgutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from werkzeug.serving import make_server

import mockserver
from mockserver.contract.addresses import Backend
from mockserver.flask_apps import control, model_app
from mockserver.fronts.model_front import ModelFront
from mockserver.functions.process import FunctionsProcess
from mockserver.harness.function_app import FunctionApp
from mockserver.harness.mock_server import MockServer
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import ApiOptions, ModelOptions, SiteOptions
from mockserver.harness.whole_app import WholeApp
from mockserver.simulation.settings import OnMiss
from mockserver.simulation.simulation import Simulation
from mockserver.swa.personas import load_personas
from mockserver.wire.server import Servers, bind, url_of
from tests.integration.function_apps import WORKERS, write_app
from tests.integration.running import Running

ROOT = Path(__file__).parents[2]
Serve = Callable[[Simulation], str]


def pytest_configure() -> None:
    """A process that a shell starts in the background ignores Ctrl-C, and so do all processes that it starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """Half as many again as there are cores: a third of the time, these tests wait for processes to start (measured)."""
    return max(2, (os.cpu_count() or 1) * 3 // 2)


@contextmanager
def served_by_front(simulation: Simulation) -> Iterator[str]:
    sock = bind(0, "the test")
    servers = Servers((ModelFront(control.create_app(simulation, "token"), simulation), sock))
    servers.start()
    yield url_of(sock)
    servers.stop()


@contextmanager
def served_by_flask(simulation: Simulation) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, model_app.create_app(simulation), threaded=True)
    server.RequestHandlerClass.protocol_version = "HTTP/1.1"  # type: ignore[attr-defined]  # Werkzeug's documented switch
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def run() -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def command(*arguments: str, **environment: Any) -> Running:
        started.append(Running(*arguments, **environment))
        return started[-1]

    yield command
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()
        if each.process.stdout is not None:
            each.process.stdout.close()


@pytest.fixture(scope="session")
def all_imported() -> None:
    """Every module of ours, and what a request loads besides.

    A pytest in this process forgets the modules that it was the first to import; imported again, their classes are new ones.
    """
    for module in pkgutil.walk_packages(mockserver.__path__, "mockserver."):
        if not module.name.endswith((".microsoft", "__main__")):
            importlib.import_module(module.name)
    with ModelEndpoint(ModelOptions(on_miss=OnMiss.GENERATE)) as model:
        client = openai.OpenAI(base_url=f"{model.url}/v1", api_key="any")
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
        httpx2.get(f"{model.url}/__admin/timeline", trust_env=False)


@pytest.fixture
def pytester(all_imported: None, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Without the browser plugin, which takes half of the time that pytest needs to start."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:playwright")
    return pytester


@pytest.fixture(params=["front", "flask"])
def serve(request: pytest.FixtureRequest) -> Iterator[Serve]:
    """Serves a simulation, once by the front and once by Flask; returns its URL."""
    with ExitStack() as stack:
        way_in = {"front": served_by_front, "flask": served_by_flask}[request.param]
        yield lambda simulation: stack.enter_context(way_in(simulation))


@pytest.fixture
def serve_front() -> Iterator[Serve]:
    """Serves a simulation by the async front alone, for what WSGI cannot do; returns its URL."""
    with ExitStack() as stack:
        yield lambda simulation: stack.enter_context(served_by_front(simulation))


@pytest.fixture(scope="session")
def azure_app(mock_model: ModelEndpoint) -> Iterator[WholeApp]:
    site = SiteOptions(ROOT / "webapp" / "dist", load_personas())
    with (
        FunctionApp(mock_model, ApiOptions(ROOT / "api", Backend.AZURE)) as functions,
        WholeApp(mock_model, functions, site) as app,
    ):
        yield app


@pytest.fixture
def azure_site(azure_app: WholeApp, mock_server: MockServer) -> WholeApp:
    """The app, its API configured for Azure OpenAI."""
    del mock_server
    return azure_app


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
