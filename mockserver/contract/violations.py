"""Violations of the contract by a request, an answer or an event: of the schemas, and of rules beyond these."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import jsonschema_rs

from mockserver.contract.addresses import Address, AddressForm, Backend
from mockserver.contract.api_versions import OLD_SERVERS, unknown_to_version
from mockserver.contract.data_folder import data_folder
from mockserver.contract.operations import Operation
from mockserver.contract.overlay import amended
from mockserver.contract.request_rules import REQUEST_RULES
from mockserver.contract.rule import Asked, listed
from mockserver.contract.violation import Violation

Path = tuple[str | int, ...]

#: What a schema finds; names that a rule between fields does not have.
SCHEMA_RULE_NAMES = ("unknown-key", "required", "type", "value", "bounds", "api-version-parameter")
#: A null stands for an absent key, but for these. Source: probes of Responses, 2026-09 (local-OAuth-CLI-API-adapter).
_NULL_COUNTS = frozenset({"model", "input", "messages"})


def request_violations(asked: Asked) -> tuple[Violation, ...]:
    """Everything that the service would refuse in a request, in the service's order; empty if it is fine."""
    address, operation = asked.address, asked.address.operation
    schema = asked.schema
    if operation is None or schema is None:
        return ()
    body = dict(asked.body)
    if address.deployment is not None:  # the path names the model, whatever the body says
        body["model"] = address.deployment
    if (operation.open_to_azure and address.form is AddressForm.AZURE_DATED) or address.form is AddressForm.FOUNDRY:
        body = {key: value for key, value in body.items() if key in known_keys(schema)}
    body = {key: value for key, value in body.items() if value is not None or key in _NULL_COUNTS}
    asked = replace(asked, body=body)
    violations = [
        *_unknown_keys(operation, asked),
        *_schema_violations("openai", schema, body, requests=True),
    ]
    for rule in REQUEST_RULES:
        if operation.name in rule.operations and (refused := rule.check(asked)) is not None:
            violations.append(Violation(refused.field, rule.name, refused.message, refused.code, refused.status))
    return tuple(dict.fromkeys(violations))


def answer_violations(address: Address, body: Any) -> tuple[Violation, ...]:
    """Every violation in the JSON body of a successful answer; none where nobody publishes a contract, as for the models of
    many makers behind Foundry's `/models`."""
    if address.form is AddressForm.FOUNDRY:
        return ()
    specification, schema = _answer_schema(address)
    return tuple(_schema_violations(specification, schema, body)) if schema else ()


def event_violations(address: Address, event: Any) -> tuple[Violation, ...]:
    """Every violation in the JSON of one server-sent event."""
    assert address.operation is not None  # noqa: S101  only known operations stream
    if address.form is AddressForm.FOUNDRY:
        return ()
    if address.operation.event_union:
        kind = event.get("type") if isinstance(event, dict) else None
        schema = _event_types(address.operation.event_union).get(str(kind))
        if schema is None:
            return (Violation("type", "event-type", f"unknown event type {kind!r}"),)
        return tuple(_schema_violations("openai", schema, event))
    specification, schema = _answer_schema(address, stream=True)
    return tuple(_schema_violations(specification, schema, event)) if schema else ()


# --- schemas ---------------------------------------------------------------------------------------------------------


@functools.cache
def definitions(specification: str, *, requests: bool = False) -> dict[str, Any]:
    """The amended definitions of a specification, `openai` or `azure`, as answers or as requests have to fit them."""
    text = (data_folder() / "schemas" / f"{specification}.json").read_text(encoding="utf-8")
    return amended(specification, json.loads(text)["$defs"], requests=requests)


@functools.cache
def _validator(specification: str, schema: str, requests: bool) -> jsonschema_rs.Draft202012Validator:
    definitions_ = definitions(specification, requests=requests)
    if requests:
        _refuse_decimals(definitions_)
    root = {"$ref": f"#/$defs/{schema}", "$defs": definitions_}
    return jsonschema_rs.Draft202012Validator(root, keywords={_NO_DECIMAL: _NoDecimal})


