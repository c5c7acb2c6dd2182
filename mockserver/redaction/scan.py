"""What a text is made of: asked of every text, and of thirty megabytes at once, so it takes a few milliseconds for each."""

from __future__ import annotations

import json
import re
import string
from enum import Enum, auto

import msgspec

_BASE64 = (string.ascii_letters + string.digits + "+/_-").encode()
#: Letters of base64 become one of them, everything else a blank.
_AS_WORDS = bytes(ord("a") if each in _BASE64 else ord(" ") for each in range(256))
_LONG_WORD = re.compile(r"[A-Za-z0-9+/_-]{16}")
_DATA = re.compile(r"[A-Za-z0-9+/_=-]+")
#: From here on, copying a text is cheaper than looking at each of its characters.
_LARGE = 4096


class Form(Enum):
    """How a text is read."""

    JSON = auto()
    #: It begins like JSON: it was cut off, is several lines of JSON, or is code.
    LIKE_JSON = auto()
    TEXT = auto()


def form_of(text: str) -> Form:
    """The form of a text. Only objects, lists and strings count as JSON, not numbers or words."""
    first = text[:1] if text[:1] in ("{", "[", '"') else text[:1000].lstrip("\ufeff \t\r\n")[:1]
    if first not in ("{", "[", '"'):
        return Form.TEXT
    try:
        msgspec.json.decode(text, type=msgspec.Raw)  # checked, but not built
    except (ValueError, RecursionError):
        return _slow_form_of(text, first)
    return Form.JSON


def _slow_form_of(text: str, first: str) -> Form:
    """As Python has it: NaN, bytes that are no UTF-8, halves of surrogate pairs."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return Form.TEXT if first == '"' else Form.LIKE_JSON
    return Form.JSON


def has_long_word(text: str) -> bool:
    """Whether 16 letters of base64 stand together."""
    if len(text) > _LARGE and text.isascii():
        return b"a" * 16 in text.encode().translate(_AS_WORDS)
    return _LONG_WORD.search(text) is not None


def is_data(text: str) -> bool:
    """Whether the text is nothing but letters of base64."""
    if len(text) > _LARGE:
        return text.isascii() and not text.encode().translate(None, _BASE64 + b"=")
    return _DATA.fullmatch(text) is not None
