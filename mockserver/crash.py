"""A fault of our own code, as people are told of it."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_PACKAGE = Path(__file__).parent
#: How much of a body is kept until its secrets are out, and how much is shown: a secret that is cut is not known as one.
_KEPT_BYTES, SHOWN_LETTERS = 20_000, 2_000


@dataclass(frozen=True, slots=True)
class Crash:
    """An exception that our code should not have raised: `during` is the request or the work, `body` the beginning of what was
    sent, `error` the exception in a line, with the last place in our own code."""

    during: str
    error: str
    traceback: str
    body: str = ""

    @classmethod
    def of(cls, during: str, error: BaseException, body: bytes = b"") -> Self:
        """What an exception that was caught says."""
        words = next(iter(str(error).splitlines()), "")
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)] or frames
        place = f" ({Path(ours[-1].filename).name}, line {ours[-1].lineno})" if ours else ""
        what = f"{type(error).__name__}: {words}" if words else type(error).__name__
        shown = body[:_KEPT_BYTES].decode(errors="replace")
        return cls(during, f"{what}{place}", "".join(traceback.format_exception(error)), shown)

    def __str__(self) -> str:
        return f"The mock failed on {self.during}: {self.error}"
