"""The one clock: pacing, limits and sessions read it, tests replace it."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Seconds since the epoch, and waiting for a moment of it."""

    def now(self) -> float:
        """Seconds since the epoch, never going back."""
        ...

    async def until(self, moment_s: float) -> None:
        """Return once `now()` has reached `moment_s`."""
        ...

    def block_until(self, moment_s: float) -> None:
        """Return once `now()` has reached `moment_s`, for callers with a thread of their own."""
        ...


class SystemClock:
    """Real time, or real time `speed` times faster."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._epoch_s = time.time()
        self._start_s = time.monotonic()

    def now(self) -> float:
        """Seconds since the epoch, never going back."""
        return self._epoch_s + (time.monotonic() - self._start_s) * self._speed

    async def until(self, moment_s: float) -> None:
        """Return once `now()` has reached `moment_s`."""
        await asyncio.sleep(self._left_s(moment_s))

    def block_until(self, moment_s: float) -> None:
        """Return once `now()` has reached `moment_s`."""
        time.sleep(self._left_s(moment_s))

    def _left_s(self, moment_s: float) -> float:
        return max(0.0, (moment_s - self.now()) / self._speed)
