"""What the providers of a fake Azure say of names, regions, models, roles, and of what was deleted."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from flask import Response, request

from tests.azure.asking import listed, principal
from tests.azure.cloud import PROVIDERS, SUBSCRIPTION, Cloud, RefusalError
from tests.azure.roles import ROLES, role_of

SUBSCRIPTION_PATH = f"/subscriptions/{SUBSCRIPTION}"
GROUP = rf"{SUBSCRIPTION_PATH}/resourcegroups/(?P<group>[^/]+)"
_REGIONS = ("West Europe", "Sweden Central", "North Europe", "East US 2")

Route = Callable[..., Any]


def provider_routes(cloud: Cloud) -> list[tuple[str, str, Route]]:
    """Method, path and answer of Resource Manager."""

    def providers() -> Any:
        names = [f"Microsoft.{name}" for name in PROVIDERS]
        states = {name: "NotRegistered" if name.lower() in cloud.unregistered else "Registered" for name in names}
        sites = [{"resourceType": "staticSites", "locations": list(_REGIONS)}]
        kinds = {"Microsoft.Web": sites}
        return listed(
            {"namespace": name, "registrationState": state, "resourceTypes": kinds.get(name, [])}
            for name, state in states.items()
        )

    def permissions(**_: str) -> Any:
        scope = request.path.rpartition("/providers/")[0]
        return listed(role.permissions for role in cloud.roles(principal(), scope))

    def role_definitions(**_: str) -> Any:
        found = re.search(r"roleName eq '([^']+)'", request.args.get("$filter", ""))
        return listed(_definition(role.id) for role in ROLES if found is None or found[1] == role.name)

    def available(kind: str) -> Any:
        given = request.get_json()
        name = given.get("name") or given.get("subdomainName")
        free = cloud.is_free(name)
        answer = {"nameAvailable": free, **({} if free else {"reason": "AlreadyExists", "message": f"{name} is taken"})}
        return answer if kind.lower() == "checknameavailability" else {**answer, "isSubdomainAvailable": free}

    def role_assignments(scope: str) -> Any:
        found = re.search(r"(?:principalId|assignedTo)[( ]+(?:eq )?'([^']+)'", request.args.get("$filter", ""))
        assigned = cloud.assigned(found[1]) if found else ()
        return listed(each for each in assigned if each["id"].lower().startswith(f"{scope}/".lower()))

    def regions() -> Any:
        names = [{"name": name, "properties": {"name": name, "displayName": name}} for name in _REGIONS]
        return listed(names)

    def locations() -> Any:
        return listed({"name": name.lower().replace(" ", ""), "displayName": name} for name in _REGIONS)

    def stacks(location: str) -> Any:
        """The versions of Python that Flex Consumption runs. Source: `az` reads this shape before it publishes."""
        del location
        versions = [_stack(version) for version in ("3.10", "3.11", "3.12", "3.13")]
        return listed([{"name": "python", "properties": {"majorVersions": [{"minorVersions": versions}]}}])

    def models(location: str) -> Any:
        del location
        offers = []
        for name, (version, retires) in _MODELS.items():
            sku = {"name": "GlobalStandard", "usageName": f"OpenAI.GlobalStandard.{name}"}
            model: dict[str, Any] = {"name": name, "version": version, "format": "OpenAI", "skus": [sku]}
            model["deprecation"] = {"inference": f"{retires}T00:00:00Z"}
            offers.append({"kind": "OpenAI", "skuName": "S0", "model": {**model, "lifecycleStatus": cloud.lifecycle}})
        return listed(offers)

    def usages(location: str) -> Any:
        del location
        return listed(
            {"name": {"value": f"OpenAI.GlobalStandard.{name}"}, "currentValue": 0, "limit": left, "unit": "Count"}
            for name, left in cloud.quota.items()
        )

    def deleted_accounts() -> Any:
        accounts = cloud.deleted_of("microsoft.cognitiveservices/accounts")
        return listed({**each, "id": _deleted_id(each["id"], each["location"])} for each in accounts)

    def deleted_vaults(name: str = "") -> Any:
        deleted = [
            {
                "name": each["name"],
                "properties": {
                    "vaultId": each["id"],
                    "location": each["location"],
                    "deletionDate": "2026-11-30T12:00:00Z",
                    "scheduledPurgeDate": "2026-12-07T12:00:00Z",
                    **({"purgeProtectionEnabled": True} if each["properties"].get("enablePurgeProtection") else {}),
                },
            }
            for each in cloud.deleted_of("microsoft.keyvault/vaults")
            if name.lower() in ("", each["name"].lower())
        ]
        if name and not deleted:
            raise RefusalError(404, "DeletedVaultNotFound", f"The deleted vault '{name}' could not be found.")
        return deleted[0] if name else listed(deleted)

    def purge_account(name: str, **_: str) -> Any:
        cloud.purge("microsoft.cognitiveservices/accounts", name)
        return Response(status=200)

    def purge_vault(name: str, **_: str) -> Any:
        cloud.purge("microsoft.keyvault/vaults", name)
        return Response(status=200)

    models_of = rf"{SUBSCRIPTION_PATH}/providers/Microsoft\.CognitiveServices/locations/(?P<location>[^/]+)"
    vaults = rf"{SUBSCRIPTION_PATH}/providers/Microsoft\.KeyVault"
    check = r"(?P<kind>check(?:Name|Domain)Availability)"
    authorization = r"/providers/Microsoft\.Authorization"
    return [
        ("GET", rf"{SUBSCRIPTION_PATH}/providers", providers),
        ("GET", rf"{SUBSCRIPTION_PATH}{authorization}/permissions", permissions),
        ("GET", rf"{GROUP}(?:/providers/.+)?{authorization}/permissions", permissions),
        ("GET", rf"/subscriptions/.+{authorization}/roleDefinitions", role_definitions),
        ("GET", rf"(?P<scope>/subscriptions/.+?){authorization}/roleAssignments", role_assignments),
        ("POST", rf"{SUBSCRIPTION_PATH}/providers/[^/]+/{check}", available),
        ("GET", rf"{SUBSCRIPTION_PATH}/providers/Microsoft\.Web/geoRegions", regions),
        ("GET", r"/providers/Microsoft\.Web/locations/(?P<location>[^/]+)/functionAppStacks", stacks),
        ("GET", rf"{SUBSCRIPTION_PATH}/locations", locations),
        ("GET", rf"{models_of}/models", models),
        ("GET", rf"{models_of}/usages", usages),
        ("GET", rf"{SUBSCRIPTION_PATH}/providers/Microsoft\.CognitiveServices/deletedAccounts", deleted_accounts),
        ("DELETE", rf"{models_of}/resourceGroups/[^/]+/deletedAccounts/(?P<name>[^/]+)", purge_account),
        ("GET", rf"{vaults}/deletedVaults", deleted_vaults),
        ("GET", rf"{vaults}/locations/[^/]+/deletedVaults/(?P<name>[^/]+)", deleted_vaults),
        ("POST", rf"{vaults}/locations/[^/]+/deletedVaults/(?P<name>[^/]+)/purge", purge_vault),
    ]


def _definition(id_: str) -> dict[str, Any]:
    """A role as Resource Manager lists it."""
    role, kind = role_of(id_), "Microsoft.Authorization/roleDefinitions"
    properties = {
        "roleName": role.name,
        "type": "BuiltInRole",
        "permissions": [role.permissions],
        "assignableScopes": ["/"],
    }
    return {"id": f"{SUBSCRIPTION_PATH}/providers/{kind}/{id_}", "name": id_, "type": kind, "properties": properties}


def _stack(version: str) -> dict[str, Any]:
    settings: dict[str, Any] = {"appSettingsDictionary": {"FUNCTIONS_WORKER_RUNTIME": "python"}}
    sku = {"skuCode": "FC1", "functionAppConfigProperties": {"runtime": {"name": "python", "version": version}}}
    settings |= {
        "Sku": [sku],
        "gitHubActionSettings": {"isSupported": True},
        "appInsightsSettings": {"isSupported": True},
    }
    return {"value": version, "stackSettings": {"linuxRuntimeSettings": settings}}


def _deleted_id(id_: str, location: str) -> str:
    group, name = id_.split("/")[4], id_.rpartition("/")[2]
    place = f"{SUBSCRIPTION_PATH}/providers/Microsoft.CognitiveServices/locations/{location}"
    return f"{place}/resourceGroups/{group}/deletedAccounts/{name}"


#: With the day on which each retires.
_MODELS = {"gpt-5.6-terra": ("2026-07-09", "2028-01-11"), "gpt-5.1": ("2025-11-13", "2027-05-15")}
