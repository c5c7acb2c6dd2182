"""Removes an environment: its group, the roles of its app's identity, and what would still hold a name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from infra.azure import Azure, AzureError
from infra.deploy import DeployError
from infra.plan import names_of
from infra.refusals import FIXES

_ACCOUNT, _VAULT = "Microsoft.CognitiveServices/accounts", "Microsoft.KeyVault/vaults"


def remove(azure: Azure, group: str, resources: Sequence[Mapping[str, Any]], parameters: Mapping[str, Any]) -> None:
    """Delete a group with its resources, then the roles of its apps elsewhere, and purge what would still hold its name;
    `parameters` are those of its last deployment.

    Raises:
        AzureError: Azure does not say what there is.
        DeployError: nothing is deleted; or the group is, but something of it is left.
    """
    apps = [each["name"] for each in resources if each["type"] == "Microsoft.Web/sites"]
    roles = [role for app in apps for role in _roles_elsewhere(azure, group, app, _model_elsewhere(group, parameters))]
    try:
        azure.json("group", "delete", "--name", group, "--yes", timeout_s=None)
    except AzureError as error:
        fixes = {**FIXES, "AuthorizationFailed": "ask for the role Contributor on the group {group}"}
        fix = fixes.get(error.code, "try again: what is deleted already stays so")
        raise DeployError(f"{group} is not deleted. {error}\n{fix.format(group=group)}") from error
    deleted = [(each["type"], each["name"], each["location"]) for each in resources]
    if left := [*_remove_roles(azure, roles), *_purge(azure, group, deleted)]:
        raise DeployError("\n".join((f"{group} is deleted, but", *left)))


def _model_elsewhere(group: str, parameters: Mapping[str, Any]) -> str:
    """The path in the subscription of a model in another group, where the app has a role; empty for none."""
    name, its_group = parameters.get("existingResourceName"), parameters.get("existingResourceGroup", group)
    if parameters.get("backend") != "existingAzureOpenAI" or not name or its_group.lower() == group.lower():
        return ""
    return f"/resourceGroups/{its_group}/providers/{_ACCOUNT}/{name}"


def _roles_elsewhere(azure: Azure, group: str, app: str, model: str) -> list[str]:
    """The ids of the role assignments of an app's identity outside its group, which the group's removal would leave, without a
    principal: in the whole subscription, or else where it was deployed.

    Source: `az role assignment list --assignee` asks Entra's directory, which a pipeline's identity may not read.
    """
    identity = azure.json("functionapp", "identity", "show", "--name", app, "--resource-group", group)
    if not identity or not identity.get("principalId"):
        return []
    subscription = f"/subscriptions/{azure.json('account', 'show')['id']}"
    query = f"api-version=2022-04-01&$filter=principalId eq '{identity['principalId']}'"
    for scope in filter(None, ("/", model)):
        url = f"{subscription}{scope.rstrip('/')}/providers/Microsoft.Authorization/roleAssignments?{query}"
        try:
            assignments = azure.json("rest", "--method", "get", "--url", url)["value"]
        except AzureError as error:
            if error.code != "AuthorizationFailed" or scope == model:
                raise
            continue
        inside = f"{subscription}/resourceGroups/{group}/".lower()
        return [each["id"] for each in assignments if not each["id"].lower().startswith(inside)]
    return []  # the deployment gave it none


def _remove_roles(azure: Azure, ids: Sequence[str]) -> Iterator[str]:
    """Remove role assignments; what Azure refuses of it.

    Source: `az role assignment delete --assignee` looks only at one scope, the subscription, and fails where it finds none.
    """
    if not ids:
        return
    try:
        azure.json("role", "assignment", "delete", "--ids", *ids)
    except AzureError as error:
        yield "  roles of its app are left elsewhere, until somebody removes them who may assign roles there:"
        yield f"  {error}\n  az role assignment delete --ids {' '.join(ids)}"


def _purge(azure: Azure, group: str, deleted: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    """Purge deleted resources of a kind that keeps its name, given by kind, name and location; what Azure refuses of it."""
    for kind, name, location in deleted:
        if kind not in (_ACCOUNT, _VAULT):
            continue
        account = ["cognitiveservices", "account", "purge", "--name", name, "--resource-group", group]
        command = [*(account if kind == _ACCOUNT else ["keyvault", "purge", "--name", name]), "--location", location]
        try:
            azure.json(*command)
        except AzureError as error:
            if "DeletedVaultPurge" in error.message:
                yield f"  {error}\n  the vault {name} has purge protection, and its name is held until Azure purges it:"
                yield (
                    "  it is protected until then: choose another NAME, or recover the vault: az keyvault recover --name "
                    + name
                )
                continue
            yield f"  the name {name} is still held, until Azure purges it by itself, or somebody with a role on the subscription:"
            yield f"  {error}\n  az {' '.join(command)}"


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
    if refused := list(_purge(azure, group, [each[:3] for each in ours])):
        raise DeployError("\n".join((f"{group} was deleted before, but", *refused)))
    return [name for _, name, _, _ in ours]


def of_others(resources: Sequence[Mapping[str, Any]], parameters: Mapping[str, Any]) -> list[str]:
    """The names of the resources that no deployment with these parameters has."""
    ours = names_of(parameters)
    return [each["name"] for each in resources if each["name"].lower() not in ours]


def names_to_purge(resources: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of the resources that `remove` purges."""
    return [resource["name"] for resource in resources if resource["type"] in (_ACCOUNT, _VAULT)]
