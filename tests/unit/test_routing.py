"""The gate's decision about a request."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from mockserver.exchange import Request
from mockserver.swa.config import Config, load_config, parse_config
from mockserver.swa.findings import findings
from mockserver.swa.principal import BUILT_IN_ROLES, ClientPrincipal
from mockserver.swa.routing import Action, Decision, decide, fallback_target

CONFIG = parse_config(
    {
        "routes": [
            {"route": "/admin*", "allowedRoles": ["admin"]},
            {"route": "/old", "redirect": "/new", "statusCode": 301},
            {"route": "/gone", "statusCode": 404},
            {"route": "/only-post", "methods": ["POST"], "rewrite": "/api/form"},
            {"route": "/api/*", "allowedRoles": ["invited"]},
            {"route": "/docs/*.{png,jpg}", "headers": {"cache-control": "max-age=9", "x-xss-protection": ""}},
            {"route": "/public", "allowedRoles": ["anonymous"]},
            {"route": "/.auth/login/github", "statusCode": 404},
            {"route": "/members/*", "allowedRoles": ["authenticated"]},
        ],
        "navigationFallback": {"rewrite": "index.html", "exclude": ["/assets/*"]},
        "responseOverrides": {
            "401": {"redirect": "/.auth/login/aad?post_login_redirect_uri=.referrer", "statusCode": 302},
            "403": {"rewrite": "/denied.html"},
        },
        "globalHeaders": {"X-Global": "1"},
    }
)
FILES = {
    "/index.html",
    "/denied.html",
    "/contact.html",
    "/about/index.html",
    "/docs/a.png",
    "/admin/secret.txt",
    "/public.html",
    "/staticwebapp.config.json",
}
ANONYMOUS = None
UNINVITED = ClientPrincipal("aad", "1", "s@example.com", BUILT_IN_ROLES)
INVITED = ClientPrincipal("aad", "2", "i@example.com", (*BUILT_IN_ROLES, "invited"))
ADMIN = ClientPrincipal("aad", "3", "a@example.com", (*BUILT_IN_ROLES, "admin"))


def decided(
    path: str, principal: ClientPrincipal | None = None, method: str = "GET", config: Config = CONFIG
) -> Decision:
    return decide(config, Request(method, path), principal, FILES.__contains__)


@pytest.mark.parametrize(
    ("path", "principal", "outcome"),
    [
        ("/", ANONYMOUS, (Action.FILE, 200, "/index.html")),
        ("/about", ANONYMOUS, (Action.FILE, 200, "/about/index.html")),
        ("/about/", ANONYMOUS, (Action.FILE, 200, "/about/index.html")),
        ("/contact", ANONYMOUS, (Action.FILE, 200, "/contact.html")),
        ("/contact/", ANONYMOUS, (Action.REDIRECT, 301, "/contact")),
        ("/some/page", ANONYMOUS, (Action.FILE, 200, "/index.html")),
        ("/some/page/", ANONYMOUS, (Action.FILE, 200, "/index.html")),
        ("/assets/missing.js", ANONYMOUS, (Action.ERROR, 404, "")),
        ("/staticwebapp.config.json", ANONYMOUS, (Action.FILE, 200, "/index.html")),
        ("/old", ANONYMOUS, (Action.REDIRECT, 301, "/new")),
        ("/gone", ANONYMOUS, (Action.ERROR, 404, "")),
        ("/admin", ANONYMOUS, (Action.REDIRECT, 302, "/.auth/login/aad?post_login_redirect_uri=%2Fadmin")),
        ("/admin/secret.txt", UNINVITED, (Action.FILE, 403, "/denied.html")),
        ("/admin/secret%2Etxt", UNINVITED, (Action.FILE, 403, "/denied.html")),
        ("/administrator", UNINVITED, (Action.FILE, 403, "/denied.html")),
        ("/admin/secret.txt", ADMIN, (Action.FILE, 200, "/admin/secret.txt")),
        ("/api/chat", ANONYMOUS, (Action.REDIRECT, 302, "/.auth/login/aad?post_login_redirect_uri=%2Fapi%2Fchat")),
        ("/API/chat", UNINVITED, (Action.FILE, 403, "/denied.html")),
        ("/api/chat", INVITED, (Action.API, 200, "/api/chat")),
        ("/members/x", UNINVITED, (Action.FILE, 200, "/index.html")),
        ("/public", ANONYMOUS, (Action.FILE, 200, "/public.html")),
        ("/.auth/me", ANONYMOUS, (Action.AUTH, 200, "/.auth/me")),
        ("/.auth/login/aad", ANONYMOUS, (Action.AUTH, 200, "/.auth/login/aad")),
        ("/.auth/login/github", ANONYMOUS, (Action.ERROR, 404, "")),
        ("//admin//secret.txt", UNINVITED, (Action.FILE, 403, "/denied.html")),
        ("/./admin/secret.txt", ADMIN, (Action.ERROR, 400, "")),
        ("/%2e/admin/secret.txt", ANONYMOUS, (Action.ERROR, 400, "")),
        ("/./staticwebapp.config.json", ANONYMOUS, (Action.ERROR, 400, "")),
        ("/staticwebapp.config.json/.", ANONYMOUS, (Action.ERROR, 400, "")),
        ("*", ANONYMOUS, (Action.ERROR, 400, "")),
        ("http://h/admin/secret.txt", ANONYMOUS, (Action.ERROR, 400, "")),
        ("/x%00", ANONYMOUS, (Action.ERROR, 400, "")),
        ("/.auth/login/github/", ANONYMOUS, (Action.ERROR, 404, "")),
        ("/%zz", ANONYMOUS, (Action.ERROR, 400, "")),
        ("/%ff", ANONYMOUS, (Action.ERROR, 400, "")),
        ("/x/../admin", ANONYMOUS, (Action.ERROR, 400, "")),
        ("/x/%2e%2e/admin", ANONYMOUS, (Action.ERROR, 400, "")),
        ("/x%5c..%5cadmin", ANONYMOUS, (Action.ERROR, 400, "")),
    ],
)
def test_decision_is_as_in_production(
    path: str, principal: ClientPrincipal | None, outcome: tuple[Action, int, str]
) -> None:
    decision = decided(path, principal)
    assert (decision.action, decision.status, decision.target) == outcome


def test_rule_for_a_method_leaves_the_others_alone() -> None:
    assert decided("/only-post", method="POST").target == "/api/form"
    assert decided("/only-post").target == "/index.html"


@pytest.mark.parametrize(
    ("method", "path", "outcome"),
    [
        ("POST", "/contact", (Action.ERROR, 405, "")),
        ("HEAD", "/contact", (Action.FILE, 200, "/contact.html")),
        ("OPTIONS", "/contact", (Action.FILE, 200, "/contact.html")),
        ("HEAD", "/some/page", (Action.FILE, 200, "/index.html")),
        ("OPTIONS", "/some/page", (Action.ERROR, 404, "")),
        ("CONNECT", "/contact", (Action.ERROR, 405, "")),
    ],
)
def test_a_page_is_for_methods_that_read(method: str, path: str, outcome: tuple[Action, int, str]) -> None:
    decision = decided(path, method=method)
    assert (decision.action, decision.status, decision.target) == outcome


@pytest.mark.parametrize(
    ("rule", "outcome"),
    [
        ({"rewrite": "/contact.html", "statusCode": 404}, (Action.FILE, 404, "/contact.html", "")),
        ({"rewrite": "contact"}, (Action.FILE, 200, "/contact.html", "")),
        ({"rewrite": "/contact/"}, (Action.FILE, 200, "/contact.html", "")),
        ({"rewrite": "/about/"}, (Action.FILE, 200, "/about/index.html", "")),
        ({"rewrite": "/api/form?a=1?b"}, (Action.API, 200, "/api/form", "a=1?b")),
        ({"rewrite": "/.auth/login/aad"}, (Action.AUTH, 200, "/.auth/login/aad", "")),
        ({"rewrite": "/nowhere"}, (Action.ERROR, 404, "", "")),
        ({"redirect": "/contact"}, (Action.REDIRECT, 302, "/contact", "")),
        ({"statusCode": 401}, (Action.ERROR, 401, "", "")),
        ({"statusCode": 403}, (Action.ERROR, 403, "", "")),
        ({"statusCode": 404}, (Action.ERROR, 404, "", "")),
        ({"statusCode": 500}, (Action.FILE, 200, "/contact.html", "")),
        ({"rewrite": "/App_Data/contact.html"}, (Action.ERROR, 404, "", "")),
    ],
    ids=str,
)
def test_a_rule_leads_to_where_it_says(rule: dict[str, object], outcome: tuple[Action, int, str, str]) -> None:
    decision = decided("/contact", config=parse_config({"routes": [{"route": "/contact", **rule}]}))
    assert (decision.action, decision.status, decision.target, decision.query) == outcome
    assert decision.rule == 1


@pytest.mark.parametrize(
    ("form", "addresses"),
    [
        (None, {"/about": "", "/about/": "", "/contact": "", "/contact/": "/contact", "/contact.html": ""}),
        (
            "auto",
            {"/about": "/about/", "/about/": "", "/contact": "", "/contact/": "/contact", "/contact.html": "/contact"},
        ),
        ("always", {"/about": "/about/", "/about/": "", "/contact": "/contact/", "/contact/": ""}),
        ("never", {"/about": "", "/about/": "/about", "/contact/": "/contact", "/about/index.html": "/about"}),
        ("always", {"/": "", "/index.html": "", "/docs/a.png": "", "/nothing/": ""}),
    ],
)
def test_a_page_has_one_address_where_the_trailing_slash_is_configured(
    form: str | None, addresses: dict[str, str]
) -> None:
    config = parse_config({"navigationFallback": {"rewrite": "/index.html"}, "trailingSlash": form})
    decisions = {path: decided(path, config=config) for path in addresses}
    assert {
        path: each.target if each.action is Action.REDIRECT else "" for path, each in decisions.items()
    } == addresses
    assert {each.status for each in decisions.values() if each.action is Action.REDIRECT} <= {301}


def test_nothing_is_a_tunnel_or_a_file_of_app_data() -> None:
    tunnel = decided("/api/chat", INVITED, "CONNECT")
    assert (tunnel.action, tunnel.status, tunnel.because) == (Action.ERROR, 405, "no tunnels")
    for path in ("/app_data/a.html", "/App_Data/a.html"):
        decision = decide(CONFIG, Request("GET", path), None, {"/app_data/a.html", "/App_Data/a.html"}.__contains__)
        assert (decision.action, decision.status) == (Action.ERROR, 404)


@pytest.mark.parametrize("path", ["/api", "/API", "/api/", "/Api/x"])
def test_the_api_begins_at_its_own_name(path: str) -> None:
    config = parse_config({"routes": [{"route": "/api*", "allowedRoles": ["invited"]}]})
    assert decided(path, UNINVITED, config=config).status == 403
    assert decided(path, INVITED, config=config).action is Action.API
    assert decided("/apis", INVITED, config=config).action is Action.ERROR


def test_a_rule_blocks_a_sign_in_and_nothing_else_of_the_platforms() -> None:
    paths = ("/.auth/login/github", "/.auth/me", "/.auth/logout", "/.auth/login/github/callback")
    config = parse_config({"routes": [{"route": path, "statusCode": 404} for path in paths]})
    assert [decided(path, config=config).action for path in paths] == [Action.ERROR, *[Action.AUTH] * 3]
    config = parse_config({"routes": [{"route": path, "allowedRoles": ["admin"]} for path in paths]})
    assert {decided(path, config=config).because for path in paths} == {"platform"}


def test_an_override_shows_a_page_with_its_own_status() -> None:
    config = parse_config({"responseOverrides": {"404": {"rewrite": "denied.html", "statusCode": 200}}})
    assert (decided("/nowhere", config=config).status, decided("/nowhere", config=config).target) == (
        200,
        "/denied.html",
    )


def test_a_redirect_to_a_pages_address_keeps_the_query() -> None:
    request = Request("GET", "/contact/", "a=1")
    assert decide(CONFIG, request, None, FILES.__contains__).target == "/contact?a=1"


@pytest.mark.parametrize("source", ["/api/roles", "/API/Roles", "/api/roles/"])
@pytest.mark.parametrize("path", ["/api/roles", "/API/ROLES", "/api/roles/", "/api//roles//", "/api/r%6Fles"])
def test_nobody_calls_the_roles_function(source: str, path: str) -> None:
    config = parse_config({"auth": {"identityProviders": {"github": {}}, "rolesSource": source}})
    for method in ("GET", "POST"):
        decision = decided(path, ADMIN, method, config)
        assert (decision.action, decision.status) == (Action.ERROR, 404)
    assert decided("/api/roles2", config=config).action is Action.API


@pytest.mark.parametrize(("status", "outcome"), [(None, 302), (301, 301), (302, 302), (404, 302)])
def test_an_override_redirects_with_a_status_of_a_redirect(status: int | None, outcome: int) -> None:
    override = {"redirect": "/sorry", "statusCode": status}
    config = parse_config({"responseOverrides": {"404": override}})
    assert (decided("/nowhere", config=config).status, decided("/nowhere", config=config).target) == (outcome, "/sorry")


@pytest.mark.parametrize(
    ("path", "method", "target"),
    [
        ("/some/page", "GET", "/index.html"),
        ("/some/page", "HEAD", "/index.html"),
        ("/some/page", "POST", None),
        ("/assets/x.js", "GET", None),
        ("/ASSETS/x.js", "GET", "/index.html"),
        ("/../x", "GET", None),
    ],
)
def test_a_path_without_a_file_leads_to_the_fallback(path: str, method: str, target: str | None) -> None:
    assert fallback_target(CONFIG, Request(method, path)) == target
    assert fallback_target(Config(), Request(method, path)) is None


def test_the_fallback_may_be_the_api() -> None:
    decision = decided("/some/page", config=parse_config({"navigationFallback": {"rewrite": "/api/page"}}))
    assert (decision.action, decision.status, decision.target, decision.query) == (Action.API, 200, "/api/page", "")


@pytest.mark.parametrize(
    ("ranges", "client_ip", "blocked"),
    [
        (["10.1.2.3/8"], "10.255.0.1", False),
        (["10.1.2.3/8"], "11.0.0.0", True),
        (["10.0.0.1"], "10.0.0.2", True),
        (["AzureFrontDoor.Backend", "10.0.0.0/8"], "10.0.0.1", False),
        ([], "127.0.0.1", True),
    ],
)
def test_a_client_is_let_in_from_the_ranges_alone(ranges: list[str], client_ip: str, blocked: bool) -> None:
    config = parse_config({"networking": {"allowedIpRanges": ranges}})
    decision = decide(config, Request("GET", "/"), None, FILES.__contains__, client_ip=client_ip)
    assert (decision.action, decision.status, decision.because) == (
        (Action.ERROR, 403, f"{client_ip} is not in an allowed range") if blocked else (Action.FILE, 200, "no rule")
    )


def test_a_request_needs_each_header_that_the_gateway_sets() -> None:
    config = parse_config({"forwardingGateway": {"requiredHeaders": {"X-One": "1", "x-two": "2"}}})
    for headers, because in (
        ((("x-one", "1"), ("x-two", "2")), "no rule"),
        ((("x-one", "1"),), "x-two does not have the required value"),
        ((("x-one", "2"), ("x-two", "2")), "x-one does not have the required value"),
    ):
        decision = decide(config, Request("GET", "/", headers=headers), None, FILES.__contains__)
        assert decision.because == because


def test_headers_are_defaults_then_global_then_the_rules__empty_value_removes() -> None:
    headers = dict(decided("/docs/a.png").headers)
    assert (headers["x-global"], headers["cache-control"]) == ("1", "max-age=9")
    assert "x-xss-protection" not in headers
    assert decided("/").headers == (
        ("strict-transport-security", "max-age=10886400; includeSubDomains; preload"),
        ("referrer-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
        ("x-xss-protection", "1; mode=block"),
        ("x-dns-prefetch-control", "off"),
        ("cache-control", "public, must-revalidate, max-age=30"),
        ("x-global", "1"),
    )


def test_answers_of_the_api_get_none_of_the_sites_headers() -> None:
    assert decided("/api/chat", INVITED).headers == ()


def test_decision_names_the_rule_that_let_a_user_in_or_kept_them_out() -> None:
    assert (decided("/api/chat", INVITED).rule, decided("/api/chat", INVITED).because) == (5, "rule 5 (invited)")
    assert decided("/public").because == decided("/public", ADMIN).because == "rule 7 (anonymous)"
    assert decided("/docs/a.png").because == "rule 6"
    assert decided("/./x").because == decided("/../x").because == "path has a segment . or .."
    assert decided("/%ff").because == "path cannot be decoded"
    assert (decided("/").rule, decided("/").because) == (None, "no rule")
    assert (decided("/admin", UNINVITED).rule, decided("/admin", UNINVITED).because) == (1, "needs admin")


def test_app_without_a_configuration_serves_its_files(tmp_path: Path) -> None:
    config = load_config(tmp_path / "staticwebapp.config.json")
    assert decided("/contact", config=config).status == 200
    assert decided("/nowhere", config=config).status == 404


def test_networks_that_block_every_client_or_cannot_be_known_are_warned_of() -> None:
    empty = parse_config({"networking": {"allowedIpRanges": []}})
    tagged = parse_config({"networking": {"allowedIpRanges": ["AzureFrontDoor.Backend"]}})
    assert "blocks every client" in findings(empty)[0].text
    assert "no client matches AzureFrontDoor.Backend" in findings(tagged)[0].text
    for config in (empty, tagged):
        assert decided("/.auth/me", config=config).status == 403


ODD = [
    *("/%zz", "/%", "/a%00b", "//admin//x", "/admin%2e", "/ADMIN/x", "/./admin/x", "/x/../admin/y", "/admin%2F..%2Fx"),
    *(
        "/%61dmin/secret.txt",
        "/admin\\x",
        "/admin;x=1/secret.txt",
        "/admin%252fx",
        "/admin/secret.txt/",
        "*",
    ),
]


def test_odd_paths_never_open_what_is_guarded_and_never_raise() -> None:
    rng = random.Random(7)
    pieces = [
        "/",
        "admin",
        "%61dmin",
        "secret.txt",
        "..",
        ".",
        "%2e",
        "%2f",
        "%",
        "%zz",
        "//",
        "\\",
        ";",
        "?",
        "#",
        "%00",
        "é",
    ]
    for number in range(20_000):
        path = ODD[number] if number < len(ODD) else "/" + "".join(rng.choices(pieces, k=rng.randrange(1, 7)))
        decision = decided(path)
        opened = decision.action is Action.FILE and decision.target.startswith("/admin")
        assert not opened, path
