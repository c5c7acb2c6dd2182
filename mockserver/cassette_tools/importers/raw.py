"""What every format is read into: one exchange as its tool wrote it, bodies perhaps still compressed."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from mockserver.exchange import Headers


class RawError(ValueError):
    """An entry that cannot be imported; the message says why."""


@dataclass(frozen=True, slots=True)
class RawInteraction:
    """One exchange. Header names are lower-case; bodies are as they were written, with any compression."""

    method: str
    uri: str
    request_headers: Headers
    request_body: bytes
    status: int
    headers: Headers
    body: bytes


def headers_of(value: Any) -> Headers:
    """Headers from a mapping to a value or a list of values, or from a list of pairs.

    Raises:
        RawError: it is something else.
    """
    pairs = list(value.items()) if isinstance(value, dict) else value or []
    if not isinstance(pairs, list) or not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
        raise RawError(f"its headers must be a mapping or a list of pairs, got {type(value).__name__}")
    return tuple(
        (str(name).lower(), str(item))
        for name, items in pairs
        for item in (items if isinstance(items, list | tuple) else [items])
    )


def body_of(value: Any) -> bytes:
    """The body from text, bytes, JSON, or a mapping with `string`, `base64_string` or `content`.

    Raises:
        RawError: it is something else.
    """
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, dict):
        if "base64_string" in value:
            try:
                return base64.b64decode(value["base64_string"])
            except (binascii.Error, ValueError, TypeError) as error:
                raise RawError(f"its body is not valid base64: {error}") from error
        if "string" in value or "content" in value:
            return body_of(value.get("string", value.get("content")))
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False).encode()
    raise RawError(f"its body must be text, bytes or JSON, got {type(value).__name__}")


def status_of(value: Any) -> int:
    """The status from a number or a mapping with `code`.

    Raises:
        RawError: not a status of HTTP.
    """
    code: Any = value.get("code") if isinstance(value, dict) else value
    try:
        status = int(code)
    except (TypeError, ValueError, OverflowError) as error:
        raise RawError("its answer has no status") from error
    if not 100 <= status <= 599:
        raise RawError(f"its answer has no status from 100 to 599, got {code}")
    return status


def mapping(value: Any, what: str) -> dict[str, Any]:
    """A part of an entry, which must be a mapping.

    Raises:
        RawError: it is not.
    """
    if not isinstance(value, dict):
        raise RawError(f"its {what} is missing")
    return value
