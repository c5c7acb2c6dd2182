"""The one clock: pacing, limits and sessions read it; tests stop it, move it on, or replace it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
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
    """Real time, `speed` times as fast; it can be stopped and moved on. Whoever waits notices. Safe from any thread."""

    def __init__(self, speed: float = 1.0) -> None:
        self._usual_speed = self._speed = speed
        self._epoch_s, self._start_s = time.time(), time.monotonic()
        self._changed = threading.Condition()
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def now(self) -> float:
        """Seconds since the epoch, never going back."""
        return self._epoch_s + (time.monotonic() - self._start_s) * self._speed

    @property
    def frozen(self) -> bool:
        """Whether it stands still."""
        return self._speed == 0

    def freeze(self) -> None:
        """Stand still: only `advance` moves it on."""
        self._set(0)

    def resume(self) -> None:
        """Go on as at the beginning."""
        self._set(self._usual_speed)

    def advance(self, seconds: float) -> None:
        """Be so many seconds later at once."""
        if seconds < 0:
            raise ValueError(f"{seconds} s: a clock never goes back")
        self._set(self._speed, seconds)

    async def until(self, moment_s: float) -> None:
        """Return once `now()` has reached `moment_s`."""
        changed = asyncio.Event()
        waiter = (asyncio.get_running_loop(), changed)
        self._waiting.add(waiter)  # before the clock is read, so that no change is missed
        try:
            while (left_s := moment_s - self.now()) > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), self._real(left_s))
                changed.clear()
        finally:
            self._waiting.discard(waiter)

    def block_until(self, moment_s: float) -> None:
        """Return once `now()` has reached `moment_s`."""
        with self._changed:
            while (left_s := moment_s - self.now()) > 0:
                self._changed.wait(self._real(left_s))

    def _real(self, seconds: float) -> float | None:
        """How long that is in real time; None where it never comes by itself."""
        return seconds / self._speed if self._speed else None

    def _set(self, speed: float, ahead_s: float = 0) -> None:
        with self._changed:
            self._epoch_s, self._start_s, self._speed = self.now() + ahead_s, time.monotonic(), speed
            self._changed.notify_all()
        for loop, changed in tuple(self._waiting):
            with contextlib.suppress(RuntimeError):  # a loop that has ended waits for nothing
                loop.call_soon_threadsafe(changed.set)
