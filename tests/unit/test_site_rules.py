from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from mockserver.exchange import Request
from mockserver.swa.config import Config, ConfigError, config_warnings, load_config, parse_config
from mockserver.swa.principal import EVERYBODY, ClientPrincipal
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
NOBODY = None
SOMEBODY = ClientPrincipal("aad", "1", "s@example.com", EVERYBODY)
INVITED = ClientPrincipal("aad", "2", "i@example.com", (*EVERYBODY, "invited"))
ADMIN = ClientPrincipal("aad", "3", "a@example.com", (*EVERYBODY, "admin"))


def decided(
    path: str, principal: ClientPrincipal | None = None, method: str = "GET", config: Config = CONFIG
) -> Decision:
    return decide(config, Request(method, path), principal, FILES.__contains__)


@pytest.mark.parametrize(
    ("path", "principal", "outcome"),
    [
        ("/", NOBODY, (Action.FILE, 200, "/index.html")),
        ("/about", NOBODY, (Action.FILE, 200, "/about/index.html")),
        ("/about/", NOBODY, (Action.FILE, 200, "/about/index.html")),
        ("/contact", NOBODY, (Action.FILE, 200, "/contact.html")),
        ("/contact/", NOBODY, (Action.REDIRECT, 301, "/contact")),
        ("/some/page", NOBODY, (Action.FILE, 200, "/index.html")),
        ("/assets/missing.js", NOBODY, (Action.ERROR, 404, "")),
        ("/staticwebapp.config.json", NOBODY, (Action.FILE, 200, "/index.html")),
        ("/old", NOBODY, (Action.REDIRECT, 301, "/new")),
        ("/gone", NOBODY, (Action.ERROR, 404, "")),
        ("/admin", NOBODY, (Action.REDIRECT, 302, "/.auth/login/aad?post_login_redirect_uri=%2Fadmin")),
        ("/admin/secret.txt", SOMEBODY, (Action.FILE, 403, "/denied.html")),
        ("/admin/secret%2Etxt", SOMEBODY, (Action.FILE, 403, "/denied.html")),
        ("/administrator", SOMEBODY, (Action.FILE, 403, "/denied.html")),
        ("/admin/secret.txt", ADMIN, (Action.FILE, 200, "/admin/secret.txt")),
        ("/api/chat", NOBODY, (Action.REDIRECT, 302, "/.auth/login/aad?post_login_redirect_uri=%2Fapi%2Fchat")),
        ("/API/chat", SOMEBODY, (Action.FILE, 403, "/denied.html")),
        ("/api/chat", INVITED, (Action.API, 200, "/api/chat")),
        ("/members/x", SOMEBODY, (Action.FILE, 200, "/index.html")),
        ("/public", NOBODY, (Action.FILE, 200, "/public.html")),
        ("/.auth/me", NOBODY, (Action.AUTH, 200, "/.auth/me")),
        ("/.auth/login/aad", NOBODY, (Action.AUTH, 200, "/.auth/login/aad")),
        ("/.auth/login/github", NOBODY, (Action.ERROR, 404, "")),
        ("//admin//secret.txt", SOMEBODY, (Action.FILE, 403, "/denied.html")),
        ("/./admin/secret.txt", ADMIN, (Action.ERROR, 400, "")),
        ("/%2e/admin/secret.txt", NOBODY, (Action.ERROR, 400, "")),
        ("/./staticwebapp.config.json", NOBODY, (Action.ERROR, 400, "")),
        ("/staticwebapp.config.json/.", NOBODY, (Action.ERROR, 400, "")),
        ("*", NOBODY, (Action.ERROR, 400, "")),
        ("http://h/admin/secret.txt", NOBODY, (Action.ERROR, 400, "")),
        ("/x%00", NOBODY, (Action.ERROR, 400, "")),
        ("/.auth/login/github/", NOBODY, (Action.ERROR, 404, "")),
        ("/%zz", NOBODY, (Action.ERROR, 400, "")),
        ("/%ff", NOBODY, (Action.ERROR, 400, "")),
        ("/x/../admin", NOBODY, (Action.ERROR, 400, "")),
        ("/x/%2e%2e/admin", NOBODY, (Action.ERROR, 400, "")),
        ("/x%5c..%5cadmin", NOBODY, (Action.ERROR, 400, "")),
    ],
)
def test_decides_as_production_does(
    path: str, principal: ClientPrincipal | None, outcome: tuple[Action, int, str]
) -> None:
    decision = decided(path, principal)
    assert (decision.action, decision.status, decision.target) == outcome


def test_a_rule_for_a_method_leaves_the_others_alone() -> None:
    assert decided("/only-post", method="POST").target == "/api/form"
    assert decided("/only-post").target == "/index.html"


def test_a_page_takes_no_post() -> None:
    assert decided("/contact", method="POST").status == 405


def test_headers_are_defaults_then_global_then_the_rules_and_an_empty_one_is_gone() -> None:
    headers = dict(decided("/docs/a.png").headers)
    assert (headers["x-global"], headers["cache-control"]) == ("1", "max-age=9")
    assert "x-xss-protection" not in headers
    assert dict(decided("/").headers)["x-content-type-options"] == "nosniff"


