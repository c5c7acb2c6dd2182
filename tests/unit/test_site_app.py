"""The site as a Flask application: the gate, the files and the sign-in that the async front uses too."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from itsdangerous import URLSafeSerializer

from mockserver.clock import SystemClock
from mockserver.exchange import Request
from mockserver.flask_apps.sign_in import _guarded_paths
from mockserver.flask_apps.site_app import create_app
from mockserver.swa.config import parse_config
from mockserver.swa.personas import load_personas
from mockserver.swa.principal import ClientPrincipal
from mockserver.swa.session import SESSION_COOKIE, SessionKeyError, Sessions, cookie_parts, session_key
from mockserver.swa.static_web_app import StaticWebApp, load_static_web_app
from tests.unit.examples import FakeClock


class ClosingClient(FlaskClient):
    """Reads every answer whole, so that the file it comes from is closed."""

    def open(self, *args: Any, **kwargs: Any) -> Any:
        return super().open(*args, **{"buffered": True, **kwargs})


@pytest.fixture
def site(tmp_path: Path, clock: FakeClock) -> StaticWebApp:
    config = {
        "routes": [{"route": "/*", "allowedRoles": ["invited"]}],
        "responseOverrides": {"401": {"redirect": "/.auth/login/aad?post_login_redirect_uri=.referrer"}},
        "globalHeaders": {"content-security-policy": "default-src 'none'"},
    }
    (tmp_path / "index.html").write_text("<h1>Start</h1>")
    (tmp_path / "grüße.html").write_text("<h1>Grüße</h1>")
    (tmp_path / "staticwebapp.config.json").write_text(json.dumps(config))
    return load_static_web_app(
        tmp_path, personas=load_personas(), sessions=Sessions("key", clock), clock=clock, api_urls=()
    )


@pytest.fixture
def client(site: StaticWebApp) -> FlaskClient:
    app = create_app(site)
    app.test_client_class = ClosingClient
    return app.test_client()


def test_sign_in_by_link_leads_to_the_requested_page(client: FlaskClient) -> None:
    refused = client.get("/gr%C3%BC%C3%9Fe")
    assert (refused.status_code, refused.location) == (
        302,
        "/.auth/login/aad?post_login_redirect_uri=%2Fgr%25C3%25BC%25C3%259Fe",
    )
    assert (
        client.get("/.auth/login/aad?persona=alice&post_login_redirect_uri=/gr%25C3%25BC%25C3%259Fe").location
        == "/gr%C3%BC%C3%9Fe"
    )
    assert client.get("/gr%C3%BC%C3%9Fe").text == "<h1>Grüße</h1>"


def test_sign_in_page_shows_who_gets_in_and_works_without_script(client: FlaskClient) -> None:
    page = client.get("/.auth/login/aad?post_login_redirect_uri=/")
    assert "script" not in page.text
    assert page.text.count('/ <b class="ok">200</b>') == 4
    assert page.text.count('/ <b class="no">403</b>') == 2
    assert "default-src 'none'" in page.headers["content-security-policy"]
    posted = client.post("/.auth/login/aad", data={"persona": "carol", "post_login_redirect_uri": "/"})
    assert (posted.status_code, posted.location) == (302, "/")


def test_me_returns_the_principal_with_claims_or_null(client: FlaskClient) -> None:
    assert client.get("/.auth/me").json == {"clientPrincipal": None}
    client.get("/.auth/login/aad?persona=alice")
    shown = client.get("/.auth/me").json
    assert shown is not None
    principal = shown["clientPrincipal"]
    assert principal["userDetails"] == "alice@example.com"
    assert principal["userRoles"] == ["anonymous", "authenticated", "invited"]
    assert principal["claims"] == [{"typ": "name", "val": "Alice Invited"}]


def test_session_ends_with_time_on_logout_and_when_the_cookie_is_changed(client: FlaskClient, clock: FakeClock) -> None:
    client.get("/.auth/login/aad?persona=alice")
    assert client.get("/").status_code == 200
    clock.now_s += 8 * 3600
    assert client.get("/").status_code == 302
    client.get("/.auth/login/aad?persona=alice")
    assert client.get("/.auth/logout?post_logout_redirect_uri=/bye").location == "/bye"
    assert client.get("/").status_code == 302
    for cookie in ("", "x", "eyJhIjoxfQ.forged", '"', "\xff"):
        client.set_cookie(SESSION_COOKIE, cookie)
        assert client.get("/.auth/me").json == {"clientPrincipal": None}


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "http://localhost@evil.example/",
        "/a\r\nset-cookie: x=y",
        "http://[",
    ],
)
def test_sign_in_never_redirects_to_another_site(client: FlaskClient, target: str) -> None:
    answer = client.get("/.auth/login/aad", query_string={"persona": "alice", "post_login_redirect_uri": target})
    assert (answer.status_code, answer.location) == (302, "/")


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/a?b=c", "/a?b=c"),
        ("http://localhost/a?b=c", "/a?b=c"),
        ("https://localhost/localhost/a", "/localhost/a"),
        ("http://localhost//evil.example", "/"),
        ("ftp://localhost/a", "/"),
        ("http://localhost:81/a", "/"),
        ("a", "/"),
        ("", "/"),
    ],
)
@pytest.mark.parametrize(
    "action", ["login/aad?persona=alice&post_login", "logout?post_logout", "purge/aad?post_logout"]
)
def test_a_sign_in_and_a_sign_out_lead_back_to_the_site(
    client: FlaskClient, action: str, target: str, location: str
) -> None:
    answer = client.get(f"/.auth/{action}_redirect_uri={quote(target)}")
    assert (answer.status_code, answer.location) == (302, location)


def test_a_redirect_is_under_the_host_that_a_trusted_gateway_forwards(tmp_path: Path, clock: FakeClock) -> None:
    (tmp_path / "index.html").touch()
    (tmp_path / "staticwebapp.config.json").write_text(
        '{"forwardingGateway": {"allowedForwardedHosts": ["a.example"]}}'
    )
    site = load_static_web_app(
        tmp_path, personas=load_personas(), sessions=Sessions("k", clock), clock=clock, api_urls=()
    )
    client = create_app(site).test_client()
    for host, location in (("A.example", "https://a.example/x"), ("b.example", "/x"), ("", "/x")):
        answer = client.get("/.auth/logout?post_logout_redirect_uri=/x", headers={"x-forwarded-host": host})
        assert answer.location == location


def test_the_cookies_of_a_sign_in_and_a_sign_out(client: FlaskClient) -> None:
    cookies = client.get("/.auth/login/aad?persona=alice&expires_in=0.5").headers.getlist("set-cookie")
    assert cookies[0].startswith("StaticWebAppsAuthCookie=")
    assert cookies[0].partition("; ")[2].endswith("Max-Age=1; HttpOnly; Path=/; SameSite=Lax")
    assert cookies[1].startswith("mockserver-last-persona=alice; ")
    assert cookies[1].endswith("Max-Age=2592000; HttpOnly; Path=/.auth; SameSite=Lax")
    assert "Max-Age=28800;" in client.get("/.auth/login/aad?persona=alice").headers["set-cookie"]
    out = client.get("/.auth/logout").headers["set-cookie"]
    assert out == "StaticWebAppsAuthCookie=deleted; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/"


def test_a_link_signs_in_with_other_roles_for_another_time(client: FlaskClient, clock: FakeClock) -> None:
    client.get("/.auth/login/aad?persona=alice&roles=boss,invited&expires_in=5")
    shown = client.get("/.auth/me").json
    assert shown is not None
    assert shown["clientPrincipal"]["userRoles"] == ["anonymous", "authenticated", "boss", "invited"]
    clock.now_s += 4.9
    assert client.get("/").status_code == 200
    clock.now_s += 0.1
    assert client.get("/").status_code == 302


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/.auth/login/aad/callback", 401, "answer to a sign-in"),
        ("/.auth/login/aad?persona=", 400, "Choose a persona, or enter a user name."),
        ("/.auth/login/aad", 200, "Microsoft Entra ID"),
        ("/.auth/login/github", 200, "GitHub"),
        ("/.auth/sign-in.css", 200, "font"),
    ],
)
def test_what_is_under_auth(client: FlaskClient, path: str, status: int, text: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, text in answer.text) == (status, True)


def test_the_sign_in_page_tries_a_path_of_each_guarded_rule() -> None:
    rules = [
        {"route": "/a/*", "allowedRoles": ["x"]},
        {"route": "/*", "allowedRoles": ["x"]},
        {"route": "/b", "allowedRoles": ["anonymous", "x"]},
        {"route": "/c"},
        {"route": "/d*.{png,jpg}", "allowedRoles": ["authenticated"]},
    ]
    assert _guarded_paths(parse_config({"routes": rules})) == ["/a", "/", "/d"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://localhost.evil.example", "http://localhost:81", "null", "", "http://["]
)
def test_another_site_cannot_sign_a_user_in(client: FlaskClient, origin: str) -> None:
    answer = client.post("/.auth/login/aad", data={"persona": "alice"}, headers={"origin": origin})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert (
        client.post("/.auth/login/aad", data={"persona": "alice"}, headers={"origin": "http://localhost"}).status_code
        == 302
    )


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        (
            "/.auth/login/aad?persona=mallory",
            400,
            "unknown persona 'mallory'; known personas: alice, bob, carol, dave, erin, zoe",
        ),
        ("/.auth/login/myspace", 404, "No such page under /.auth."),
        ("/.auth/nothing", 404, "No such page under /.auth."),
        ("/%zz", 400, "Bad request"),
    ],
)
def test_wrong_address_is_answered_with_the_reason(client: FlaskClient, path: str, status: int, text: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, text in answer.text) == (status, True)


def test_only_the_site_tells_the_api_who_is_signed_in(site: StaticWebApp) -> None:
    forged = (
        ("host", "h"),
        ("x-ms-client-principal", "forged"),
        ("x-ms-client-principal-id", "forged"),
        ("x-ms-original-url", "forged"),
        ("x-request-id", "r1"),
    )
    principal = ClientPrincipal("aad", "1", "zoë 日本", ("anonymous", "authenticated"), (("name", "Zoë"),))
    headers = dict(site.api_headers(Request("GET", "/api/x", "q=1", forged), principal))
    shown = json.loads(base64.b64decode(headers["x-ms-client-principal"]))
    assert shown == {
        "identityProvider": "aad",
        "userId": "1",
        "userDetails": "zoë 日本",
        "userRoles": ["anonymous", "authenticated"],
    }
    assert (headers["x-ms-original-url"], headers["x-request-id"]) == ("http://h/api/x?q=1", "r1")
    assert not [
        name
        for name, value in site.api_headers(Request("GET", "/api/x", "", (("x_ms_client_principal", "forged"),)), None)
        if value == "forged"
    ]
    anonymous = dict(site.api_headers(Request("GET", "/api/x", "", forged[:-1]), None))
    assert "x-ms-client-principal" not in anonymous
    assert "x-ms-client-principal-id" not in anonymous
    request = site.with_id(Request("GET", "/api/x"))
    assert len(request.header("x-request-id") or "") == 36
    assert site.with_id(request) == request


def test_other_cookies_do_no_harm(site: StaticWebApp) -> None:
    cookie = site.sessions.cookie(site.personas["alice"].principal("aad"), 60)
    for others in ("a=b; ", '{"json": 1}; ', "=; ", "x=\xff; ", 'q="; '):
        principal = site.principal(Request("GET", "/", headers=(("cookie", f"{others}{SESSION_COOKIE}={cookie}"),)))
        assert principal is not None
        assert principal.user_details == "alice@example.com"


@pytest.mark.parametrize(
    ("raw_path", "target"),
    [
        ("/api/x", "/api/x?q=1"),
        ("//api//x", "/api/x?q=1"),
        ("/%61pi/x", "/api/x?q=1"),
        ("/api/a%2Fb", "/api/a/b?q=1"),
        ("/api/gr%C3%BC%C3%9Fe%20x%3Fy", "/api/gr%C3%BC%C3%9Fe%20x%3Fy?q=1"),
        ("/API/x", "/API/x?q=1"),
    ],
)
def test_api_gets_the_path_that_was_decided_on(site: StaticWebApp, raw_path: str, target: str) -> None:
    request = Request("GET", raw_path, "q=1")
    decision = site.decide(request, site.personas["alice"].principal("aad"))
    assert site.api_target(request, decision) == target


def test_name_longer_than_the_file_system_allows_is_not_a_file(site: StaticWebApp) -> None:
    assert not site.is_file("/" + "x" * 300)


def test_session_cookie_is_hidden_from_scripts_and_other_sites(client: FlaskClient) -> None:
    signed_in = client.get("/.auth/login/aad?persona=alice")
    cookie = signed_in.headers["set-cookie"]
    assert "; HttpOnly" in cookie
    assert "; SameSite=Lax" in cookie
    assert signed_in.headers["cache-control"] == client.get("/.auth/me").headers["cache-control"] == "no-store"


def test_link_out_of_the_folder_is_not_a_file(site: StaticWebApp, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "secret.txt"
    outside.write_text("secret")
    assert site.folder is not None
    (site.folder / "link.txt").symlink_to(outside)
    assert not site.is_file("/link.txt")


def test_session_key_is_readable_by_this_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    key = session_key(folder, Path("a"))
    assert session_key(folder, Path("a")) == key
    assert (folder / "session-key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in folder.iterdir()] == ["session-key"]


def test_a_session_belongs_to_its_project(tmp_path: Path) -> None:
    a, b = (Sessions(session_key(tmp_path, tmp_path / name), SystemClock()) for name in "ab")
    cookie = f"{SESSION_COOKIE}={a.cookie(load_personas()['carol'].principal('aad'), 60)}"
    assert a.principal(cookie) is not None
    assert b.principal(cookie) is None


def test_of_processes_that_start_at_once_one_writes_the_session_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a" / "b"

    def late(size: int) -> str:
        (folder / "session-key").touch(0o600)
        (folder / "session-key").write_text("b" * 2 * size)
        return "a" * 2 * size

    monkeypatch.setattr("secrets.token_hex", late)
    session_key(folder, Path())
    assert (folder / "session-key").read_text() == "b" * 64
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_session_is_read_where_its_purpose_and_key_are_right(clock: FakeClock) -> None:
    principal = ClientPrincipal("aad", "1", "ada", ("anonymous", "authenticated"), (("name", "Ada"),))
    sessions, session = Sessions("key", clock), [clock.now() + 1, principal.for_me()]
    for key, salt, reads in (("key", "session", principal), ("key", "other", None), ("other", "session", None)):
        header = f"a=b=c; StaticWebAppsAuthCookie={URLSafeSerializer(key, salt=salt).dumps(session)};StaticWebAppsAuthCookie=x"
        assert sessions.principal(header) == reads
        assert sessions.left_s(header) == (reads and 1.0)
    clock.now_s += 1
    assert sessions.principal(f"{SESSION_COOKIE}={sessions.cookie(principal, 0)}") is None


def test_empty_session_key_is_never_used(tmp_path: Path) -> None:
    (tmp_path / "session-key").touch()
    session_key(tmp_path, Path())
    assert len((tmp_path / "session-key").read_text()) == 64


@pytest.mark.parametrize(
    ("key", "mode", "why"),
    [("a", 0o600, "not a key of ours"), ("\xff" * 64, 0o600, "not a key"), ("a" * 64, 0o666, r"others may.*mode 666")],
)
def test_a_session_key_that_others_may_know_is_refused(tmp_path: Path, key: str, mode: int, why: str) -> None:
    file = tmp_path / "session-key"
    file.write_text(key, encoding="latin-1")
    file.chmod(mode)
    with pytest.raises(SessionKeyError, match=f"session-key: .*{why}.*Delete it"):
        session_key(tmp_path, Path())


@pytest.mark.parametrize("large", [False, True])
def test_cookies_of_other_programs_with_the_same_name_do_not_sign_out(site: StaticWebApp, large: bool) -> None:
    claims = tuple((f"claim{number}", "x" * 100) for number in range(60 if large else 0))
    ada = ClientPrincipal("aad", "ada", "ada", ("anonymous",), claims)
    parts = [f"{name}={part}" for name, part in cookie_parts(site.sessions.cookie(ada, 60)).items()]
    others = [f"{SESSION_COOKIE}=of-another-program", f"{SESSION_COOKIE}=3~", f"{SESSION_COOKIE}_1=x"]
    for cookies in ([*others, *parts], [*parts, *others]):
        assert site.sessions.principal("; ".join(cookies)) == ada


def test_persona_who_signed_in_last_is_offered_first(client: FlaskClient) -> None:
    client.post("/.auth/login/aad", data={"persona": "carol"})
    page = client.get("/.auth/login/aad").text
    assert page.index("Continue as Carol Admin (last used)") < page.index("Continue as Alice Invited")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"userDetails": " "}, "enter a user name"),
        ({"userDetails": "ada", "userRoles": "no way!"}, "must be letters, digits and _, got &#39;way!&#39;"),
        ({"userDetails": "ada", "claims": "{"}, "claims: not valid JSON"),
        ({"userDetails": "ada", "expires_in": "soon"}, "between 0 and 2592000 seconds, got &#39;soon&#39;"),
    ],
)
def test_error_in_a_custom_user_is_shown_and_the_form_stays_filled_in(
    client: FlaskClient, data: dict[str, str], message: str
) -> None:
    page = client.post("/.auth/login/aad", data={"post_login_redirect_uri": "/x", **data})
    assert (page.status_code, message in page.text) == (400, True)
    assert all(f"{value}" in page.text for key, value in data.items() if key == "userDetails")
    assert client.get("/.auth/me").json == {"clientPrincipal": None}


def test_custom_user_has_the_entered_roles_claims_and_session(client: FlaskClient, clock: FakeClock) -> None:
    form = {
        "userDetails": "Zoë 日本",
        "userId": "u1",
        "userRoles": ["invited", "boss, auditor"],
        "claims": '[{"typ": "name", "val": "Zoë"}]',
        "expires_in": "5",
    }
    assert client.post("/.auth/login/github", data=form).status_code == 302
    shown = client.get("/.auth/me").json
    assert shown is not None
    assert shown["clientPrincipal"] == {
        "identityProvider": "github",
        "userId": "u1",
        "userDetails": "Zoë 日本",
        "userRoles": ["anonymous", "authenticated", "invited", "boss", "auditor"],
        "claims": [{"typ": "name", "val": "Zoë"}],
    }
    clock.now_s += 5
    assert client.get("/.auth/me").json == {"clientPrincipal": None}


def test_consent_can_be_denied(client: FlaskClient) -> None:
    denied = client.post("/.auth/login/aad", data={"userDetails": "ada", "simulate": "denied"})
    assert (denied.status_code, "set-cookie" in denied.headers) == (403, False)


def test_tests_sign_in_with_one_request(client: FlaskClient) -> None:
    assert client.post("/__mock/login", json={"persona": "carol"}).status_code == 204
    assert client.get("/").status_code == 200
    custom = {"principal": {"userDetails": "ada", "userRoles": ["boss"]}, "expires_in_s": 9}
    assert client.post("/__mock/login", json=custom).status_code == 204
    assert client.get("/").status_code == 403
    wrong: Any
    for wrong in ({"persona": "mallory"}, {}, [], {"principal": {}}, {"principal": "x"}, {"principal": None}):
        assert client.post("/__mock/login", json=wrong).status_code == 400
    for wrong, message in (
        (
            {"principal": {"userDetails": "ada", "userRoles": "admin"}},
            "principal.userRoles must be a list, got 'admin'",
        ),
        ({"principal": {"userDetails": "ada", "userRoles": [1]}}, "principal.userRoles[1] must be a string, got 1"),
        ({"principal": {"userDetails": "ada", "claims": "x"}}, "principal.claims must be a list, got 'x'"),
        ({"principal": {"userDetails": "\ud83d"}}, "principal.userDetails: not valid Unicode: '\\ud83d'"),
        ({"principal": {"userDetails": " "}}, "principal.userDetails must be the user's name"),
        ({"persona": "alice", "expires_in_s": True}, "expires_in_s must be a number or a string, got True"),
        (
            {"principal": {"userDetails": "ada", "roles": ["admin"]}},
            "unknown key 'roles' in principal (did you mean 'userRoles'?); known keys: userDetails",
        ),
        (
            {"persona": "alice", "expires_in": 2},
            "unknown key 'expires_in' (did you mean 'expires_in_s'?); known keys: persona, principal, expires_in_s",
        ),
        (
            {"persona": "alice", "principal": {"userDetails": "ada"}},
            'send either {"persona": "alice"} or {"principal":',
        ),
    ):
        refused = client.post("/__mock/login", json=wrong)
        assert (refused.status_code, message in refused.text, "set-cookie" in refused.headers) == (400, True, False)
    foreign = client.post("/__mock/login", json={"persona": "carol"}, headers={"origin": "http://evil.example"})
    assert foreign.status_code == 403


def test_mock_page_shows_the_session_and_the_decision_about_any_path(client: FlaskClient, clock: FakeClock) -> None:
    assert "No one is signed in" in client.get("/__mock/session").text
    client.get("/.auth/login/aad?persona=alice")
    clock.now_s += 3600
    page = client.get("/__mock/session?path=/nowhere&method=GET").text
    assert "The session ends in 420 min 00 s" in page
    assert "404 error</b>, because: no such file" in page
    assert client.post("/__mock/expire").status_code == 302
    assert "The session has expired" in client.get("/__mock/session").text
    assert client.get("/").status_code == 302


def with_config(tmp_path: Path, clock: FakeClock, config: dict[str, Any]) -> FlaskClient:
    (tmp_path / "index.html").write_text("<h1>Start</h1>")
    (tmp_path / "staticwebapp.config.json").write_text(json.dumps(config))
    site = load_static_web_app(
        tmp_path, personas=load_personas(), sessions=Sessions("key", clock), clock=clock, api_urls=()
    )
    return create_app(site).test_client()


def test_forwarded_host_of_a_gateway_is_trusted_where_the_configuration_says_so(
    tmp_path: Path, clock: FakeClock
) -> None:
    gateway = {"allowedForwardedHosts": ["www.example.org"], "requiredHeaders": {"X-Azure-FDID": "F1"}}
    client = with_config(tmp_path, clock, {"forwardingGateway": gateway})
    assert client.get("/").status_code == 403
    through = {"x-azure-fdid": "F1", "x-forwarded-host": "www.example.org"}
    assert client.get("/.auth/logout", headers=through).location == "https://www.example.org/"
    assert client.get("/.auth/logout", headers={**through, "x-forwarded-host": "evil.example"}).location == "/"
