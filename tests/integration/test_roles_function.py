"""The app's own function that returns a user's roles, called at sign-in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from pytest_httpserver import HTTPServer

from mockserver.clock import SystemClock
from mockserver.flask_apps.site_app import create_app
from mockserver.swa.personas import load_personas
from mockserver.swa.session import Sessions
from mockserver.swa.static_web_app import load_static_web_app

ROLES: dict[str, Any] = {
    "auth": {"rolesSource": "/api/roles", "identityProviders": {"customOpenIdConnectProviders": {"okta": {}}}}
}


def client_of(tmp_path: Path, api_url: str) -> FlaskClient:
    (tmp_path / "index.html").write_text("<h1>Start</h1>")
    (tmp_path / "staticwebapp.config.json").write_text(json.dumps(ROLES))
    clock = SystemClock()
    sessions = Sessions("key", clock)
    site = load_static_web_app(tmp_path, personas=load_personas(), sessions=sessions, clock=clock, api_urls=(api_url,))
    return create_app(site).test_client()


def test_roles_come_from_the_apps_own_function_which_is_called_as_in_production(
    tmp_path: Path, httpserver: HTTPServer
) -> None:
    body = {
        "identityProvider": "okta",
        "userId": "u1",
        "userDetails": "ada",
        "claims": [{"typ": "name", "val": "Ada"}],
        "accessToken": "made-up-access-token",
    }
    httpserver.expect_ordered_request("/api/roles", method="POST", json=body).respond_with_json({"roles": ["reader"]})
    client = client_of(tmp_path, httpserver.url_for("").rstrip("/"))
    form = {"userDetails": "ada", "userId": "u1", "userRoles": "admin", "claims": '[{"typ":"name","val":"Ada"}]'}
    client.post("/.auth/login/okta", data=form)
    ((request, _),) = httpserver.log
    assert "x-ms-client-principal" not in request.headers
    shown = client.get("/.auth/me").json
    assert shown is not None
    assert shown["clientPrincipal"]["userRoles"] == ["anonymous", "authenticated", "reader"]
    assert client.get("/.auth/login/aad").status_code == 404  # own registrations replace the preconfigured providers
    assert client.post("/api/Roles").status_code == 404  # only sign-in may call it


@pytest.mark.parametrize("simulate", ["", "roles"])
def test_roles_function_that_fails_gives_no_roles_and_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, simulate: str
) -> None:
    client = client_of(tmp_path, "http://127.0.0.1:1")
    form = {"userDetails": "ada", "userRoles": "admin", "simulate": simulate}
    assert client.post("/.auth/login/okta", data=form).status_code == 302
    shown = client.get("/.auth/me").json
    assert shown is not None
    assert shown["clientPrincipal"]["userRoles"] == ["anonymous", "authenticated"]
    assert "the roles function /api/roles gave 'ada' no roles" in caplog.text


@pytest.mark.parametrize(
    "answer",
    [
        *({"roles": "admin"}, {"roles": [1]}, {"roles": None}, ["admin"], "admin", {}),
        *({"roles": ["\ud83d"]}, "[" * 3000 + "]" * 3000, '{"roles": NaN}', "nothing"),
    ],
)
def test_an_answer_of_another_shape_gives_no_roles_and_says_what_came(
    tmp_path: Path, httpserver: HTTPServer, caplog: pytest.LogCaptureFixture, answer: Any
) -> None:
    data = answer if isinstance(answer, str) else json.dumps(answer)
    httpserver.expect_request("/api/roles").respond_with_data(data, content_type="application/json")
    client = client_of(tmp_path, httpserver.url_for("").rstrip("/"))
    client.post("/.auth/login/okta", data={"userDetails": "ada", "userRoles": "admin"})
    shown = client.get("/.auth/me").json
    assert shown is not None
    assert shown["clientPrincipal"]["userRoles"] == ["anonymous", "authenticated"]
    assert 'its answer must be {"roles": ["…"]}, got' in caplog.text
