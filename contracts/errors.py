"""Error bodies as the backends send them, byte for byte where that is known."""

from __future__ import annotations

import json
from dataclasses import dataclass

from contracts.operations import Backend

_JSON = (("content-type", "application/json"),)


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """A refusal: status, headers and the exact bytes."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def missing_key(backend: Backend) -> ErrorBody:
    """The backend's 401 for an empty or a wrong key.

    Source: Azure's is recorded (2024-12 to 2025-07: compact, neither HSTS nor nosniff). OpenAI's takes the recorded
    layout and headers of its 401 and the documented wording for an absent key.
    """
    if backend is Backend.AZURE:
        text = (
            "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an "
            "active subscription and use a correct regional API endpoint for your resource."
        )
        return ErrorBody(
            401, _JSON, json.dumps({"error": {"code": "401", "message": text}}, separators=(",", ":")).encode()
        )
    text = (
        "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
        "(i.e. Authorization: Bearer YOUR_KEY). You can obtain an API key from https://platform.openai.com/account/api-keys."
    )
    return ErrorBody(401, (*_JSON, ("www-authenticate", 'Bearer realm="OpenAI API"')), _openai(text))


def unknown_path(backend: Backend, method: str, path: str) -> ErrorBody:
    """The backend's 404 for a path or method it does not know.

    Source: Azure's is recorded (2025-02-07: 56 bytes, a space after `"message":`); OpenAI's wording is documented.
    """
    if backend is Backend.AZURE:
        return ErrorBody(404, _JSON, b'{"error":{"code":"404","message": "Resource not found"}}')
    return ErrorBody(
        404, (("content-type", "application/json; charset=utf-8"),), _openai(f"Invalid URL ({method} {path})")
    )


def bad_body(message: str) -> ErrorBody:
    """The 400 for a body that is no JSON object; both backends use OpenAI's envelope here (recorded 2024-11-20)."""
    return ErrorBody(400, _JSON, _openai(message))


def _openai(message: str) -> bytes:
    """OpenAI's layout: indented by four, a newline at the end (recorded 2024-04)."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return json.dumps({"error": error}, indent=4).encode() + b"\n"
