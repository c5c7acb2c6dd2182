"""Everything that would keep a deployment from working, looked for before anything is changed, and all of it at once."""

from __future__ import annotations

import fnmatch
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from infra.azure import Azure, AzureError
from infra.retirement import WARNED_DAYS, find_model
from infra.template import Deployment

_DEPLOYMENT = "Microsoft.CognitiveServices/accounts/deployments"
_ACCOUNT, _VAULT = "Microsoft.CognitiveServices/accounts", "Microsoft.KeyVault/vaults"
_STORAGE, _APP = "Microsoft.Storage/storageAccounts", "Microsoft.Web/sites"
_SITE = "Microsoft.Web/staticSites"
_GUIDE = "docs/model-change.md"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that will not work, or, where only `to_know`, that somebody should know: what, and what to do about it."""

    what: str
    fix: str
    to_know: bool = False


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found, and how many things were looked at; `unseen` are those that could not be, with the reason."""

    findings: tuple[Finding, ...]
    looked_at: int
    unseen: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether nothing stands in the way, as far as could be seen."""
        return all(each.to_know for each in self.findings)


@dataclass(frozen=True, slots=True)
class Requirements:
    """What shall be deployed: the template worked out, the resource group, the day it is, and the last deployment's parameters."""

    made: Deployment
    group: str
    today: date
    before: Mapping[str, Any]

    def parameter(self, name: str) -> Any:
        """A parameter's value."""
        return self.made.parameters[name]

    def name_of(self, kind: str) -> str | None:
        """The name of the one resource of a type; None where there is none."""
        found = self.made.of(kind)
        return found[0].name if found else None


@dataclass(frozen=True, slots=True)
class Sight:
    """What the checks look at: Azure, what shall be deployed, who is signed in, and what the group has already."""

    azure: Azure
    wanted: Requirements
    account: Mapping[str, Any]
    there: frozenset[str]
    group_exists: bool


def preflight(azure: Azure, wanted: Requirements) -> Looked:
    """What stands in the way. Each thing is looked at even where another has failed already; what needs a login waits for one."""
    findings = [*_tools(), *_retirement(wanted), *_choices(wanted)]
    try:
        account = azure.json("account", "show")
        there = _resources(azure, wanted.group)
        sight = Sight(azure, wanted, account, there or frozenset(), there is not None)
    except AzureError as error:
        if error.code != "NoAzureCli":  # which is told already
            findings.append(Finding(f"az is not signed in ({error.message[:120]})", "az login"))
        return Looked(tuple(findings), 3, tuple(f"{_said(check)}: needs az" for check in CHECKS))
    unseen = []
    for check in CHECKS:
        try:
            findings += check(sight)
        except AzureError as error:
            unseen.append(f"{_said(check)}: {error}")
    return Looked(tuple(findings), 4 + len(CHECKS) - len(unseen), tuple(unseen))


def _resources(azure: Azure, group: str) -> frozenset[str] | None:
    """The names of what a group has; None where there is no such group."""
    try:
        return frozenset(each["name"].lower() for each in azure.json("resource", "list", "--resource-group", group))
    except AzureError as error:
        if error.code != "ResourceGroupNotFound":
            raise
        return None


def _said(check: Callable[..., object]) -> str:
    return (check.__doc__ or "").partition(".")[0]


# --- on this machine -------------------------------------------------------------------------------------------------


def _tools() -> Iterator[Finding]:
    """The tools."""
    for name, fix in (
        ("az", "install it: https://learn.microsoft.com/cli/azure/install-azure-cli"),
        ("npm", "install Node 20 or newer: https://nodejs.org"),
    ):
        if shutil.which(name) is None:
            yield Finding(f"there is no {name} on PATH", fix)


