"""A template, and the resources that it makes of given parameters, worked out without Azure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.expressions import ExpressionScope, TemplateError, evaluated, is_expression, resource_id

TEMPLATE = Path(__file__).with_name("azuredeploy.json")
TOPOLOGIES = ("managed", "linked", "direct")
BACKENDS = ("newAzureOpenAI", "existingAzureOpenAI", "openAI")


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource as Azure would be asked for it. `after` are the ids it waits for, `asked` those whose state it is made of."""

    type: str
    name: str
    body: Mapping[str, Any]
    after: frozenset[str]
    asked: frozenset[str]
    group: str | None = None

    @property
    def id(self) -> str:
        """Where it is; of something laid over another resource, behind that one's."""
        names = self.name.split("/")
        own = resource_id(*([self.group] if self.group else []), self.type, *names)
        return f"{self.body['scope']}/{own.rpartition('/providers/')[2]}" if "scope" in self.body else own

    @property
    def properties(self) -> Mapping[str, Any]:
        """Its `properties`, which some have none of."""
        found: Mapping[str, Any] = self.body.get("properties", {})
        return found


@dataclass(frozen=True, slots=True)
class Deployment:
    """What a template makes of its parameters."""

    parameters: Mapping[str, Any]
    resources: tuple[Resource, ...]
    outputs: Mapping[str, Any]

    def of(self, kind: str) -> tuple[Resource, ...]:
        """The resources of a type."""
        return tuple(each for each in self.resources if each.type == kind)


def read(path: Path = TEMPLATE) -> dict[str, Any]:
    """A template's JSON.

    Raises:
        TemplateError: it is none; says where.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TemplateError(f"{path}: {error}") from error
    return found


def deployment(template: Mapping[str, Any], given: Mapping[str, Any]) -> Deployment:
    """What a template makes of these parameters; the others have their defaults.

    Raises:
        TemplateError: Azure would refuse it.
    """
    parameters = _parameters(template, given)
    scope = ExpressionScope(parameters)
    for name, value in template.get("variables", {}).items():
        scope.variables[name] = evaluated(value, scope)
        if scope.asked:
            raise TemplateError(f"the variable {name!r} asks for a resource's state; only resources and outputs may")
    resources = tuple(each for body in template["resources"] for each in _resources(body, scope))
    outputs = {name: evaluated(each["value"], scope) for name, each in template.get("outputs", {}).items()}
    return Deployment(parameters, resources, outputs)


def _parameters(template: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    declared = template.get("parameters", {})
    for name in given:
        if name not in declared:
            raise TemplateError(f"there is no parameter {name!r}; there are {', '.join(declared)}")
    scope = ExpressionScope(dict(given))
    for name, said in declared.items():
        if name not in given and "defaultValue" not in said:
            raise TemplateError(f"the parameter {name!r} has no value")
        value = given.get(name, said.get("defaultValue"))
        value = value if name in given else evaluated(value, scope)
        if "allowedValues" in said and value not in said["allowedValues"]:
            raise TemplateError(f"{name} is {value!r}, and must be one of {', '.join(map(str, said['allowedValues']))}")
        if not _in_bounds(value, said):
            bounds = [
                f"{bound} {said[bound]}"
                for bound in ("minLength", "maxLength", "minValue", "maxValue")
                if bound in said
            ]
            raise TemplateError(f"{name} is {value!r}, and must keep to {', '.join(bounds)}")
        scope.parameters = {**scope.parameters, name: value}
    return dict(scope.parameters)


def _in_bounds(value: Any, said: Mapping[str, Any]) -> bool:
    size = value if isinstance(value, int) else len(value)
    least, most = said.get("minLength", said.get("minValue", size)), said.get("maxLength", said.get("maxValue", size))
    return bool(least <= size <= most)


def _resources(body: Mapping[str, Any], scope: ExpressionScope) -> Iterator[Resource]:
    if not evaluated(body.get("condition", True), scope):
        return
    after = frozenset(evaluated(body.get("dependsOn", []), scope))
    scope.asked.clear()
    nested = body["type"] == "Microsoft.Resources/deployments"
    rest = {key: each for key, each in body.items() if key not in ("condition", "dependsOn", "comments")}
    if nested:
        rest["properties"] = {key: each for key, each in rest["properties"].items() if key != "template"}
    made = evaluated(rest, scope)
    asked = frozenset(scope.asked)
    scope.asked.clear()
    if not nested:
        yield Resource(made["type"], made["name"], made, after, asked)
        return
    given = {name: each["value"] for name, each in made["properties"]["parameters"].items()}
    for each in deployment(body["properties"]["template"], given).resources:
        yield Resource(each.type, each.name, each.body, after, asked, group=made.get("resourceGroup"))


def expressions(value: Any) -> Iterator[str]:
    """Every expression in a template, those of templates within it left out."""
    if isinstance(value, dict):
        for key, each in value.items():
            if key != "template":
                yield from expressions(each)
    elif isinstance(value, list):
        for each in value:
            yield from expressions(each)
    elif is_expression(value):
        yield value


def unended(value: Any) -> Iterator[str]:
    """Texts that begin as an expression and do not end as one: Azure takes them as they are."""
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from unended(each)
    elif isinstance(value, str) and value.startswith("[") and not value.startswith("[[") and not value.endswith("]"):
        yield value


def used(template: Mapping[str, Any], kind: str) -> frozenset[str]:
    """The names that a template's expressions ask `parameters` or `variables` for."""
    return frozenset(name for each in expressions(template) for name in re.findall(rf"\b{kind}\('(\w+)'\)", each))
