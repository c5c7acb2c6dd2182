"""What is said, and the small things every way of saying it needs."""

from __future__ import annotations

import hashlib
import json
import random
import re
import string
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mockserver import tokens
from mockserver.exchange import Headers


class Filter(StrEnum):
    """What Azure's content filter does to an answer; OpenAI has none, and nothing of it is sent for OpenAI."""

    DEFAULT = "default"
    NONE = "none"
    STOPPED = "stopped"
    ASYNCHRONOUS = "asynchronous"
    ASYNCHRONOUS_STOPPED = "asynchronous_stopped"
    ASYNCHRONOUS_BLOCKLIST = "asynchronous_blocklist"
    PROMPT = "prompt"
    PROMPT_WITHOUT_DETAILS = "prompt_without_details"

    @property
    def asynchronous(self) -> bool:
        """Whether the verdicts come beside the text, not with it."""
        return self.value.startswith("asynchronous")


@dataclass(frozen=True, slots=True)
class Pace:
    """Milliseconds before the head of the answer, and before each later event that carries text."""

    first_ms: float = 0
    each_ms: float = 0


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call: the function's name and its arguments."""

    name: str
    arguments: dict[str, Any]

    @property
    def arguments_json(self) -> str:
        """The arguments as the model writes them."""
        return json.dumps(self.arguments, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Said:
    """What an answer says, before anyone asked for it as JSON or as a stream, of OpenAI or of Azure.

    Either a text, or tool calls, or both; `text` is None where only tools are called. `parts` is the text in the bits
    a stream carries, where it is not to be words; `cut` says that the text ends because it was long enough.
    """

    text: str | None
    calls: tuple[Call, ...] = ()
    pace: Pace = Pace()
    filter: Filter = Filter.DEFAULT
    parts: tuple[str, ...] = ()
    cut: bool = False

    @property
    def pieces(self) -> tuple[str, ...]:
        """The text in the bits a stream carries. Joined, they are the text."""
        return self.parts or tuple(tokens.words(self.text or ""))

    def count_tokens(self, model: str) -> int:
        """How many tokens the model wrote to say it. Source for a text: the tokenizer; for a call, its JSON's."""
        written = [self.text or "", *(each.name + each.arguments_json for each in self.calls)]
        return sum(tokens.count(text, model) for text in written)


@dataclass(frozen=True, slots=True)
class Asked:
    """What an answer is written for: the request's body and its backend, the `model` that answers and when."""

    body: Mapping[str, Any]
    azure: bool
    model: str
    at_s: float
    ids: Ids


def bits(text: str) -> list[str]:
    """A call's arguments in the bits a stream carries."""
    return re.findall(r"\W+|\w+", text)


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


class Ids:
    """Ids to tell apart, the same ones for the same seed."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(hashlib.sha256(seed.encode()).digest())  # noqa: S311  ids, not secrets

    def letters(self, count: int) -> str:
        """So many letters and digits."""
        return "".join(self._random.choices(string.ascii_letters + string.digits, k=count))

    def hex(self, count: int) -> str:
        """So many hexadecimal digits."""
        return f"{self._random.getrandbits(4 * count):0{count}x}"

    def padding(self) -> str:
        """What `obfuscation` holds."""
        return self.letters(self._random.randrange(1, 17))

    def headers(self, content_type: str, *, azure: bool, chat: bool = True) -> Headers:
        """The headers of an answer, without limits. Source: recordings of both backends, 2025-11."""
        common = (("x-content-type-options", "nosniff"),)
        if not azure:
            own = (
                ("content-type", content_type),
                ("openai-version", "2020-10-01"),
                ("x-request-id", f"req_{self.hex(32)}"),
            )
            return (*own, *common)
        ids = (("apim-request-id", self._guid()), ("x-request-id", self._guid()), ("x-ms-region", "East US"))
        model = (
            (("x-ms-rai-invoked", "true"), ("x-accel-buffering", "no"))
            if chat
            else (("azure-openai-data-collection", "true"),)
        )
        transport = (("strict-transport-security", "max-age=31536000; includeSubDomains; preload"),)
        return (("content-type", content_type), *ids, *model, *common, *transport)

    def _guid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))
