"""Signs in to Azure from a GitHub workflow, with the run's own identity, which Azure is configured to trust; no secret.

Source: GitHub's and Microsoft's pages on OpenID Connect from workflows, 2026-11-25.
"""

from __future__ import annotations

from collections.abc import Mapping

import httpx2

from infra.azure import Azure, AzureError
from infra.deploy import DeployError

_AUDIENCE = "api://AzureADTokenExchange"
_FROM_GITHUB = ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
#: For whom the token is that `az` uploads an app with. Source: its own list of clouds.
_PUBLISHING = "https://appservice.azure.com"
_OURS = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_SUBSCRIPTION_ID")
_ASSIGN = "az role assignment create --role Contributor --scope /subscriptions/{subscription} …"
#: What is in the refusal, what it means, and what to do. Source: Entra's reference of errors, and the source of `az login`.
_REFUSALS = (
    ("AADSTS70021", "the app registration {client} does not trust this run", "add the subject that Azure names: az ad app federated-credential create --id {client} …"),
    ("AADSTS700016", "AZURE_CLIENT_ID is no app registration of the tenant {tenant}", "set AZURE_CLIENT_ID to the appId that az ad app create printed, and AZURE_TENANT_ID to its tenant"),
    ("AADSTS7000229", "the app registration {client} has no service principal in the tenant {tenant}", "az ad sp create --id {client}, then give it its roles"),
    ("No subscriptions found", "the identity {client} has no role in a subscription", _ASSIGN),
    ("doesn't exist in cloud", "the identity {client} has no role in the subscription {subscription}, or there is none", _ASSIGN),
)  # fmt: skip


def sign_in(azure: Azure, environment: Mapping[str, str]) -> None:
    """Sign `az` in as the app registration that trusts this repository.

    Raises:
        DeployError: a variable is missing, GitHub issues no token, or Azure does not let the run in.
    """
    if missing := [name for name in _FROM_GITHUB if not environment.get(name)]:
        raise DeployError(
            f"{', '.join(missing)} missing: the job needs `permissions: id-token: write`; outside GitHub: az login"
        )
    if missing := [name for name in _OURS if not environment.get(name)]:
        raise DeployError(f"{', '.join(missing)} missing: docs/deploy.md, From a pipeline, says where to set them")
    url, bearer = (environment[name] for name in _FROM_GITHUB)
    address = httpx2.URL(url).copy_merge_params({"audience": _AUDIENCE})  # `params` would replace GitHub's own query
    response = httpx2.get(address, headers={"authorization": f"bearer {bearer}"}, timeout=30)
    if response.status_code != 200:
        raise DeployError(f"GitHub issues no token for this run: status {response.status_code}")
    client, tenant, subscription = (environment[name] for name in _OURS)
    # `az` reads the token from standard input: other processes can read a command line.
    login = ("login", "--service-principal", "--username", client, "--tenant", tenant)
    try:
        azure.json(*login, "--federated-token", "@-", stdin=response.json()["value"])
        azure.json("account", "set", "--subscription", subscription)
        # `az` keeps this one for an hour; asked for after the resources are there, GitHub's token is no longer valid.
        azure.json("account", "get-access-token", "--resource", _PUBLISHING, "--query", "tokenType")
    except AzureError as error:
        raise DeployError(_refusal(error, client=client, tenant=tenant, subscription=subscription)) from error


def _refusal(error: AzureError, **names: str) -> str:
    """What Azure said, with what it means and what to do where that is known."""
    for words, meaning, fix in _REFUSALS:
        if words in error.message:
            return (
                f"{meaning.format(**names)}\n{fix.format(**names)} (docs/deploy.md, From a pipeline)\n{error.message}"
            )
    return f"Azure does not let this run in: {error}"