def _retirement(wanted: Requirements) -> Iterator[Finding]:
    """When the model retires."""
    if wanted.name_of(_DEPLOYMENT) is None:
        return
    name, version = wanted.parameter("modelName"), wanted.parameter("modelVersion")
    model = find_model(name, version)
    if model is None:
        yield Finding(
            f"infra/models.json has no {name} {version}", f"add it with its retirement date: {_GUIDE}", to_know=True
        )
    elif model.days_left(wanted.today) <= 0:
        yield Finding(f"{name} {version} has retired on {model.retires}", f"choose another: {_GUIDE}")
    elif model.days_left(wanted.today) <= WARNED_DAYS:
        days = model.days_left(wanted.today)
        yield Finding(
            f"{name} {version} retires on {model.retires}, in {days} days", f"plan the change: {_GUIDE}", to_know=True
        )


def _choices(wanted: Requirements) -> Iterator[Finding]:
    """What was chosen."""
    backend, topology, before = wanted.parameter("backend"), wanted.parameter("topology"), wanted.before.get("topology")
    if backend == "openAI" and not wanted.parameter("openAIKey"):
        yield Finding("there is no key of OpenAI", "put it into OPENAI_API_KEY")
    if wanted.parameter("signInClientId") and not wanted.parameter("signInClientSecret"):
        yield Finding("there is no secret of your own sign-in", "put it into SIGN_IN_CLIENT_SECRET")
    if backend == "existingAzureOpenAI" and not wanted.parameter("existingResourceName"):
        yield Finding(
            "it is not said which Azure OpenAI resource to use",
            "--set existingResourceName=… and existingResourceGroup=…",
        )
    if backend == "newAzureOpenAI" and "," in wanted.parameter("deploymentName"):
        yield Finding("a new resource gets one deployment", "give deploymentName one name")
    if before not in (None, topology):
        yield Finding(
            f"{wanted.group} is {before}, and a site does not change into {topology} in its place",
            "take another ENV, verify it, then make destroy this one",
        )
    if wanted.name_of(_SITE) and wanted.made.of(_SITE)[0].body["sku"]["name"] == "Free" and wanted.parameter("invited"):
        yield Finding("roles by a function need the Standard plan", "--set siteSku=Standard")


# --- in Azure --------------------------------------------------------------------------------------------------------


def _subscription(sight: Sight) -> Iterator[Finding]:
    """The subscription."""
    if sight.account.get("state", "Enabled") != "Enabled":
        name, state = sight.account.get("name"), sight.account["state"]
        yield Finding(f"the subscription {name} is {state}", "az account set --subscription ANOTHER")


def _rights(sight: Sight) -> Iterator[Finding]:
    """The right to create resources and to assign roles."""
    scope = f"/subscriptions/{sight.account['id']}"
    if sight.group_exists:
        scope += f"/resourceGroups/{sight.wanted.group}"
    url = f"{scope}/providers/Microsoft.Authorization/permissions?api-version=2022-04-01"
    held = sight.azure.json("rest", "--method", "get", "--url", url)["value"]
    user = sight.account["user"]["name"]
    if not _may(held, "Microsoft.Web/staticSites/write"):
        yield Finding(
            f"{user} may not create resources in {scope.rpartition('/')[2]}", "ask for the role Contributor there"
        )
    if sight.wanted.made.of("Microsoft.Authorization/roleAssignments") and not _may(
        held, "Microsoft.Authorization/roleAssignments/write"
    ):
        yield Finding(
            f"{user} may not assign roles, which {sight.wanted.parameter('topology')} needs for the app's identity",
            f"ask for Role Based Access Control Administrator on the group {sight.wanted.group}, or take TOPOLOGY=managed",
        )


def _may(held: Iterable[Mapping[str, Any]], action: str) -> bool:
    """Whether one of these permissions grants an action: among its `actions`, as `*` means it, and not among its `notActions`."""

    def has(patterns: Iterable[str]) -> bool:
        return any(fnmatch.fnmatch(action.lower(), each.lower()) for each in patterns)

    return any(has(each.get("actions", ())) and not has(each.get("notActions", ())) for each in held)


