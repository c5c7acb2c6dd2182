"""Our own chat API's contract: `chat-api.yaml`, OpenAPI 3.1."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml


@functools.cache
def document() -> dict[str, Any]:
    """The OpenAPI document."""
    text = (Path(__file__).parents[1] / "contracts" / "chat-api.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)  # type: ignore[no-any-return]  # raw YAML


def problems(schema: str, value: Any) -> list[str]:
    """What keeps a JSON value from being a `Request`, `Completion`, `Event`, `Error`, `Config`, `Me`, `Roles`, `Health` or `Chat`."""
    whole = {"$ref": f"#/components/schemas/{schema}", "components": document()["components"]}
    return [
        f"{'/'.join(map(str, each.instance_path))}: {each.message}"
        for each in jsonschema_rs.Draft202012Validator(whole).iter_errors(value)
    ]
