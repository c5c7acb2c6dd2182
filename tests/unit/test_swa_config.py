"""`staticwebapp.config.json`: what is refused, and what its author is warned of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mockserver.swa.config import ConfigError, config_warnings, load_config, parse_config


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
        ({"responseOverrides": {"500": {}}}, "unknown key '500' in responseOverrides"),
        (
            {"responseOverrides": {"401": {"statusCode": 700}}},
            "responseOverrides.401: statusCode must be a status from 100",
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
        ([{"route": "/x/*", "allowedRoles": ["anonymous"]}], []),
    ],
)
def test_traps_in_a_configuration_are_warned_of(routes: list[dict[str, object]], expected: list[str]) -> None:
    assert list(config_warnings(parse_config({"routes": routes}), ["invited"])) == expected


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


def test_own_registrations_replace_the_preconfigured_providers() -> None:
    providers: dict[str, object] = {
        "azureActiveDirectory": {"registration": {}},
        "customOpenIdConnectProviders": {"okta": {}},
    }
    auth = parse_config({"auth": {"identityProviders": providers, "rolesSource": "/api/roles"}}).auth
    assert (auth.providers, auth.roles_source) == (("aad", "okta"), "/api/roles")
