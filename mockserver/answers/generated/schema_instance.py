"""A JSON value that a schema allows: the same one for the same seed, short, and with sensible words where names tell."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

import rstr

Schema = Mapping[str, Any]

_DEEPEST = 4  # from here on, only what has to be there
_FORMATS = {
    "date": "2026-05-17",
    "date-time": "2026-05-17T09:30:00Z",
    "time": "09:30:00Z",
    "duration": "PT1H30M",
    "email": "ada@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
}
#: Words for texts, by what their name ends with.
_WORDS = {
    "city": ("Oslo", "Zürich", "Lisbon"),
    "location": ("Oslo, Norway", "Lisbon, Portugal"),
    "country": ("Norway", "Switzerland", "Portugal"),
    "first_name": ("Ada", "Grace"),
    "last_name": ("Lovelace", "Hopper"),
    "name": ("Ada Lovelace", "Grace Hopper"),
    "email": ("ada@example.com",),
    "url": ("https://example.com/",),
    "title": ("A made-up title", "An example"),
    "description": ("Made up by the mock.",),
    "query": ("an example",),
    "date": ("2026-05-17",),
    "language": ("English",),
    "currency": ("EUR",),
}


def instance(schema: Schema, seed: str) -> Any:
    """A value the schema allows; {} where it says nothing.

    Where it wants what this cannot make (`not`, `if`, `contains`), the value may break it.
    """
    return _Writer(schema, random.Random(seed)).value(schema, "", 0)  # noqa: S311  no secret


class _Writer:
    """The whole schema, which references point into, and where chance comes from."""

    def __init__(self, root: Schema, chance: random.Random) -> None:
        self.root, self.chance = root, chance

    def value(self, schema: Any, name: str, depth: int) -> Any:
        schema = self.whole(schema if isinstance(schema, Mapping) else {}, depth)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self.chance.choice(schema["enum"])
        kinds = schema.get("type") or _implied(schema)
        kind = kinds if isinstance(kinds, str) else next((each for each in kinds if each != "null"), "null")
        match kind:
            case "object":
                return self.mapping(schema, depth)
            case "array":
                return self.array(schema, name, depth)
            case "integer" | "number":
                return self.number(schema, whole=kind == "integer")
            case "boolean":
                return self.chance.random() < 0.5
            case "null":
                return None
        return self.text(schema, name)

    def whole(self, schema: Schema, depth: int) -> Schema:
        """The schema with what it refers to and what it is put together from; of a choice, the likeliest member."""
        for _ in range(20):  # references to references
            if "$ref" in schema:
                schema = {**self.referred(schema["$ref"]), **{k: v for k, v in schema.items() if k != "$ref"}}
                continue
            members = schema.get("anyOf") or schema.get("oneOf")
            parts = [*schema.get("allOf", ()), *([_likeliest(members, depth)] if members else [])]
            if not parts:
                break
            rest = {key: each for key, each in schema.items() if key not in ("allOf", "anyOf", "oneOf")}
            for part in parts:
                rest = _merged(rest, self.whole(part, depth))
            schema = rest
        return schema

    def referred(self, pointer: str) -> Schema:
        found: Any = self.root
        for step in pointer.removeprefix("#").strip("/").split("/") if pointer != "#" else ():
            found = found.get(step.replace("~1", "/").replace("~0", "~"), {}) if isinstance(found, Mapping) else {}
        return found if isinstance(found, Mapping) else {}

    def mapping(self, schema: Schema, depth: int) -> dict[str, Any]:
        required, named = schema.get("required", ()), schema.get("properties", {})
        made = {
            key: self.value(each, key, depth + 1)
            for key, each in named.items()
            if key in required or (depth < _DEEPEST and not self.leads_back(each))
        }
        more = schema.get("additionalProperties", {})
        for key in [*required, *(f"key_{number}" for number in range(1, schema.get("minProperties", 0) + 1))]:
            if key not in made and (key in required or len(made) < schema.get("minProperties", 0)):
                made[key] = self.value(more, key, depth + 1)
        return made

    def leads_back(self, schema: Any) -> bool:
        """Whether a schema refers to the one it may stand in; what is optional is then left out."""
        return isinstance(schema, Mapping) and '"$ref"' in json.dumps(schema)

    def array(self, schema: Schema, name: str, depth: int) -> list[Any]:
        first = [self.value(each, name, depth + 1) for each in schema.get("prefixItems", ())]
        least, most = schema.get("minItems", 0), schema.get("maxItems", 2)
        items = schema.get("items", {})
        usual = 0 if depth >= _DEEPEST or items is False else self.chance.randint(1, 2)
        singular = re.sub(r"s$", "", name)
        while len(first) < max(least, min(usual, most)):
            made = self.value(items, singular, depth + 1)
            if schema.get("uniqueItems") and made in first:
                if len(first) >= least:
                    break
                made = self.another(items, singular, depth, first)
            first.append(made)
        return first

    def another(self, items: Any, name: str, depth: int, taken: Sequence[Any]) -> Any:
        """A value that is not taken yet; after many attempts, one that is."""
        made = None
        for attempt in range(100):
            made = self.value(items, name, depth + 1)
            if isinstance(made, str) and attempt > 5 and "enum" not in items:
                made = f"{made} {attempt}"
            if made not in taken:
                break
        return made

    def number(self, schema: Schema, *, whole: bool) -> float:
        step = schema.get("multipleOf") or (1 if whole else 0.5)
        low = schema.get("minimum", schema.get("exclusiveMinimum"))
        high = schema.get("maximum", schema.get("exclusiveMaximum"))
        low = low if low is not None else min(1, high - 10 * step if high is not None else 1)
        high = high if high is not None else low + 20 * step
        first, last = -(-low // step), high // step
        first += first * step <= schema.get("exclusiveMinimum", first * step - 1)
        last -= last * step >= schema.get("exclusiveMaximum", last * step + 1)
        if last < first:  # no multiple between the bounds
            return low if whole else (low + high) / 2
        made = self.chance.randint(int(first), int(last)) * step
        return int(made) if whole or isinstance(step, int) else round(made, 9)

    def text(self, schema: Schema, name: str) -> str:
        if "pattern" in schema:
            return str(rstr.Rstr(self.chance).xeger(schema["pattern"]))
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
        known = next((each for key, each in _WORDS.items() if spaced.endswith(key)), None)
        made = self.chance.choice(known) if known else f"example {spaced.replace('_', ' ')}".strip()
        least, most = schema.get("minLength", 0), schema.get("maxLength")
        while len(made) < least:
            made += " example"[: least - len(made)]
        return made[:most]


def _implied(schema: Schema) -> str:
    """The type a schema without one means, by its keywords."""
    if {"properties", "required", "additionalProperties", "minProperties"} & set(schema) or not schema:
        return "object"
    if {"items", "prefixItems", "minItems", "maxItems"} & set(schema):
        return "array"
    if {"minimum", "maximum", "multipleOf", "exclusiveMinimum", "exclusiveMaximum"} & set(schema):
        return "number"
    return "string"


def _likeliest(members: Sequence[Any], depth: int) -> Schema:
    """Of a choice, the first that is neither null nor a reference, which may lead back; far down, null if it may be."""
    known = [each for each in members if isinstance(each, Mapping)]

    def last_resort(member: Schema) -> tuple[bool, bool]:
        null, leads_back = member.get("type") == "null", "$ref" in json.dumps(member)
        return (not null, leads_back) if depth >= _DEEPEST else (null, leads_back)

    return min(known, key=last_resort, default={})


def _merged(one: Schema, other: Schema) -> dict[str, Any]:
    merged = {**one, **other}
    if "properties" in one and "properties" in other:
        merged["properties"] = {**one["properties"], **other["properties"]}
    if "required" in one and "required" in other:
        merged["required"] = [*one["required"], *other["required"]]
    return merged
