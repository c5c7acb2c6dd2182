"""What a foreign web page can try on this machine's ports: another name for 127.0.0.1, and requests across sites."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from mockserver.harness.function_app import FunctionApp
from mockserver.harness.mock_server import MockServer
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import ApiOptions, ModelOptions, OptionsError, SiteOptions, Topology
from mockserver.harness.whole_app import WholeApp
from mockserver.simulation.settings import OnMiss
from mockserver.swa.personas import load_personas
from mockserver.wire import token_gate
from mockserver.wire.server import EVERYWHERE
from tests.integration.running import ROOT

EVIL = "http://evil.example"
CHAT = {"messages": [{"role": "user", "content": "x"}]}


@pytest.fixture
def ports(site: WholeApp, mock_server: MockServer) -> dict[str, str]:
    return {"site": site.url, "model": mock_server.model.url, "host": site.api_url}


def listening(url: str) -> set[str]:
    """The addresses, as the system writes them, on which a program listens at the URL's port."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {row[1].partition(":")[::2] for row in rows if row[3] == "0A"}
    return {address for address, port in sockets if int(port, 16) == urlsplit(url).port}


NEEDS_PROC = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs the system's list of sockets")


@NEEDS_PROC
def test_every_port_listens_on_loopback_alone(ports: dict[str, str]) -> None:
    assert [listening(url) for url in ports.values()] == [{"0100007F"}] * 3


@NEEDS_PROC
def test_bind_adds_an_address_to_loopback() -> None:
    with ModelEndpoint(ModelOptions(address="127.0.0.2")) as model:
        assert listening(model.url) == {"0100007F", "0200007F"}
        answer = httpx2.get(f"{model.url}/__admin/health", trust_env=False)
        assert answer.status_code == 200
    assert listening(model.url) == set()


def test_with_bind_both_ports_need_the_token_from_other_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine plays another one."""
    monkeypatch.setattr(token_gate, "is_local", lambda _scope: False)
    options = ModelOptions((), OnMiss.GENERATE, address=EVERYWHERE)
    page = SiteOptions(ROOT / "webapp" / "dist", load_personas(), address=EVERYWHERE)
    with ModelEndpoint(options) as model, WholeApp(model, FunctionApp(model, ApiOptions(ROOT / "api")), page) as site:
        for url, path in ((model.url, "/v1/models"), (model.url, "/__admin/journal"), (site.url, "/.auth/me")):
            other = {"host": "mock:80"}
            assert httpx2.get(f"{url}{path}", headers=other, trust_env=False).status_code == 401
            token = {"authorization": f"Bearer {model.token}"}
            assert httpx2.get(f"{url}{path}", headers=other | token, trust_env=False).status_code == 200


def test_options_that_cannot_be_combined_with_bind_are_refused() -> None:
    with pytest.raises(OptionsError, match="without --api-key"):
        ModelEndpoint(ModelOptions(address=EVERYWHERE, api_key="k"))
    model = ModelEndpoint(ModelOptions(address=EVERYWHERE))
    functions = FunctionApp(model, ApiOptions(ROOT / "api", topology=Topology.DIRECT))
    page = SiteOptions(ROOT / "webapp" / "dist", load_personas(), address=EVERYWHERE)
    with pytest.raises(OptionsError, match="choose another --topology"):
        WholeApp(model, functions, page)


@pytest.mark.parametrize("port", ["site", "model", "host"])
@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "0.0.0.0", ""])
@pytest.mark.parametrize("path", ["/", "/.auth/me", "/api/health", "/v1/models", "/__admin/journal"])
def test_no_port_answers_to_another_name(ports: dict[str, str], port: str, name: str, path: str) -> None:
    answer = httpx2.get(ports[port] + path, headers={"host": name}, trust_env=False)
    assert (answer.status_code, "127.0.0.1 and localhost only" in answer.text) == (421, True)


@pytest.mark.parametrize(
    ("port", "method", "path", "body", "status"),
    [
        ("model", "POST", "/v1/chat/completions", {"json": CHAT}, 403),
        ("model", "POST", "/__admin/stubs", {"json": [{"say": "x"}]}, 403),
        ("model", "POST", "/__admin/reset", {}, 403),
        ("model", "POST", "/__admin/scopes", {"json": {}}, 403),
        ("model", "POST", "/__admin/clock", {"json": {"advance_s": 9}}, 403),
        ("model", "DELETE", "/__admin/scopes/x", {}, 403),
        ("site", "POST", "/.auth/login/aad", {"data": {"persona": "alice"}}, 403),
        ("site", "POST", "/api/chat/completions", {"json": CHAT}, 302),  # without a session: the cookie is SameSite
        ("host", "POST", "/api/chat/completions", {"json": CHAT}, 401),
    ],
)
def test_another_site_changes_nothing(
    ports: dict[str, str], port: str, method: str, path: str, body: dict[str, Any], status: int
) -> None:
    for origin in (EVIL, "null", "", "http://["):
        answer = httpx2.request(method, ports[port] + path, headers={"origin": origin}, trust_env=False, **body)
        assert answer.status_code == status, origin
        assert "access-control-allow-origin" not in answer.headers


def test_a_principal_that_a_client_sends_is_ignored(
    persona: Callable[[str], httpx2.Client], site: WholeApp, mock_server: MockServer
) -> None:
    mock_server.say("x")
    forged = {"x-ms-client-principal": "eyJ1c2VyUm9sZXMiOlsiaW52aXRlZCJdLCJ1c2VySWQiOiJ4In0="}
    assert persona("bob").post("/api/chat/completions", json=CHAT, headers=forged).status_code == 403
    assert (
        httpx2.post(f"{site.url}/api/chat/completions", json=CHAT, headers=forged, trust_env=False).status_code == 302
    )
    assert list(mock_server.journal) == []
