"""Does a stream reach the page as it leaves the model? Seen red for a proxy that buffers, and for an API that collects."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from mockserver.fronts.gate import Delivery
from mockserver.harness.function_app import FunctionApp
from mockserver.harness.mock_server import MockServer
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import ApiOptions, SiteOptions
from mockserver.harness.whole_app import WholeApp
from mockserver.journal.journal import ExpectationError, Journal
from mockserver.swa.personas import load_personas

ROOT = Path(__file__).parents[2]
QUESTION = {"messages": [{"role": "user", "content": "Count"}], "stream": True}
#: The one line that makes our API collect an answer before it sends it.
STREAMS, COLLECTS = "return Reply(200, events,", "return Reply(200, b''.join([each async for each in events]),"


@contextmanager
def app(model: ModelEndpoint, api: Path, delivery: Delivery = Delivery.AS_AZURE) -> Iterator[WholeApp]:
    functions = FunctionApp(model, ApiOptions(api))
    options = SiteOptions(ROOT / "webapp" / "dist", load_personas(), delivery=delivery)
    with functions, WholeApp(model, functions, options) as whole:
        yield whole


def ask(site: WholeApp, server: MockServer, each_ms: float = 60) -> None:
    server.say("Ready", to="Ready?")  # what the first answer of a process loads must not make the next one late
    ready = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Ready?"}]}
    httpx2.post(
        f"{server.base_url}/chat/completions", json=ready, headers={"authorization": "Bearer k"}, trust_env=False
    )
    server.say("word " * 20, pace={"each_ms": each_ms})
    reply = httpx2.post(
        f"{site.url}/api/chat/completions", json=QUESTION, headers=site.headers("alice"), trust_env=False, timeout=60
    )
    assert "[DONE]" in reply.text


def test_a_stream_that_nothing_holds_back(mock_model: ModelEndpoint, mock_server: MockServer, journal: Journal) -> None:
    with app(mock_model, ROOT / "api") as site:
        ask(site, mock_server)
        journal.assert_incremental()


def test_a_proxy_that_buffers_is_found(mock_model: ModelEndpoint, mock_server: MockServer, journal: Journal) -> None:
    with app(mock_model, ROOT / "api", Delivery.BUFFERED) as site:
        ask(site, mock_server)
        with pytest.raises(ExpectationError, match=r"site passed nothing on while the model sent \d+ of \d+ events"):
            journal.assert_incremental()


def test_an_api_that_collects_its_answer_is_found(
    mock_model: ModelEndpoint, mock_server: MockServer, journal: Journal, twin: Path
) -> None:
    with app(mock_model, twin) as site:
        ask(site, mock_server)
        with pytest.raises(
            ExpectationError, match=r"(host|site) passed nothing on while the model sent \d+ of \d+ events"
        ):
            journal.assert_incremental()


@pytest.fixture
def twin(tmp_path: Path) -> Path:
    """Our API, but for one line."""
    api = tmp_path / "api"
    shutil.copytree(ROOT / "api", api)
    routes = api / "chat_api" / "routes.py"
    source = routes.read_text(encoding="utf-8")
    assert STREAMS in source
    routes.write_text(source.replace(STREAMS, COLLECTS), encoding="utf-8")
    return api


def test_what_cannot_be_seen_is_no_success(
    mock_model: ModelEndpoint, mock_server: MockServer, journal: Journal
) -> None:
    with pytest.raises(ExpectationError, match="a stream that went on to a host or a site"):
        journal.assert_incremental()
    with app(mock_model, ROOT / "api") as site:
        ask(site, mock_server, each_ms=0)
        with pytest.raises(ExpectationError, match="give it a pace"):
            journal.assert_incremental()
