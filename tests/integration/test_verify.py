"""`verify`, against the rehearsed app and sites with mistakes."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from infra import __main__ as commands
from infra.verify import COOKIE, REFUSES, CheckResult, Target, verify
from mockserver.harness.mock_server import MockServer
from mockserver.harness.whole_app import WholeApp
from mockserver.simulation.fault import FaultKind

ROOT = Path(__file__).parents[2]


def signed_in(site: WholeApp) -> Target:
    return Target(site.url, site.cookie("alice")[COOKIE])


def results(target: Target) -> list[tuple[str, bool, str]]:
    return [(result.name, result.ok, result.message) for result in verify(target, wait_s=0)]


def test_the_rehearsed_app_passes_every_check(site: WholeApp) -> None:
    assert results(signed_in(site)) == [
        ("gate", True, "the site requires a sign-in (302 /.auth/login/aad)"),
        ("page", True, "the page is deployed, with its content security policy"),
        ("api", True, "the functions are registered and configured"),
        ("answer", True, "the answer is complete; events received: 34"),
    ]


def test_without_a_session_no_answer_is_asked_for(site: WholeApp, mock_server: MockServer) -> None:
    assert [name for name, ok, _ in results(Target(site.url)) if ok] == ["gate", "page", "api"]
    assert len(mock_server.journal) == 0


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("key_expired", "the model refuses: the key is wrong"),
        ("deployment_gone", "the model refuses: the deployment does not exist"),
        ("overloaded", "the model does not answer"),
        ("rate_limited", "the model's rate limit is reached"),
        ("quota_exceeded", "the model's quota is used up"),
        ("dropped", "the model does not answer"),
    ],
)
def test_verify_names_the_problem_with_the_model(
    site: WholeApp, mock_server: MockServer, fault: FaultKind, message: str
) -> None:
    mock_server.say("Paris.", fault=fault)
    name, ok, actual = results(signed_in(site))[-1]
    assert (name, ok) == ("answer", False)
    assert actual.startswith(message)


def test_verify_distinguishes_a_missing_role_from_a_missing_session(site: WholeApp) -> None:
    assert results(Target(site.url, site.cookie("bob")[COOKIE]))[-1][2] == "you are signed in but have no role yet"
    assert results(Target(site.url, "made-up"))[-1][2] == "the session is not valid, or has ended"


LOGIN = {"location": "/.auth/login/aad?post_login_redirect_uri=%2F"}
POLICY = {"content-security-policy": "default-src 'none'"}
HEALTH = "/api/health"
#: A site's answers, and what verify reports.
WRONG: dict[str, tuple[dict[str, tuple[int, str, dict[str, str]]], str]] = {
    "an empty site": (
        {"/": (200, "<h1>Congratulations on your new site!</h1>", {})},
        "the site is empty: it shows Azure's own page",
    ),
    "an open page": ({"/": (200, "<p>chat</p>", {})}, "the page is open to everyone without signing in"),
    "an address outside the ranges": ({"/": (403, "", {})}, "the site refuses this address (403)"),
    "a redirect elsewhere": ({"/": (302, "", {"location": "/elsewhere"})}, "GET / answers 302 /elsewhere"),
    "no page": ({"/": (302, "", LOGIN), "/register": (404, "", {})}, "/register answers 404"),
    "no policy": ({"/": (302, "", LOGIN), "/register": (200, "", {})}, "the page has no content security policy"),
    "no functions": ({HEALTH: (404, "", {})}, "0 functions are registered"),
    "a missing setting": (
        {HEALTH: (503, '{"status": "not configured", "missing": ["TICKET_KEY"]}', {})},
        "missing settings: TICKET_KEY",
    ),
    "a gate that blocks health": ({HEALTH: (302, "", LOGIN)}, "the gate blocks /api/health (302)"),
    "an app that fails": ({HEALTH: (500, "", {})}, "/api/health answers 500"),
    "an invalid event": (
        {HEALTH: (200, '{"status": "ok"}', {}), "/api/chat/completions": (200, 'data: {"cho', {})},
        "the answer was interrupted; events received: 1",
    ),
    "an answer cut short": (
        {HEALTH: (200, '{"status": "ok"}', {}), "/api/chat/completions": (200, 'data: {"choices":[]}\n\n', {})},
        "the answer was interrupted; events received: 1",
    ),
    "a role that is not in effect yet": (
        {
            HEALTH: (200, '{"status": "ok"}', {}),
            "/api/chat/completions": (502, '{"error": {"code": "model_role_missing"}}', {}),
        },
        "the model refuses: the app's identity has no role yet",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_verify_names_the_problem_with_a_deployment(name: str, httpserver: HTTPServer) -> None:
    answers, message = WRONG[name]
    healthy = {"/": (302, "", LOGIN), "/register": (200, "", POLICY)}
    for path, (status, body, headers) in {**({} if "/" in answers else healthy), **answers}.items():
        httpserver.expect_request(path).respond_with_data(body, status, headers)
    assert results(Target(httpserver.url_for("").rstrip("/"), "session"))[-1][2] == message


def test_a_broken_connection_is_a_result() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            with server.accept()[0] as connection:
                connection.recv(65536)

        thread = threading.Thread(target=hang_up)
        thread.start()
        broken = results(Target(f"http://127.0.0.1:{server.getsockname()[1]}"))
        thread.join()
    assert broken == [("gate", False, "the answer was interrupted or did not arrive (RemoteProtocolError)")]


def test_verify_retries_a_transient_problem(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data("", 302, LOGIN)
    httpserver.expect_request("/register").respond_with_data("", 200, POLICY)
    for _ in range(2):
        httpserver.expect_oneshot_request(HEALTH).respond_with_data("", 404)
    httpserver.expect_request(HEALTH).respond_with_data('{"status": "ok"}')
    pauses: list[float] = []
    target = Target(httpserver.url_for(""))
    last = list(verify(target, wait_s=600, clock=lambda: sum(pauses), sleep=pauses.append))[-1]
    assert (last.ok, pauses) == (True, [15, 15])


def test_ranges_that_exclude_this_machine_do_not_make_a_deployment_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = CheckResult("gate", False, REFUSES, "a fix")
    monkeypatch.setattr(commands, "verification", lambda *_, **__: iter([refused]))
    commands._print_verification(Target("https://x"), 0, without_session=True, only_some=True)
    assert capsys.readouterr().out.startswith(f"?  gate    not checked: {REFUSES}, as its ranges say")
    with pytest.raises(SystemExit):
        commands._print_verification(Target("https://x"), 0, without_session=True)
