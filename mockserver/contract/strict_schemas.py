"""Strict schemas: which JSON Schemas the service takes for answers and for the arguments of functions, and how it refuses others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

from mockserver.contract.rule import CHAT, RESPONSES, Asked, Refused, RequestRule, mappings

#: Keywords that the service refuses anywhere in a strict schema.
_NOT_PERMITTED = ("allOf", "oneOf", "uniqueItems", "propertyNames", "contains", "if")
#: Keywords that it refuses beside the type at the root.
_NOT_AT_ROOT = ("anyOf", "enum", "not")
_DEEPEST = 10
_MOST_PROPERTIES = 5000
Context = tuple[str, ...]


def problem(schema: Mapping[str, Any], *, strict: bool, is_function: bool) -> str | None:
    """What the service finds wrong in a schema, in its words after the name; None where it takes it.

    The root has to be an object in a strict schema, and in any schema of a function's arguments.
    """
    root_type = schema.get("type")
    if root_type != "object" and (strict or is_function):
        return f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{root_type}\"'."
    if strict and (found := next(_wrong(schema, (), at_root=True), None)):
        return found
    return _size(schema) if strict else None


def _wrong(schema: Any, context: Context, *, at_root: bool = False) -> Iterator[str]:
    if not isinstance(schema, Mapping):
        return
    where = f"In context={context}, "
    for keyword in (*_NOT_PERMITTED, *(_NOT_AT_ROOT if at_root else ())):
        if keyword in schema:
            yield f"{where}'{keyword}' is not permitted."
    if "$ref" not in schema and not {"type", "anyOf", "enum"} & set(schema) and not at_root:
        yield f"{where}schema must have a 'type' key."
    if "properties" in schema or schema.get("type") == "object":
        yield from _wrong_object(schema, where)
    for key in ("properties", "$defs", "definitions"):
        inner = schema.get(key)
        for name, value in inner.items() if isinstance(inner, Mapping) else ():
            yield from _wrong(value, (*context, key, str(name)))
    if "items" in schema:
        yield from _wrong(schema["items"], (*context, "items"))
    members = schema.get("anyOf")
    for number, member in enumerate(members if isinstance(members, list) else ()):
        yield from _wrong(member, (*context, "anyOf", str(number)))


def _wrong_object(schema: Mapping[str, Any], where: str) -> Iterator[str]:
    if schema.get("additionalProperties") is not False:
        yield f"{where}'additionalProperties' is required to be supplied and to be false."
    properties, required = schema.get("properties", {}), schema.get("required")
    names = properties if isinstance(properties, Mapping) else {}
    given = [name for name in required if isinstance(name, str)] if isinstance(required, list) else []
    rule = f"{where}'required' is required to be supplied and to be an array including every key in properties."
    for name in names:
        if name not in given:
            yield f"{rule} Missing '{name}'."
    for name in given:
        if name not in names:
            yield f"{rule} Extra required key '{name}' supplied."


def _size(schema: Mapping[str, Any]) -> str | None:
    levels, properties = _depth(schema), _properties(schema)
    if levels > _DEEPEST:
        return f"{levels} levels of nesting exceeds limit of {_DEEPEST}."
    if properties > _MOST_PROPERTIES:
        return f"{properties} parameters exceeds limit of {_MOST_PROPERTIES}."
    return None


def _children(schema: Any) -> list[Any]:
    if not isinstance(schema, Mapping):
        return []
    properties = schema.get("properties")
    return [*(properties.values() if isinstance(properties, Mapping) else ()), schema.get("items"), *_members(schema)]


def _members(schema: Mapping[str, Any]) -> list[Any]:
    members = schema.get("anyOf")
    return members if isinstance(members, list) else []


def _depth(schema: Any) -> int:
    """How deeply objects are nested below the root; 15 in each other are 14 (measured by others, 2026)."""
    inner = max((_depth(child) for child in _children(schema)), default=-1)
    return inner + (isinstance(schema, Mapping) and schema.get("type") == "object")


def _properties(schema: Any) -> int:
    own = schema.get("properties") if isinstance(schema, Mapping) else None
    return (len(own) if isinstance(own, Mapping) else 0) + sum(map(_properties, _children(schema)))


# --- where schemas stand in a request --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Place:
    """A schema in a request: its field and code in a refusal, what it is for, and its name."""

    field: str
    code: str | None
    what: str
    name: object
    schema: Mapping[str, Any]
    strict: bool

    def refused(self, found: str) -> Refused:
        return Refused(self.field, f"Invalid schema for {self.what} '{self.name}': {found}", self.code)


def _of_answer(asked: Asked) -> Iterator[_Place]:
    chat = asked.operation == CHAT
    holder = asked.mapping("response_format") if chat else asked.mapping("text").get("format")
    described = holder.get("json_schema") if chat and isinstance(holder, Mapping) else holder
    if not isinstance(holder, Mapping) or holder.get("type") != "json_schema" or not isinstance(described, Mapping):
        return
    if isinstance(schema := described.get("schema"), Mapping):
        field, code = ("response_format", None) if chat else ("text.format.schema", "invalid_json_schema")
        yield _Place(field, code, "response_format", described.get("name"), schema, described.get("strict") is True)


def _of_functions(asked: Asked) -> Iterator[_Place]:
    chat = asked.operation == CHAT
    for index, tool in mappings(asked.body, "tools"):
        function = tool.get("function") if chat else tool
        if tool.get("type") != "function" or not isinstance(function, Mapping):
            continue
        schema, strict = function.get("parameters"), function.get("strict") is True
        if isinstance(schema, Mapping) and (schema or strict):  # {} is a function without arguments
            field = f"tools[{index}].function.parameters" if chat else f"tools[{index}].parameters"
            yield _Place(field, "invalid_function_parameters", "function", function.get("name"), schema, strict)


def _answer_schema(asked: Asked) -> Refused | None:
    for place in _of_answer(asked):
        if found := problem(place.schema, strict=place.strict, is_function=False):
            return place.refused(found)
    return None


def _function_schema(asked: Asked) -> Refused | None:
    for place in _of_functions(asked):
        if found := problem(place.schema, strict=place.strict, is_function=True):
            return place.refused(found)
    return None


def _no_schema(asked: Asked) -> Refused | None:
    """What is no JSON Schema at all; how the service says that is not known."""
    for place in (*_of_answer(asked), *_of_functions(asked)):
        try:
            jsonschema_rs.validator_for(dict(place.schema))
        except (ValueError, jsonschema_rs.ReferencingError):
            return place.refused("it is not a valid JSON Schema.")
    return None


_BOTH = (CHAT, RESPONSES)
SCHEMA_RULES = (
    RequestRule(
        "answer-schema",
        _BOTH,
        _answer_schema,
        "I",
        "outlines#1254, xsai#202 (Azure, 2025-07-31), prism#858 (2026-01-25), spring-ai#4422, ash_ai#155; limits probed 2026",
    ),
    RequestRule(
        "function-schema",
        _BOTH,
        _function_schema,
        "I",
        "langmem#113 (2025-09-02), mysql-mcp#5 (2025-05-13), letta#3137 (2026-01-08), camel#1344",
    ),
    RequestRule("no-schema", _BOTH, _no_schema, "I", "beginning of the wording from reports; the rest is not known"),
)
