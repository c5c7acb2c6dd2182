"""Signing in to Azure from GitHub's pipelines: with the identity that a run has, for which Azure was told to vouch; no secret.

Source: GitHub's and Microsoft's pages on OpenID Connect from workflows, 2026-11-25.
"""

from __future__ import annotations

from collections.abc import Mapping

import httpx2

from infra.azure import Azure
from infra.deploy import DeployError

_AUDIENCE = "api://AzureADTokenExchange"
_FROM_GITHUB = ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
_OURS = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_SUBSCRIPTION_ID")


def sign_in(azure: Azure, environment: Mapping[str, str]) -> None:
    """Sign `az` in as the app registration that trusts this repository.

    Raises:
        DeployError: a variable is missing, or GitHub gives no token.
        AzureError: Azure does not trust the run.
    """
    if missing := [name for name in _FROM_GITHUB if not environment.get(name)]:
        raise DeployError(
            f"{', '.join(missing)} missing: the job wants `permissions: id-token: write`; elsewhere: az login"
        )
    if missing := [name for name in _OURS if not environment.get(name)]:
        raise DeployError(f"{', '.join(missing)} missing: set them as variables of the repository, docs/deploy.md")
    url, bearer = (environment[name] for name in _FROM_GITHUB)
    answer = httpx2.get(url, params={"audience": _AUDIENCE}, headers={"authorization": f"bearer {bearer}"}, timeout=30)
    if answer.status_code != 200:
        raise DeployError(f"GitHub gives no token for this run: {answer.status_code}")
    client, tenant, subscription = (environment[name] for name in _OURS)
    # `az` takes the token from its input: what stands on a command line, other processes can read.
    words = ("login", "--service-principal", "--username", client, "--tenant", tenant)
    azure.json(*words, "--federated-token", "@-", given=answer.json()["value"])
    azure.json("account", "set", "--subscription", subscription)
