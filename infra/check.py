"""Checks the template, for every combination of topology and backend: what Azure would refuse, and what is not secure."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs

from infra.azure_rules import azure_rules
from infra.expressions import TemplateError
from infra.security_rules import security_rules
from infra.setting_rules import setting_rules
from infra.template import BACKENDS, TOPOLOGIES, Deployment, Resource, expand, strings
from infra.template_rules import API_VERSIONS, TYPES, shape_errors, template_rules

SCHEMAS = Path(__file__).with_name("schemas.json")
#: The parameter values of every combination.
SAMPLE = {
    "name": "chat-test-1a2b",
    "location": "norwayeast",  # three regions, so that no resource is in the right one by chance
    "siteLocation": "eastasia",
    "modelLocation": "swedencentral",
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
    if errors := list(shape_errors(template)):
        return tuple(errors)
    errors = list(template_rules(template))
    try:
        deployments = dict([*combinations(template), *_bare(template), *_foreign(template)])
    except TemplateError as error:
        return (*errors, str(error))
    for name, deployment in deployments.items():
        errors += (f"{name}: {error}" for error in _type_errors(template, deployment))
        errors += (f"{name}: {error}" for rule in _RULES for error in rule(deployment))
    return (*errors, *_unknown_dependencies(deployments))


def _bare(template: Mapping[str, Any]) -> Iterator[tuple[str, Deployment]]:
    """Each topology with nothing that can be left out."""
    for topology in TOPOLOGIES:
        values = {name: SAMPLE[name] for name in ("name", "location", "siteLocation", "modelLocation", "ticketKey")}
        yield f"{topology}, bare", expand(template, {**values, "topology": topology})


def _foreign(template: Mapping[str, Any]) -> Iterator[tuple[str, Deployment]]:
    """Each topology with an Azure OpenAI endpoint of another subscription, and its key."""
    theirs = {"existingEndpoint": "https://theirs.openai.azure.com/", "existingKey": "<the key of their model>"}
    for topology in TOPOLOGIES:
        values = {
            **SAMPLE,
            **theirs,
            "topology": topology,
            "backend": "existingAzureOpenAI",
            "existingResourceName": "",
        }
        yield f"{topology}, endpoint and key", expand(template, values)


def _type_errors(template: Mapping[str, Any], deployment: Deployment) -> Iterator[str]:
    """Parameters whose values have another type than is declared: Azure refuses them."""
    for name, declaration in template["parameters"].items():
        value, wanted = deployment.parameters[name], TYPES.get(declaration["type"].lower(), object)
        if not isinstance(value, wanted):
            yield f"the parameter {name!r} must be {declaration['type']}, got {value!r}: Azure refuses it"


def _unknown_dependencies(deployments: Mapping[str, Deployment]) -> Iterator[str]:
    """Waits for what no combination creates: Azure refuses the template.

    Source: https://learn.microsoft.com/azure/azure-resource-manager/templates/resource-dependency.
    """
    ids = {resource.id for deployment in deployments.values() for resource in deployment.resources}
    waits = {id_ for deployment in deployments.values() for each in deployment.resources for id_ in each.dependencies}
    for id_ in sorted(waits - ids):
        yield f"{id_.rpartition('/providers/')[2]} is waited for, but nothing creates it: Azure refuses the template"


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
    for resource in deployment.resources:
        if orphan := set(_parents(resource)) - set(ids):
            yield f"{resource.type} {resource.name} belongs to {orphan.pop().rpartition('/providers/')[2]}, which nothing creates: Azure answers 404"
        scopes = [resource.body["scope"]] if "scope" in resource.body else []
        named = {text for text in strings(resource.body["properties"]) if text in ids} if resource.properties else set()
        needed = {*resource.references, *_parents(resource), *scopes, *named}
        for id_ in sorted(needed & set(ids) - deployment.earlier(resource.id)):
            yield (
                f"{resource.type} {resource.name} needs {id_.rpartition('/providers/')[2]} but does not wait for it: "
                "Azure creates both at once, and this one fails if it is first"
            )


def _parents(resource: Resource) -> Iterator[str]:
    """The id of the resource that a child resource belongs to."""
    types, names = resource.type.split("/"), resource.name.split("/")
    if len(names) > 1 and "scope" not in resource.body:
        path = "/".join(part for pair in zip(types[1:2], names[:1], strict=True) for part in pair)
        yield f"{resource.id.partition('/providers/')[0]}/providers/{types[0]}/{path}"


_RULES = (_schema_errors, _dependency_errors, azure_rules, setting_rules, security_rules)
