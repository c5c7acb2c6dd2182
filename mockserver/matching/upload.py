"""Multipart forms, as uploads send them: their files, and their fields as the JSON that they stand for."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header

from mockserver.contract.violations import definitions
from mockserver.exchange import Request

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file in a form."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Upload:
    """A form's files by field, and all its fields as one JSON object; a file's value there is its name."""

    fields: dict[str, Any]
    files: dict[str, list[UploadedFile]]


def upload_of(request: Request, schema: str) -> Upload | None:
    """The form in a request; None if it has no form. `schema` says of what type its fields are."""
    kind, options = parse_options_header(request.header("content-type") or "")
    if kind != "multipart/form-data":
        return None
    try:
        parser = FormDataParser(max_form_memory_size=None, silent=False)
        _, texts, parts = parser.parse(io.BytesIO(request.body), kind, len(request.body), options)
    except ValueError:
        return None
    if None in texts or None in parts:  # a part that names no field
        for _, part in parts.items(multi=True):
            part.close()
        return None
    fields: dict[str, Any] = {}
    files: dict[str, list[UploadedFile]] = {}
    for field, part in parts.items(multi=True):
        with part.stream:
            file = UploadedFile(part.filename or "", part.stream.read())
        files.setdefault(field.removesuffix("[]"), []).append(file)
        _put(fields, field, file.name)
    for field, text in texts.items(multi=True):
        _put(fields, field, text)
    properties = definitions("openai", requests=True)[schema].get("properties", {})
    typed = {key: _typed(value, properties.get(key, {})) for key, value in fields.items()}
    return Upload(typed, files)


def _put(fields: dict[str, Any], field: str, value: str) -> None:
    """Put a value where its field's name says: `a`, `a[]` for one of a list, `a[b]` for one of a mapping."""
    match = _NAME.fullmatch(field)
    name, inner = (match[1], re.findall(r"\[([^\[\]]*)\]", match[2])) if match else (field, [])
    if inner and inner[0]:
        fields.setdefault(name, {})
        if isinstance(fields[name], dict):
            fields[name][inner[0]] = value
    elif inner:
        fields.setdefault(name, [])
        if isinstance(fields[name], list):
            fields[name].append(value)
    else:
        fields[name] = [*_list(fields[name]), value] if name in fields else value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _typed(value: Any, schema: Mapping[str, Any]) -> Any:
    """A field's value in the type that its schema has; the text where it is of no such type."""
    if isinstance(value, dict):
        inner = _resolved(schema).get("properties", {})
        return {key: _typed(each, inner.get(key, {})) for key, each in value.items()}
    if not isinstance(value, str):
        return value
    kinds = _kinds(schema)
    if "boolean" in kinds and value in ("true", "false"):
        return value == "true"
    for kind, parse in (("integer", int), ("number", float)):
        if kind in kinds:
            try:
                return parse(value)
            except ValueError:
                continue
    return [value] if kinds == {"array"} else value


def _kinds(schema: Mapping[str, Any]) -> set[str]:
    schema = _resolved(schema)
    kinds = schema.get("type", [])
    own = {kinds} if isinstance(kinds, str) else set(kinds)
    return own.union(*(_kinds(member) for member in schema.get("anyOf", ()))) - {"null"}


def _resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        schema = definitions("openai", requests=True)[schema["$ref"].rpartition("/")[2]]
    return schema
