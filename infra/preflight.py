"""Checks everything that could make a deployment fail, all at once and before anything is changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from infra.azure import Azure, AzureError
from infra.findings import Finding, PreflightContext, PreflightReport
from infra.plan import DeploymentPlan
from infra.ranges import MAX_RANGES
from infra.retirement import WARNING_DAYS, find_model
from infra.rights import rights

_DEPLOYMENT = "Microsoft.CognitiveServices/accounts/deployments"
_ACCOUNT, _VAULT = "Microsoft.CognitiveServices/accounts", "Microsoft.KeyVault/vaults"
_STORAGE, _APP = "Microsoft.Storage/storageAccounts", "Microsoft.Web/sites"
_SITE, _LINK = "Microsoft.Web/staticSites", "Microsoft.Web/staticSites/linkedBackends"
#: Regions whose apps could not be linked to a site. Source: Azure/static-web-apps#913, open since 2022.
_NOT_LINKED = ("southcentralus",)
_GUIDE = "docs/model-change.md"


def preflight(azure: Azure, plan: DeploymentPlan) -> PreflightReport:
    """The result of all checks: a failed one does not stop the others; those that need a login are skipped without one."""
    findings = [*_tools(), *_retirement(plan), *_choices(plan)]
    try:
        account = azure.json("account", "show")
        existing = _resources(azure, plan.group)
    except AzureError as error:
        if error.code != "NoAzureCli":  # _tools reports it
            findings.append(Finding(f"az is not signed in ({error.message[:120]})", "az login"))
        return PreflightReport(tuple(findings), 3, tuple(f"{_title(check)}: needs az" for check in CHECKS))
    context = PreflightContext(azure, plan, account, existing or frozenset(), existing is not None)
    skipped = []
    for check in CHECKS:
        try:
            findings += check(context)
        except AzureError as error:
            skipped.append(f"{_title(check)}: {error}")
    return PreflightReport(tuple(findings), 4 + len(CHECKS) - len(skipped), tuple(skipped))


def _resources(azure: Azure, group: str) -> frozenset[str] | None:
    """The names of a group's resources; None if the group does not exist."""
    try:
        resources = azure.json("resource", "list", "--resource-group", group)
    except AzureError as error:
        if error.code != "ResourceGroupNotFound":
            raise
        return None
    return frozenset(resource["name"].lower() for resource in resources)


def _title(check: Callable[..., object]) -> str:
    return (check.__doc__ or "").partition(".")[0]


# --- on this machine -------------------------------------------------------------------------------------------------


def _tools() -> Iterator[Finding]:
    """The tools."""
    for name, fix in (
        ("az", "install it: https://learn.microsoft.com/cli/azure/install-azure-cli"),
        ("npm", "install Node 20 or newer: https://nodejs.org"),
    ):
        if shutil.which(name) is None:
            yield Finding(f"{name} is not on PATH", fix)


def _retirement(plan: DeploymentPlan) -> Iterator[Finding]:
    """The model's retirement date."""
    if plan.name_of(_DEPLOYMENT) is None:
        return
    name, version = plan.parameter("modelName"), plan.parameter("modelVersion")
    model = find_model(name, version)
    if model is None:
        yield Finding(
            f"infra/models.json does not list {name} {version}",
            f"add it with its retirement date: {_GUIDE}",
            warning=True,
        )
        return
    days = model.days_left(plan.today)
    if days <= 0:
        yield Finding(f"{name} {version} retired on {model.retires}", f"choose another model: {_GUIDE}")
    elif days <= WARNING_DAYS:
        yield Finding(
            f"{name} {version} retires on {model.retires}, in {days} days", f"plan the change: {_GUIDE}", warning=True
        )


