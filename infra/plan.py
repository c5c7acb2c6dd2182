"""What to deploy: the parameters of an environment, the resources they give, in words, and what those cost."""

from __future__ import annotations

import hashlib
import ipaddress
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from infra.expressions import TemplateError
from infra.template import BACKENDS, TOPOLOGIES, Deployment, Resource, expand, read

ROOT = Path(__file__).resolve().parent.parent
#: The resources by name, and what each costs: list prices in US dollars, expected, not queried;
#: https://azure.microsoft.com/pricing/calculator has those of a region and a day.
_KINDS = {
    "Microsoft.CognitiveServices/accounts": ("Azure OpenAI", "nothing by itself"),
    "Microsoft.CognitiveServices/accounts/deployments": ("model deployment", "by tokens"),
    "Microsoft.Insights/components": ("Application Insights", "with its workspace"),
    "Microsoft.KeyVault/vaults": ("Key Vault", "cents"),
    "Microsoft.OperationalInsights/workspaces": ("log workspace", "5 GB a month free, then about $2.30 a GB"),
    "Microsoft.Storage/storageAccounts": ("storage account", "cents"),
    "Microsoft.Web/sites": ("function app, Flex Consumption, Python 3.13", "250,000 calls a month free, then by use"),
}
_SITE_PRICES = {"Free": "nothing", "Standard": "about $9 a month"}
#: Every resource accepts such a name with its suffix: a vault has 24 characters, and no hyphen beside another.
_NAME = re.compile(r"(?=.{3,21}$)[a-z](?:-?[a-z0-9])+")
#: Secret parameters, each with the environment variable it comes from: never from a command line or a file.
SECRETS = {
    "openAIKey": "OPENAI_API_KEY",
    "existingKey": "AZURE_OPENAI_API_KEY",
    "signInClientSecret": "SIGN_IN_CLIENT_SECRET",
}
_LOCATION = "westeurope"


@dataclass(frozen=True, slots=True)
class Choice:
    """What the user chose. None keeps what is deployed, or else the template's default; `parameters` are further ones."""

    environment: str
    topology: str | None = None
    backend: str | None = None
    name: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """The environment's resource group."""
        return group_of(self.environment)


def group_of(environment: str) -> str:
    """The resource group of an environment."""
    return f"chat-{environment}"


@dataclass(frozen=True, slots=True)
class ExistingDeployment:
    """What is in Azure already: the subscription, the group's location, and the last deployment's parameters; `unread` is why
    they are not known. It is `settled` where no later deployment failed, which may have changed some of it."""

    subscription: str = ""
    location: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    unread: str = ""
    settled: bool = True


@dataclass(frozen=True, slots=True)
class DeploymentPlan:
    """What is to be deployed: the template with its parameters, the resource group, today's date, the last parameters, and the
    secret parameters that are `kept` as they are deployed."""

    deployment: Deployment
    group: str
    today: date
    last_parameters: Mapping[str, Any]
    kept: frozenset[str] = frozenset()

    def parameter(self, name: str) -> Any:
        """A parameter's value."""
        return self.deployment.parameters[name]

    def name_of(self, resource_type: str) -> str | None:
        """The name of the one resource of a type; None if the deployment has none."""
        resources = self.deployment.of(resource_type)
        return resources[0].name if resources else None


def make_plan(
    parameters: Mapping[str, Any],
    group: str,
    today: date,
    last_parameters: Mapping[str, Any] | None = None,
    kept: Mapping[str, str] | None = None,
) -> DeploymentPlan:
    """The plan for these parameters; `kept` are secrets that stay, which are among them where they have a value.

    Raises:
        TemplateError: Azure would refuse it.
    """
    return DeploymentPlan(expand(read(), parameters), group, today, last_parameters or {}, frozenset(kept or ()))


def resolve_parameters(choice: Choice, existing: ExistingDeployment, environment: Mapping[str, str]) -> dict[str, Any]:
    """The template's parameters: the user's choice first, then `infra/ENV.parameters.json`, then the last deployment.

    Raises:
        TemplateError: the file is not a valid parameters file, or has a secret; or the name or a range is not valid.
    """
    declared = read()["parameters"]
    chosen = {"topology": choice.topology, "backend": choice.backend, "name": choice.name, **choice.parameters}
    parameters = {
        name: value for name, value in existing.parameters.items() if name in declared and name not in SECRETS
    }
    parameters |= _read_parameters(ROOT / "infra" / f"{choice.environment}.parameters.json")
    if ranges := _secret(environment, "SITE_IP_RANGES"):
        parameters["siteIpRanges"] = [each.strip() for each in ranges.split(",") if each.strip()]
    parameters |= {name: value for name, value in chosen.items() if value is not None}
    _check_ranges(parameters.get("siteIpRanges", []))
    for name in ("topology", "backend"):
        parameters.setdefault(name, declared[name]["defaultValue"])
    parameters.setdefault("location", existing.location or _LOCATION)
    parameters["existingResourceGroup"] = parameters.get("existingResourceGroup") or choice.group
    digest = hashlib.sha256((existing.subscription + choice.group).encode()).hexdigest()
    parameters.setdefault("name", f"{choice.group}-{digest[:4]}")
    if not _NAME.fullmatch(parameters["name"]):
        raise TemplateError(
            "the name must have 3 to 21 lower-case letters, digits and single hyphens and begin with a letter, "
            f"got {parameters['name']!r}: choose one with NAME=…"
        )
    secrets = {name: _secret(environment, SECRETS[name]) for name in needed_secrets(parameters)}
    return parameters | {name: value for name, value in secrets.items() if value}


