"""Removes an environment: its group, the roles of its app's identity, and what would still hold a name."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from infra.azure import Azure, AzureError
from infra.deploy import DeployError
from infra.template import BACKENDS, TOPOLOGIES, expand, read

_ACCOUNT, _VAULT = "Microsoft.CognitiveServices/accounts", "Microsoft.KeyVault/vaults"


def remove(azure: Azure, group: str, resources: Sequence[Mapping[str, Any]]) -> None:
    """Delete a group with its resources, and purge those that would still hold their name.

    Raises:
        AzureError: Azure refused it.
        DeployError: the group is deleted, but some resources still hold their name.
    """
    for resource in resources:
        if resource["type"] == "Microsoft.Web/sites":
            _remove_roles(azure, group, resource["name"])
    azure.json("group", "delete", "--name", group, "--yes", timeout_s=None)
    _purge(azure, group, [(each["type"], each["name"], each["location"]) for each in resources])


def _remove_roles(azure: Azure, group: str, app: str) -> None:
    """Remove the role assignments of an app's identity, wherever they are: those outside its group would remain, without a
    principal.

    Source: `az role assignment delete --assignee` looks only at one scope, the subscription, and fails where it finds none;
    `az role assignment list --assignee` asks Entra's directory, which a pipeline's identity may not read.
    """
    identity = azure.json("functionapp", "identity", "show", "--name", app, "--resource-group", group)
    if not identity or not identity.get("principalId"):
        return
    subscription = azure.json("account", "show")["id"]
    query = f"api-version=2022-04-01&$filter=principalId eq '{identity['principalId']}'"
    url = f"/subscriptions/{subscription}/providers/Microsoft.Authorization/roleAssignments?{query}"
    assignments = azure.json("rest", "--method", "get", "--url", url)["value"]
    if ids := [assignment["id"] for assignment in assignments]:
        azure.json("role", "assignment", "delete", "--ids", *ids)


def _purge(azure: Azure, group: str, deleted: Iterable[tuple[str, str, str]]) -> None:
    """Purge deleted resources of a kind that keeps its name, given by kind, name and location; each, whatever becomes of the
    others.

    Raises:
        DeployError: Azure refused it of some.
    """
    refused = []
    for kind, name, location in deleted:
        if kind not in (_ACCOUNT, _VAULT):
            continue
        account = ["cognitiveservices", "account", "purge", "--name", name, "--resource-group", group]
        command = account if kind == _ACCOUNT else ["keyvault", "purge", "--name", name]
        try:
            azure.json(*command, "--location", location)
        except AzureError as error:
            refused.append(f"  {name}: {error}\n  az {' '.join(command)} --location {location}")
    if refused:
        still = "is deleted, but a name is still held, until Azure purges it by itself, or who has a role on the subscription:"
        raise DeployError("\n".join((f"{group} {still}", *refused)))


def purge_deleted(azure: Azure, group: str) -> list[str]:
    """Purge what was deleted with a group and still holds its name, where an earlier removal did not get so far; the names.

    Raises:
        AzureError: Azure does not list them.
        DeployError: Azure refused it.
    """
    accounts = azure.json("cognitiveservices", "account", "list-deleted") or ()
    deleted = [(_ACCOUNT, each["name"], each["location"], each["id"]) for each in accounts]
    for vault in azure.json("keyvault", "list-deleted", "--resource-type", "vault") or ():
        properties = vault["properties"]
        deleted.append((_VAULT, vault["name"], properties["location"], properties["vaultId"]))
    ours = [each for each in deleted if f"/resourcegroups/{group}/".lower() in each[3].lower()]
    _purge(azure, group, [each[:3] for each in ours])
    return [name for _, name, _, _ in ours]


def names_of(parameters: Mapping[str, Any]) -> frozenset[str]:
    """The names, in lower case, of what a deployment with these parameters has, in every topology; none without a name."""
    if "name" not in parameters:
        return frozenset()
    choices = itertools.product(TOPOLOGIES, BACKENDS)
    deployments = [
        expand(read(), {"name": parameters["name"], "topology": topology, "backend": backend})
        for topology, backend in choices
    ]
    names = {resource.name.lower() for each in deployments for resource in each.resources}
    # Azure adds these to Application Insights by itself.
    return frozenset(
        {*names, *(f"failure anomalies - {name}" for name in names), "application insights smart detection"}
    )


def names_to_purge(resources: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of the resources that `remove` purges."""
    return [resource["name"] for resource in resources if resource["type"] in (_ACCOUNT, _VAULT)]
