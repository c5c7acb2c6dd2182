"""Documents that people write, in YAML or JSON: read strictly against a type, with errors that say where and what.

The types are msgspec's, which also gives their JSON Schemas, so that editors and this program agree.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import msgspec
import yaml
from msgspec import inspect

from mockserver.errors import UserError, did_you_mean
from mockserver.exchange import MAX_DEPTH, is_text, is_too_deep

T = TypeVar("T")
#: Makes the error of one kind of document from its message.
ErrorOf = Callable[[str], UserError]

_WORDS = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "int | float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}
_PROBLEM = re.compile(r"(?P<text>.*?)(?: - at (?P<key>`key` in )?`(?P<path>\$.*)`)?", re.DOTALL)


#: How many values a document may stand for: an alias stands for all that it names, and so on.
_MOST_VALUES = 1_000_000
#: How many levels libyaml's reader may go down without a check; each takes a part of the thread's stack.
_UNCHECKED_LEVELS = 1_000


class BoundError(ValueError):
    """A document that would take too much to read."""


class PlainLoader(yaml.CSafeLoader):
    """YAML with the values that JSON has, dates and bytes: no other collections, no merge keys, and finite numbers."""

    def finite(self, node: yaml.ScalarNode) -> float:
        """The number of a node."""
        number: float = self.construct_yaml_float(node)
        if not math.isfinite(number):
            raise yaml.constructor.ConstructorError(None, None, "a number must be finite", node.start_mark)
        return number

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """The value of a node; what it is not has its place."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as problem:
            kind = node.tag.rpartition(":")[2]
            said = (
                str(problem)
                if isinstance(problem, ValueError | OverflowError)
                else f"{node.value!r} is not a valid {kind}"
            )
            raise yaml.constructor.ConstructorError(None, None, said, node.start_mark) from problem


for _tag in ("set", "omap", "pairs"):
    PlainLoader.add_constructor(f"tag:yaml.org,2002:{_tag}", PlainLoader.construct_undefined)  # type: ignore[type-var]  # typed for another base class
PlainLoader.add_constructor("tag:yaml.org,2002:float", PlainLoader.finite)
# Merges of merges take all memory.
PlainLoader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:merge"]
    for letter, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A mapping that has no other keys than these."""


def parse_yaml(text: bytes | str, where: str, error: ErrorOf) -> Any:
    """What a YAML document says.

    Raises:
        UserError: made by `error`; not UTF-8 or not YAML, with the place.
    """
    try:
        return load_yaml(text.decode() if isinstance(text, bytes) else text)
    except UnicodeDecodeError as problem:
        raise error(f"{where}: not valid UTF-8 (byte {problem.start})") from problem
    except BoundError as problem:
        raise error(f"{where}: {problem}") from problem
    except (yaml.YAMLError, ValueError) as problem:
        words = " ".join(str(problem).replace('in "<unicode string>", ', "at ").split())
        raise error(f"{where}: not valid YAML: {words}") from problem


def load_yaml(text: str, loader: type[PlainLoader] = PlainLoader) -> Any:
    """What a YAML document says, within bounds of time, memory and depth.

    Raises:
        yaml.YAMLError: not YAML.
        BoundError: nested too deep, or aliases that stand for too much.
        ValueError: a date that does not exist.
    """
    too_deep = f"must be nested at most {MAX_DEPTH} levels deep"
    if _may_be_deep(text) and _depth(text) > MAX_DEPTH:
        raise BoundError(too_deep)
    try:
        document = yaml.load(text, Loader=loader)  # noqa: S506  a safe one
    except RecursionError as problem:
        raise BoundError(too_deep) from problem
    if "&" in text:
        _count(document, 0, {})
    if is_too_deep(document):
        raise BoundError(too_deep)
    return document


def _may_be_deep(text: str) -> bool:
    """Whether a text could be nested deeper than is safe to read: each level has a bracket, a dash, a mark, or more indentation."""
    levels = sum(map(text.count, ("[", "{", "- ", "-\t", "? ", "?\t")))
    return levels > _UNCHECKED_LEVELS or " " * _UNCHECKED_LEVELS in text


def _depth(text: str) -> int:
    """How deep a document is nested, or to where it is known to be too deep."""
    level = deepest = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            level += 1
            deepest = max(deepest, level)
            if deepest > MAX_DEPTH:
                break
        elif isinstance(event, yaml.CollectionEndEvent):
            level -= 1
    return deepest


def _count(value: Any, level: int, known: dict[int, int]) -> int:
    """How many values a value stands for.

    Raises:
        BoundError: too many, or it contains itself.
    """
    if not isinstance(value, dict | list):
        return 1
    if level > MAX_DEPTH:
        raise BoundError(f"must be nested at most {MAX_DEPTH} levels deep")
    if id(value) not in known:
        items = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_count(item, level + 1, known) for item in items)
        if known[id(value)] > _MOST_VALUES:
            raise BoundError(f"its aliases must stand for at most {_MOST_VALUES:,} values")
    return known[id(value)]


def convert(document: Any, type_: type[T], where: str, error: ErrorOf) -> T:
    """The document as a value of the type, without any coercion.

    Raises:
        UserError: made by `error`; an unknown key with the nearest known one, or a wrong value with what it must be.
    """
    for steps, text in _half_pairs(document):
        entry, name = _place(steps)
        raise error(f"{where}: {entry}{name + ': ' if name else ''}not valid Unicode: {_shown(text)}")
    try:
        return msgspec.convert(document, type_)
    except msgspec.ValidationError as problem:
        raise error(f"{where}: {_explained(str(problem), document, type_)}") from problem


def _half_pairs(document: Any) -> Iterator[tuple[list[str | int], str]]:
    """Each text with half of a surrogate pair, which JSON can spell and no file can hold, and its path; a key's is its mapping's."""
    level: list[tuple[list[str | int], Any]] = [([], document)]
    for _ in range(MAX_DEPTH + 1):
        below: list[tuple[list[str | int], Any]] = []
        for steps, value in level:
            if isinstance(value, str) and not is_text(value):
                yield steps, value
            elif isinstance(value, dict):
                yield from ((steps, key) for key in value if isinstance(key, str) and not is_text(key))
                below += [([*steps, str(key)], each) for key, each in value.items()]
            elif isinstance(value, list):
                below += [([*steps, index], each) for index, each in enumerate(value)]
        level = below


def _explained(problem: str, document: Any, type_: Any) -> str:
    """msgspec's message in the words of this program: the place, what it must be, and what it is."""
    found = _PROBLEM.fullmatch(problem)
    text, path = (found["text"], found["path"] or "$") if found else (problem, "$")
    steps = _steps(path, document, type_, problem)
    entry, name = _place(steps)
    value = _value_at(document, steps)
    if found and found["key"]:
        wrong = next(key for key in value if not isinstance(key, str))
        return f"{entry}every key{' of ' + name if name else ''} must be a string, got {_shown(wrong)}"
    if unknown := re.search(r"unknown field `(.*)`", text):
        known = list(dict.fromkeys(_fields_at(inspect.type_info(type_), steps)))
        hint = did_you_mean(unknown[1], known)
        return f"{entry}unknown key {unknown[1]!r}{' in ' + name if name else ''}{hint}; known keys: {', '.join(known)}"
    if missing := re.search(r"missing required field `(.*)`", text):
        return f"{entry}{name + ': ' if name else ''}the key {missing[1]!r} is required"
    if text.startswith("Invalid enum value"):
        choices = sorted(map(str, _choices_at(inspect.type_info(type_), steps)))
        hint = did_you_mean(str(value), choices)
        return f"{entry}unknown {name or 'value'} {value!r}{hint}; known values: {', '.join(choices)}"
    if expected := re.match(r"Expected `(.*?)`(?:, got `.*`)?(.*)", text, re.DOTALL):
        bounds = re.sub(r"\.0\b", "", expected[2])  # `>= 0.0`, where the type is a float
        options = expected[1].removesuffix(" | null")
        words = _WORDS.get(options) or " or ".join(_WORDS.get(option, option) for option in options.split(" | "))
        return f"{entry}{name + ' ' if name else ''}must be {words}{bounds}, got {_shown(value)}"
    return f"{entry}{name + ': ' if name else ''}{text}"


