"""The one clock for pacing, limits and sessions, which tests can stop, advance or replace."""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from functools import partial
from typing import Protocol

# Where it can be read, the time since the machine started with the time in which it slept: after a suspended laptop wakes up,
# sessions and limits have gone on. Another wall clock changes neither.
_uptime_s = partial(time.clock_gettime, time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic


class Clock(Protocol):
    """Tells the time in seconds since the epoch, and waits for a moment."""

    def now(self) -> float:
        """Seconds since the epoch, never going back."""
        ...

    async def until(self, moment_s: float) -> None:
        """Return once `now()` has reached `moment_s`."""
        ...

    def block_until(self, moment_s: float) -> None:
        """Return once `now()` has reached `moment_s`, for callers with a thread of their own."""
        ...


class _Waiter:
    """Somebody who waits for a moment: a future alone, because a thousand streams wait fifty times a second each."""

    __slots__ = ("loop", "woken")

    def __init__(self, loop: asyncio.AbstractEventLoop, woken: asyncio.Future[None]) -> None:
        self.loop, self.woken = loop, woken

    def wake(self) -> None:
        """Let it look at the clock."""
        if not self.woken.done():
            self.woken.set_result(None)


class SystemClock:
    """Real time, `speed` times as fast; it can be stopped and advanced, also while others wait. Safe from any thread."""

    def __init__(self, speed: float = 1.0) -> None:
        self._initial_speed = self._speed = speed
        self._epoch_s, self._start_s = time.time(), _uptime_s()
        self._changed = threading.Condition()
        self._waiting: set[_Waiter] = set()

    def now(self) -> float:
        """Seconds since the epoch, never going back."""
        return self._epoch_s + (_uptime_s() - self._start_s) * self._speed

    @property
    def frozen(self) -> bool:
        """Whether the clock is stopped."""
        return self._speed == 0

    def freeze(self) -> None:
        """Stop the clock: only `advance` changes the time from now on."""
        self._set(0)

    def resume(self) -> None:
        """Run again, at the initial speed."""
        self._set(self._initial_speed)

    def advance(self, seconds: float) -> None:
        """Jump forward by a number of seconds."""
        if not 0 <= seconds < math.inf:
            raise ValueError(f"seconds must be a number from 0, got {seconds}: a clock never goes back")
        self._set(self._speed, seconds)

    async def until(self, moment_s: float) -> None:
        """Return once `now()` has reached `moment_s`."""
        if moment_s <= self.now():
            return
        loop = asyncio.get_running_loop()
        waiter = _Waiter(loop, loop.create_future())
        self._waiting.add(waiter)  # before reading the clock, so that no change is missed
        try:
            while (left_s := moment_s - self.now()) > 0:
                real_s = self._real(left_s)
                timer = loop.call_later(real_s, waiter.wake) if real_s is not None else None
                try:
                    await waiter.woken
                finally:
                    if timer is not None:
                        timer.cancel()
                waiter.woken = loop.create_future()
        finally:
            self._waiting.discard(waiter)

    def block_until(self, moment_s: float) -> None:
        """Return once `now()` has reached `moment_s`."""
        with self._changed:
            while (left_s := moment_s - self.now()) > 0:
                self._changed.wait(self._real(left_s))

    def _real(self, seconds: float) -> float | None:
        """The same wait in real time, at most an hour at once; None if the clock is stopped."""
        return min(seconds / self._speed, 3600) if self._speed else None

    def _set(self, speed: float, advance_s: float = 0) -> None:
        with self._changed:
            self._epoch_s, self._start_s, self._speed = self.now() + advance_s, _uptime_s(), speed
            self._changed.notify_all()
        for waiter in tuple(self._waiting):
            with contextlib.suppress(RuntimeError):  # the loop has ended
                waiter.loop.call_soon_threadsafe(waiter.wake)
