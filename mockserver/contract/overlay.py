"""Where real traffic differs from the published schemas: `overlay.yaml`, put into effect.

As published the schemas reject from a fifth to all of what the services send (measured on 1,445 chat answers, 15,830
chunks, 591 responses of OpenAI and 334 answers, 12,651 chunks of Azure OpenAI, 2023 to 2026).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from mockserver.contract.data_folder import data_folder

Schema = dict[str, Any]
Definitions = dict[str, Schema]


def amendments() -> dict[str, list[dict[str, Any]]]:
    """The amendments of each specification, as they stand in the file."""
    text = (data_folder() / "overlay.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)  # type: ignore[no-any-return]  # raw YAML


def amended(specification: str, definitions: Definitions) -> Definitions:
    """The definitions with every amendment of the specification made, in place.

    Raises:
        LookupError: the place an amendment names is not there (any more).
    """
    for amendment in amendments()[specification]:
        if amendment["change"] == "keys":
            definitions[amendment["in"]].setdefault("properties", {}).update({key: {} for key in amendment["keys"]})
            continue
        *way, last = amendment["in"].split(".")
        holders = list(_holders(definitions, way, last))
        if not holders:
            raise LookupError(
                f"amendment {amendment['name']}: there is no {amendment['in']} in the schemas of {specification}"
            )
        for holder in holders:
            _change(holder, last, amendment)
    return definitions


def _change(holder: Schema, name: str, amendment: dict[str, Any]) -> None:
    if amendment["change"] == "optional":
        holder["required"] = [each for each in holder.get("required", []) if each != name]
        return
    more = {"type": "null"} if amendment["change"] == "nullable" else amendment["schema"]
    holder["properties"][name] = {"anyOf": [holder["properties"][name], more]}


def _holders(definitions: Definitions, way: list[str], last: str) -> Iterator[Schema]:
    """Every schema that declares the property `last` at the end of the way."""
    root, *steps = way
    names = [root] if "*" not in root else [each for each in definitions if _between(root, each)]
    for name in names:
        nodes = [definitions[name]] if name in definitions else []
        for step in steps:
            inner = [
                each["properties"][step.removesuffix("[]")]
                for node in nodes
                for each in _declaring(definitions, node, step.removesuffix("[]"))
            ]
            nodes = (
                [part["items"] for each in inner for part in _parts(definitions, each) if "items" in part]
                if step.endswith("[]")
                else inner
            )
        for node in nodes:
            yield from _declaring(definitions, node, last)


def _between(pattern: str, name: str) -> bool:
    begin, _, end = pattern.partition("*")
    return name.startswith(begin) and name.endswith(end)


def _declaring(definitions: Definitions, node: Schema, name: str) -> Iterator[Schema]:
    return (
        part
        for part in _parts(definitions, node)
        if name in part.get("properties", {}) or name in part.get("required", [])
    )


def _parts(definitions: Definitions, node: Schema) -> Iterator[Schema]:
    """A schema and those it is put together from."""
    yield node
    if "$ref" in node:
        yield from _parts(definitions, definitions[node["$ref"].rpartition("/")[2]])
    for key in ("allOf", "anyOf", "oneOf"):
        for part in node.get(key, ()):
            yield from _parts(definitions, part)
