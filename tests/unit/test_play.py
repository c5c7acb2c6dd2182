from __future__ import annotations

import asyncio

import pytest

from mockserver.clock import SystemClock
from mockserver.exchange import Answer, End, Event
from mockserver.fronts.model_front import _waits_for_nothing
from mockserver.wire.play import play, play_blocking, schedule
from tests.unit.examples import FakeClock

ANSWER = Answer(200, events=(Event(170, b"a"), Event(0, b"b"), Event(11, b"c")), head_after_ms=5)


async def collect(clock: FakeClock, since_s: float) -> list[tuple[bytes, float]]:
    return [(data, round(clock.now() - since_s, 3)) async for data in play(ANSWER, since_s=since_s, clock=clock)]


@pytest.mark.parametrize("mode", ["async", "blocking"])
def test_each_event_is_sent_at_its_own_deadline(mode: str, clock: FakeClock) -> None:
    since_s = clock.now()
    if mode == "async":
        played = asyncio.run(collect(clock, since_s))
    else:
        played = [
            (data, round(clock.now() - since_s, 3)) for data in play_blocking(ANSWER, since_s=since_s, clock=clock)
        ]
    assert played == [(b"a", 0.175), (b"b", 0.175), (b"c", 0.186)]


def test_a_late_event_does_not_delay_the_next(clock: FakeClock) -> None:
    since_s = clock.now()
    times = []
    for data in play_blocking(ANSWER, since_s=since_s, clock=clock):
        times.append(round(clock.now() - since_s, 3))
        if data == b"a":
            clock.now_s += 0.010  # sending it took ten milliseconds
    assert times == [0.175, 0.185, 0.186]


def test_deadlines_are_sums_of_the_waits() -> None:
    assert list(schedule(ANSWER)) == [(0.175, b"a"), (0.175, b"b"), (0.186, b"c")]


def test_a_faster_clock_starts_at_the_present_time() -> None:
    real, fast = SystemClock(), SystemClock(speed=1000)
    assert abs(real.now() - fast.now()) < 60


@pytest.mark.parametrize(
    ("answer", "leaves"),
    [
        (Answer(200, events=(Event(0, b"x"), Event(0, b"y"))), True),
        (Answer(204), True),
        (Answer(200, events=(Event(0, b"x"),), head_after_ms=1), False),
        (Answer(200, events=(Event(0, b"x"), Event(1, b"y"))), False),
        (Answer(200, events=(Event(0, bytes(40_000)), Event(0, bytes(40_000)))), False),  # it waits for its reader
        (Answer(200, events=(Event(0, b"x"),), end=End.RESET), False),
        (Answer(0), False),
    ],
)
def test_what_waits_for_nothing_leaves_as_a_whole(answer: Answer, leaves: bool) -> None:
    assert _waits_for_nothing(answer) is leaves
