"""The rights that a deployment needs, asked before it needs them: in its own group, and in that of an existing model."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from infra.azure import AzureError
from infra.findings import Finding, PreflightContext

_ASSIGNMENTS = "Microsoft.Authorization/roleAssignments"


def rights(context: PreflightContext) -> Iterator[Finding]:
    """The right to create resources and to assign roles."""
    scope = f"/subscriptions/{context.account['id']}"
    if context.group_exists:
        scope += f"/resourceGroups/{context.plan.group}"
    permissions = _permissions(context, scope)
    user = context.account["user"]["name"]
    if not _may(permissions, "Microsoft.Web/staticSites/write"):
        yield Finding(
            f"{user} may not create resources in {scope.rpartition('/')[2]}", "ask for the role Contributor there"
        )
    if context.plan.deployment.of(_ASSIGNMENTS) and not _may(permissions, f"{_ASSIGNMENTS}/write"):
        yield Finding(
            f"{user} may not assign roles, which the topology {context.plan.parameter('topology')} needs for the app's identity",
            f"ask for Role Based Access Control Administrator on the group {context.plan.group}, or use TOPOLOGY=managed",
        )

    yield from _rights_elsewhere(context)


def _rights_elsewhere(context: PreflightContext) -> Iterator[Finding]:
    """Rights in the group of an existing model where that is another one: the app's role is assigned, or the key read, there."""
    plan, user = context.plan, context.account["user"]["name"]
    name, group = plan.parameter("existingResourceName"), plan.parameter("existingResourceGroup")
    if plan.parameter("backend") != "existingAzureOpenAI" or not name or group.lower() == plan.group.lower():
        return
    scope = f"/subscriptions/{context.account['id']}/resourceGroups/{group}"
    try:
        here = _permissions(context, f"{scope}/providers/Microsoft.CognitiveServices/accounts/{name}")
        around = _permissions(context, scope)
    except AzureError as error:
        if error.code in ("ResourceNotFound", "ResourceGroupNotFound"):  # another check reports it
            return
        if error.code != "AuthorizationFailed":
            raise
        here = around = []
    if plan.parameter("topology") == "managed":
        if not _may(here, "Microsoft.CognitiveServices/accounts/listKeys/action"):
            yield Finding(
                f"{user} may not read the key of {name} in the group {group}, which the topology managed needs",
                "ask for the role Cognitive Services Contributor there, or use TOPOLOGY=linked",
            )
        return
    if not _may(around, "Microsoft.Resources/deployments/write"):
        yield Finding(
            f"{user} may not deploy to the group {group}, where the app gets its role for {name}",
            "ask for the role Cognitive Services Contributor there",
        )
    if not _may(here, f"{_ASSIGNMENTS}/write"):
        yield Finding(
            f"{user} may not assign roles in the group {group}, where the app gets its role for {name}",
            "ask for Role Based Access Control Administrator there, or use TOPOLOGY=managed",
        )


def _permissions(context: PreflightContext, scope: str) -> list[Mapping[str, Any]]:
    """The permissions of whoever is signed in, at a scope and above it."""
    url = f"{scope}/providers/Microsoft.Authorization/permissions?api-version=2022-04-01"
    permissions: list[Mapping[str, Any]] = context.azure.json("rest", "--method", "get", "--url", url)["value"]
    return permissions


def _may(permissions: Iterable[Mapping[str, Any]], action: str) -> bool:
    """Whether a permission grants an action: one of its `actions` matches, where `*` is a wildcard, and no `notActions` does."""

    def matches(patterns: Iterable[str]) -> bool:
        return any(fnmatch.fnmatch(action.lower(), pattern.lower()) for pattern in patterns)

    return any(
        matches(permission.get("actions", ())) and not matches(permission.get("notActions", ()))
        for permission in permissions
    )