def test_the_apis_answers_get_none_of_the_sites_headers() -> None:
    assert decided("/api/chat", INVITED).headers == ()


def test_says_which_rule_let_somebody_in_or_kept_him_out() -> None:
    assert (decided("/api/chat", INVITED).rule, decided("/api/chat", INVITED).because) == (5, "rule 5 (invited)")
    assert (decided("/admin", SOMEBODY).rule, decided("/admin", SOMEBODY).because) == (1, "needs admin")


def test_an_app_without_a_configuration_serves_its_files(tmp_path: Path) -> None:
    config = load_config(tmp_path / "staticwebapp.config.json")
    assert decided("/contact", config=config).status == 200
    assert decided("/nowhere", config=config).status == 404


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ([], "the file: an object is needed"),
        ({"rutes": []}, "the file: unknown key 'rutes'; known are $schema, routes"),
        ({"routes": [{}]}, "routes, rule 1: route is missing"),
        ({"routes": [{"route": "/a/*/b"}]}, "routes, rule 1: '/a/*/b' is no route"),
        ({"routes": [{"route": "/a", "role": "x"}]}, "routes, rule 1: unknown key 'role'"),
        ({"routes": [{"route": "/a", "methods": ["FETCH"]}]}, "routes, rule 1: 'FETCH' is no HTTP method"),
        ({"routes": [{"route": "/a", "redirect": "/b", "rewrite": "/c"}]}, "redirect and rewrite exclude each other"),
        ({"routes": [{"route": "/a", "redirect": "/b", "statusCode": 307}]}, "statusCode 307 with a redirect"),
        ({"routes": [{"route": "/a", "allowedRoles": "admin"}]}, "allowedRoles is no list of texts"),
        ({"responseOverrides": {"500": {}}}, "responseOverrides: unknown key '500'; known are 400, 401, 403, 404"),
        ({"navigationFallback": {}}, "navigationFallback: rewrite is missing"),
        ({"networking": {"allowedIpRanges": ["10.0.0.1/99"]}}, "networking: '10.0.0.1/99' is no IPv4 range"),
        ({"trailingSlash": "often"}, "trailingSlash: 'often'; there are: always, never, auto"),
        ({"auth": {"rolesSource": "/api/roles"}}, "auth: identityProviders is missing"),
        ({"auth": {"identityProviders": {"myspace": {}}}}, "auth, identityProviders: unknown key 'myspace'"),
        (
            {"auth": {"identityProviders": {}, "rolesSource": "/roles"}},
            "auth: rolesSource: '/roles' is no path of the API",
        ),
        (
            {"forwardingGateway": {"requiredHeaders": {"x": 1}}},
            "forwardingGateway, requiredHeaders: an object of texts",
        ),
    ],
)
def test_a_mistake_in_the_configuration_is_refused_and_named(document: object, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "staticwebapp.config.json"
    path.write_text(json.dumps(document))
    with pytest.raises(ConfigError) as raised:
        load_config(path)
    assert complaint in str(raised.value)
    assert str(path) in str(raised.value)


def test_a_configuration_that_is_too_large_or_no_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "staticwebapp.config.json"
    path.write_text("{")
    with pytest.raises(ConfigError, match="no JSON"):
        load_config(path)
    path.write_text(json.dumps({"globalHeaders": {"x": "y" * 20_000}}))
    with pytest.raises(ConfigError, match="takes at most 20000"):
        load_config(path)


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        ([{"route": "/*"}, {"route": "/admin"}], ["rule 2 (/admin) can never apply: rule 1 (/*) fits first"]),
        ([{"route": "/a*", "methods": ["GET"]}, {"route": "/ab"}], []),
        ([{"route": "/a"}, {"route": "/a*"}], []),
        ([{"route": "/a*"}, {"route": "/ab*"}], ["rule 2 (/ab*) can never apply: rule 1 (/a*) fits first"]),
        (
            [{"route": "/admin/*", "allowedRoles": ["invited"]}],
            ["rule 1 (/admin/*) leaves /admin itself open; /admin* would not"],
        ),
        ([{"route": "/admin", "allowedRoles": ["invited"]}, {"route": "/admin/*", "allowedRoles": ["invited"]}], []),
        ([{"route": "/x*", "allowedRoles": ["boss"]}], ["nobody has the role 'boss': no persona does"]),
        ([{"route": "/x/*", "allowedRoles": ["anonymous"]}], []),
    ],
)
def test_traps_in_a_configuration_are_named(routes: list[dict[str, object]], expected: list[str]) -> None:
    assert list(config_warnings(parse_config({"routes": routes}), ["invited"])) == expected


def test_networks_that_lock_everybody_out_or_cannot_be_known_are_named() -> None:
    empty = parse_config({"networking": {"allowedIpRanges": []}})
    tagged = parse_config({"networking": {"allowedIpRanges": ["AzureFrontDoor.Backend"]}})
    assert "locks everybody out" in next(config_warnings(empty, []))
    assert "AzureFrontDoor.Backend is not known here" in next(config_warnings(tagged, []))
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
