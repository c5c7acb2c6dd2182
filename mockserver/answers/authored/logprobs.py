"""Log probabilities, made up: the same each time for the same text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any


def logprobs(pieces: Iterable[str], top: int = 0) -> list[dict[str, Any]]:
    """How sure the model would have been of each piece, made up: the same each time for the same piece."""
    return [
        _logprob(piece, -_between_0_and_1(piece) / 2) | {"top_logprobs": _likeliest(piece, top)} for piece in pieces
    ]


def _likeliest(piece: str, top: int) -> list[dict[str, Any]]:
    others = [each for each in _OTHERS if each != piece]
    ranked = [_logprob(each, -2.0 - rank - _between_0_and_1(piece + each)) for rank, each in enumerate(others)]
    return [_logprob(piece, -_between_0_and_1(piece) / 2), *ranked][:top]


def _logprob(piece: str, value: float) -> dict[str, Any]:
    return {"token": piece, "logprob": round(value, 6), "bytes": list(piece.encode())}


def _between_0_and_1(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32


_OTHERS = [" the", " a", ",", ".", " of", " and", " to", " in", " is", " that", " it", " for", " on", " with", "\n", " as",
           " at", " by", " an", " be", " or"]  # fmt: skip  # one more than the 20 that can be asked for
