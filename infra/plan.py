"""What shall stand in Azure: the template with an environment's parameters, its resources in words, and what they cost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from infra.expressions import TemplateError
from infra.preflight import Wanted
from infra.template import Deployment, Resource, deployment, read

ROOT = Path(__file__).resolve().parent.parent
#: What the resources are, and what each costs: list prices in US dollars, expected and not asked for;
#: https://azure.microsoft.com/pricing/calculator has those of a region and a day.
_KINDS = {
    "Microsoft.CognitiveServices/accounts": ("Azure OpenAI", "nothing by itself"),
    "Microsoft.CognitiveServices/accounts/deployments": ("model deployment", "by tokens"),
    "Microsoft.Insights/components": ("Application Insights", "with its workspace"),
    "Microsoft.KeyVault/vaults": ("Key Vault", "cents"),
    "Microsoft.OperationalInsights/workspaces": ("log workspace", "5 GB a month free, then about $2.30 a GB"),
    "Microsoft.Storage/storageAccounts": ("storage account", "cents"),
    "Microsoft.Web/sites": ("function app, Flex Consumption, Python 3.13", "250,000 calls a month free, then by use"),
    "Microsoft.Web/staticSites": ("Static Web App", ""),
}
_SITE_PRICES = {"Free": "nothing", "Standard": "about $9 a month"}


@dataclass(frozen=True, slots=True)
class Choice:
    """What somebody asked for. `name` empty is one made of the group's and the subscription's; `given` are further parameters."""

    environment: str
    topology: str
    backend: str
    name: str = ""
    given: Mapping[str, Any] | None = None

    @property
    def group(self) -> str:
        """The resource group, an environment's own."""
        return group_of(self.environment)


def group_of(environment: str) -> str:
    """The resource group of an environment."""
    return f"chat-{environment}"


def parameters_of(choice: Choice, subscription: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """The template's parameters: those of `infra/ENV.parameters.json` where there is one, and what was asked for over them.

    Raises:
        TemplateError: the file is none of parameters.
    """
    path = ROOT / "infra" / f"{choice.environment}.parameters.json"
    listed = read(path).get("parameters") if path.exists() else {}
    if not isinstance(listed, dict) or not all(isinstance(each, dict) and "value" in each for each in listed.values()):
        raise TemplateError(f'{path}: wants {{"parameters": {{"NAME": {{"value": …}}}}}}')
    found = {name: each["value"] for name, each in listed.items()}
    found |= {"topology": choice.topology, "backend": choice.backend, **(choice.given or {})}
    if key := environment.get("OPENAI_API_KEY") if choice.backend == "openAI" else None:
        found["openAIKey"] = key
    if choice.name:
        found["name"] = choice.name
    found.setdefault("name", f"{choice.group}-{hashlib.sha256((subscription + choice.group).encode()).hexdigest()[:4]}")
    return found


def parsed(text: str) -> tuple[str, Any]:
    """`NAME=VALUE` as a parameter of the template; a value that is not to be a text is JSON.

    Raises:
        TemplateError: there is no such parameter, or it is of another type.
    """
    name, equals, value = text.partition("=")
    declared = read()["parameters"]
    if not equals or name not in declared:
        raise TemplateError(f"{text}: there is no parameter {name!r}; there are {', '.join(declared)}")
    if declared[name]["type"] in ("string", "securestring"):
        return name, value
    try:
        return name, json.loads(value)
    except ValueError as error:
        raise TemplateError(f"{name} wants JSON of the type {declared[name]['type']}, not {value!r}") from error


def wanted(parameters: Mapping[str, Any], group: str, today: date) -> Wanted:
    """What the template makes of the parameters; where the group will be counts as where it is asked for.

    Raises:
        TemplateError: Azure would refuse it.
    """
    return Wanted(deployment(read(), {"location": "westeurope", **parameters}), group, today)


def described(made: Deployment) -> Iterator[tuple[str, str, str]]:
    """Each resource that somebody would name: its name, what it is, what it costs."""
    for each in made.resources:
        if each.type in _KINDS:
            what, cost = _KINDS[each.type]
            yield each.name, *(_of_site(each) if each.type.endswith("/staticSites") else (_of_model(each, what), cost))


def _of_site(site: Resource) -> tuple[str, str]:
    plan = site.body["sku"]["name"]
    return f"Static Web App, {plan}, {site.body['location']}", _SITE_PRICES[plan]


def _of_model(resource: Resource, what: str) -> str:
    if not resource.type.endswith("/deployments"):
        return f"{what}, {resource.body['location']}" if "location" in resource.body else what
    model, sku = resource.properties["model"], resource.body["sku"]
    return f"{model['name']} {model['version']}, {sku['name']}, {sku['capacity']} thousand tokens a minute"
