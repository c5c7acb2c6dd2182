"""The chat API in each of its topologies, and attacks on its tickets."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from chat_api.principal import Principal
from chat_api.ticket import HEADER, Ticket

from mockserver.functions.process import FunctionsProcess
from mockserver.harness.function_app import FunctionApp, api_environment
from mockserver.harness.mock_server import MockServer
from mockserver.harness.options import ApiOptions, OptionsError, SiteOptions, Topology
from mockserver.harness.whole_app import WholeApp
from mockserver.swa.personas import load_personas
from mockserver.swa.principal import ClientPrincipal as Shown
from tests.chat_api_contract import problems

ROOT = Path(__file__).parents[2]
QUESTION = b'{"messages": [{"role": "user", "content": "Count"}], "stream": true}'
TYPE = {"content-type": "application/json"}
SITE = "https://chat.example"
KEY = "k" * 32
RULES = '{"routes": [{"route": "/api/*", "allowedRoles": ["invited"]}]}'
Start = Callable[..., WholeApp]


@pytest.fixture
def start(mock_server: MockServer, tmp_path: Path) -> Iterator[Start]:
    """Starts the whole app in a topology."""
    (tmp_path / "index.html").write_text("<title>x</title>")
    (tmp_path / "staticwebapp.config.json").write_text(RULES)
    with ExitStack() as running:

        def start_app(topology: Topology, instances: int = 1) -> WholeApp:
            options = ApiOptions(ROOT / "api", topology=topology, instances=instances)
            functions = FunctionApp(mock_server.model, options)
            app = WholeApp(mock_server.model, functions, SiteOptions(tmp_path, load_personas()))
            running.enter_context(functions)
            return running.enter_context(app)

        yield start_app


@pytest.fixture(scope="module")
def direct_app(mock_model: Any) -> Iterator[str]:
    """The URL of the direct app, with a known key."""
    environment = {**api_environment(mock_model, ApiOptions(ROOT).backend), "TOPOLOGY": "direct", "TICKET_KEY": KEY}
    process = FunctionsProcess(ROOT / "api", port=0, environment=environment, options=("--cors", SITE))
    yield process.wait_until_ready()
    process.stop()


def ask(site: WholeApp, path: str, body: Any, persona: str = "alice", **headers: str) -> httpx2.Response:
    signed_in = site.headers(persona)
    return httpx2.post(f"{site.url}/api/{path}", json=body, headers={**signed_in, **headers}, timeout=30)


@pytest.mark.slow
def test_a_managed_app_answers_in_one_piece(start: Start, mock_server: MockServer) -> None:
    mock_server.say("One two three", pace={"each_ms": 20})
    site = start(Topology.MANAGED)
    with httpx2.stream(
        "POST", f"{site.url}/api/chat/completions", content=QUESTION, headers={**TYPE, **site.headers("alice")}
    ) as answer:
        pieces = list(answer.iter_raw())
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert len(pieces) == 1
    assert pieces[0].endswith(b"data: [DONE]\n\n")
    config = httpx2.get(f"{site.url}/api/config", headers=site.headers("alice")).json()
    assert (config["delivery"], problems("Config", config)) == ("buffered", [])


def test_a_linked_app_streams(start: Start, mock_server: MockServer) -> None:
    mock_server.say("One two three", pace={"each_ms": 20})
    site = start(Topology.LINKED)
    with httpx2.stream(
        "POST", f"{site.url}/api/chat/completions", content=QUESTION, headers={**TYPE, **site.headers("alice")}
    ) as answer:
        assert len(list(answer.iter_raw())) > 3


def test_a_ticket_of_the_site_is_valid_at_the_direct_app_for_one_question(
    start: Start, mock_server: MockServer
) -> None:
    mock_server.say("One two three")
    site = start(Topology.DIRECT)
    config = httpx2.get(f"{site.url}/api/config", headers=site.headers("alice")).json()
    assert config["delivery"] == "direct"
    ticket = ask(site, "chat/ticket", {"sha256": hashlib.sha256(QUESTION).hexdigest()}, **{"x-request-id": "my-1"})
    assert problems("Ticket", ticket.json()) == []
    headers = {**TYPE, HEADER: ticket.json()["ticket"], "origin": site.url, "x-request-id": "my-1"}
    for _ in range(2):  # a replay can only repeat the question
        answer = httpx2.post(ticket.json()["url"], content=QUESTION, headers=headers)
        assert '"content":" three"' in answer.text
        assert answer.headers["access-control-allow-origin"] == site.url
    assert {entry.request.header("x-request-id") for entry in mock_server.journal} == {"my-1"}
    # Only the direct app has the model's settings.
    behind = ask(site, "chat/completions", json.loads(QUESTION))
    assert (behind.status_code, behind.json()["error"]["code"]) == (503, "not_configured")


@pytest.mark.parametrize(
    ("persona", "body", "headers", "status"),
    [
        ("bob", {"sha256": "0" * 64}, {}, 403),
        ("alice", {"sha256": "0" * 64}, {"origin": "https://elsewhere.example"}, 403),
        ("alice", {"sha256": "0" * 64}, {"origin": "http://["}, 403),
        ("alice", {"sha256": "0" * 64}, {"origin": "null"}, 403),
        ("alice", {"sha256": "0" * 63}, {}, 400),
        ("alice", {"sha256": "Z" * 64}, {}, 400),
        ("alice", ["0" * 64], {}, 400),
        ("alice", {}, {}, 400),
    ],
    ids=["no-role", "another-sites-page", "broken-origin", "no-origin", "short", "no-hex", "no-object", "empty"],
)
def test_tickets_are_for_the_invited_and_the_sites_own_pages(
    direct_site: WholeApp, persona: str, body: Any, headers: dict[str, str], status: int
) -> None:
    answer = ask(direct_site, "chat/ticket", body, persona, **headers)
    assert answer.status_code == status
    principal = {"x-ms-client-principal": direct_site.site.personas[persona].principal("aad").header()}
    forwarded = {"x-ms-original-url": f"{direct_site.url}/api/chat/ticket", **headers}
    answer = httpx2.post(f"{direct_site.api_url}/api/chat/ticket", json=body, headers={**principal, **forwarded})
    assert answer.status_code == status
    assert problems("Error", answer.json()) == []


@pytest.mark.parametrize("url", ["http://[", "https://[::1", "http://x]"])
def test_an_address_that_is_none_gets_no_ticket(direct_site: WholeApp, url: str) -> None:
    principal = direct_site.site.personas["alice"].principal("aad").header()
    headers = {"x-ms-client-principal": principal, "x-ms-original-url": url, "origin": SITE}
    answer = httpx2.post(f"{direct_site.api_url}/api/chat/ticket", json={"sha256": "0" * 64}, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")


@pytest.fixture(scope="module")
def direct_site(mock_model: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeApp]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "index.html").write_text("<title>x</title>")
    (folder / "staticwebapp.config.json").write_text(RULES)
    functions = FunctionApp(mock_model, ApiOptions(ROOT / "api", topology=Topology.DIRECT))
    app = WholeApp(mock_model, functions, SiteOptions(folder, load_personas()))
    with functions, app:
        yield app


def ticket_text(key: str = KEY, **changed: Any) -> str:
    fields = {
        "principal": Principal("1", "alice@example.com", frozenset({"invited"})),
        "origin": SITE,
        "sha256": hashlib.sha256(QUESTION).hexdigest(),
        "expires_s": time.time() + 90,
    }
    return Ticket(**{**fields, **changed}).text(key)


def with_role(text: str) -> str:
    payload, _, signature = text.partition(".")
    fields = json.loads(base64.urlsafe_b64decode(payload))
    changed = base64.urlsafe_b64encode(json.dumps({**fields, "roles": ["invited"]}).encode()).decode()
    return f"{changed}.{signature}"


NOBODY = Principal("2", "bob@example.com", frozenset({"anonymous"}))
INVITED = Shown("aad", "1", "alice@example.com", ("invited",)).header()
#: Each is created when it is used: a ticket lasts 90 seconds.
ATTACKS: dict[str, Callable[[], tuple[dict[str, str], bytes, int]]] = {
    "no-ticket": lambda: ({}, QUESTION, 401),
    "a-principal-of-ones-own": lambda: ({"x-ms-client-principal": INVITED}, QUESTION, 401),
    "another-key": lambda: ({HEADER: ticket_text("x" * 32)}, QUESTION, 401),
    "no-key": lambda: ({HEADER: ticket_text("")}, QUESTION, 401),
    "no-signature": lambda: ({HEADER: ticket_text().partition(".")[0]}, QUESTION, 401),
    "an-empty-signature": lambda: ({HEADER: ticket_text().partition(".")[0] + "."}, QUESTION, 401),
    "a-signature-alone": lambda: ({HEADER: "." + ticket_text().partition(".")[2]}, QUESTION, 401),
    "garbage": lambda: ({HEADER: "%%%.é".encode().decode("latin-1")}, QUESTION, 401),
    "a-role-written-in": lambda: ({HEADER: with_role(ticket_text(principal=NOBODY))}, QUESTION, 401),
    "no-role": lambda: ({HEADER: ticket_text(principal=NOBODY)}, QUESTION, 403),
    "no-role-but-a-principal": lambda: (
        {HEADER: ticket_text(principal=NOBODY), "x-ms-client-principal": INVITED},
        QUESTION,
        403,
    ),
    "expired": lambda: ({HEADER: ticket_text(expires_s=time.time() - 1)}, QUESTION, 401),
    "another-question": lambda: ({HEADER: ticket_text()}, QUESTION.replace(b"Count", b"Spend"), 401),
    "one-space-more": lambda: ({HEADER: ticket_text()}, QUESTION + b" ", 401),
    "another-origin": lambda: ({HEADER: ticket_text(), "origin": "https://elsewhere.example"}, QUESTION, 401),
    "no-origin": lambda: ({HEADER: ticket_text(), "origin": ""}, QUESTION, 401),
    "anothers-site-ticket": lambda: ({HEADER: ticket_text(origin="https://elsewhere.example")}, QUESTION, 401),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_direct_app_refuses_an_attack(direct_app: str, mock_server: MockServer, attack: str) -> None:
    headers, body, status = ATTACKS[attack]()
    sent = {name.encode(): value.encode("latin-1") for name, value in {"origin": SITE, **TYPE, **headers}.items()}
    answer = httpx2.post(f"{direct_app}/api/chat/completions", content=body, headers=sent)
    assert (answer.status_code, problems("Error", answer.json())) == (status, [])
    assert KEY not in answer.text
    assert list(mock_server.journal) == []


def test_the_ticket_that_the_attacks_start_from_is_valid(direct_app: str, mock_server: MockServer) -> None:
    mock_server.say("One two three")
    answer = httpx2.post(
        f"{direct_app}/api/chat/completions", content=QUESTION, headers={**TYPE, "origin": SITE, HEADER: ticket_text()}
    )
    assert (answer.status_code, "[DONE]" in answer.text) == (200, True)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "config"), ("GET", "me"), ("POST", "roles"), ("POST", "chat/ticket"), ("POST", "chat/feedback")],
)
def test_the_direct_app_has_no_other_routes_but_health(direct_app: str, method: str, path: str) -> None:
    body = b'{"sha256": "%s"}' % (b"0" * 64)
    ticket = ticket_text(sha256=hashlib.sha256(body).hexdigest())
    headers = {**TYPE, "origin": SITE, HEADER: ticket, "x-ms-client-principal": INVITED}
    assert httpx2.request(method, f"{direct_app}/api/{path}", content=body, headers=headers).status_code == 401
    assert httpx2.get(f"{direct_app}/api/health").status_code == 200


@pytest.mark.parametrize(("origin", "allowed"), [(SITE, SITE), ("https://elsewhere.example", None)])
def test_a_browser_lets_only_the_sites_pages_call_the_direct_app(
    direct_app: str, origin: str, allowed: str | None
) -> None:
    preflight = {"origin": origin, "access-control-request-method": "POST", "access-control-request-headers": HEADER}
    answer = httpx2.options(f"{direct_app}/api/chat/completions", headers=preflight)
    assert answer.headers.get("access-control-allow-origin") == allowed


def test_tickets_are_valid_across_processes(start: Start, mock_server: MockServer) -> None:
    mock_server.say("Hi")
    site = start(Topology.DIRECT, 2)
    assert len(set(site.site.api_urls)) == 2
    body = {"sha256": hashlib.sha256(QUESTION).hexdigest()}
    for _ in site.site.api_urls:  # the gate uses them in turn
        ticket = ask(site, "chat/ticket", body).json()
        headers = {**TYPE, HEADER: ticket["ticket"], "origin": site.url}
        assert httpx2.post(ticket["url"], content=QUESTION, headers=headers).status_code == 200


def test_a_page_that_may_not_call_the_direct_app_is_not_served(mock_server: MockServer, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<title>x</title>")
    policy = {"globalHeaders": {"content-security-policy": "default-src 'none'; connect-src 'self'"}}
    (tmp_path / "staticwebapp.config.json").write_text(json.dumps(policy))
    functions = FunctionApp(mock_server.model, ApiOptions(ROOT / "api", topology=Topology.DIRECT))
    with pytest.raises(OptionsError, match=r"connect-src 'self'.*DIRECT_ORIGIN=http://127\.0\.0\.1:\d+ npm run build"):
        WholeApp(mock_server.model, functions, SiteOptions(tmp_path, load_personas()))