def needed_secrets(parameters: Mapping[str, Any]) -> list[str]:
    """The secret parameters that a deployment with these others needs."""
    backend = parameters["backend"]
    needed = {
        "openAIKey": backend == "openAI",
        "existingKey": backend == "existingAzureOpenAI" and bool(parameters.get("existingEndpoint")),
        "signInClientSecret": bool(parameters.get("signInClientId")),
    }
    return [name for name in SECRETS if needed[name]]


def names_of(parameters: Mapping[str, Any]) -> frozenset[str]:
    """The names, in lower case, of what a deployment with these parameters has, in every topology; none without a name."""
    if "name" not in parameters:
        return frozenset()
    choices = itertools.product(TOPOLOGIES, BACKENDS)
    deployments = [
        expand(read(), {"name": parameters["name"], "topology": topology, "backend": backend, "openAIKey": "x"})
        for topology, backend in choices
    ]
    names = {resource.name.lower() for each in deployments for resource in each.resources}
    # Azure adds these to Application Insights by itself.
    return frozenset(
        {*names, *(f"failure anomalies - {name}" for name in names), "application insights smart detection"}
    )


def _check_ranges(ranges: object) -> None:
    """Raises:
    TemplateError: no list of IPv4 ranges. The page's build would refuse it, but after the resources are deployed.
    """
    for each in ranges if isinstance(ranges, list) else [ranges]:
        try:
            network = ipaddress.IPv4Network(each, strict=False)
        except ValueError as error:
            raise TemplateError(
                f"siteIpRanges (SITE_IP_RANGES) must be IPv4 ranges such as 203.0.113.0/24, got {each!r}"
            ) from error
        if "/" not in str(each):
            raise TemplateError(f"siteIpRanges (SITE_IP_RANGES): {each} needs its length: {network}")


def _secret(environment: Mapping[str, str], variable: str) -> str:
    value = environment.get(variable, "")
    # Azure Pipelines leaves `$(NAME)` in place of a variable without a value.
    return "" if value.startswith("$(") else value


def _read_parameters(path: Path) -> dict[str, Any]:
    entries = read(path).get("parameters") if path.exists() else {}
    if not isinstance(entries, dict) or not all(
        isinstance(entry, dict) and "value" in entry for entry in entries.values()
    ):
        raise TemplateError(f'{path} must have the form {{"parameters": {{"NAME": {{"value": …}}}}}}')
    for name in entries:
        _refuse_secret(name)
    return {name: entry["value"] for name, entry in entries.items()}


def _refuse_secret(name: str) -> None:
    if name in SECRETS:
        raise TemplateError(
            f"{name} is a secret and must not be in a file or on a command line: set it as {SECRETS[name]}"
        )


def parse_parameter(text: str) -> tuple[str, Any]:
    """The name and the value in `NAME=VALUE`. A list may be written with commas; other values except strings are JSON.

    Raises:
        TemplateError: the parameter is unknown or a secret, or the value has the wrong type.
    """
    name, equals, value = text.partition("=")
    declared = read()["parameters"]
    if not equals:
        raise TemplateError(f"a parameter must be written NAME=VALUE, got {text!r}")
    if name not in declared:
        raise TemplateError(f"unknown parameter {name!r}; known parameters: {', '.join(declared)}")
    _refuse_secret(name)
    kind = declared[name]["type"]
    if kind in ("string", "securestring"):
        return name, value
    if kind == "array" and not value.startswith("["):
        return name, [item.strip() for item in value.split(",") if item.strip()]
    try:
        return name, json.loads(value)
    except ValueError as error:
        raise TemplateError(f"{name} must be JSON of the type {kind}, got {value!r}") from error


def resource_rows(deployment: Deployment) -> Iterator[tuple[str, str, str]]:
    """The resources that a user knows: name, description, cost."""
    for resource in deployment.resources:
        if resource.type.endswith("/staticSites"):
            plan = resource.body["sku"]["name"]
            yield resource.name, f"Static Web App, {plan}, {resource.body['location']}", _SITE_PRICES[plan]
        elif resource.type in _KINDS:
            kind, cost = _KINDS[resource.type]
            yield resource.name, _description(resource, kind), cost


def _description(resource: Resource, kind: str) -> str:
    if not resource.type.endswith("/deployments"):
        return f"{kind}, {resource.body['location']}" if "location" in resource.body else kind
    model, sku = resource.properties["model"], resource.body["sku"]
    return f"{model['name']} {model['version']}, {sku['name']}, {sku['capacity']} thousand tokens a minute"
