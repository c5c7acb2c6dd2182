"""Checks everything that could make a deployment fail, all at once and before anything is changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator

from infra.azure import Azure, AzureError
from infra.deploy import UNREADABLE
from infra.findings import Finding, PreflightContext, PreflightReport
from infra.model_checks import existing_choice, existing_model, model_in_region, quota, retirement
from infra.plan import DeploymentPlan
from infra.ranges import MAX_RANGES
from infra.rights import rights

_ACCOUNT, _VAULT = "Microsoft.CognitiveServices/accounts", "Microsoft.KeyVault/vaults"
_STORAGE, _APP = "Microsoft.Storage/storageAccounts", "Microsoft.Web/sites"
_SITE, _LINK = "Microsoft.Web/staticSites", "Microsoft.Web/staticSites/linkedBackends"
#: Regions whose apps could not be linked to a site. Source: Azure/static-web-apps#913, open since 2022.
_NOT_LINKED = ("southcentralus",)


def preflight(azure: Azure, plan: DeploymentPlan) -> PreflightReport:
    """The result of all checks: a failed one does not stop the others; those that need a login are skipped without one."""
    findings = [*_tools(), *_choices(plan)]
    try:
        account = azure.json("account", "show")
        existing = _resources(azure, plan.group)
    except AzureError as error:
        if error.code == "NotLoggedIn":
            findings.append(Finding(f"az is not signed in ({error.message[:120]})", "az login"))
        elif error.code == "AuthorizationFailed":
            create = f"az group create --name {plan.group} --location {plan.parameter('location')}"
            fix = f"ask for the role Contributor on it, once somebody with rights on the subscription has created it: {create}"
            findings.append(Finding(UNREADABLE.format(plan.group), fix))
        elif error.code != "NoAzureCli":  # _tools reports it
            findings.append(Finding(f"Azure refuses to be read: {error}", f"az resource list -g {plan.group} --debug"))
        findings += retirement(plan)
        return PreflightReport(tuple(findings), 3, tuple(f"{_title(check)}: needs az" for check in CHECKS))
    context = PreflightContext(azure, plan, account, existing or frozenset(), existing is not None)
    skipped = []
    for check in CHECKS:
        try:
            findings += check(context)
        except AzureError as error:
            skipped.append(f"{_title(check)}: {error}")
            findings += retirement(plan) if check is model_in_region else ()
    done = 3 + len(CHECKS) - len(skipped)
    return PreflightReport(tuple(findings), done, tuple(skipped), account.get("name", ""))


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


def _choices(plan: DeploymentPlan) -> Iterator[Finding]:
    """The parameters."""
    backend, topology = plan.parameter("backend"), plan.parameter("topology")
    deployed_topology = plan.last_parameters.get("topology", topology)
    if backend == "openAI" and not plan.parameter("openAIKey") and "openAIKey" not in plan.kept:
        yield Finding("OpenAI's key is missing", "set it as OPENAI_API_KEY")
    if plan.parameter("signInClientId") and not plan.parameter("signInClientSecret"):
        yield Finding("the secret of your own sign-in registration is missing", "set it as SIGN_IN_CLIENT_SECRET")
    if backend == "existingAzureOpenAI":
        yield from existing_choice(plan)
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
    if sites and sites[0].body["sku"]["name"] == "Free" and plan.parameter("signInClientId"):
        yield Finding("your own sign-in registration needs the Standard plan", "--set siteSku=Standard")
    if topology == "managed" and backend == "newAzureOpenAI" and plan.parameter("modelIpRanges"):
        words = "managed functions have no addresses of their own: modelIpRanges would lock them out of the model"
        yield Finding(words, "--set modelIpRanges=, or use TOPOLOGY=linked or direct")
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
    url = f"/subscriptions/{context.account['id']}/resourceGroups/{context.plan.group}/providers/{_SITE}/{site}/linkedBackends"
    linked = context.azure.json("rest", "--method", "get", "--url", f"{url}?api-version=2024-11-01")["value"]
    for backend in linked:
        name, app = backend["name"], backend["properties"]["backendResourceId"].rpartition("/")[2]
        if (name, app.lower()) != (links[0].name.rpartition("/")[2], (context.plan.name_of(_APP) or "").lower()):
            yield Finding(
                f"{site} is linked to {app} already, as {name}; a site has one link",
                f"az staticwebapp backends unlink --name {site} --resource-group {context.plan.group}",
            )


def _left(context: PreflightContext) -> Iterator[Finding]:
    """What an earlier deployment stored and this one does not use."""
    plan = context.plan
    name, vault = plan.parameter("name"), f"kv-{plan.parameter('name')}"[:24]
    if not plan.name_of(_VAULT) and vault in context.existing:
        yield Finding(
            f"the Key Vault {vault} stays in {plan.group}, with the key of the model before",
            f"az keyvault delete --name {vault} && az keyvault purge --name {vault}; revoke the key where it was made",
            warning=True,
        )
    given_up = plan.last_parameters.get("signInClientId") and not plan.parameter("signInClientId")
    if given_up and plan.parameter("topology") == "linked":  # the settings of other sites are written as a whole
        delete = f"az staticwebapp appsettings delete --name {name} --resource-group {plan.group}"
        yield Finding(
            f"the secret of your own sign-in stays a setting of {name}",
            f"{delete} --setting-names AZURE_CLIENT_ID AZURE_CLIENT_SECRET",
            warning=True,
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
                properties, fix = vault.get("properties") or {}, f"az keyvault purge --name {name}"
                if properties.get("purgeProtectionEnabled"):
                    day = str(properties.get("scheduledPurgeDate"))[:10]
                    fix = f"it may not be purged before {day}: choose another NAME=…, or az keyvault recover --name {name}"
                yield Finding(f"a deleted Key Vault still holds the name {name}", fix)


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


CHECKS: tuple[Callable[[PreflightContext], Iterator[Finding]], ...] = (
    _subscription,
    rights,
    _providers,
    _locations,
    _link,
    _left,
    model_in_region,
    quota,
    _deleted,
    _names,
    existing_model,
)


def _region(name: str) -> str:
    return name.lower().replace(" ", "")


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
