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


@pytest.mark.parametrize(
    ("said", "means", "fix"),
    [
        ("AADSTS700016: Application with identifier 'c' was not found", "no app registration of the tenant t", "the appId that az ad app create printed"),
        ("AADSTS7000229: The client application c is missing service principal", "c has no service principal in the tenant t", "az ad sp create --id c"),
        ("AADSTS700213: No matching federated identity record found", "c does not trust this run", "az ad app federated-credential create --id c"),
        ("No subscriptions found for c.", "c has no role in a subscription", "az role assignment create"),
        ("The subscription of 's' doesn't exist in cloud 'AzureCloud'.", "c has no role in the subscription s", "az role assignment create"),
        ("AADSTS90002: Tenant 't' not found.", "Azure does not let this run in", "AADSTS90002"),
    ],
)  # fmt: skip
def test_what_azure_refuses_is_said_with_what_to_do(httpserver: HTTPServer, said: str, means: str, fix: str) -> None:
    def run(arguments: Sequence[str], stdin: str, timeout_s: float | None) -> subprocess.CompletedProcess[str]:
        del stdin, timeout_s
        return subprocess.CompletedProcess(arguments, 1, "", f"ERROR: {said}")

    httpserver.expect_request("/token").respond_with_json({"value": "githubs-token"})
    github = {"ACTIONS_ID_TOKEN_REQUEST_URL": httpserver.url_for("/token"), "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request"}
    with pytest.raises(DeployError) as refused:
        sign_in(Azure(run), {**github, **OURS})
    assert [words for words in (means, fix, said) if words not in str(refused.value)] == []
