"""Rules for the template's own text: what Azure refuses before it creates anything, and what its history would show.

Pages are named from memory, where they have no date. Public issues were read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from infra.template import expressions, strings, unclosed_expressions, used_names

Template = Mapping[str, Any]
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
    "Microsoft.Resources/deployments": "2024-03-01",
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
#: Parameters whose names say that their values are secret.
SECRET_NAME = re.compile(r"(?i)(?:key|secret|password|token|credential)$")
_SECURE = ("securestring", "secureobject")
#: The types of parameters, in Python. learn.microsoft.com/azure/azure-resource-manager/templates/data-types
TYPES: dict[str, type] = {
    **{"string": str, "securestring": str, "int": int, "bool": bool},
    **{"array": list, "object": dict, "secureobject": dict},
}
#: Keys as OpenAI, Azure Storage and Azure OpenAI write them.
_KEY = re.compile(r"\bsk-[\w-]{16,}|AccountKey=|SharedAccessSignature=|\b[0-9a-f]{32}\b|\b[A-Za-z0-9]{50,}\b")


def template_rules(template: Template) -> Iterator[str]:
    """What is wrong with a template, and with those nested in it."""
    for rule in _RULES:
        yield from rule(template)
    for resource in _nested(template):
        yield from _nested_errors(resource, template)
        yield from (f"in {resource['name']}: {error}" for error in template_rules(resource["properties"]["template"]))


def shape_errors(template: Template) -> Iterator[str]:
    """What is missing of a template's frame; without it, nothing else can be checked."""
    for name, declaration in template.get("parameters", {}).items():
        if "type" not in declaration:
            yield f"the parameter {name!r} has no type"
    for resource in template.get("resources", ({"name": "a template without resources"},)):
        for key in ("type", "apiVersion", "name"):
            if key not in resource:
                yield f"{resource.get('name') or resource.get('type')} has no {key}: Azure refuses the template"
        if resource.get("type") == "Microsoft.Resources/deployments":
            properties = resource.get("properties", {})
            yield from shape_errors(properties.get("template", {}))
            for name in properties.get("template", {}).get("parameters", {}):
                if "value" not in properties.get("parameters", {}).get(name, {}):
                    yield f"{resource.get('name')} gives its parameter {name!r} no value: Azure refuses the template"


def _nested(template: Template) -> Iterator[Template]:
    yield from (each for each in template["resources"] if each["type"] == "Microsoft.Resources/deployments")


def _name_errors(template: Template) -> Iterator[str]:
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


def _parameter_errors(template: Template) -> Iterator[str]:
    """Secrets that the history of deployments would show.

    Source: https://learn.microsoft.com/azure/azure-resource-manager/templates/best-practices#security-recommendations-for-parameters,
    and …/templates/template-test-cases, "Secure parameters can't have hard-coded default".
    """
    for name, declaration in template.get("parameters", {}).items():
        if declaration["type"].lower() not in TYPES:
            yield f"the parameter {name!r} must be of one of {', '.join(TYPES)}, got {declaration['type']!r}: Azure knows no other"
        secure = declaration["type"].lower() in _SECURE
        if SECRET_NAME.search(name) and not secure:
            yield (
                f"the parameter {name!r} must be a securestring, got {declaration['type']!r}: "
                "everybody who may read the group reads the values of others in its history of deployments"
            )
        default = declaration.get("defaultValue", "")
        if secure and default and "newGuid(" not in default:
            yield f"the parameter {name!r} has a default: a secret in the template is known to all who read it"


def _text_errors(template: Template) -> Iterator[str]:
    for text in strings(template):
        if key := _KEY.search(text):
            yield f"{key[0][:8]}… looks like a key in plain text: everybody who reads the template has it"


def _bound_errors(template: Template) -> Iterator[str]:
    """Bounds of parameters that Azure does not keep to.

    Source: MicrosoftDocs/azure-docs#128255: the lowest maximum is 40; lower ones are a preview in three regions
    (Azure/azure-functions-host#10523, 2026-01). The highest: https://learn.microsoft.com/azure/azure-functions/flex-consumption-plan#considerations.
    """
    instances = template.get("parameters", {}).get("maximumInstances")
    if instances and (instances.get("minValue"), instances.get("maxValue")) != (40, 1000):
        yield "the parameter 'maximumInstances' must be within 40 and 1000: Flex Consumption takes no other maximum"


def _expression_errors(template: Template) -> Iterator[str]:
    """Calls that Azure refuses.

    Source: https://learn.microsoft.com/azure/azure-resource-manager/templates/template-functions-resource#reference,
    …/template-functions-string#newguid.
    """
    outside = {key: value for key, value in template.items() if key != "parameters"}
    for text in expressions(outside):
        if re.search(r"\bnewGuid\(", text):
            yield f"newGuid() is allowed in a parameter's default alone: each deployment would make another name, in {text}"
        dates = re.findall(r"'(\d{4}-\d\d-\d\d(?:-preview)?)'", text)
        calls = re.findall(r"\b(?:reference|listKeys)\(variables\('\w+'\), '([^']*)'", text)
        for version in sorted({*dates, *calls}):
            if version not in API_VERSIONS.values():
                yield f"the API version {version} is none that the template is written for: its answer may differ, in {text}"
        if re.search(r"(?<!'Full'\))\.identity\.", text):
            yield f"reference() gives an identity only with 'Full': without, it has properties alone, in {text}"


def _nested_errors(resource: Template, template: Template) -> Iterator[str]:
    """Nested deployments that mean another thing than they say.

    Source: https://learn.microsoft.com/azure/azure-resource-manager/templates/linked-templates#expression-evaluation-scope-in-nested-templates
    (2026-11-30) and …/templates/deployment-modes.
    """
    name, properties = resource["name"], resource["properties"]
    if properties.get("expressionEvaluationOptions", {}).get("scope", "outer").lower() != "inner":
        yield (
            f"{name} is evaluated in the outer scope, which is Azure's default: it knows none of its own parameters, "
            "and secrets stand in its history"
        )
    if properties.get("mode") != "Incremental":
        yield f"{name} must be Incremental: Complete deletes whatever else is in the resource group"
    if resource["apiVersion"] != API_VERSIONS[resource["type"]]:
        yield f"{name}: apiVersion must be {API_VERSIONS[resource['type']]}, got {resource['apiVersion']}"
    secrets = [key for key, each in template.get("parameters", {}).items() if each["type"].lower() in _SECURE]
    inner = properties["template"].get("parameters", {})
    for key, given in properties.get("parameters", {}).items():
        passed = any(f"parameters('{secret}')" in str(given) for secret in secrets) or "listKeys(" in str(given)
        if passed and inner.get(key, {}).get("type", "").lower() not in _SECURE:
            yield f"{name} gets a secret as {key!r}, which must be a securestring: its history would show it"


_RULES: tuple[Callable[[Template], Iterator[str]], ...] = (
    _name_errors,
    _parameter_errors,
    _text_errors,
    _bound_errors,
    _expression_errors,
)
