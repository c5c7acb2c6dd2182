"""Checks the template, for every combination of topology and backend: what Azure would refuse, and what is not secure."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs

from infra.expressions import DeploymentValue, TemplateError
from infra.template import BACKENDS, TOPOLOGIES, Deployment, Resource, expand, unclosed_expressions, used_names

SCHEMAS = Path(__file__).with_name("schemas.json")
#: The parameter values of every combination.
SAMPLE = {
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
#: The versions of Azure's interfaces that the template is written for; changing one is a decision. Source:
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
#: The only roles that are assigned, each with the type of resource it applies to. Source: Microsoft's built-in roles, 2026-11-24.
ROLES = {
    "5e0bd9bd-7b93-4f28-af87-36fc36ad61bd": "Microsoft.CognitiveServices/accounts",  # Cognitive Services OpenAI User
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Microsoft.Storage/storageAccounts",  # Storage Blob Data Owner
    "4633458b-17de-408a-874b-0445c86b69e6": "Microsoft.KeyVault/vaults",  # Key Vault Secrets User
}
_UNTAGGED = (  # these cannot have tags
    "Microsoft.Authorization/roleAssignments",
    "Microsoft.Storage/storageAccounts/blobServices/containers",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies",
    "Microsoft.Web/sites/config",
    "Microsoft.Web/staticSites/config",
    "Microsoft.Web/staticSites/linkedBackends",
)
_SECRETS = (SAMPLE["openAIKey"], SAMPLE["ticketKey"], SAMPLE["signInClientSecret"], "<keys of ")


def combinations(template: Mapping[str, Any]) -> Iterator[tuple[str, Deployment]]:
    """Each topology with each backend, as `linked openAI`, and the deployment that the template gives.

    Raises:
        TemplateError: Azure would refuse it.
    """
    for topology, backend in itertools.product(TOPOLOGIES, BACKENDS):
        name = f"{topology} {backend}"
        try:
            yield name, expand(template, {**SAMPLE, "topology": topology, "backend": backend})
        except TemplateError as error:
            raise TemplateError(f"{name}: {error}") from error


def template_errors(template: Mapping[str, Any]) -> tuple[str, ...]:
    """What is wrong with the template; empty means fine."""
    errors = list(_name_errors(template))
    try:
        for name, deployment in combinations(template):
            errors += (f"{name}: {error}" for rule in _RULES for error in rule(deployment))
    except TemplateError as error:
        errors.append(str(error))
    return tuple(errors)


def _name_errors(template: Mapping[str, Any]) -> Iterator[str]:
    """Names that are used but not declared, or declared but not used or not described."""
    for kind in ("parameters", "variables"):
        declared, used = set(template.get(kind, {})), used_names(template, kind)
        yield from (f"{kind}('{name}') is not declared" for name in sorted(used - declared))
        yield from (f"the {kind[:-1]} {name!r} is not used" for name in sorted(declared - used))
    for name, declaration in template.get("parameters", {}).items():
        if not declaration.get("metadata", {}).get("description"):
            yield f"the parameter {name!r} has no description"
    yield from (
        f"{text} begins like an expression but does not end with a bracket" for text in unclosed_expressions(template)
    )
    for resource in template["resources"]:
        if resource["type"] == "Microsoft.Resources/deployments":
            nested = resource["properties"]["template"]
            yield from (f"in {resource['name']}: {error}" for error in _name_errors(nested))


def _schema_errors(deployment: Deployment) -> Iterator[str]:
    """Unknown properties, and values that Azure does not accept."""
    for resource in deployment.resources:
        version = API_VERSIONS.get(resource.type)
        if version is None:
            yield f"unknown resource type {resource.type}"
            continue
        if resource.body["apiVersion"] != version:
            yield f"{resource.type}: apiVersion must be {version}, got {resource.body['apiVersion']}"
        yield from (
            f"{resource.type} {'/'.join(map(str, error.instance_path))}: {error.message}"
            for error in _schema(resource.type).iter_errors(json.loads(json.dumps(dict(resource.body))))
        )


@functools.cache
def _schema(resource_type: str) -> jsonschema_rs.Draft202012Validator:
    definitions = json.loads(SCHEMAS.read_text(encoding="utf-8"))["$defs"]
    reference = f"#/$defs/{resource_type.replace('/', '~1')}"
    return jsonschema_rs.Draft202012Validator({"$ref": reference, "$defs": definitions})


def _dependency_errors(deployment: Deployment) -> Iterator[str]:
    """Duplicate resources, and resources that are used before they exist."""
    ids = [resource.id for resource in deployment.resources]
    yield from (f"{id_} is declared twice" for id_ in sorted({id_ for id_ in ids if ids.count(id_) > 1}))
    earlier: dict[str, frozenset[str]] = {}
    for resource in deployment.resources:
        indirect = (earlier.get(id_, frozenset()) for id_ in resource.dependencies)
        earlier[resource.id] = frozenset(resource.dependencies).union(*indirect)
        scopes = [resource.body["scope"]] if "scope" in resource.body else []
        needed = {*resource.references, *_parents(resource), *scopes}
        for id_ in sorted(needed & set(ids) - earlier[resource.id]):
            yield f"{resource.type} {resource.name} needs {id_.rpartition('/providers/')[2]} but does not wait for it"


def _parents(resource: Resource) -> Iterator[str]:
    """The id of the resource that a child resource belongs to."""
    types, names = resource.type.split("/"), resource.name.split("/")
    if len(names) > 1 and "scope" not in resource.body:
        path = "/".join(part for pair in zip(types[1:2], names[:1], strict=True) for part in pair)
        yield f"{resource.id.partition('/providers/')[0]}/providers/{types[0]}/{path}"


def _access_errors(deployment: Deployment) -> Iterator[str]:
    """Access that is wider than necessary."""
    on_flex = deployment.parameters["topology"] != "managed"
    for account in deployment.of("Microsoft.CognitiveServices/accounts"):
        if account.properties.get("disableLocalAuth") is not on_flex:
            wrong = "accepts keys but is" if on_flex else "accepts no keys but is not"
            yield f"{account.name} {wrong} used by identity"
        network = account.properties["networkAcls"]
        rules = [rule["value"] for rule in network["ipRules"]]
        if network["defaultAction"] != "Deny" or rules != ["203.0.113.0/24", "198.51.100.7"]:
            yield f"{account.name} is not restricted to the IP ranges"
    for assignment in deployment.of("Microsoft.Authorization/roleAssignments"):
        role = assignment.properties["roleDefinitionId"].rpartition("/")[2]
        if ROLES.get(role) is None or f"/providers/{ROLES[role]}/" not in assignment.body.get("scope", ""):
            yield f"the role {role} is assigned for {assignment.body.get('scope', 'the whole group')}"
    if deployment.parameters["topology"] == "linked" and not deployment.of("Microsoft.Web/staticSites/linkedBackends"):
        yield "no back end is linked"


def _secret_errors(deployment: Deployment) -> Iterator[str]:
    """Secrets that are not necessary, or that others can read."""
    on_flex = deployment.parameters["topology"] != "managed"
    for target, settings in app_settings(deployment).items():
        for name, value in settings.items():
            allowed = name in ("TICKET_KEY", "AZURE_CLIENT_SECRET") or (not on_flex and name.endswith("_API_KEY"))
            if _is_secret(value) and not allowed:
                yield f"{target} has a secret in {name}"
        if on_flex and not _uses_identity(deployment, target, settings):
            yield f"{target} does not use the app's identity for the model"
    yield from (f"the output {name!r} has a secret" for name, value in deployment.outputs.items() if _is_secret(value))


#: Properties with the one value they must have, whatever is deployed.
_REQUIRED_VALUES: tuple[tuple[str, str, Any], ...] = (
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


def _property_errors(deployment: Deployment) -> Iterator[str]:
    for resource in deployment.resources:
        if resource.type not in _UNTAGGED and resource.body.get("tags") != deployment.parameters["tags"]:
            yield f"{resource.type} {resource.name} does not have the tags"
    for resource_type, path, required in _REQUIRED_VALUES:
        for resource in deployment.of(resource_type):
            value: Any = resource.properties
            for key in path.split("."):
                value = value.get(key) if isinstance(value, Mapping) else None
            if value != required:
                yield f"{resource.name}: {path} must be {required!r}, got {value!r}"


def app_settings(deployment: Deployment) -> dict[str, Mapping[str, str]]:
    """The settings that a deployment writes, by the type of their resource."""
    return {
        config.type: config.properties
        for resource_type in ("Microsoft.Web/sites/config", "Microsoft.Web/staticSites/config")
        for config in deployment.of(resource_type)
        if config.name.endswith("/appsettings")
    }


def _uses_identity(deployment: Deployment, target: str, settings: Mapping[str, str]) -> bool:
    if target == "Microsoft.Web/staticSites/config":  # beside a direct app, the site's functions do not use the model
        return not any(name.endswith("_API_KEY") for name in settings)
    if deployment.parameters["backend"] == "openAI":
        return settings.get("OPENAI_API_KEY", "").startswith("@Microsoft.KeyVault(SecretUri=")
    return settings.get("AZURE_OPENAI_AUTH") == "identity"


def _is_secret(value: object) -> bool:
    return isinstance(value, str | DeploymentValue) and any(secret in value for secret in _SECRETS)  # type: ignore[operator]  # all are strings


_RULES = (_schema_errors, _dependency_errors, _property_errors, _access_errors, _secret_errors)
