"""The published schemas, corrected by `overlay.yaml` where real traffic differs from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from mockserver.contract.data_folder import data_folder

# As published, the schemas reject between a fifth and all of what the services send (measured on 1,445 chat answers, 15,830
# chunks, 591 responses of OpenAI and 334 answers, 12,651 chunks of Azure OpenAI, 2023 to 2026).
Schema = dict[str, Any]
Definitions = dict[str, Schema]


def amendments() -> dict[str, list[dict[str, Any]]]:
    """The amendments of each specification, as in the file."""
    text = (data_folder() / "overlay.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)  # type: ignore[no-any-return]  # raw YAML


def amended(specification: str, definitions: Definitions, *, requests: bool) -> Definitions:
    """The definitions, changed in place by the amendments of the specification, those for requests alone only where
    `requests`.

    Raises:
        LookupError: an amendment names a place that does not exist (any more).
    """
    for amendment in amendments()[specification]:
        if amendment.get("of") == "requests" and not requests:
            continue
        if amendment["change"] == "keys":
            definitions[amendment["in"]].setdefault("properties", {}).update({key: {} for key in amendment["keys"]})
            continue
        *steps, last = amendment["in"].split(".")
        holders = list(_holders(definitions, steps, last))
        if not holders:
            raise LookupError(f"amendment {amendment['name']}: the {specification} schemas have no {amendment['in']}")
        for holder in holders:
            _change(holder, last, amendment)
    return definitions


def _change(holder: Schema, name: str, amendment: dict[str, Any]) -> None:
    if amendment["change"] == "optional":
        holder["required"] = [key for key in holder.get("required", []) if key != name]
        return
    alternative = {"type": "null"} if amendment["change"] == "nullable" else amendment["schema"]
    holder["properties"][name] = {"anyOf": [holder["properties"][name], alternative]}


def _holders(definitions: Definitions, path: list[str], last: str) -> Iterator[Schema]:
    """Every schema that declares the property `last` at the end of the path."""
    root, *steps = path
    names = [root] if "*" not in root else [name for name in definitions if _fits(root, name)]
    for definition in names:
        nodes = [definitions[definition]] if definition in definitions else []
        for step in steps:
            name = step.removesuffix("[]")
            nodes = [holder["properties"][name] for node in nodes for holder in _declaring(definitions, node, name)]
            if step.endswith("[]"):
                nodes = [part["items"] for node in nodes for part in _parts(definitions, node) if "items" in part]
        for node in nodes:
            yield from _declaring(definitions, node, last)


def _fits(pattern: str, name: str) -> bool:
    start, _, end = pattern.partition("*")
    return name.startswith(start) and name.endswith(end)


def _declaring(definitions: Definitions, node: Schema, name: str) -> Iterator[Schema]:
    return (
        part
        for part in _parts(definitions, node)
        if name in part.get("properties", {}) or name in part.get("required", [])
    )


def _parts(definitions: Definitions, node: Schema) -> Iterator[Schema]:
    """A schema, the schemas that it refers to, and the members of its combinations."""
    yield node
    if "$ref" in node:
        yield from _parts(definitions, definitions[node["$ref"].rpartition("/")[2]])
    for key in ("allOf", "anyOf"):
        for part in node.get(key, ()):
            yield from _parts(definitions, part)
