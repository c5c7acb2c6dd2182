"""JSON as it leaves."""

from __future__ import annotations

import json


def json_bytes(value: object) -> bytes:
    """The JSON of a value. Half of a surrogate pair, which a model may send and UTF-8 cannot hold, stays escaped."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()
