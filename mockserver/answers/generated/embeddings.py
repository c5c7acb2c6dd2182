"""Generated embeddings: one unit vector per input, the same for the same text, and unrelated to its meaning."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import random
import struct
from collections.abc import Mapping
from typing import Any

from mockserver import tokens
from mockserver.exchange import Answer, json_answer

#: A vector's dimensions where the request does not say. Source: the models' pages, 2024-01.
_DIMENSIONS = {"text-embedding-3-large": 3072}
_DEFAULT_DIMENSIONS = 1536
#: More than any model has; a request may ask for any number.
_MOST_DIMENSIONS = 4096


def embeddings(body: Mapping[str, Any], model: str) -> Answer:
    """The answer with a vector for each input, as numbers or as base64 of little-endian 32-bit floats."""
    value = body["input"]  # a text, a list of tokens, or a list of either
    inputs = value if isinstance(value, list) and value and not isinstance(value[0], int) else [value]
    dimensions = min(body.get("dimensions") or _DIMENSIONS.get(model, _DEFAULT_DIMENSIONS), _MOST_DIMENSIONS)
    vectors = [_vector(json.dumps(item, ensure_ascii=False), dimensions) for item in inputs]
    as_base64 = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _base64(vector) if as_base64 else vector}
        for index, vector in enumerate(vectors)
    ]
    count = sum(tokens.count(item, model) if isinstance(item, str) else len(item) for item in inputs)
    usage = {"prompt_tokens": count, "total_tokens": count}
    return json_answer(200, {"object": "list", "data": data, "model": model, "usage": usage})


def _base64(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _vector(text: str, dimensions: int) -> list[float]:
    source = random.Random(hashlib.sha256(text.encode()).digest())  # noqa: S311  no secret
    raw = [source.gauss(0, 1) for _ in range(dimensions)]
    length = math.sqrt(sum(number * number for number in raw))
    return [number / length for number in raw]
