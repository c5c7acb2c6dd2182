"""What a classic function, or the host itself, answers."""

from __future__ import annotations

from dataclasses import dataclass

from mockserver.exchange import Headers


@dataclass(frozen=True, slots=True)
class Result:
    """A complete answer; the names of its headers are in lower case."""

    status: int
    headers: Headers = ()
    body: bytes = b""