def _choices(plan: DeploymentPlan) -> Iterator[Finding]:
    """The parameters."""
    backend, topology = plan.parameter("backend"), plan.parameter("topology")
    deployed_topology = plan.last_parameters.get("topology", topology)
    if backend == "openAI" and not plan.parameter("openAIKey"):
        yield Finding("OpenAI's key is missing", "set it as OPENAI_API_KEY")
    if plan.parameter("signInClientId") and not plan.parameter("signInClientSecret"):
        yield Finding("the secret of your own sign-in registration is missing", "set it as SIGN_IN_CLIENT_SECRET")
    if backend == "existingAzureOpenAI" and not plan.parameter("existingResourceName"):
        yield Finding(
            "the name of the existing Azure OpenAI resource is missing",
            "--set existingResourceName=… and existingResourceGroup=…",
        )
    if backend == "newAzureOpenAI" and "," in plan.parameter("deploymentName"):
        yield Finding("a new resource has only one deployment", "set deploymentName to one name")
    if deployed_topology != topology:
        yield Finding(
            f"{plan.group} is deployed as {deployed_topology}; a site cannot change its topology to {topology}",
            "deploy to another ENV, verify it, then make destroy this one",
        )
    sites = plan.deployment.of(_SITE)
    if sites and sites[0].body["sku"]["name"] == "Free" and plan.parameter("invited"):
        yield Finding("roles from a function need the Standard plan", "--set siteSku=Standard")
    if sites and sites[0].body["sku"]["name"] == "Free" and plan.parameter("siteIpRanges"):
        yield Finding("ranges of addresses for the site need the Standard plan", "--set siteSku=Standard")
    if (count := len(plan.parameter("modelIpRanges"))) > MAX_RANGES:
        yield Finding(
            f"modelIpRanges has {count} ranges; Azure OpenAI allows {MAX_RANGES}", "leave some out: docs/access.md"
        )
    lost = [each for each in plan.last_parameters.get("siteIpRanges", []) if each not in plan.parameter("siteIpRanges")]
    if lost and not plan.parameter("siteIpRanges"):
        words = f"the site, which only {', '.join(lost)} may open, will be open to every address"
        yield Finding(words, "leave out siteIpRanges to keep them", warning=True)


# --- in Azure --------------------------------------------------------------------------------------------------------


def _subscription(context: PreflightContext) -> Iterator[Finding]:
    """The subscription."""
    if context.account.get("state", "Enabled") != "Enabled":
        name, state = context.account.get("name"), context.account["state"]
        yield Finding(f"the subscription {name} has the state {state}", "az account set --subscription ANOTHER")


def _providers(context: PreflightContext) -> Iterator[Finding]:
    """The providers that the subscription has registered."""
    providers = context.azure.json("provider", "list", "--query", "[].{name:namespace, state:registrationState}")
    state = {provider["name"].lower(): provider["state"] for provider in providers}
    types = {resource.type for resource in context.plan.deployment.resources}
    needed = {resource_type.partition("/")[0] for resource_type in types} - {"Microsoft.Authorization"}
    for name in sorted(needed):
        if state.get(name.lower()) not in ("Registered", "Registering"):
            yield Finding(f"the subscription has not registered {name}", f"az provider register --namespace {name}")


def _locations(context: PreflightContext) -> Iterator[Finding]:
    """The regions."""
    if context.plan.name_of(_APP):
        location = context.plan.parameter("location")
        regions = [
            _region(region["name"]) for region in context.azure.json("functionapp", "list-flexconsumption-locations")
        ]
        if _region(location) not in regions:
            yield Finding(
                f"Flex Consumption is not available in {location}",
                f"choose another location, such as {', '.join(sorted(regions)[:6])}",
            )

    site_location = context.plan.parameter("siteLocation")
    query = "[?namespace=='Microsoft.Web'].resourceTypes[] | [?resourceType=='staticSites'].locations[]"
    sites = [_region(name) for name in context.azure.json("provider", "list", "--query", query) or ()]
    if sites and _region(site_location) not in sites:
        yield Finding(
            f"Static Web Apps are not available in {site_location}",
            f"use siteLocation {_list(sites)}, as far as offered",
        )
    if context.plan.deployment.of(_LINK) and _region(context.plan.parameter("location")) in _NOT_LINKED:
        yield Finding(
            f"an app in {context.plan.parameter('location')} may not be linked: Static Web Apps did not know the region",
            "choose another location, or use TOPOLOGY=direct, which is not linked",
            warning=True,
        )


