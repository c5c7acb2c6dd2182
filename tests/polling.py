"""Waiting for what happens in another process or thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_INTERVAL_S = 0.01


def wait_until(condition: Callable[[], T], *, within_s: float = 20) -> T:
    """The first true value of a condition.

    Raises:
        AssertionError: it has none within that many seconds of real time; says the last value.
    """
    until_s = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < until_s, f"still {value!r} after {within_s:g} s"
        time.sleep(_INTERVAL_S)
    return value
