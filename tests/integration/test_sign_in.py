"""Signing in to Azure from a GitHub workflow, with GitHub's token."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

import pytest
from pytest_httpserver import HTTPServer

from infra.azure import Azure
from infra.deploy import DeployError
from infra.sign_in import sign_in

OURS = {"AZURE_CLIENT_ID": "c", "AZURE_TENANT_ID": "t", "AZURE_SUBSCRIPTION_ID": "s"}


def test_a_workflow_signs_in_with_githubs_token(httpserver: HTTPServer) -> None:
    calls: list[tuple[str, str]] = []

    def run(arguments: Sequence[str], stdin: str, timeout_s: float | None) -> subprocess.CompletedProcess[str]:
        del timeout_s
        calls.append((" ".join(arguments), stdin))
        return subprocess.CompletedProcess(arguments, 0, "[]", "")

    query, asked = {"api-version": "2.0", "audience": "api://AzureADTokenExchange"}, {"authorization": "bearer request"}
    answer = httpserver.expect_request("/token", query_string=query, headers=asked)
    answer.respond_with_json({"value": "githubs-token"})
    url = httpserver.url_for("/token?api-version=2.0")
    github = {"ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request"}
    sign_in(Azure(run), {**github, **OURS})
    login, subscription, publishing = calls
    assert login[0].startswith("login --service-principal --username c --tenant t --federated-token @-")
    assert (login[1], "githubs-token" in login[0]) == ("githubs-token", False)
    assert subscription[0].startswith("account set --subscription s")
    assert publishing[0].startswith("account get-access-token --resource https://appservice.azure.com")
    with pytest.raises(DeployError, match="AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_SUBSCRIPTION_ID missing"):
        sign_in(Azure(run), github)
