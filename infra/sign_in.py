"""Signs in to Azure from a GitHub workflow, with the run's own identity, which Azure is configured to trust; no secret.

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
        DeployError: a variable is missing, or GitHub issues no token.
        AzureError: Azure does not trust the run.
    """
    if missing := [name for name in _FROM_GITHUB if not environment.get(name)]:
        raise DeployError(
            f"{', '.join(missing)} missing: the job needs `permissions: id-token: write`; outside GitHub: az login"
        )
    if missing := [name for name in _OURS if not environment.get(name)]:
        raise DeployError(f"{', '.join(missing)} missing: docs/deploy.md, From a pipeline, says where to set them")
    url, bearer = (environment[name] for name in _FROM_GITHUB)
    response = httpx2.get(
        url, params={"audience": _AUDIENCE}, headers={"authorization": f"bearer {bearer}"}, timeout=30
    )
    if response.status_code != 200:
        raise DeployError(f"GitHub issues no token for this run: status {response.status_code}")
    client, tenant, subscription = (environment[name] for name in _OURS)
    # `az` reads the token from standard input: other processes can read a command line.
    login = ("login", "--service-principal", "--username", client, "--tenant", tenant)
    azure.json(*login, "--federated-token", "@-", stdin=response.json()["value"])
    azure.json("account", "set", "--subscription", subscription)
