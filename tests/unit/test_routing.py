"""The gate's decision about a request."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from mockserver.exchange import Request
from mockserver.swa.config import Config, load_config, parse_config
from mockserver.swa.findings import findings
from mockserver.swa.principal import BUILT_IN_ROLES, ClientPrincipal
from mockserver.swa.routing import Action, Decision, decide

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


def test_page_refuses_post() -> None:
    assert decided("/contact", method="POST").status == 405


@pytest.mark.parametrize("source", ["/api/roles", "/API/Roles", "/api/roles/"])
@pytest.mark.parametrize("path", ["/api/roles", "/API/ROLES", "/api/roles/", "/api//roles//", "/api/r%6Fles"])
def test_nobody_calls_the_roles_function(source: str, path: str) -> None:
    config = parse_config({"auth": {"identityProviders": {"github": {}}, "rolesSource": source}})
    for method in ("GET", "POST"):
        decision = decided(path, ADMIN, method, config)
        assert (decision.action, decision.status) == (Action.ERROR, 404)
    assert decided("/api/roles2", config=config).action is Action.API


def test_headers_are_defaults_then_global_then_the_rules__empty_value_removes() -> None:
    headers = dict(decided("/docs/a.png").headers)
    assert (headers["x-global"], headers["cache-control"]) == ("1", "max-age=9")
    assert "x-xss-protection" not in headers
    assert dict(decided("/").headers)["x-content-type-options"] == "nosniff"


def test_answers_of_the_api_get_none_of_the_sites_headers() -> None:
    assert decided("/api/chat", INVITED).headers == ()


def test_decision_names_the_rule_that_let_a_user_in_or_kept_them_out() -> None:
    assert (decided("/api/chat", INVITED).rule, decided("/api/chat", INVITED).because) == (5, "rule 5 (invited)")
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
