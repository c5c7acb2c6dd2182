"""Embeddings made up: a vector of length 1 for every input, the same text the same vector, nothing of its sense."""

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

#: How long a model's vectors are where the request does not say. Source: the models' pages, 2024-01.
_DIMENSIONS = {"text-embedding-3-large": 3072}
_USUALLY = 1536


def embeddings(asked: Mapping[str, Any], model: str) -> Answer:
    """The vectors for a request's inputs, as numbers or as base64 of little-endian 32-bit floats."""
    given = asked["input"]
    inputs = given if isinstance(given, list) and given and not isinstance(given[0], int) else [given]
    size = asked.get("dimensions") or _DIMENSIONS.get(model, _USUALLY)
    vectors = [_vector(json.dumps(each, ensure_ascii=False), size) for each in inputs]
    packed = asked.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _packed(vector) if packed else vector}
        for index, vector in enumerate(vectors)
    ]
    read = sum(tokens.count(each, model) if isinstance(each, str) else len(each) for each in inputs)
    usage = {"prompt_tokens": read, "total_tokens": read}
    return json_answer(200, {"object": "list", "data": data, "model": model, "usage": usage})


def _packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _vector(text: str, size: int) -> list[float]:
    source = random.Random(hashlib.sha256(text.encode()).digest())  # noqa: S311  no secret
    raw = [source.gauss(0, 1) for _ in range(size)]
    length = math.sqrt(sum(each * each for each in raw))
    return [each / length for each in raw]
