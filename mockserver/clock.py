"""The one clock for pacing, limits and sessions, which tests can stop, advance or replace; and what happens when on it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import threading
import time
from collections.abc import Callable
from functools import partial
from heapq import heapify, heappop, heappush
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

    def call_at(self, moment_s: float, callback: Callable[[], None]) -> Alarm:
        """Call back on the running event loop once `now()` has reached `moment_s`."""
        ...


class Alarm(Protocol):
    """Something that happens at a moment of a clock."""

    def cancel(self) -> None:
        """Let it not happen."""
        ...


class _Alarm:
    """Calls back once a clock has reached a moment, on the event loop that asked for it."""

    __slots__ = ("_callback", "_clock", "_loop", "_moment_s", "_timer")

    def __init__(self, clock: SystemClock, moment_s: float, callback: Callable[[], None]) -> None:
        self._clock, self._moment_s, self._callback = clock, moment_s, callback
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.Handle | None = None

    def look(self) -> None:
        """Look at the clock, which may have changed."""
        if self not in self._clock.alarms:  # it has called back, or is about to
            return
        if self._timer is not None:
            self._timer.cancel()
        left_s = self._moment_s - self._clock.now()
        if left_s <= 0:
            self._clock.alarms.discard(self)
            self._timer = self._loop.call_soon(self._callback)
        elif (real_s := self._clock.real_s(left_s)) is not None:
            self._timer = self._loop.call_later(real_s, self.look)

    def look_soon(self) -> None:
        """Let it look at the clock, from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self.look)

    def cancel(self) -> None:
        """Let it not happen."""
        self._clock.alarms.discard(self)
        if self._timer is not None:
            self._timer.cancel()


class SystemClock:
    """Real time, `speed` times as fast; it can be stopped and advanced, also while others wait. Safe from any thread."""

    def __init__(self, speed: float = 1.0) -> None:
        self._initial_speed = speed
        #: The moment of the last change, on the clock and of the machine, and the speed since; read as one, from any thread.
        self._since = time.time(), _uptime_s(), speed
        self._changed = threading.Condition()
        #: What waits for a moment; alarms keep it themselves.
        self.alarms: set[_Alarm] = set()

    def now(self) -> float:
        """Seconds since the epoch, never going back."""
        epoch_s, start_s, speed = self._since
        return epoch_s + (_uptime_s() - start_s) * speed

    @property
    def frozen(self) -> bool:
        """Whether the clock is stopped."""
        return self._since[2] == 0

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
        self._set(None, seconds)

    def join(self, moment_s: float, *, frozen: bool, back: bool) -> None:
        """Be at a moment of another clock, stopped if that is; `back` lets it be a past one, where nobody has read this yet."""
        self._set(0 if frozen else self._initial_speed)
        ahead_s = moment_s - self.now()
        self._set(None, ahead_s if back else max(0, ahead_s))

    @property
    def speed(self) -> float:
        """How many of its seconds pass in one of real time while it runs."""
        return self._initial_speed

    async def until(self, moment_s: float) -> None:
        """Return once `now()` has reached `moment_s`."""
        if moment_s <= self.now():
            return
        reached = asyncio.get_running_loop().create_future()
        alarm = self.call_at(moment_s, lambda: None if reached.done() else reached.set_result(None))
        try:
            await reached
        finally:
            alarm.cancel()

    def call_at(self, moment_s: float, callback: Callable[[], None]) -> Alarm:
        """Call back on the running event loop once `now()` has reached `moment_s`."""
        alarm = _Alarm(self, moment_s, callback)
        self.alarms.add(alarm)  # before it reads the clock, so that no change is missed
        alarm.look()
        return alarm

    def block_until(self, moment_s: float) -> None:
        """Return once `now()` has reached `moment_s`."""
        with self._changed:
            while (left_s := moment_s - self.now()) > 0:
                self._changed.wait(self.real_s(left_s))

    def real_s(self, seconds: float) -> float | None:
        """The same wait in real time, at most an hour at once; None if the clock is stopped."""
        speed = self._since[2]
        return min(seconds / speed, 3600) if speed else None

    def _set(self, speed: float | None, advance_s: float = 0) -> None:
        """Change the speed, unless it is None, and jump."""
        with self._changed:
            epoch_s, start_s, before = self._since
            uptime_s = _uptime_s()
            now_s = epoch_s + (uptime_s - start_s) * before
            self._since = now_s + advance_s, uptime_s, before if speed is None else speed
            self._changed.notify_all()
        for alarm in tuple(self.alarms):
            alarm.look_soon()


#: What is called with the time; it returns when to be called again, or None.
Act = Callable[[float], float | None]


class Planned:
    """An act of a timetable."""

    __slots__ = ("act",)

    def __init__(self, act: Act) -> None:
        self.act: Act | None = act


class Timetable:
    """What happens at which moment of a clock: a thousand streams on one timer, in the order of their moments."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._planned: list[tuple[float, int, Planned]] = []
        self._removed = 0
        self._numbers = itertools.count()
        self._alarm: Alarm | None = None
        self._alarm_s = math.inf

    def __len__(self) -> int:
        """How many acts are planned."""
        return len(self._planned) - self._removed

    def add(self, moment_s: float, act: Act) -> Planned:
        """Call `act` once the clock has reached that moment, on the running event loop."""
        planned = Planned(act)
        heappush(self._planned, (moment_s, next(self._numbers), planned))
        if moment_s < self._alarm_s:
            self._set_alarm()
        return planned

    def remove(self, planned: Planned) -> None:
        """Let an act not happen. It is let go at once; on a stopped clock its moment may never come."""
        if planned.act is None:
            return
        planned.act = None
        self._removed += 1
        if self._removed * 2 > len(self._planned):
            self._planned = [each for each in self._planned if each[2].act is not None]
            heapify(self._planned)
            self._removed = 0

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_s = self._planned[0][0]
        self._alarm = self._clock.call_at(self._alarm_s, self._call)

    def _call(self) -> None:
        """Call what is due."""
        now_s = self._clock.now()
        self._alarm, self._alarm_s = None, -math.inf  # what is added meanwhile needs no alarm of its own
        try:
            while self._planned and self._planned[0][0] <= now_s:
                _, _, planned = heappop(self._planned)
                act, planned.act = planned.act, None
                if act is None:
                    self._removed -= 1
                elif (again_s := act(now_s)) is not None:
                    planned.act = act
                    heappush(self._planned, (again_s, next(self._numbers), planned))
        finally:
            self._alarm_s = math.inf
            if self._planned:
                self._set_alarm()
