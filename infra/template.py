"""Reads a template and works out, without Azure, which resources it creates from its parameters."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.expressions import ExpressionScope, TemplateError, evaluate, is_expression, resource_id

TEMPLATE = Path(__file__).with_name("azuredeploy.json")
TOPOLOGIES = ("managed", "linked", "direct")
BACKENDS = ("newAzureOpenAI", "existingAzureOpenAI", "openAI")


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource as Azure would create it. `dependencies` are the ids it waits for, `references` those whose state it reads.
    `nested_in` is the nested deployment that creates it, without its template; None for the template's own resources."""

    type: str
    name: str
    body: Mapping[str, Any]
    dependencies: frozenset[str]
    references: frozenset[str]
    group: str | None = None
    nested_in: Mapping[str, Any] | None = None

    @property
    def id(self) -> str:
        """The resource's id; an extension resource's begins with the id of the resource it extends."""
        names = self.name.split("/")
        own = resource_id(*([self.group] if self.group else []), self.type, *names)
        return f"{self.body['scope']}/providers/{own.rpartition('/providers/')[2]}" if "scope" in self.body else own

    @property
    def properties(self) -> Mapping[str, Any]:
        """Its `properties`; empty if it has none."""
        properties: Mapping[str, Any] = self.body.get("properties", {})
        return properties

    def at(self, path: str) -> Any:
        """What stands at a path such as `sku.name`; None where nothing does."""
        value: Any = self.body
        for key in path.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        return value


@dataclass(frozen=True, slots=True)
class Deployment:
    """A template with its parameters applied."""

    parameters: Mapping[str, Any]
    resources: tuple[Resource, ...]
    outputs: Mapping[str, Any]

    def of(self, resource_type: str) -> tuple[Resource, ...]:
        """The resources of a type."""
        return tuple(resource for resource in self.resources if resource.type == resource_type)

    @property
    def on_flex(self) -> bool:
        """Whether the API is an app of its own, on Flex Consumption."""
        return bool(self.parameters["topology"] != "managed")

    @property
    def foreign(self) -> str:
        """The Azure OpenAI endpoint whose key was given; empty where there is none."""
        given = self.parameters["backend"] == "existingAzureOpenAI"
        return str(self.parameters.get("existingEndpoint", "")) if given else ""

    @property
    def key_setting(self) -> str:
        """The setting of a model's key that was given; empty where there is none."""
        names = {"openAI": "OPENAI_API_KEY"}
        return "AZURE_OPENAI_API_KEY" if self.foreign else names.get(self.parameters["backend"], "")

    def app_settings(self) -> dict[str, Mapping[str, str]]:
        """The settings that it writes, by the type of their resource."""
        return {
            config.type: config.properties
            for resource_type in ("Microsoft.Web/sites/config", "Microsoft.Web/staticSites/config")
            for config in self.of(resource_type)
            if config.name.endswith("/appsettings")
        }

    def earlier(self, id_: str) -> frozenset[str]:
        """The ids that a resource waits for, and those that these wait for."""
        dependencies = {resource.id: resource.dependencies for resource in self.resources}
        found: set[str] = set()
        waiting = [id_]
        while waiting:
            new = dependencies.get(waiting.pop(), frozenset()) - found
            found |= new
            waiting += new
        return frozenset(found)


def read(path: Path = TEMPLATE) -> dict[str, Any]:
    """A template's JSON.

    Raises:
        TemplateError: the file cannot be read, or is not valid JSON.
    """
    try:
        template: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TemplateError(f"{path}: {error}") from error
    except ValueError as error:
        raise TemplateError(f"{path}: not valid JSON: {error}") from error
    return template