def _providers(sight: Sight) -> Iterator[Finding]:
    """The providers that the subscription has registered."""
    listed = sight.azure.json("provider", "list", "--query", "[].{name:namespace, state:registrationState}")
    state = {each["name"].lower(): each["state"] for each in listed}
    needed = {each.type.partition("/")[0] for each in sight.wanted.made.resources} - {"Microsoft.Authorization"}
    for name in sorted(needed):
        if state.get(name.lower()) not in ("Registered", "Registering"):
            yield Finding(f"the subscription has not registered {name}", f"az provider register --namespace {name}")


def _locations(sight: Sight) -> Iterator[Finding]:
    """The regions."""
    if sight.wanted.name_of(_APP):
        listed = sight.azure.json("functionapp", "list-flexconsumption-locations")
        regions = [_region(each["name"]) for each in listed]
        if _region(sight.wanted.parameter("location")) not in regions:
            yield Finding(
                f"Flex Consumption is not in {sight.wanted.parameter('location')}",
                f"choose another location, such as {', '.join(sorted(regions)[:6])}",
            )


def _model(sight: Sight) -> Iterator[Finding]:
    """The model in its region."""
    if sight.wanted.name_of(_DEPLOYMENT) is None:
        return
    name, version, sku = (sight.wanted.parameter(each) for each in ("modelName", "modelVersion", "modelSku"))
    location = sight.wanted.parameter("modelLocation")
    listed = _models(sight)
    same = [each for each in listed if each["name"] == name]
    if not same:
        others = sorted({each["name"] for each in listed if each["name"].startswith("gpt")})
        yield Finding(f"there is no {name} in {location}", f"take another modelLocation, or one of {_list(others)}")
        return
    exact = [each for each in same if each["version"] == version]
    if not exact:
        versions = sorted({each["version"] for each in same})
        yield Finding(f"{location} has no {name} {version}", f"take modelVersion {_list(versions)}")
        return
    skus = {each["name"] for model in exact for each in model.get("skus") or ()}
    if sku not in skus:
        yield Finding(f"{name} {version} is not offered as {sku} in {location}", f"take modelSku {_list(skus)}")
    if exact[0].get("lifecycleStatus") in ("Deprecated", "Deprecating"):
        yield Finding(
            f"{name} {version} is deprecated: a subscription new to it may not deploy it",
            f"choose another: {_GUIDE}",
            to_know=True,
        )


def _models(sight: Sight) -> list[dict[str, Any]]:
    location = sight.wanted.parameter("modelLocation")
    listed = sight.azure.json("cognitiveservices", "model", "list", "--location", location)
    return [each["model"] for each in listed if each.get("kind", "OpenAI") == "OpenAI"]


def _quota(sight: Sight) -> Iterator[Finding]:
    """The quota for the model."""
    if sight.wanted.name_of(_DEPLOYMENT) is None or (sight.wanted.name_of(_ACCOUNT) or "").lower() in sight.there:
        return
    location, capacity = sight.wanted.parameter("modelLocation"), sight.wanted.parameter("modelCapacity")
    name, sku = sight.wanted.parameter("modelName"), sight.wanted.parameter("modelSku")
    offered = [
        each
        for model in _models(sight)
        if model["name"] == name
        for each in model.get("skus") or ()
        if each["name"] == sku
    ]
    key = next((each["usageName"] for each in offered if each.get("usageName")), f"OpenAI.{sku}.{name}")
    usage = sight.azure.json("cognitiveservices", "usage", "list", "--location", location)
    found = next((each for each in usage if each["name"]["value"].lower() == key.lower()), None)
    if found is None:
        yield Finding(
            f"{location} says nothing of a quota {key}",
            "look in the portal under Quotas whether there is any",
            to_know=True,
        )
        return
    left = int(found["limit"] - found["currentValue"])
    if capacity > left:
        fix = f"take modelCapacity {left}, another modelLocation, or ask for more: https://aka.ms/oai/stuquotarequest"
        yield Finding(
            f"{name} wants {capacity} thousand tokens a minute and {location} has {left} left",
            fix if left > 0 else fix.partition(", ")[2],
        )