def _link(context: PreflightContext) -> Iterator[Finding]:
    """The link from the site to its app."""
    site, links = context.plan.name_of(_SITE) or "", context.plan.deployment.of(_LINK)
    if not links or site.lower() not in context.existing:
        return
    of_site = ("--name", site, "--resource-group", context.plan.group)
    for backend in context.azure.json("staticwebapp", "backends", "show", *of_site) or ():
        name, app = backend["name"].rpartition("/")[2], backend["backendResourceId"].rpartition("/")[2]
        if (name, app.lower()) != (links[0].name.rpartition("/")[2], (context.plan.name_of(_APP) or "").lower()):
            yield Finding(
                f"{site} is linked to {app} already, as {name}; a site has one link",
                f"az staticwebapp backends unlink {' '.join(of_site)}",
            )


def _model(context: PreflightContext) -> Iterator[Finding]:
    """The model in its region."""
    if context.plan.name_of(_DEPLOYMENT) is None:
        return
    name, version = context.plan.parameter("modelName"), context.plan.parameter("modelVersion")
    sku_name, location = context.plan.parameter("modelSku"), context.plan.parameter("modelLocation")
    models = _models(context)
    same_name = [model for model in models if model["name"] == name]
    if not same_name:
        others = {model["name"] for model in models if model["name"].startswith("gpt")}
        yield Finding(f"{name} is not available in {location}", f"use another modelLocation, or one of {_list(others)}")
        return
    exact = [model for model in same_name if model["version"] == version]
    if not exact:
        versions = {model["version"] for model in same_name}
        yield Finding(f"{name} {version} is not available in {location}", f"use modelVersion {_list(versions)}")
        return
    sku_names = {sku["name"] for model in exact for sku in model.get("skus") or ()}
    if sku_name not in sku_names:
        yield Finding(
            f"{name} {version} is not offered as {sku_name} in {location}", f"use modelSku {_list(sku_names)}"
        )
    if exact[0].get("lifecycleStatus") in ("Deprecated", "Deprecating"):
        yield Finding(
            f"{name} {version} is deprecated: a subscription that never used it may not deploy it",
            f"choose another model: {_GUIDE}",
            warning=True,
        )


def _models(context: PreflightContext) -> list[dict[str, Any]]:
    location = context.plan.parameter("modelLocation")
    offers = context.azure.json("cognitiveservices", "model", "list", "--location", location)
    return [offer["model"] for offer in offers if offer.get("kind", "OpenAI") == "OpenAI"]


def _quota(context: PreflightContext) -> Iterator[Finding]:
    """The quota for the model."""
    if context.plan.name_of(_DEPLOYMENT) is None or (context.plan.name_of(_ACCOUNT) or "").lower() in context.existing:
        return
    location, capacity = context.plan.parameter("modelLocation"), context.plan.parameter("modelCapacity")
    name, sku_name = context.plan.parameter("modelName"), context.plan.parameter("modelSku")
    usage_names = [
        sku["usageName"]
        for model in _models(context)
        if model["name"] == name
        for sku in model.get("skus") or ()
        if sku["name"] == sku_name and sku.get("usageName")
    ]
    usage_name = usage_names[0] if usage_names else f"OpenAI.{sku_name}.{name}"
    usages = context.azure.json("cognitiveservices", "usage", "list", "--location", location)
    usage = next((usage for usage in usages if usage["name"]["value"].lower() == usage_name.lower()), None)
    if usage is None:
        yield Finding(
            f"{location} lists no quota named {usage_name}",
            "check in the portal, under Quotas, whether there is one",
            warning=True,
        )
        return
    left = int(usage["limit"] - usage["currentValue"])
    if capacity > left:
        fix = f"use modelCapacity {left}, another modelLocation, or ask for more: https://aka.ms/oai/stuquotarequest"
        yield Finding(
            f"{name} needs {capacity} thousand tokens a minute, and {location} has {left} left",
            fix if left > 0 else fix.partition(", ")[2],
        )


