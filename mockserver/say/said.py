"""What is said, and the small things every way of saying it needs."""

from __future__ import annotations

import hashlib
import random
import re
import string
import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

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


@dataclass(frozen=True, slots=True)
class Said:
    """What an answer says, before anyone asked for it as JSON or as a stream, of OpenAI or of Azure.

    Either a text, or tool calls, or both; `text` is None where only tools are called.
    """

    text: str | None
    calls: tuple[Call, ...] = ()
    pace: Pace = Pace()
    filter: Filter = Filter.DEFAULT


def pieces(text: str) -> list[str]:
    """The text in the bits a stream carries: words with the space before them. Joined, they are the text."""
    return re.findall(r"\s*\S+|\s+$", text)


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