def _deleted(sight: Sight) -> Iterator[Finding]:
    """Namesakes that were deleted and not purged."""
    if name := sight.wanted.name_of(_ACCOUNT):
        for each in sight.azure.json("cognitiveservices", "account", "list-deleted"):
            if each["name"].lower() == name.lower():
                group = each["id"].partition("/resourceGroups/")[2].partition("/")[0]
                yield Finding(
                    f"an Azure OpenAI resource {name} was deleted and still holds its name",
                    f"az cognitiveservices account purge --name {name} --resource-group {group} --location {each['location']}",
                )
    if name := sight.wanted.name_of(_VAULT):
        for each in sight.azure.json("keyvault", "list-deleted", "--resource-type", "vault"):
            if each["name"].lower() == name.lower():
                yield Finding(
                    f"a Key Vault {name} was deleted and still holds its name", f"az keyvault purge --name {name}"
                )


def _names(sight: Sight) -> Iterator[Finding]:
    """The names that nobody else in Azure may have."""
    asked = [
        (_STORAGE, "Microsoft.Storage/checkNameAvailability?api-version=2025-06-01", _STORAGE),
        (_VAULT, "Microsoft.KeyVault/checkNameAvailability?api-version=2024-11-01", _VAULT),
        (_APP, "Microsoft.Web/checknameavailability?api-version=2024-11-01", "Site"),
        (_ACCOUNT, "Microsoft.CognitiveServices/checkDomainAvailability?api-version=2025-06-01", _ACCOUNT),
    ]
    for kind, operation, what in asked:
        name = sight.wanted.name_of(kind)
        if name is None or name.lower() in sight.there:
            continue
        key = "subdomainName" if kind == _ACCOUNT else "name"
        url = f"/subscriptions/{sight.account['id']}/providers/{operation}"
        answer = sight.azure.json(
            "rest", "--method", "post", "--url", url, "--body", json.dumps({key: name, "type": what})
        )
        if not answer.get("nameAvailable", answer.get("isSubdomainAvailable", True)):
            yield Finding(f"the name {name} is taken ({answer.get('reason', kind)})", "choose another: NAME=…")


def _existing_model(sight: Sight) -> Iterator[Finding]:
    """The Azure OpenAI resource that is there already."""
    if sight.wanted.parameter("backend") != "existingAzureOpenAI":
        return
    name, group = sight.wanted.parameter("existingResourceName"), sight.wanted.parameter("existingResourceGroup")
    if not name:
        return
    where = ("--name", name, "--resource-group", group)
    try:
        properties = sight.azure.json("cognitiveservices", "account", "show", *where)["properties"]
    except AzureError as error:
        if error.code not in ("ResourceNotFound", "ResourceGroupNotFound"):
            raise
        yield Finding(
            f"there is no Azure OpenAI resource {name} in the group {group}",
            "look: az cognitiveservices account list --output table",
        )
        return
    if properties.get("publicNetworkAccess") == "Disabled":
        yield Finding(f"{name} is closed to the network", "open it to the app's addresses: docs/access.md")
    by_identity = sight.wanted.parameter("topology") != "managed"
    if by_identity and not properties.get("customSubDomainName"):
        yield Finding(
            f"{name} has no subdomain of its own, so that no identity can ask it",
            f"az cognitiveservices account update {' '.join(where)} --custom-domain {name}",
        )
    if not by_identity and properties.get("disableLocalAuth"):
        yield Finding(f"{name} takes no key, and managed functions have no identity", "take TOPOLOGY=linked or direct")
    listed = sight.azure.json("cognitiveservices", "account", "deployment", "list", *where)
    there = {each["name"] for each in listed}
    for each in sight.wanted.parameter("deploymentName").split(","):
        if each.strip() not in there:
            yield Finding(f"{name} has no deployment {each.strip()}", f"take deploymentName {_list(there)}")


CHECKS: tuple[Callable[[Sight], Iterator[Finding]], ...] = (
    _subscription,
    _rights,
    _providers,
    _locations,
    _model,
    _quota,
    _deleted,
    _names,
    _existing_model,
)


def _region(name: str) -> str:
    return name.lower().replace(" ", "")


def _list(names: Any) -> str:
    return ", ".join(sorted(names)) or "none"
