"""What is wrong with a request, an answer or an event, measured by the published schemas and what they do not say."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

from mockserver.contract.data_folder import data_folder
from mockserver.contract.operations import Address, Backend, Operation
from mockserver.contract.overlay import amended
from mockserver.contract.request_rules import RULES

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong: where, by which rule, and in the words and with the code of the backend's own 400.

    `code` is None where the backend sends none.
    """

    field: str
    rule: str
    message: str
    code: str | None = None

    def __str__(self) -> str:
        return f"{self.rule}, {self.field}: {self.message}" if self.field else f"{self.rule}: {self.message}"


def request_violations(address: Address, body: Mapping[str, Any]) -> tuple[Violation, ...]:
    """What the service would refuse in a request; its first complaint first, none where it is fine."""
    operation = address.operation
    if operation is None or operation.request is None:
        return ()
    if address.deployment is not None:  # the path says which model
        body = {"model": address.deployment, **body}
    found = [*_unknown_keys(operation, body), *_schema_violations("openai", operation.request, body)]
    found += [
        Violation(rule.field, rule.name, rule.message, rule.code)
        for rule in RULES
        if operation.name in rule.operations and rule.broken(body)
    ]
    return tuple(dict.fromkeys(found))


def answer_violations(address: Address, body: Any) -> tuple[Violation, ...]:
    """What is wrong with the JSON body of a successful answer."""
    specification, schema = _answer_schema(address)
    return tuple(_schema_violations(specification, schema, body)) if schema else ()


def event_violations(address: Address, event: Any) -> tuple[Violation, ...]:
    """What is wrong with the JSON of one server-sent event."""
    assert address.operation is not None  # noqa: S101  only known operations stream
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
def definitions(specification: str) -> dict[str, Any]:
    """The amended definitions of a specification: `openai` or `azure`."""
    text = (data_folder() / "schemas" / f"{specification}.json").read_text(encoding="utf-8")
    return amended(specification, json.loads(text)["$defs"])


