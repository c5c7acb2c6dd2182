"""The clock can be stopped and advanced, also while others wait for it."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from mockserver import clock as clock_module
from mockserver.clock import SystemClock, Timetable


def test_a_stopped_clock_resumes_where_it_stopped() -> None:
    clock = SystemClock()
    clock.freeze()
    assert clock.frozen
    at = clock.now()
    assert clock.now() == at
    clock.advance(3600)
    assert clock.now() == at + 3600
    clock.resume()
    assert clock.now() >= at + 3600


def test_a_task_that_waits_for_a_stopped_clock_wakes_when_the_clock_advances() -> None:
    clock = SystemClock()
    clock.freeze()
    moment = clock.now() + 60

    async def wait() -> float:
        waiting = asyncio.create_task(clock.until(moment))
        await asyncio.sleep(0)
        clock.advance(59)
        await asyncio.sleep(0)
        assert not waiting.done()
        threading.Thread(target=clock.advance, args=(1,)).start()
        await asyncio.wait_for(waiting, 10)
        return clock.now()

    assert asyncio.run(wait()) == moment


def test_a_thread_that_waits_for_a_stopped_clock_wakes_when_the_clock_advances() -> None:
    clock = SystemClock()
    clock.freeze()
    thread = threading.Thread(target=clock.block_until, args=(clock.now() + 60,))
    thread.start()
    clock.advance(60)
    thread.join(10)
    assert not thread.is_alive()


def test_nothing_waits_for_a_moment_in_the_past() -> None:
    clock = SystemClock()
    clock.freeze()
    clock.block_until(clock.now())
    asyncio.run(clock.until(clock.now() - 1))


def test_a_clock_never_goes_back() -> None:
    with pytest.raises(ValueError, match="never goes back"):
        SystemClock().advance(-1)


def test_a_clock_goes_on_while_the_machine_sleeps_and_heeds_no_other_wall_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at = SystemClock(speed=1)
    before_s = at.now()
    if hasattr(time, "CLOCK_BOOTTIME"):
        assert getattr(clock_module._uptime_s, "args", ()) == (time.CLOCK_BOOTTIME,)
    slept = clock_module._uptime_s() + 3600
    monkeypatch.setattr(clock_module, "_uptime_s", lambda: slept)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert 3599 < at.now() - before_s < 3700


def test_two_changes_at_once_wake_whoever_waits() -> None:
    clock = SystemClock()
    clock.freeze()
    moment = clock.now() + 1

    async def wait() -> None:
        waiting = asyncio.create_task(clock.until(moment))
        await asyncio.sleep(0)
        clock.advance(1)
        clock.advance(1)
        await asyncio.wait_for(waiting, 10)

    asyncio.run(wait())


def test_a_timetable_calls_in_the_order_of_the_moments_and_again_when_asked() -> None:
    clock = SystemClock()
    clock.freeze()
    began_s, called = clock.now(), list[str]()

    def twice(now_s: float) -> float | None:
        called.append("twice")
        return now_s + 1 if called.count("twice") == 1 else None

    def once(_now_s: float) -> None:
        called.append("once")

    async def run() -> None:
        timetable = Timetable(clock)
        timetable.add(began_s + 2, once)
        timetable.add(began_s + 1, twice)
        for step_s in (0.5, 0.5, 1):
            clock.advance(step_s)
            for _ in range(5):
                await asyncio.sleep(0)
            called.append("-")
        timetable.add(began_s, once)  # nothing was due any more
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(run())
    assert called == ["-", "twice", "-", "once", "twice", "-", "once"]


def test_an_act_that_fails_ends_no_other() -> None:
    clock, called = SystemClock(), list[float]()

    def fail(_now_s: float) -> None:
        raise ZeroDivisionError

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
        timetable = Timetable(clock)
        timetable.add(0, fail)
        timetable.add(1, called.append)
        for _ in range(10):
            await asyncio.sleep(0)

    asyncio.run(run())
    assert len(called) == 1


def test_a_clock_that_changes_while_it_is_read_never_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, uptime_s = SystemClock(speed=100), clock_module._uptime_s
    began_s, frozen = clock.now(), list[None]()

    def changed_meanwhile() -> float:
        read_s = uptime_s() + 1  # a second later, without waiting for it
        if not frozen:
            frozen.append(None)
            clock.freeze()  # as another thread may, in the middle of `now`
        return read_s

    monkeypatch.setattr(clock_module, "_uptime_s", changed_meanwhile)
    during_s = clock.now()
    assert began_s < during_s <= clock.now()


def test_what_is_removed_from_a_timetable_is_let_go_at_once_and_does_not_happen() -> None:
    clock, called = SystemClock(), list[float]()
    clock.freeze()

    async def run() -> tuple[int, int]:
        timetable = Timetable(clock)
        planned = [timetable.add(clock.now() + number, called.append) for number in range(1, 101)]
        for each in (*planned[:70], *planned[:70]):  # twice is once
            timetable.remove(each)
        sizes = len(timetable), len(timetable._planned)
        clock.advance(200)
        for _ in range(5):
            await asyncio.sleep(0)
        timetable.remove(planned[99])  # it has happened
        assert len(timetable) == 0
        return sizes

    assert asyncio.run(run()) == (30, 49)
    assert len(called) == 30
