"""What Azure would refuse in the template, or would take and we would regret: for every combination of topology and model."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs

from infra.expressions import AtDeployment, TemplateError
from infra.template import BACKENDS, TOPOLOGIES, Deployment, Resource, deployment, unended, used

SCHEMAS = Path(__file__).with_name("schemas.json")
#: What the combinations are worked out with, where a value matters.
GIVEN = {
    "name": "chat-test-1a2b",
    "existingResourceName": "their-openai",
    "existingResourceGroup": "theirs",
    "openAIKey": "<the key of OpenAI>",
    "ticketKey": "<the key of tickets, thirty-two characters or more>",
    "signInClientId": "11111111-2222-3333-4444-555555555555",
    "signInClientSecret": "<the secret of sign-in>",
    "modelIpRanges": ["203.0.113.0/24", "198.51.100.7/32"],
    "tags": {"for": "the check"},
    "invited": "@example.com",
    "systemPrompt": "Be brief.",
    "systemPromptRole": "admin",
    "suggestions": "What can you do?",
}
#: The versions of Azure's interfaces that the template is written for; another one is a decision. Source:
#: Azure/azure-resource-manager-schemas at 2026-08-16.
API_VERSIONS = {
    "Microsoft.Authorization/roleAssignments": "2022-04-01",
    "Microsoft.CognitiveServices/accounts": "2025-06-01",
    "Microsoft.CognitiveServices/accounts/deployments": "2025-06-01",
    "Microsoft.Insights/components": "2020-02-02",
    "Microsoft.KeyVault/vaults": "2024-11-01",
    "Microsoft.KeyVault/vaults/secrets": "2024-11-01",
    "Microsoft.OperationalInsights/workspaces": "2025-07-01",
    "Microsoft.Storage/storageAccounts": "2025-06-01",
    "Microsoft.Storage/storageAccounts/blobServices/containers": "2025-06-01",
    "Microsoft.Web/serverfarms": "2024-11-01",
    "Microsoft.Web/sites": "2024-11-01",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": "2024-11-01",
    "Microsoft.Web/sites/config": "2024-11-01",
    "Microsoft.Web/staticSites": "2024-11-01",
    "Microsoft.Web/staticSites/config": "2024-11-01",
    "Microsoft.Web/staticSites/linkedBackends": "2024-11-01",
}
#: The only roles anything is given, by the resource each is for. Source: Microsoft's built-in roles, 2026-11-24.
ROLES = {
    "5e0bd9bd-7b93-4f28-af87-36fc36ad61bd": "Microsoft.CognitiveServices/accounts",  # Cognitive Services OpenAI User
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Microsoft.Storage/storageAccounts",  # Storage Blob Data Owner
    "4633458b-17de-408a-874b-0445c86b69e6": "Microsoft.KeyVault/vaults",  # Key Vault Secrets User
}
_UNTAGGED = (  # Azure takes no tags for these
    "Microsoft.Authorization/roleAssignments",
    "Microsoft.Storage/storageAccounts/blobServices/containers",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies",
    "Microsoft.Web/sites/config",
    "Microsoft.Web/staticSites/config",
    "Microsoft.Web/staticSites/linkedBackends",
)
_SECRETS = (GIVEN["openAIKey"], GIVEN["ticketKey"], GIVEN["signInClientSecret"], "<keys of ")


def combinations(template: Mapping[str, Any]) -> Iterator[tuple[str, Deployment]]:
    """Each topology with each model's source, as `linked openAI`, and what the template makes of it.

    Raises:
        TemplateError: Azure would refuse it.
    """
    for topology, backend in itertools.product(TOPOLOGIES, BACKENDS):
        name = f"{topology} {backend}"
        try:
            yield name, deployment(template, {**GIVEN, "topology": topology, "backend": backend})
        except TemplateError as error:
            raise TemplateError(f"{name}: {error}") from error


def mistakes(template: Mapping[str, Any]) -> tuple[str, ...]:
    """What is wrong with the template; empty means fine."""
    found = list(_of_the_text(template))
    try:
        for name, made in combinations(template):
            found += (f"{name}: {each}" for rule in _RULES for each in rule(made))
    except TemplateError as error:
        found.append(str(error))
    return tuple(found)


def _of_the_text(template: Mapping[str, Any]) -> Iterator[str]:
    """Names that are used and not there, or there and not used or described."""
    for kind in ("parameters", "variables"):
        declared, named = set(template.get(kind, {})), used(template, kind)
        yield from (f"{kind}('{name}') is not declared" for name in sorted(named - declared))
        yield from (f"the {kind[:-1]} {name!r} is not used" for name in sorted(declared - named))
    for name, said in template.get("parameters", {}).items():
        if not said.get("metadata", {}).get("description"):
            yield f"the parameter {name!r} is not described"
    yield from (f"{text} begins as an expression and does not end as one" for text in unended(template))
    for each in template["resources"]:
        if each["type"] == "Microsoft.Resources/deployments":
            yield from (f"in {each['name']}: {found}" for found in _of_the_text(each["properties"]["template"]))


def _of_the_form(made: Deployment) -> Iterator[str]:
    """Properties that Azure does not know, or knows otherwise."""
    for each in made.resources:
        version = API_VERSIONS.get(each.type)
        if version is None:
            yield f"{each.type} is no type that the check knows"
            continue
        if each.body["apiVersion"] != version:
            yield f"{each.type} is written for {each.body['apiVersion']}, the check knows {version}"
        yield from (
            f"{each.type} {'/'.join(map(str, error.instance_path))}: {error.message}"
            for error in _schema(each.type).iter_errors(json.loads(json.dumps(dict(each.body))))
        )


@functools.cache
def _schema(kind: str) -> jsonschema_rs.Draft202012Validator:
    definitions = json.loads(SCHEMAS.read_text(encoding="utf-8"))["$defs"]
    return jsonschema_rs.Draft202012Validator({"$ref": f"#/$defs/{kind.replace('/', '~1')}", "$defs": definitions})


def _of_the_order(made: Deployment) -> Iterator[str]:
    """Two resources at one place, and what is asked for before it is there."""
    ids = [each.id for each in made.resources]
    yield from (f"{each} is there twice" for each in sorted({each for each in ids if ids.count(each) > 1}))
    behind: dict[str, frozenset[str]] = {}
    for each in made.resources:
        behind[each.id] = frozenset(each.after).union(*(behind.get(before, frozenset()) for before in each.after))
        needed = {*each.asked, *_parents(each), *([each.body["scope"]] if "scope" in each.body else [])}
        for which in sorted(needed & set(ids) - behind[each.id]):
            yield f"{each.type} {each.name} needs {which.rpartition('/providers/')[2]} and does not wait for it"


def _parents(resource: Resource) -> Iterator[str]:
    """The id of the resource that one is a part of."""
    types, names = resource.type.split("/"), resource.name.split("/")
    if len(names) > 1 and "scope" not in resource.body:
        path = "/".join(part for pair in zip(types[1:2], names[:1], strict=True) for part in pair)
        yield f"{resource.id.partition('/providers/')[0]}/providers/{types[0]}/{path}"


def _of_access(made: Deployment) -> Iterator[str]:
    """Who may do what, and from where, beyond what is needed."""
    on_flex = made.parameters["topology"] != "managed"
    for each in made.of("Microsoft.CognitiveServices/accounts"):
        if each.properties.get("disableLocalAuth") is not on_flex:
            yield f"{each.name} {'takes keys, and is asked by identity' if on_flex else 'takes no key, and managed functions have no identity'}"
        rules = [rule["value"] for rule in each.properties["networkAcls"]["ipRules"]]
        if each.properties["networkAcls"]["defaultAction"] != "Deny" or rules != ["203.0.113.0/24", "198.51.100.7"]:
            yield f"{each.name} does not keep to the IP ranges"
    for each in made.of("Microsoft.Authorization/roleAssignments"):
        role = each.properties["roleDefinitionId"].rpartition("/")[2]
        if ROLES.get(role) is None or f"/providers/{ROLES[role]}/" not in each.body.get("scope", ""):
            yield f"the role {role} is given at {each.body.get('scope', 'the whole group')}"
    if made.parameters["topology"] == "linked" and not made.of("Microsoft.Web/staticSites/linkedBackends"):
        yield "no back end is linked"


def _of_secrets(made: Deployment) -> Iterator[str]:
    """Secrets where there need be none, or where somebody reads them."""
    on_flex = made.parameters["topology"] != "managed"
    for where, settings in app_settings(made).items():
        for name, value in settings.items():
            if _is_secret(value) and not (
                name in ("TICKET_KEY", "AZURE_CLIENT_SECRET") or (not on_flex and name.endswith("_API_KEY"))
            ):
                yield f"{where} has a secret in {name}"
        if on_flex and not _asks_by_identity(made, where, settings):
            yield f"{where} does not ask the model by identity"
    yield from (f"the output {name!r} has a secret" for name, value in made.outputs.items() if _is_secret(value))


#: Where a property must have one value, whatever is deployed.
_REQUIRED: tuple[tuple[str, str, Any], ...] = (
    ("Microsoft.Web/sites", "httpsOnly", True),
    ("Microsoft.Web/sites", "siteConfig.minTlsVersion", "1.2"),
    ("Microsoft.Web/sites", "siteConfig.scmMinTlsVersion", "1.2"),
    ("Microsoft.Web/sites/basicPublishingCredentialsPolicies", "allow", False),
    ("Microsoft.Storage/storageAccounts", "supportsHttpsTrafficOnly", True),
    ("Microsoft.Storage/storageAccounts", "minimumTlsVersion", "TLS1_2"),
    ("Microsoft.Storage/storageAccounts", "allowBlobPublicAccess", False),
    ("Microsoft.Storage/storageAccounts", "allowSharedKeyAccess", False),
    ("Microsoft.Storage/storageAccounts/blobServices/containers", "publicAccess", "None"),
    ("Microsoft.KeyVault/vaults", "enableRbacAuthorization", True),
    ("Microsoft.Authorization/roleAssignments", "principalType", "ServicePrincipal"),
)


def _of_properties(made: Deployment) -> Iterator[str]:
    for each in made.resources:
        if each.type not in _UNTAGGED and each.body.get("tags") != made.parameters["tags"]:
            yield f"{each.type} {each.name} has not the tags"
    for kind, path, wanted in _REQUIRED:
        for each in made.of(kind):
            value: Any = each.properties
            for key in path.split("."):
                value = value.get(key) if isinstance(value, Mapping) else None
            if value != wanted:
                yield f"{each.name}: {path} is {value!r}, and must be {wanted!r}"


def app_settings(made: Deployment) -> dict[str, Mapping[str, str]]:
    """The settings that a deployment writes, by the type of what they are for."""
    kinds = ("Microsoft.Web/sites/config", "Microsoft.Web/staticSites/config")
    return {
        each.type: each.properties for kind in kinds for each in made.of(kind) if each.name.endswith("/appsettings")
    }


def _asks_by_identity(made: Deployment, where: str, settings: Mapping[str, str]) -> bool:
    if where == "Microsoft.Web/staticSites/config":  # beside a direct app it asks no model
        return not any(name.endswith("_API_KEY") for name in settings)
    if made.parameters["backend"] == "openAI":
        return settings.get("OPENAI_API_KEY", "").startswith("@Microsoft.KeyVault(SecretUri=")
    return settings.get("AZURE_OPENAI_AUTH") == "identity"


def _is_secret(value: object) -> bool:
    return isinstance(value, str | AtDeployment) and any(secret in value for secret in _SECRETS)  # type: ignore[operator]  # all are texts


_RULES = (_of_the_form, _of_the_order, _of_properties, _of_access, _of_secrets)
