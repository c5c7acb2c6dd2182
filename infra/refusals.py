"""What Azure refused, in words: each resource with its reason, and how to fix it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from infra.azure import OUTER, Azure, AzureError

#: How to fix what Azure refuses, by its code.
FIXES = {
    "AuthorizationFailed": "ask for the roles that make preflight lists",
    "CustomDomainInUse": "choose another NAME; this one is already in use",
    "DeploymentActive": "an earlier run is still deploying, also where it was interrupted here: try again when Azure is done, or stop it: az deployment group cancel --resource-group {group} --name chat",
    "FlagMustBeSetForRestore": "a deleted resource still holds the name: purge it, make preflight prints the command",
    "InsufficientQuota": "use a smaller modelCapacity, another modelLocation, or ask for more quota",
    "InternalServerError": "an error inside Azure: try again in a few minutes",
    "LocationNotAvailableForResourceType": "choose one of the regions that Azure lists above",
    "MissingSubscriptionRegistration": "az provider register --namespace THE_ONE_ABOVE, then try again in a few minutes",
    # Source: Azure/static-web-apps#1743, microsoft/vscode-apimanagement#464: subscriptions of students and trials.
    "RequestDisallowedByAzure": "Azure allows this subscription some regions only: set location, siteLocation and modelLocation to those, or ask its support",
    "RequestDisallowedByPolicy": "a policy of your organisation forbids it: ask the administrator of the policy named above",
    "ResourceGroupBeingDeleted": "the group is still being deleted: try again when it is gone",
    "RoleAssignmentUpdateNotPermitted": "the app was deleted and created again: delete its old role assignments, whose principal no longer exists",
    "ScopeLocked": "a lock protects it, and an Owner of it removes that: az lock list --resource-group {group}; az lock delete --ids ID",
    "ServiceModelDeprecated": "choose another model: docs/model-change.md",
    # Source: Azure-Samples/azure-search-openai-demo#53 and #1084.
    "SpecialFeatureOrQuotaIdRequired": "this kind of subscription may not create Azure OpenAI resources (free and student ones, some of partners): use another one, or BACKEND=openAI",
    "StorageAccountAlreadyTaken": "choose another NAME; this one is already in use",
    "VaultAlreadyExists": "choose another NAME; this one is already in use, or was deleted but not purged",
}
#: The same for refusals whose code says nothing, by words in them; the first that fits.
FIXES_BY_WORDS = {
    # Source: Azure/static-web-apps#576 and #1049.
    "more than one linked backend": "the site has a link already, by hand or from before: az staticwebapp backends unlink --name SITE --resource-group {group}, then try again in a few minutes",
    # Source: Azure/static-web-apps#913.
    "RegionalGeomaster": "Static Web Apps does not know the region of the app: deploy to another ENV with --set location=ANOTHER, or use TOPOLOGY=direct, which is not linked",
    # Source: Azure/azure-cli#30860: a site on a new part of the service, since May 2026. It has no other words.
    "An error has occurred.": "Azure could not link the app to the site, as others report of new sites: try again later, or deploy to another ENV with another siteLocation or with TOPOLOGY=direct, which is not linked",
}


@dataclass(frozen=True, slots=True)
class RefusedResource:
    """Why Azure refused a resource. `name` has its type; it is empty where Azure names none."""

    code: str
    message: str
    name: str = ""

    def __str__(self) -> str:
        return f"{f'{self.name}: ' if self.name else ''}{self.message}{f' ({self.code})' if self.code else ''}"


def refusal(azure: Azure, error: AzureError, group: str) -> str:
    """What Azure refused in a group's deployment, one line for each resource, and the fix."""
    refused = refused_resources(error.message)
    if error.code in OUTER and all(each.code in ("", *OUTER[:4]) for each in refused):
        refused = list(_failed_operations(azure, group)) or refused
    text = "\n".join(f"  {each}" for each in refused) or f"  {error}"
    by_words = [fix for words, fix in FIXES_BY_WORDS.items() if words in f"{error.message}\n{text}"]
    by_code = [FIXES[code] for code in (*(each.code for each in refused), error.code) if code in FIXES]
    look = f"look at the deployment chat in the portal, or: az deployment operation group list --resource-group {group} --name chat"
    return "\n".join((text, *(dict.fromkeys(each.format(group=group) for each in (*by_words, *by_code)) or [look])))


def refused_resources(text: str) -> list[RefusedResource]:
    """The innermost errors in the JSON of an error, each once; none if it has no JSON.

    Source: azure-cli 2.91: of a template that is not valid it writes the outer error, then each inner one by itself.
    """
    found = [each for error in _objects(text) for each in _innermost(error)]
    inner = [each for each in found if each.code not in OUTER]
    return list(dict.fromkeys(inner or found))


def _objects(text: str) -> Iterator[dict[str, Any]]:
    at = text.find("{")
    while at >= 0:
        try:
            error, end = json.JSONDecoder().raw_decode(text, at)
        except ValueError:
            return
        yield error
        at = text.find("{", end)


def _innermost(error: dict[str, Any], name: str = "", code: str = "") -> Iterator[RefusedResource]:
    """The innermost errors of one, whose message may be JSON again; each has the nearest name and code around it."""
    error = error["error"] if isinstance(error.get("error"), dict) else error
    name = str(error.get("target") or "").partition("/providers/")[2] or name
    code = str(error.get("code") or error.get("Code") or code)
    details = error.get("details")
    if inner := [each for each in details if isinstance(each, dict)] if isinstance(details, list) else []:
        for each in inner:
            yield from _innermost(each, name, code)
        return
    message = str(error.get("message") or error.get("Message") or "no reason given")
    try:
        nested = json.loads(message)
    except ValueError:
        nested = None
    if isinstance(nested, dict):
        yield from _innermost(nested, name, code)
    else:
        yield RefusedResource(code, message, name)


def _failed_operations(azure: Azure, group: str) -> Iterator[RefusedResource]:
    """What the deployment's own operations say, for an error that says only that one of them failed."""
    try:
        operations = azure.json("deployment", "operation", "group", "list", "--resource-group", group, "--name", "chat")
    except AzureError:
        return
    for operation in operations or ():
        properties = operation["properties"]
        status = properties.get("statusMessage")
        if properties.get("provisioningState") == "Failed" and isinstance(status, dict):
            target = (properties.get("targetResource") or {}).get("id") or ""
            yield from _innermost(status, target.partition("/providers/")[2])