_NO_DECIMAL = "x-no-decimal"


class _NoDecimal:
    """A keyword of schemas: 50.0 is no integer. To JSON Schema it is one; the services refuse it."""

    def __init__(self, parent_schema: Any, value: Any, schema_path: Any) -> None:
        """Nothing depends on where it stands."""

    def validate(self, instance: Any) -> None:
        """Raise ValueError for a decimal number."""
        if isinstance(instance, float):
            raise ValueError("a decimal number")


def _refuse_decimals(node: Any) -> None:
    """Add the keyword wherever a schema wants integers."""
    if isinstance(node, dict):
        types = node.get("type")
        if types == "integer" or (isinstance(types, list) and "integer" in types and "number" not in types):
            node[_NO_DECIMAL] = True
        node = list(node.values())
    for inner in node if isinstance(node, list) else ():
        _refuse_decimals(inner)


@functools.cache
def _event_types(union: str) -> dict[str, str]:
    """The names of the schemas in a union of events, by the event's `type`."""
    members = definitions("openai")[union]
    names = [member["$ref"].rpartition("/")[2] for member in members["anyOf"]]
    return {definitions("openai")[name]["properties"]["type"]["enum"][0]: name for name in names}


@functools.cache
def known_keys(schema: str) -> frozenset[str]:
    """The top-level keys of a request schema."""
    return frozenset(_properties(definitions("openai")[schema]))


@functools.cache
def _nested_keys(schema: str, name: str) -> frozenset[str]:
    """The keys of an object inside a request."""
    return frozenset(_properties(_properties(definitions("openai")[schema])[name]))