def _deleted(context: PreflightContext) -> Iterator[Finding]:
    """Deleted resources that still hold a name."""
    if name := context.plan.name_of(_ACCOUNT):
        for account in context.azure.json("cognitiveservices", "account", "list-deleted"):
            if account["name"].lower() == name.lower():
                group = account["id"].partition("/resourceGroups/")[2].partition("/")[0]
                yield Finding(
                    f"a deleted Azure OpenAI resource still holds the name {name}",
                    f"az cognitiveservices account purge --name {name} --resource-group {group} --location {account['location']}",
                )
    if name := context.plan.name_of(_VAULT):
        for vault in context.azure.json("keyvault", "list-deleted", "--resource-type", "vault"):
            if vault["name"].lower() == name.lower():
                yield Finding(f"a deleted Key Vault still holds the name {name}", f"az keyvault purge --name {name}")


def _names(context: PreflightContext) -> Iterator[Finding]:
    """The names that must be unique in all of Azure."""
    operations = [
        (_STORAGE, "Microsoft.Storage/checkNameAvailability?api-version=2025-06-01", _STORAGE),
        (_VAULT, "Microsoft.KeyVault/checkNameAvailability?api-version=2024-11-01", _VAULT),
        (_APP, "Microsoft.Web/checknameavailability?api-version=2024-11-01", "Site"),
        (_ACCOUNT, "Microsoft.CognitiveServices/checkDomainAvailability?api-version=2025-06-01", _ACCOUNT),
    ]
    for resource_type, operation, type_name in operations:
        name = context.plan.name_of(resource_type)
        if name is None or name.lower() in context.existing:
            continue
        key = "subdomainName" if resource_type == _ACCOUNT else "name"
        url = f"/subscriptions/{context.account['id']}/providers/{operation}"
        body = json.dumps({key: name, "type": type_name})
        result = context.azure.json("rest", "--method", "post", "--url", url, "--body", body)
        if not result.get("nameAvailable", result.get("isSubdomainAvailable", True)):
            reason = result.get("reason", resource_type)
            yield Finding(f"the name {name} is already in use ({reason})", "choose another: NAME=…")


def _existing_model(context: PreflightContext) -> Iterator[Finding]:
    """The existing Azure OpenAI resource."""
    if context.plan.parameter("backend") != "existingAzureOpenAI":
        return
    name, group = context.plan.parameter("existingResourceName"), context.plan.parameter("existingResourceGroup")
    if not name:
        return
    location = ("--name", name, "--resource-group", group)
    try:
        properties = context.azure.json("cognitiveservices", "account", "show", *location)["properties"]
    except AzureError as error:
        if error.code not in ("ResourceNotFound", "ResourceGroupNotFound"):
            raise
        yield Finding(
            f"the group {group} has no Azure OpenAI resource {name}",
            "list them: az cognitiveservices account list --output table",
        )
        return
    if properties.get("publicNetworkAccess") == "Disabled":
        yield Finding(f"{name} does not allow network access", "allow the app's addresses: docs/access.md")
    by_identity = context.plan.parameter("topology") != "managed"
    if by_identity and not properties.get("customSubDomainName"):
        yield Finding(
            f"{name} has no custom subdomain, which access by identity needs",
            f"az cognitiveservices account update {' '.join(location)} --custom-domain {name}",
        )
    if not by_identity and properties.get("disableLocalAuth"):
        yield Finding(f"{name} accepts no key, and managed functions have no identity", "use TOPOLOGY=linked or direct")
    deployments = context.azure.json("cognitiveservices", "account", "deployment", "list", *location)
    existing = {deployment["name"] for deployment in deployments}
    for part in context.plan.parameter("deploymentName").split(","):
        deployment_name = part.strip()
        if deployment_name not in existing:
            yield Finding(f"{name} has no deployment {deployment_name}", f"use deploymentName {_list(existing)}")


CHECKS: tuple[Callable[[PreflightContext], Iterator[Finding]], ...] = (
    _subscription,
    rights,
    _providers,
    _locations,
    _link,
    _model,
    _quota,
    _deleted,
    _names,
    _existing_model,
)


def _region(name: str) -> str:
    return name.lower().replace(" ", "")


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
