"""A JSON value that a schema allows: short, the same for the same seed, with words that suit the property names."""

from __future__ import annotations

import contextlib
import itertools
import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

import rstr
from rstr.xeger import STAR_PLUS_LIMIT, sre_parse  # type: ignore[attr-defined]  # its own way to Python's parser

Schema = Mapping[str, Any]

_MAX_DEPTH = 4  # from here on, only required properties and items
_DEEPEST = 40  # nothing is written below
#: The longest value, in characters, and about what a piece of one takes. Longer than any model's answer; the schema may ask for more.
_LONGEST, _PIECE = 200_000, 16
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
#: Words for texts, by the end of the property's name.
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
    """A value that the schema allows; {} for an empty schema.

    A schema that asks for more than a model writes gets a value that is cut off, and so may not fit it.
    `not`, `if` and `contains` are ignored, so that a schema with these may not allow the value.
    """
    return _Writer(schema, random.Random(seed)).value(schema, "", 0)  # noqa: S311  no secret


class _Writer:
    """Writes values; `root` is the whole schema, which references point into."""

    def __init__(self, root: Schema, chance: random.Random) -> None:
        self.root, self.chance = root, chance
        self.left = _LONGEST

    def value(self, schema: Any, name: str, depth: int) -> Any:
        self.left -= _PIECE
        if self.left < 0 or depth > _DEEPEST:
            return None
        schema = self.resolved(schema, depth)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self.chance.choice(schema["enum"])
        kinds = schema.get("type") or _implied(schema)
        kind = kinds if isinstance(kinds, str) else next((kind for kind in kinds if kind != "null"), "null")
        match kind:
            case "object":
                return self.mapping(schema, depth)
            case "array":
                return self.array(schema, name, depth)
            case "integer" | "number":
                with contextlib.suppress(OverflowError, ValueError):  # bounds beyond a float's
                    return self.number(schema, integer=kind == "integer")
                return 0
            case "boolean":
                return self.chance.random() < 0.5
            case "null":
                return None
        return self.text(schema, name)

    def resolved(self, schema: Schema | bool, depth: int, level: int = 0) -> Schema:
        """The schema with its reference and its `allOf` parts merged in, and one member of `anyOf` or `oneOf`; {} for true and false."""
        if not isinstance(schema, Mapping) or level > _DEEPEST:  # a part may refer to the whole
            return {}
        for _ in range(20):  # a reference may point to a reference
            self.left -= 1
            if self.left < 0:
                return {}
            if "$ref" in schema:
                schema = {
                    **self.referred(schema["$ref"]),
                    **{key: value for key, value in schema.items() if key != "$ref"},
                }
                continue
            members = schema.get("anyOf") or schema.get("oneOf")
            parts = [*schema.get("allOf", ()), *([_simplest(members, depth)] if members else [])]
            if not parts:
                break
            rest = {key: value for key, value in schema.items() if key not in ("allOf", "anyOf", "oneOf")}
            for part in parts:
                rest = _merged(rest, self.resolved(part, depth, level + 1))
            schema = rest
        return schema

    def referred(self, pointer: str) -> Schema:
        """The schema that a reference points to; {} if it points to nothing."""
        node: Any = self.root
        for step in pointer.removeprefix("#").strip("/").split("/") if pointer != "#" else ():
            node = node.get(step.replace("~1", "/").replace("~0", "~"), {}) if isinstance(node, Mapping) else {}
        return node if isinstance(node, Mapping) else {}

    def mapping(self, schema: Schema, depth: int) -> dict[str, Any]:
        """A mapping with all properties, except optional ones that may contain themselves."""
        required, least = schema.get("required", ()), _count(schema, "minProperties", 0)
        mapping = {
            key: self.value(inner, key, depth + 1)
            for key, inner in schema.get("properties", {}).items()
            if key in required or (depth < _MAX_DEPTH and not self.contains_itself(inner))
        }
        others = schema.get("additionalProperties", {})
        for key in itertools.chain(required, (f"key_{number}" for number in range(1, least + 1))):
            if self.left < 0:
                break
            if key not in mapping and (key in required or len(mapping) < least):
                mapping[key] = self.value(others, key, depth + 1)
        return mapping

    def contains_itself(self, schema: Any) -> bool:
        """Whether a schema refers to something that refers to itself, however far away."""
        reached: set[str] = set()
        todo = _references(schema)
        while todo:
            pointer = todo.pop()
            if pointer in reached:
                continue
            reached.add(pointer)
            todo += _references(self.referred(pointer))
        return any(pointer in self.reached_from(pointer) for pointer in reached)

    def reached_from(self, pointer: str) -> set[str]:
        """Every reference that one leads to."""
        reached: set[str] = set()
        todo = _references(self.referred(pointer))
        while todo:
            following = todo.pop()
            if following not in reached:
                reached.add(following)
                todo += _references(self.referred(following))
        return reached

    def array(self, schema: Schema, name: str, depth: int) -> list[Any]:
        array = [self.value(item, name, depth + 1) for item in schema.get("prefixItems", ())]
        least, most = _count(schema, "minItems", 0), _count(schema, "maxItems", 2)
        items = schema.get("items", {})
        length = 0 if depth >= _MAX_DEPTH or items is False else self.chance.randint(1, 2)
        singular = re.sub(r"s$", "", name)
        while len(array) < max(least, min(length, most)) and self.left >= 0:
            item = self.value(items, singular, depth + 1)
            if schema.get("uniqueItems") and item in array:
                if len(array) >= least:
                    break
                item = self.another(items, singular, depth, array)
            array.append(item)
        return array

    def another(self, items: Any, name: str, depth: int, taken: Sequence[Any]) -> Any:
        """A value that is not taken yet; after 100 attempts, any value."""
        value = None
        for attempt in range(100):
            value = self.value(items, name, depth + 1)
            if isinstance(value, str) and attempt > 5 and "enum" not in items:
                value = f"{value} {attempt}"
            if value not in taken:
                break
        return value

    def number(self, schema: Schema, *, integer: bool) -> float:
        step = schema.get("multipleOf") or (1 if integer else 0.5)
        low = schema.get("minimum", schema.get("exclusiveMinimum"))
        high = schema.get("maximum", schema.get("exclusiveMaximum"))
        low = low if low is not None else min(1, high - 10 * step if high is not None else 1)
        high = high if high is not None else low + 20 * step
        first, last = -(-low // step), high // step
        first += first * step <= schema.get("exclusiveMinimum", first * step - 1)
        last -= last * step >= schema.get("exclusiveMaximum", last * step + 1)
        if last < first:  # no multiple between the bounds
            return low if integer else (low + high) / 2
        number = self.chance.randint(int(first), int(last)) * step
        return int(number) if integer or isinstance(step, int) else round(number, 9)

    def text(self, schema: Schema, name: str) -> str:
        if "pattern" in schema:
            # What `rstr` cannot write: another dialect, as \p{L}; more than 100 times of something; a class without a letter.
            with contextlib.suppress(ValueError, re.error, OverflowError, RecursionError, IndexError, FutureWarning):
                return self.cut(self.matching(schema["pattern"]))
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        snake_case = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
        words = next((words for ending, words in _WORDS.items() if snake_case.endswith(ending)), None)
        text = self.chance.choice(words) if words else f"example {snake_case.replace('_', ' ')}".strip()
        least, most = _count(schema, "minLength", 0), _count(schema, "maxLength", _LONGEST)
        text += (" example" * (min(least, self.left) // 8 + 1))[: max(0, least - len(text))]
        return self.cut(text[:most])

    def matching(self, pattern: str) -> str:
        """A text that matches; an empty one where it might be longer than what is left."""
        if _longest(sre_parse.parse(pattern)) > self.left:
            return ""
        return str(rstr.Rstr(self.chance).xeger(pattern))

    def cut(self, text: str) -> str:
        """A text, as much as is left."""
        text = text[: max(0, self.left)]
        self.left -= len(text)
        return text


def _longest(node: Any) -> int:
    """How many characters `rstr` may write for a parsed pattern, or a part of one: it repeats 100 times, unless it must more."""
    if isinstance(node, tuple) and repr(node[0]).endswith("REPEAT"):
        least, most, repeated = node[1]
        return max(int(least), min(int(most), STAR_PLUS_LIMIT)) * _longest(repeated)
    parts = node if isinstance(node, tuple | list | sre_parse.SubPattern) else ()
    return max(1, sum(map(_longest, parts)))


def _count(schema: Schema, keyword: str, default: int) -> int:
    """The number of a keyword, which JSON Schema lets people write as 2.0 too."""
    return int(schema.get(keyword, default))


def _implied(schema: Schema) -> str:
    """The type of a schema without `type`, judged by its keywords."""
    if {"properties", "required", "additionalProperties", "minProperties"} & set(schema) or not schema:
        return "object"
    if {"items", "prefixItems", "minItems", "maxItems"} & set(schema):
        return "array"
    if {"minimum", "maximum", "multipleOf", "exclusiveMinimum", "exclusiveMaximum"} & set(schema):
        return "number"
    return "string"


def _has_reference(schema: Any) -> bool:
    """Whether a schema has a reference inside, and may so contain itself."""
    return bool(_references(schema))


def _references(schema: Any) -> list[str]:
    """Every reference inside a schema."""
    if isinstance(schema, Mapping):
        own = [schema["$ref"]] if isinstance(schema.get("$ref"), str) else []
        return [*own, *(pointer for value in schema.values() for pointer in _references(value))]
    return [pointer for item in schema for pointer in _references(item)] if isinstance(schema, list) else []


def _simplest(members: Sequence[Any], depth: int) -> Schema:
    """The first member without a reference: null only where there is no other, but preferred at the deepest level."""

    def rank(member: Schema) -> tuple[bool, bool]:
        null = member.get("type") == "null"
        return (not null if depth >= _MAX_DEPTH else null), _has_reference(member)

    return min((member for member in members if isinstance(member, Mapping)), key=rank, default={})


def _merged(one: Schema, other: Schema) -> dict[str, Any]:
    merged = {**one, **other}
    if "properties" in one and "properties" in other:
        merged["properties"] = {**one["properties"], **other["properties"]}
    if "required" in one and "required" in other:
        merged["required"] = [*one["required"], *other["required"]]
    return merged
