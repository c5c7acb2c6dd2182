"""What preflight checks of the model: its dates, its region, its quota, and a model that exists already."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from infra.azure import AzureError
from infra.findings import Finding, PreflightContext
from infra.plan import DeploymentPlan
from infra.retirement import FRESH_DAYS, WARNING_DAYS, ModelRetirement, find_model, read_on

_DEPLOYMENT = "Microsoft.CognitiveServices/accounts/deployments"
_ACCOUNT = "Microsoft.CognitiveServices/accounts"
#: The app adds /openai/v1 itself.
_ENDPOINT = re.compile(r"https://[a-z0-9.-]+(?!.*/openai)(?:/[\w.-]+)*/?", re.IGNORECASE)
_GUIDE = "docs/model-change.md"


def retirement(plan: DeploymentPlan) -> Iterator[Finding]:
    """The model's retirement date, as the file of models has it: where Azure cannot be asked."""
    if plan.name_of(_DEPLOYMENT) is None:
        return
    name, version = plan.parameter("modelName"), plan.parameter("modelVersion")
    if (age := (plan.today - read_on()).days) > FRESH_DAYS:
        what = f"the dates in infra/models.json were read {age} days ago"
        yield Finding(what, "sign in, so that Azure is asked for them, or read them again", warning=True)
    model = find_model(name, version)
    if model is None:
        yield Finding(
            f"infra/models.json does not list {name} {version}",
            f"add it with its retirement date: {_GUIDE}",
            warning=True,
        )
        return
    yield from _retires(model, plan.today)


def _retires(model: ModelRetirement, today: date) -> Iterator[Finding]:
    days = model.days_left(today)
    if days <= 0:
        yield Finding(f"{model.name} {model.version} retired on {model.retires}", f"choose another model: {_GUIDE}")
    elif days <= WARNING_DAYS:
        what = f"{model.name} {model.version} retires on {model.retires}, in {days} days"
        yield Finding(what, f"plan the change: {_GUIDE}", warning=True)


def existing_choice(plan: DeploymentPlan) -> Iterator[Finding]:
    """The parameters of an existing model."""
    endpoint, name = plan.parameter("existingEndpoint"), plan.parameter("existingResourceName")
    if not endpoint and not name:
        fix = "--set existingResourceName=… and existingResourceGroup=…; for a resource of another subscription: --set existingEndpoint=https://…"
        yield Finding("the name of the existing Azure OpenAI resource is missing", fix)
    if endpoint and name:
        yield Finding(
            "the existing model has both a name and an endpoint",
            "keep one: --set existingEndpoint= for the resource, or --set existingResourceName= for the endpoint",
        )
    if endpoint and not plan.parameter("existingKey") and "existingKey" not in plan.kept:
        yield Finding(f"the key of {endpoint} is missing", "set it as AZURE_OPENAI_API_KEY")
    if endpoint and not _ENDPOINT.fullmatch(endpoint):
        fix = "without /openai and what follows: --set existingEndpoint=https://NAME.openai.azure.com/"
        yield Finding(f"{endpoint} is not the endpoint of an Azure OpenAI resource", fix)


def model_in_region(context: PreflightContext) -> Iterator[Finding]:
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
    live = _live(exact[0], sku_name)
    yield from _retires(live, context.plan.today) if live else retirement(context.plan)
    is_ours = (context.plan.name_of(_ACCOUNT) or "").lower() in context.existing
    if exact[0].get("lifecycleStatus") in ("Deprecated", "Deprecating"):
        yield Finding(
            f"{name} {version} is deprecated: a subscription that never used it may not deploy it",
            f"choose another model: {_GUIDE}",
            warning=is_ours,
        )


def _live(model: Mapping[str, Any], sku_name: str) -> ModelRetirement | None:
    """When a model retires, as Azure lists it; None where it does not say.

    Source: the list of a region's models in Microsoft.CognitiveServices: `deprecation.inference`, and `deprecationDate` of a SKU.
    """
    dates = [sku.get("deprecationDate") for sku in model.get("skus") or () if sku["name"] == sku_name]
    text = next(filter(None, (*dates, (model.get("deprecation") or {}).get("inference"))), None)
    return ModelRetirement(model["name"], model["version"], date.fromisoformat(text[:10])) if text else None


def _models(context: PreflightContext) -> list[dict[str, Any]]:
    location = context.plan.parameter("modelLocation")
    offers = context.azure.json("cognitiveservices", "model", "list", "--location", location)
    return [offer["model"] for offer in offers if offer.get("kind", "OpenAI") == "OpenAI"]


def quota(context: PreflightContext) -> Iterator[Finding]:
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


def existing_model(context: PreflightContext) -> Iterator[Finding]:
    """The existing Azure OpenAI resource."""
    if context.plan.parameter("backend") != "existingAzureOpenAI" or context.plan.parameter("existingEndpoint"):
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


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