@functools.cache
def _validator(specification: str, schema: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator({"$ref": f"#/$defs/{schema}", "$defs": definitions(specification)})


@functools.cache
def _event_types(union: str) -> dict[str, str]:
    """The schema of every event of a union, by its `type`."""
    members = definitions("openai")[union]
    names = [each["$ref"].rpartition("/")[2] for each in members.get("anyOf", members.get("oneOf", ()))]
    return {definitions("openai")[name]["properties"]["type"]["enum"][0]: name for name in names}


@functools.cache
def known_keys(schema: str) -> frozenset[str]:
    """The top-level keys a request schema knows."""
    found: set[str] = set()
    todo = [definitions("openai")[schema]]
    while todo:
        node = todo.pop()
        found |= set(node.get("properties", ()))
        todo += [*node.get("allOf", ()), *node.get("anyOf", ()), *node.get("oneOf", ())]
        if "$ref" in node:
            todo.append(definitions("openai")[node["$ref"].rpartition("/")[2]])
    return frozenset(found)


def _answer_schema(address: Address, *, stream: bool = False) -> tuple[str, str | None]:
    operation = address.operation
    assert operation is not None  # noqa: S101  only known operations answer
    azure = operation.azure_event if stream else operation.azure_answer
    if address.backend is Backend.AZURE and azure:
        return "azure", azure
    return "openai", operation.event if stream else operation.answer


def _unknown_keys(operation: Operation, body: Mapping[str, Any]) -> Iterable[Violation]:
    """The published schemas are open; the services are not."""
    known = known_keys(operation.request or "") | operation.more_keys
    for key in body:
        if key not in known:
            if operation.path.startswith("responses"):
                yield Violation(key, "unknown-key", f"Unknown parameter: '{key}'.", "unknown_parameter")
            else:
                yield Violation("", "unknown-key", f"Unrecognized request argument supplied: {key}")


def _schema_violations(specification: str, schema: str, body: Any) -> Iterable[Violation]:
    for error in _validator(specification, schema).iter_errors(body):
        yield _explained(error)


# --- one schema error, as the service would put it -------------------------------------------------------------------

_TYPES = {
    "array": "an array",
    "boolean": "a boolean",
    "integer": "an integer",
    "null": "null",
    "number": "a decimal",
    "object": "an object",
    "string": "a string",
}


def _explained(error: jsonschema_rs.ValidationError) -> Violation:
    """The violation an error of the validator stands for; of a union, what is wrong with the member that was meant."""
    chosen, options = _meant(error)
    path, kind, got = tuple(chosen.instance_path), type(chosen.kind).__name__.rpartition("_")[2], chosen.instance
    facts = chosen.kind.as_dict()
    if kind == "Required":
        field = _field((*path, facts["property"]))
        return Violation(field, "required", f"Missing required parameter: '{field}'.", "missing_required_parameter")
    field = _field(path)
    if kind == "Type":
        wanted = _listed([_TYPES[each] for each in _ordered(options or facts["types"])], "or")
        return Violation(
            field,
            "type",
            f"Invalid type for '{field}': expected {wanted}, but got {_described(got)} instead.",
            "invalid_type",
        )
    if kind in ("Enum", "Constant"):
        allowed = options or facts.get("options") or [facts.get("expected_value")]
        texts = [f"'{each}'" for each in dict.fromkeys(allowed) if each is not None]
        return Violation(
            field, "value", f"Invalid value: '{got}'. Supported values are: {_listed(texts, 'and')}.", "invalid_value"
        )
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
        noun = "array" if kind.endswith("Items") else "string"
        if not got:
            return Violation(
                field,
                "bounds",
                f"Invalid '{field}': empty {noun}. Expected {'an' if noun == 'array' else 'a'} {noun} with minimum length {limit}, but got an empty {noun} instead.",
                f"empty_{noun}",
            )
        return Violation(
            field,
            "bounds",
            f"Invalid '{field}': {noun} {problem}. Expected {'an' if noun == 'array' else 'a'} {noun} with {sign} {limit}, but got {'an' if noun == 'array' else 'a'} {noun} with length {len(got)} instead.",
            f"{noun}_{code}",
        )
    noun = "decimal" if field in _DECIMALS or isinstance(got, float) else "integer"
    return Violation(
        field,
        "bounds",
        f"Invalid '{field}': {noun} {problem}. Expected a value {sign} {limit:g}, but got {got:g} instead.",
        f"{noun}_{code}",
    )


def _meant(error: jsonschema_rs.ValidationError) -> tuple[jsonschema_rs.ValidationError, list[Any]]:
    """The error that counts inside a union, and what all its members together allow in that place.

    A member whose `role` or `type` is another's was not meant. Where none was, that key is what is wrong.
    """
    branches = [branch for branch in getattr(error.kind, "context", ()) or () if branch]
    if not branches:
        return error, []
    named = [branch for branch in branches if not any(_names_another(each) for each in branch)]
    if not named:
        tags = [each for branch in branches for each in branch if _names_another(each)]
        options = [option for each in tags for option in _allowed(each)]
        return tags[0], options
    here = tuple(error.instance_path)
    flat = [branch[0] for branch in named if len(branch) == 1 and tuple(branch[0].instance_path) == here]
    kinds = {type(each.kind).__name__.rpartition("_")[2] for each in flat}
    if len(flat) == len(named) and kinds == {"Type"}:
        return flat[0], [kind for each in flat for kind in each.kind.as_dict()["types"]]
    deeper = [branch for branch in named if not _is_type_of_whole(branch, here)] or named
    return _meant(min(deeper, key=len)[0])


def _is_type_of_whole(branch: list[jsonschema_rs.ValidationError], here: Path) -> bool:
    return (
        len(branch) == 1 and tuple(branch[0].instance_path) == here and type(branch[0].kind).__name__.endswith("Type")
    )


def _names_another(error: jsonschema_rs.ValidationError) -> bool:
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
            return "a decimal"
        case str():
            return "a string"
        case list():
            return "an array"
    return "an object"


def _ordered(kinds: Iterable[str]) -> list[str]:
    """Kinds once each; null goes unsaid beside another."""
    once = list(dict.fromkeys(kinds))
    return [each for each in once if each != "null"] or once


def _listed(items: list[str], word: str) -> str:
    if len(items) == 2:
        return f"{items[0]} {word} {items[1]}"
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])}, {word} {items[-1]}"
