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
    """Why a JSON value is not a valid `Request`, `Completion`, `Event`, `Error`, `Config`, `Me`, `Models`, `Roles`, `Health` or `Chat`."""
    definition = {"$ref": f"#/components/schemas/{schema}", "components": document()["components"]}
    return [
        f"{'/'.join(map(str, error.instance_path))}: {error.message}"
        for error in jsonschema_rs.Draft202012Validator(definition).iter_errors(value)
    ]
