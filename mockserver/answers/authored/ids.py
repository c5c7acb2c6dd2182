"""Ids of answers: the same ids for the same seed."""

from __future__ import annotations

import hashlib
import random
import string
import uuid

from mockserver.exchange import Headers


class Ids:
    """Random ids; the same sequence for the same seed."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(hashlib.sha256(seed.encode("utf-8", "surrogatepass")).digest())  # noqa: S311  ids, not secrets

    def letters(self, count: int) -> str:
        """`count` letters and digits."""
        return "".join(self._random.choices(string.ascii_letters + string.digits, k=count))

    def hex(self, count: int) -> str:
        """`count` hexadecimal digits."""
        return f"{self._random.getrandbits(4 * count):0{count}x}"

    def padding(self) -> str:
        """The content of the field `obfuscation`: 1 to 16 letters and digits."""
        return self.letters(self._random.randrange(1, 17))

    def headers(self, content_type: str, *, azure: bool, chat: bool = True) -> Headers:
        """The headers of an answer, without those about rate limits. Source: recordings of both backends, 2025-11."""
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
