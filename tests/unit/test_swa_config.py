"""`staticwebapp.config.json`: what is refused, and what its author is warned of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mockserver.exchange import HEADER_FORM
from mockserver.swa.config import Config, ConfigError, Fallback, compile_pattern, load_config, parse_config
from mockserver.swa.findings import Severity, findings


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "must be a mapping, got []"),
        ({"rutes": []}, "unknown key 'rutes' (did you mean 'routes'?); known keys: $schema, routes"),
        ({"routes": [{}]}, "routes, rule 1: the key 'route' is required"),
        ({"routes": {}}, "routes must be a list, got {}"),
        ({"routes": [{"route": "/a"}, 1]}, "routes, rule 2: must be a mapping, got 1"),
        ({"routes": [{"route": "/a/*/b"}]}, "before an extension, got '/a/*/b'"),
        (
            {"routes": [{"route": "/a", "role": "x"}]},
            "routes, rule 1: unknown key 'role' (did you mean 'route'?); known keys: route, methods, allowedRoles",
        ),
        ({"routes": [{"route": "/a", "methods": ["FETCH"]}]}, "routes, rule 1: unknown HTTP method 'FETCH'"),
        (
            {"routes": [{"route": "/a", "redirect": "/b", "rewrite": "/c"}]},
            "a rule must have redirect or rewrite, not both",
        ),
        (
            {"routes": [{"route": "/a", "redirect": "/b", "statusCode": 307}]},
            "statusCode must be 301 or 302 with redirect, got 307",
        ),
        (
            {"routes": [{"route": "/a", "allowedRoles": "admin"}]},
            "routes, rule 1: allowedRoles must be a list, got 'admin'",
        ),
        ({"responseOverrides": {"x": {}}}, "responseOverrides.x: the keys of responseOverrides are statuses"),
        (
            {"globalHeaders": {"csp": "default-src \u2018self\u2019"}},
            "globalHeaders.csp: no header can carry '\u2018' (U+2018)",
        ),
        ({"routes": [{"route": "/a", "headers": {"x": "a\nb"}}]}, "headers.x: no header can carry '\\n' (U+000A)"),
        ({"routes": [{"route": "a/*/b"}]}, "before an extension, got 'a/*/b'"),
        ({"routes": [{"route": "/a", "serve": "/b"}]}, "serve belongs to the old routes.json; it is rewrite here"),
        ({"platformErrorOverrides": []}, "platformErrorOverrides belongs to the old routes.json"),
        (
            {"responseOverrides": {"401": {"statusCode": 700}}},
            "responseOverrides.401: statusCode must be a status from 100",
        ),
        (
            {"navigationFallback": {"rewrite": "/a", "exclude": ["/a/*/b"]}},
            "navigationFallback.exclude: a route must have at most one *, at its end or before an extension, got '/a/*/b'",
        ),
        ({"defaultHeaders": {}}, "defaultHeaders belongs to the old routes.json"),
        ({"globalHeaders": {"x a": "b"}}, f"globalHeaders: 'x a' cannot be sent: {HEADER_FORM}"),
        ({"globalHeaders": {"x": "Ā"}}, "globalHeaders.x: no header can carry 'Ā' (U+0100)"),
        (
            {"networking": {"allowedIpRanges": ["1.2.3"]}},
            "networking.allowedIpRanges: '1.2.3' is not a valid IPv4 range",
        ),
        ({"navigationFallback": {}}, "navigationFallback: the key 'rewrite' is required"),
        (
            {"networking": {"allowedIpRanges": ["10.0.0.1/99"]}},
            "networking.allowedIpRanges: '10.0.0.1/99' is not a valid IPv4 range",
        ),
        ({"trailingSlash": "often"}, "unknown trailingSlash 'often'; known values: always, auto, never"),
        ({"auth": {"rolesSource": "/api/roles"}}, "auth: the key 'identityProviders' is required"),
        ({"auth": {"identityProviders": {"myspace": {}}}}, "unknown key 'myspace' in auth.identityProviders"),
        (
            {"auth": {"identityProviders": {}, "rolesSource": "/roles"}},
            "auth.rolesSource must be a path of the API, as /api/roles, got '/roles'",
        ),
        (
            {"forwardingGateway": {"requiredHeaders": {"x": 1}}},
            "forwardingGateway.requiredHeaders.x must be a string, got 1",
        ),
    ],
)
def test_error_in_the_configuration_is_refused_with_its_place(document: object, message: str, tmp_path: Path) -> None:
    path = tmp_path / "staticwebapp.config.json"
    path.write_text(json.dumps(document))
    with pytest.raises(ConfigError) as raised:
        load_config(path)
    assert message in str(raised.value)
    assert str(raised.value).startswith(f"{path}: ")


def test_configuration_that_is_too_large_or_not_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "staticwebapp.config.json"
    path.write_text("{")
    with pytest.raises(ConfigError, match="not valid JSON"):
        load_config(path)
    path.write_text(json.dumps({"globalHeaders": {"x": "y" * 20_000}}))
    with pytest.raises(ConfigError, match="must be at most 20000 bytes"):
        load_config(path)
    path.write_text("{}".ljust(20_000))
    assert load_config(path) == Config()
    path.write_text("{}".ljust(20_001))
    with pytest.raises(ConfigError, match="must be at most 20000 bytes"):
        load_config(path)


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        (
            [{"route": "/*"}, {"route": "/admin"}],
            ["rule 2 (/admin) can never apply: rule 1 (/*) already matches each of its paths"],
        ),
        ([{"route": "/a*", "methods": ["GET"]}, {"route": "/ab"}], []),
        ([{"route": "/a"}, {"route": "/a*"}], []),
        (
            [{"route": "/a*"}, {"route": "/ab*"}],
            ["rule 2 (/ab*) can never apply: rule 1 (/a*) already matches each of its paths"],
        ),
        (
            [{"route": "/admin/*", "allowedRoles": ["invited"]}],
            ["rule 1 (/admin/*) leaves /admin itself open; /admin* guards both"],
        ),
        ([{"route": "/admin", "allowedRoles": ["invited"]}, {"route": "/admin/*", "allowedRoles": ["invited"]}], []),
        ([{"route": "/x*", "allowedRoles": ["boss"]}], ["no persona has the role 'boss'"]),
        (
            [{"route": "/x*", "allowedRoles": [f"r{number:02}" for number in range(50)]}],
            ["no persona has the role 'r00', 'r01', 'r02', 'r03', 'r04' and 45 more"],
        ),
        (
            [{"route": "/admin", "allowedRoles": ["invited"]}],
            ["rule 1 (/admin) leaves /admin/ and /admin/index.html open; /admin* guards them too"],
        ),
        ([{"route": "/admin.html", "allowedRoles": ["invited"]}], []),
        ([{"route": "/api/admin", "allowedRoles": ["invited"]}], []),
        (
            [{"route": "/credits"}, {"route": "/credits/"}],
            ["rule 2 (/credits/) has the route of rule 1 (/credits); a trailing slash makes no other one"],
        ),
        ([{"route": "/a", "methods": ["GET"]}, {"route": "/a", "methods": ["POST"]}], []),
        (
            [{"route": "admin/*", "allowedRoles": ["invited"]}],
            [
                "rule 1 (admin/*) has no leading slash: the official CLI never applies it, and what production does no source says"
            ],
        ),
        (
            [{"route": "/a", "rewrite": "https://example.com/"}],
            ["rule 1 (/a) rewrites to https://example.com/, but a rewrite stays on the site; a redirect may leave it"],
        ),
        (
            [{"route": "/a*", "allowedRoles": ["team.lead"]}],
            [
                "rule 1 (/a*) has the role 'team.lead': names have letters, digits and _ alone",
                "no persona has the role 'team.lead'",
            ],
        ),
        ([{"route": "/x/*", "allowedRoles": ["anonymous"]}], []),
    ],
)
def test_traps_in_a_configuration_are_warned_of(routes: list[dict[str, object]], expected: list[str]) -> None:
    found = findings(parse_config({"routes": routes}), ["invited"])
    assert [finding.text for finding in found] == expected


@pytest.mark.parametrize(
    "document", [{"auth": None}, {"networking": None}, {"navigationFallback": None}, {"routes": None}]
)
def test_null_in_place_of_an_object_or_a_list_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="got None"):
        parse_config(document)


def test_null_in_place_of_a_text_is_as_if_the_key_were_absent() -> None:
    nulls = {"methods": None, "allowedRoles": None, "redirect": None, "rewrite": None, "statusCode": None}
    assert parse_config({"routes": [{"route": "/a", **nulls}]}) == parse_config({"routes": [{"route": "/a"}]})


def test_status_code_may_be_a_number_or_its_digits() -> None:
    rules = parse_config({"routes": [{"route": "/a", "statusCode": "404"}, {"route": "/b", "statusCode": 404}]}).rules
    assert [rule.status for rule in rules] == [404, 404]


@pytest.mark.parametrize(("status", "valid"), [(99, False), (100, True), (599, True), (600, False), (-404, False)])
def test_status_code_is_from_100_to_599(status: int, valid: bool) -> None:
    document = {"responseOverrides": {"404": {"statusCode": status}}}
    if valid:
        assert parse_config(document).overrides[404].status == status
    else:
        with pytest.raises(ConfigError, match="must be a status from 100 to 599"):
            parse_config(document)


def test_paths_of_the_fallback_may_lack_their_slash() -> None:
    rooted = {"rewrite": "/index.html", "exclude": ["/assets/*", "*.png"]}
    bare = {"rewrite": "index.html", "exclude": ["assets/*", "/*.png"]}
    assert parse_config({"navigationFallback": bare}).fallback == Fallback("/index.html", ("/assets/*", "/*.png"))
    assert parse_config({"navigationFallback": rooted}).fallback == Fallback("/index.html", ("/assets/*", "/*.png"))


def test_the_roles_of_a_configuration_are_its_own() -> None:
    routes = [
        {"route": "/a", "allowedRoles": ["b", "authenticated"]},
        {"route": "/c", "allowedRoles": ["anonymous", "a"]},
    ]
    assert parse_config({"routes": routes}).roles == ("a", "b")


@pytest.mark.parametrize(
    ("pattern", "fits", "fits_not"),
    [
        ("/a", ["/a"], ["/a/", "/A", "/ab", "/x/a"]),
        ("/a*", ["/a", "/a/b", "/ab"], ["/A", "/x/a"]),
        ("*", ["/", "/a/b"], []),
        ("/a/*.{png,jpg}", ["/a/b.png", "/a/b/c.jpg"], ["/a/b.gif", "/a/b.pngx", "/a/bpng", "/a/b.png,jpg"]),
        ("/a.b", ["/a.b"], ["/axb"]),
        ("/a/index.html", ["/a", "/a/", "/a/index.html"], ["/ab", "/a/index", "/a/indexxhtml"]),
        ("a", [], ["/a", "a", ""]),
    ],
)
def test_a_pattern_fits_itself_alone_but_for_its_star(pattern: str, fits: list[str], fits_not: list[str]) -> None:
    compiled = compile_pattern(pattern, "")
    assert [path for path in [*fits, *fits_not] if compiled.fullmatch(path)] == fits
    whatever_case = compile_pattern(pattern, "", ignore_case=True)
    assert [path for path in fits if whatever_case.fullmatch(path.upper())] == fits


def test_own_registrations_replace_the_preconfigured_providers() -> None:
    providers: dict[str, object] = {
        "azureActiveDirectory": {"registration": {}},
        "customOpenIdConnectProviders": {"okta": {}},
    }
    auth = parse_config({"auth": {"identityProviders": providers, "rolesSource": "/api/roles"}}).auth
    assert (auth.providers, auth.roles_source) == (("aad", "okta"), "/api/roles")


def test_what_the_official_schema_leaves_open_is_taken_and_said() -> None:
    overrides = {
        "404": {"rewrite": "/404.html", "comment": "x"},
        "500": {"rewrite": "/500.html"},
        "401": {"statuscode": 302},
    }
    config = parse_config({"responseOverrides": overrides})
    assert config.overrides[404].rewrite == "/404.html"
    assert [finding.text for finding in findings(config)] == [
        "responseOverrides.404.comment has no effect",
        "responseOverrides.500 has no effect: 400, 401, 403, 404 can be overridden",
        "responseOverrides.401.statuscode has no effect (did you mean 'statusCode'?)",
    ]


def test_a_provider_is_held_to_the_official_schema_and_may_be_off() -> None:
    good = {"registration": {"openIdIssuer": "x", "clientSecretSettingName": "y"}}
    providers = {
        "azureActiveDirectory": good,
        "github": {"enabled": False, "registration": {"clientSecretSettingName": "y"}},
        "google": {"registration": {"clientSecretSettingsName": "y"}},
        "customOpenIdConnectProviders": {
            "mine": {"registration": {"clientCredential": {}, "openIdConnectConfiguration": {}}},
            "other": {"registration": {"clientCredential": {}}},
        },
    }
    config = parse_config({"auth": {"identityProviders": providers}})
    assert config.auth.providers == ("aad", "google", "mine", "other")
    assert [(finding.severity, finding.text) for finding in findings(config)] == [
        (
            Severity.ERROR,
            "auth.identityProviders.google.registration.clientSecretSettingsName is unknown (did you mean 'clientSecretSettingName'?)",
        ),
        (Severity.ERROR, "auth.identityProviders.google.registration needs clientSecretSettingName"),
        (Severity.ERROR, "auth.identityProviders.other.registration needs openIdConnectConfiguration"),
    ]


def test_what_borders_on_an_error_is_taken() -> None:
    rule = {"route": "/a", "redirect": "/b", "statusCode": 302, "headers": {"X-Last": "ÿ"}}
    config = parse_config({"routes": [rule], "forwardingGateway": {"allowedForwardedHosts": ["Example.COM"]}})
    assert (config.rules[0].status, config.rules[0].headers) == (302, (("x-last", "ÿ"),))
    assert config.gateway.allowed_hosts == {"example.com"}
    assert parse_config({"auth": {"identityProviders": {"github": "x"}}}).auth.providers == ("github",)


def test_networking_without_ranges_lets_everybody_in() -> None:
    assert parse_config({"networking": {}}).networks is None
    assert parse_config({"networking": {"allowedIpRanges": []}}).networks == ()
