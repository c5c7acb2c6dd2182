"""What every format comes down to: one exchange as its tool wrote it down, bodies perhaps still packed."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from mockserver.exchange import Headers


class RawError(ValueError):
    """An entry that cannot be imported; says why."""


@dataclass(frozen=True, slots=True)
class RawInteraction:
    """One exchange. Header names are lower-case; bodies are as they were written down, gzip and all."""

    method: str
    uri: str
    request_headers: Headers
    request_body: bytes
    status: int
    headers: Headers
    body: bytes


def headers_of(value: Any) -> Headers:
    """Headers given as a mapping to a value or a list, or as a list of pairs."""
    pairs = value.items() if isinstance(value, dict) else value or ()
    listed = ((str(name).lower(), each if isinstance(each, list | tuple) else [each]) for name, each in pairs)
    return tuple((name, str(item)) for name, items in listed for item in items)


def body_of(value: Any) -> bytes:
    """A body given as text, as bytes, as JSON, or in a mapping as `string`, `base64_string` or `content`.

    Raises:
        RawError: it is none of these.
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
                raise RawError(f"its body is no base64: {error}") from error
        if "string" in value or "content" in value:
            return body_of(value.get("string", value.get("content")))
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False).encode()
    raise RawError(f"its body is {type(value).__name__}, which says nothing")


def status_of(value: Any) -> int:
    """A status given as a number or as a mapping with `code`.

    Raises:
        RawError: there is none.
    """
    code: Any = value.get("code") if isinstance(value, dict) else value
    try:
        return int(code)
    except (TypeError, ValueError) as error:
        raise RawError("its answer has no status") from error


def mapping(value: Any, what: str) -> dict[str, Any]:
    """A part that has to be a mapping.

    Raises:
        RawError: it is none.
    """
    if not isinstance(value, dict):
        raise RawError(f"its {what} is missing")
    return value