def _properties(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every property of a schema and of its parts, with its own schema."""
    properties: dict[str, dict[str, Any]] = {}
    nodes = [schema]
    while nodes:
        node = nodes.pop()
        properties |= node.get("properties", {})
        nodes += [*node.get("allOf", ()), *node.get("anyOf", ())]
        if "$ref" in node:
            nodes.append(definitions("openai")[node["$ref"].rpartition("/")[2]])
    return properties


def _answer_schema(address: Address, *, stream: bool = False) -> tuple[str, str | None]:
    operation = address.operation
    assert operation is not None  # noqa: S101  only known operations answer
    azure = operation.azure_event if stream else operation.azure_answer
    if address.backend is Backend.AZURE and azure:
        return "azure", azure
    return "openai", operation.event if stream else operation.answer


_MOVED = {"messages": "input", "response_format": "text.format", "reasoning_effort": "reasoning.effort"}


#: Objects whose unknown keys are refused as those of the body are. Source: 'text.type' pasted in reports on autogen, and
#: response_format.schema in spring-ai#2969; other nested objects are known to take more.
_CLOSED = {"createResponse": ("text", "reasoning"), "createChatCompletion": ("response_format",)}


def _unknown_keys(operation: Operation, asked: Asked) -> Iterable[Violation]:
    """The published schemas allow unknown keys; the services do not."""
    known = known_keys(asked.schema or "") | operation.more_keys
    for holder in _CLOSED.get(operation.name, ()):
        allowed = _nested_keys(asked.schema or "", holder)
        for key in asked.mapping(holder):
            if key not in allowed:
                field = f"{holder}.{key}"
                yield Violation(field, "unknown-key", f"Unknown parameter: '{field}'.", "unknown_parameter")
    unknown = [(key, "unknown-key") for key in asked.body if key not in known]
    for key, rule in (*unknown, *((key, "api-version-parameter") for key in unknown_to_version(asked))):
        if operation.name == "createResponse" and key in _MOVED:
            words = (
                f"Unsupported parameter: '{key}'. In the Responses API, this parameter has moved to '{_MOVED[key]}'. Try again with "
                "the new parameter. See the API documentation for more information: "
                "https://platform.openai.com/docs/api-reference/responses/create."
            )
            yield Violation("", rule, words, "unsupported_parameter")
        elif asked.azure and asked.model.name in OLD_SERVERS:
            # Source: openai-python#1469, semantic-kernel#10113 (2025-01-07).
            yield Violation("", rule, f"Unrecognized request argument supplied: {key}")
        else:
            words = f"Unknown parameter: '{key}'.{_nearest_keys(key, known - asked.body.keys())}"
            yield Violation(key, rule, words, "unknown_parameter")


def _nearest_keys(key: str, known: Iterable[str]) -> str:
    """The service's own hint: known keys that differ in at most two letters. Source: probes of OpenAI, 2026-09."""
    from rapidfuzz.distance import Levenshtein  # 60 ms of imports, for a refusal alone

    near = [name for name in sorted(known) if Levenshtein.distance(name, key, score_cutoff=2) <= 2]
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""


def _schema_violations(specification: str, schema: str, body: Any, *, requests: bool = False) -> Iterable[Violation]:
    for error in _validator(specification, schema, requests).iter_errors(body):
        yield _violation(error)


# --- one schema error, in the words of the service -------------------------------------------------------------------

_TYPES = {
    "array": "an array",
    "boolean": "a boolean",
    "integer": "an integer",
    "null": "null",
    "number": "a decimal",
    "object": "an object",
    "string": "a string",
}


def _violation(error: jsonschema_rs.ValidationError) -> Violation:
    """The violation for an error of the validator; in a union, for the member that the request means."""
    chosen, options = _relevant(error)
    path, kind, got = tuple(chosen.instance_path), type(chosen.kind).__name__.rpartition("_")[2], chosen.instance
    facts = chosen.kind.as_dict()
    if _is_type(chosen):
        kind = "Type"
    if kind == "Required":
        field = _field((*path, facts["property"]))
        return Violation(field, "required", f"Missing required parameter: '{field}'.", "missing_required_parameter")
    field = _field(path)
    if kind == "Type":
        expected = _expected(path) or _or([_TYPES[name] for name in _without_null(options or _types(chosen))])
        message = f"Invalid type for '{field}': expected {expected}, but got {_described(got)} instead."
        return Violation(field, "type", message, "invalid_type")
    if kind in ("Enum", "Constant"):
        allowed = options or facts.get("options") or [facts.get("expected_value")]
        values = [value for value in dict.fromkeys(allowed) if value is not None]
        message = f"Invalid value: '{got}'. Supported values are: {listed(values)}."
        return Violation(field, "value", message, "invalid_value")
    if kind in _BOUNDS:
        return _out_of_bounds(field, kind, facts, got)
    return Violation(field, kind.lower(), f"Invalid '{field}'.", "invalid_value")


_BOUNDS = {
    "Maximum": ("above maximum value", "<=", "above_max_value"),
    "Minimum": ("below minimum value", ">=", "below_min_value"),
    "ExclusiveMaximum": ("above maximum value", "<", "above_max_value"),
    "ExclusiveMinimum": ("below minimum value", ">", "below_min_value"),
    "MaxItems": ("too long", "maximum length", "above_max_length"),
    "MinItems": ("too short", "minimum length", "below_min_length"),
    "MaxLength": ("too long", "maximum length", "above_max_length"),
    "MinLength": ("too short", "minimum length", "below_min_length"),
}


_DECIMALS = frozenset({"temperature", "top_p", "frequency_penalty", "presence_penalty"})


def _out_of_bounds(field: str, kind: str, facts: Mapping[str, Any], got: Any) -> Violation:
    problem, sign, code = _BOUNDS[kind]
    limit = facts["limit"]
    if kind.endswith(("Items", "Length")):
        noun, a_noun = ("array", "an array") if kind.endswith("Items") else ("string", "a string")
        if not got:
            problem, code = f"empty {noun}", f"empty_{noun}"
            details = f"Expected {a_noun} with minimum length {limit}, but got an empty {noun} instead."
        else:
            problem, code = f"{noun} {problem}", f"{noun}_{code}"
            details = f"Expected {a_noun} with {sign} {limit}, but got {a_noun} with length {len(got)} instead."
    else:
        noun = "decimal" if field in _DECIMALS or isinstance(got, float) else "integer"
        problem, code = f"{noun} {problem}", f"{noun}_{code}"
        details = f"Expected a value {sign} {_number(limit)}, but got {_number(got)} instead."
    return Violation(field, "bounds", f"Invalid '{field}': {problem}. {details}", code)


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"


def _relevant(error: jsonschema_rs.ValidationError) -> tuple[jsonschema_rs.ValidationError, list[Any]]:
    """The error that counts inside a union, and everything that the union's members allow in that place.

    A member with another `role` or `type` is not the one that the request means. Where every member has another one,
    that key is the error.
    """
    branches = [branch for branch in getattr(error.kind, "context", ()) or () if branch]
    if not branches:
        return error, []
    candidates = [branch for branch in branches if not any(map(_is_tag, branch))]
    if not candidates:
        tags = [tag for branch in branches for tag in branch if _is_tag(tag)]
        return tags[0], [value for tag in tags for value in _allowed(tag)]
    here = tuple(error.instance_path)
    if all(_is_type_of_whole(branch, here) for branch in candidates):
        types = [branch[0] for branch in candidates]
        return types[0], [name for type_error in types for name in _types(type_error)]
    deeper = [branch for branch in candidates if not _is_type_of_whole(branch, here)]
    return _relevant(min(deeper, key=len)[0])


def _is_type_of_whole(branch: list[jsonschema_rs.ValidationError], here: Path) -> bool:
    """Whether the only error is the type of the whole value."""
    return len(branch) == 1 and tuple(branch[0].instance_path) == here and _is_type(branch[0])


def _is_type(error: jsonschema_rs.ValidationError) -> bool:
    return type(error.kind).__name__.endswith("Type") or error.kind.as_dict().get("keyword") == _NO_DECIMAL


def _types(error: jsonschema_rs.ValidationError) -> list[str]:
    """The types that would fit instead."""
    return list(error.kind.as_dict().get("types", ["integer"]))


def _is_tag(error: jsonschema_rs.ValidationError) -> bool:
    """Whether the error is a `role` or `type` of another member."""
    return bool(error.instance_path) and error.instance_path[-1] in ("role", "type") and bool(_allowed(error))


def _allowed(error: jsonschema_rs.ValidationError) -> list[Any]:
    facts = error.kind.as_dict()
    return facts.get("options") or ([facts["expected_value"]] if "expected_value" in facts else [])


def _field(path: Path) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def _described(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a decimal number"
        case str():
            return "a string"
        case list():
            return "an array"
    return "an object"


def _without_null(types: Iterable[str]) -> list[str]:
    """Each type once, and null only where it is the only one."""
    unique = list(dict.fromkeys(types))
    return [name for name in unique if name != "null"] or unique


def _expected(path: Path) -> str | None:
    """What the service says it expects, where that is more than a type. Source: probes of OpenAI, 2026-09."""
    last = next((step for step in reversed(path) if isinstance(step, str)), "")
    if path[-1:] == (last,):
        return _EXPECTED.get(last if len(path) == 1 or last == "content" else "")
    return None


_EXPECTED = {
    "messages": "an array of objects",
    "tools": "an array of objects",
    "functions": "an array of function definitions",
    "metadata": "a metadata object",
    "content": "one of a string or array of objects",
    "input": "one of a string or array of input items",
}


def _or(items: list[str]) -> str:
    return " or ".join(items) if len(items) <= 2 else f"{', '.join(items[:-1])}, or {items[-1]}"