def _steps(path: str, document: Any, type_: Any, problem: str) -> list[str | int]:
    """The keys and indexes of msgspec's path; where it says `[...]`, the key of the mapping that is wrong."""
    steps: list[str | int] = []
    for key, index in re.findall(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]", path):
        steps.append(key or (_wrong_key(document, steps, type_, problem) if index == "..." else int(index)))
    return steps


def _wrong_key(document: Any, steps: list[str | int], type_: Any, problem: str) -> str:
    """The first key of the mapping at a path that alone makes the document wrong in the same way."""
    mapping = _value_at(document, steps)
    for key, value in mapping.items():
        try:
            msgspec.convert(_with(document, steps, {key: value}), type_)
        except msgspec.ValidationError as error:
            if str(error) == problem:
                return str(key)
    return "*"


def _with(document: Any, steps: list[str | int], value: Any) -> Any:
    """The document with another value at a path."""
    if not steps:
        return value
    first, *rest = steps
    changed = _with(document[first], rest, value)
    if isinstance(document, list):
        return [changed if index == first else item for index, item in enumerate(document)]
    return {**document, first: changed}


def _value_at(document: Any, steps: list[str | int]) -> Any:
    for step in steps:
        document = document[step]
    return document


def _place(steps: list[str | int]) -> tuple[str, str]:
    """`entry 2: ` where the document is a list, and the rest of the path as people write it; items count from 1."""
    entry = f"entry {steps[0] + 1}: " if steps and isinstance(steps[0], int) else ""
    name = "".join(f"[{step + 1}]" if isinstance(step, int) else f".{step}" for step in (steps[1:] if entry else steps))
    return entry, name.removeprefix(".")


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python's limit, 4,300 digits
        return "a number of very many digits"
    return text if len(text) <= 60 else f"{text[:57]}…"


def _at(info: Any, steps: list[str | int]) -> Iterator[Any]:
    """The types that a document may have at a path."""
    if isinstance(info, inspect.Metadata):
        yield from _at(info.type, steps)
    elif isinstance(info, inspect.UnionType):
        for each in info.types:
            yield from _at(each, steps)
    elif not steps:
        yield info
    elif isinstance(info, inspect.StructType):
        for field in info.fields:
            if field.encode_name == steps[0]:
                yield from _at(field.type, steps[1:])
    elif isinstance(info, inspect.DictType):
        yield from _at(info.value_type, steps[1:])
    elif isinstance(info, inspect.ListType | inspect.VarTupleType):
        yield from _at(info.item_type, steps[1:])


def _fields_at(info: Any, steps: list[str | int]) -> Iterator[str]:
    for each in _at(info, steps):
        if isinstance(each, inspect.StructType):
            yield from (field.encode_name for field in each.fields)


def _choices_at(info: Any, steps: list[str | int]) -> Iterator[Any]:
    for each in _at(info, steps):
        if isinstance(each, inspect.LiteralType):
            yield from each.values
        elif isinstance(each, inspect.EnumType):
            yield from (member.value for member in each.cls)