def expand(template: Mapping[str, Any], values: Mapping[str, Any]) -> Deployment:
    """The template with these parameter values; the other parameters have their defaults.

    Raises:
        TemplateError: Azure would refuse it.
    """
    parameters = _parameters(template, values)
    scope = ExpressionScope(parameters)
    for name, value in template.get("variables", {}).items():
        scope.variables[name] = evaluate(value, scope)
        if scope.references:
            raise TemplateError(f"the variable {name!r} reads a resource's state; only resources and outputs may do so")
    resources = tuple(resource for body in template["resources"] for resource in _resources(body, scope))
    for resource in resources:
        if not resource.id:  # its name has as many parts as its type, or Azure refuses it
            raise TemplateError(f"{resource.type} {resource.name} has no id")
    outputs = {name: evaluate(output["value"], scope) for name, output in template.get("outputs", {}).items()}
    return Deployment(parameters, resources, outputs)


def _parameters(template: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    declared = template.get("parameters", {})
    for name in values:
        if name not in declared:
            raise TemplateError(f"unknown parameter {name!r}; known parameters: {', '.join(declared)}")
    scope = ExpressionScope(dict(values))
    for name, declaration in declared.items():
        if name not in values and "defaultValue" not in declaration:
            raise TemplateError(f"the parameter {name!r} has no value")
        value = values[name] if name in values else evaluate(declaration["defaultValue"], scope)
        allowed = declaration.get("allowedValues")
        if allowed is not None and value not in allowed:
            raise TemplateError(f"{name} must be one of {', '.join(map(str, allowed))}, got {value!r}")
        if not _in_bounds(value, declaration):
            bounds = [
                f"{bound} {declaration[bound]}"
                for bound in ("minLength", "maxLength", "minValue", "maxValue")
                if bound in declaration
            ]
            raise TemplateError(f"{name} must be within {', '.join(bounds)}, got {value!r}")
        scope.parameters = {**scope.parameters, name: value}
    return dict(scope.parameters)


def _in_bounds(value: Any, declaration: Mapping[str, Any]) -> bool:
    size = value if isinstance(value, int) else len(value)
    least = declaration.get("minLength", declaration.get("minValue", size))
    most = declaration.get("maxLength", declaration.get("maxValue", size))
    return bool(least <= size <= most)


def _resources(body: Mapping[str, Any], scope: ExpressionScope) -> Iterator[Resource]:
    if not evaluate(body.get("condition", True), scope):
        return
    dependencies = frozenset(evaluate(body.get("dependsOn", []), scope))
    scope.references.clear()
    nested = body["type"] == "Microsoft.Resources/deployments"
    plain = {key: value for key, value in body.items() if key not in ("condition", "dependsOn", "comments")}
    if nested:
        plain["properties"] = {key: value for key, value in plain["properties"].items() if key != "template"}
    final = evaluate(plain, scope)
    references = frozenset(scope.references)
    scope.references.clear()
    if not nested:
        yield Resource(final["type"], final["name"], final, dependencies, references)
        return
    values = {name: parameter["value"] for name, parameter in final["properties"]["parameters"].items()}
    group = final.get("resourceGroup")
    for inner in expand(body["properties"]["template"], values).resources:
        yield Resource(inner.type, inner.name, inner.body, dependencies, references, group, final)


def expressions(node: Any) -> Iterator[str]:
    """Every expression in a template, without those of nested templates."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key != "template":
                yield from expressions(value)
    elif isinstance(node, list):
        for item in node:
            yield from expressions(item)
    elif is_expression(node):
        yield node


def strings(node: Any) -> Iterator[str]:
    """Every string of a template, with those of nested templates."""
    if isinstance(node, dict | list):
        for value in node.values() if isinstance(node, dict) else node:
            yield from strings(value)
    elif isinstance(node, str):
        yield node


def unclosed_expressions(node: Any) -> Iterator[str]:
    """Strings that begin like an expression but do not end like one: Azure takes them literally."""
    if isinstance(node, dict | list):
        for value in node.values() if isinstance(node, dict) else node:
            yield from unclosed_expressions(value)
    elif isinstance(node, str) and node.startswith("[") and not node.startswith("[[") and not node.endswith("]"):
        yield node


def used_names(template: Mapping[str, Any], function: str) -> frozenset[str]:
    """The names with which a template's expressions call `parameters` or `variables`."""
    return frozenset(
        name for expression in expressions(template) for name in re.findall(rf"\b{function}\('(\w+)'\)", expression)
    )
