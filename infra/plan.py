"""What shall stand in Azure: the template with an environment's parameters, its resources in words, and what they cost."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from infra.expressions import TemplateError
from infra.preflight import Requirements
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


#: Names that every resource takes once its suffix is added: a vault has 24 characters, and no hyphen beside another.
_NAME = re.compile(r"(?=.{3,21}$)[a-z](?:-?[a-z0-9])+")
#: Secrets, and the variables that they come from: never a command line, never a file.
SECRETS = {"openAIKey": "OPENAI_API_KEY", "signInClientSecret": "SIGN_IN_CLIENT_SECRET"}
_LOCATION = "westeurope"


@dataclass(frozen=True, slots=True)
class Choice:
    """What somebody asked for; None is what there is already, or the template's default. `given` are further parameters."""

    environment: str
    topology: str | None = None
    backend: str | None = None
    name: str | None = None
    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """The resource group, an environment's own."""
        return group_of(self.environment)


def group_of(environment: str) -> str:
    """The resource group of an environment."""
    return f"chat-{environment}"


@dataclass(frozen=True, slots=True)
class There:
    """What is in Azure already: the subscription, where the group is, and the parameters of the last deployment to it."""

    subscription: str = ""
    location: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


def parameters_of(choice: Choice, there: There, environment: Mapping[str, str]) -> dict[str, Any]:
    """The template's parameters: those of the last deployment, over them those of `infra/ENV.parameters.json` where there is
    one, over them what was asked for.

    Raises:
        TemplateError: the file is none of parameters, or there is a secret in it; a name that some resource will not take.
    """
    declared = read()["parameters"]
    asked = {"topology": choice.topology, "backend": choice.backend, "name": choice.name, **choice.given}
    found = {name: value for name, value in there.parameters.items() if name in declared and name not in SECRETS}
    found |= _listed(ROOT / "infra" / f"{choice.environment}.parameters.json")
    found |= {name: value for name, value in asked.items() if value is not None}
    for name in ("topology", "backend"):
        found.setdefault(name, declared[name]["defaultValue"])
    found.setdefault("location", there.location or _LOCATION)
    found.setdefault("existingResourceGroup", choice.group)
    found.setdefault(
        "name", f"{choice.group}-{hashlib.sha256((there.subscription + choice.group).encode()).hexdigest()[:4]}"
    )
    if not _NAME.fullmatch(found["name"]):
        raise TemplateError(
            f"the name {found['name']!r}: 3 to 21 lower-case letters, digits and single hyphens, a letter first"
        )
    secrets = {name: _secret(environment, variable) for name, variable in SECRETS.items()}
    needed = {"openAIKey": found["backend"] == "openAI", "signInClientSecret": bool(found.get("signInClientId"))}
    return found | {name: value for name, value in secrets.items() if value and needed[name]}


def _secret(environment: Mapping[str, str], variable: str) -> str:
    value = environment.get(variable, "")
    return "" if value.startswith("$(") else value  # Azure Pipelines leaves a variable that is not set as it is written


def _listed(path: Path) -> dict[str, Any]:
    listed = read(path).get("parameters") if path.exists() else {}
    if not isinstance(listed, dict) or not all(isinstance(each, dict) and "value" in each for each in listed.values()):
        raise TemplateError(f'{path}: wants {{"parameters": {{"NAME": {{"value": …}}}}}}')
    for name in listed:
        _refuse_secret(name)
    return {name: each["value"] for name, each in listed.items()}


def _refuse_secret(name: str) -> None:
    if name in SECRETS:
        raise TemplateError(
            f"{name} is a secret, which no file and no command line may have: put it into {SECRETS[name]}"
        )


def parsed(text: str) -> tuple[str, Any]:
    """`NAME=VALUE` as a parameter of the template. A list may be written with commas; what else is no text is JSON.

    Raises:
        TemplateError: there is no such parameter, it is of another type, or a secret.
    """
    name, equals, value = text.partition("=")
    declared = read()["parameters"]
    if not equals or name not in declared:
        raise TemplateError(f"{text}: there is no parameter {name!r}; there are {', '.join(declared)}")
    _refuse_secret(name)
    kind = declared[name]["type"]
    if kind in ("string", "securestring"):
        return name, value
    if kind == "array" and not value.startswith("["):
        return name, [each.strip() for each in value.split(",") if each.strip()]
    try:
        return name, json.loads(value)
    except ValueError as error:
        raise TemplateError(f"{name} wants JSON of the type {kind}, not {value!r}") from error


def wanted(
    parameters: Mapping[str, Any], group: str, today: date, before: Mapping[str, Any] | None = None
) -> Requirements:
    """What the template makes of the parameters; `before` are those of the last deployment.

    Raises:
        TemplateError: Azure would refuse it.
    """
    return Requirements(deployment(read(), parameters), group, today, before or {})


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
