"""Generated log probabilities: always the same for the same text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any


def logprobs(pieces: Iterable[str], top: int = 0) -> list[dict[str, Any]]:
    """The log probability of each piece, with its `top` alternatives."""
    return [
        _logprob(piece, -_between_0_and_1(piece) / 2) | {"top_logprobs": _likeliest(piece, top)} for piece in pieces
    ]


def _likeliest(piece: str, top: int) -> list[dict[str, Any]]:
    others = [token for token in _OTHERS if token != piece]
    ranked = [_logprob(token, -2.0 - rank - _between_0_and_1(piece + token)) for rank, token in enumerate(others)]
    return [_logprob(piece, -_between_0_and_1(piece) / 2), *ranked][:top]


def _logprob(piece: str, value: float) -> dict[str, Any]:
    return {"token": piece, "logprob": round(value, 6), "bytes": list(piece.encode())}


def _between_0_and_1(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32


_OTHERS = [" the", " a", ",", ".", " of", " and", " to", " in", " is", " that", " it", " for", " on", " with", "\n", " as",
           " at", " by", " an", " be", " or"]  # fmt: skip  # one more than the 20 that a request may ask for
