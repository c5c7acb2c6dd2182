from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mockserver.clock import Clock, SystemClock, Timetable
from mockserver.exchange import Answer, End, Event
from mockserver.wire.play import Playing, play_blocking, schedule
from mockserver.wire.writer import AnswerWriter
from tests.unit.examples import FakeClock

ANSWER = Answer(200, events=(Event(170, b"a"), Event(0, b"b"), Event(11, b"c")), head_after_ms=5)


class Transport(asyncio.Transport):
    """Remembers what it was given, and when."""

    def __init__(self, clock: Clock, since_s: float) -> None:
        super().__init__()
        self._clock, self._since_s = clock, since_s
        self.writes: list[tuple[bytes, float]] = []
        self.closed = False

    def write(self, data: Any) -> None:
        self.writes.append((bytes(data), round(self._clock.now() - self._since_s, 3)))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


class Played:
    """An answer that is being played on a clock that stands still; `ends` are what its entry was closed with."""

    def __init__(self, answer: Answer, clock: Clock) -> None:
        self.clock, self.timetable = clock, Timetable(clock)
        self.transport = Transport(clock, clock.now())
        self.writer = AnswerWriter(self.transport, lambda: None)
        self.ends: list[tuple[str, list[float]]] = []
        self.crashes: list[Exception] = []
        head = (("date", "now"), ("content-length", str(len(answer.body))))
        self._playing = Playing(answer, self.writer, self._close, self.crashes.append, head=head, since_s=clock.now())

    def _close(self, end: str, sent_ms: list[float]) -> None:
        self.ends.append((end, [round(each) for each in sent_ms]))

    def begin(self) -> None:
        self._playing.begin(self.timetable, self.clock.now())

    @property
    def bodies(self) -> list[tuple[bytes, float]]:
        """What was written behind the head."""
        return [(data.rpartition(b"\r\n\r\n")[2], at_s) for data, at_s in self.transport.writes]


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def play(answer: Answer, clock: FakeClock) -> Played:
    async def run() -> Played:
        played = Played(answer, clock)
        played.begin()
        await settle()
        return played

    return asyncio.run(run())


def test_each_event_is_sent_at_its_own_deadline__blocking(clock: FakeClock) -> None:
    since_s = clock.now()
    played = [(data, round(clock.now() - since_s, 3)) for data in play_blocking(ANSWER, since_s=since_s, clock=clock)]
    assert played == [(b"a", 0.175), (b"b", 0.175), (b"c", 0.186)]


def test_each_event_is_sent_at_its_own_deadline_and_those_due_together_in_one_write(clock: FakeClock) -> None:
    played = play(ANSWER, clock)
    assert played.bodies == [(b"", 0.005), (b"ab", 0.175), (b"c", 0.186)]
    assert played.ends == [("eof", [175, 175, 186])]
    assert played.writer.ended


def test_a_client_that_leaves_gets_nothing_more_and_closes_the_entry_with_what_left() -> None:
    clock = SystemClock()
    clock.freeze()

    async def run() -> Played:
        played = Played(ANSWER, clock)
        played.begin()
        clock.advance(0.18)
        await settle()
        played.writer.leave()
        assert len(played.timetable) == 0, "the timetable keeps what a client left"
        clock.advance(1)
        await settle()
        return played

    played = asyncio.run(run())
    assert [data for data, _ in played.bodies] == [b"ab"]
    assert played.ends == [("client left", [180, 180])]


def test_who_does_not_read_is_sent_no_more_until_there_is_room() -> None:
    clock = SystemClock()
    clock.freeze()

    async def run() -> Played:
        played = Played(ANSWER, clock)
        played.begin()
        clock.advance(0.18)
        await settle()
        played.writer.full = True
        clock.advance(60)
        await settle()
        assert [data for data, _ in played.bodies] == [b"ab"]
        played.writer.full = False
        played.writer.on_room()
        await settle()
        return played

    played = asyncio.run(run())
    assert [data for data, _ in played.bodies] == [b"ab", b"c"]
    assert played.ends == [("eof", [180, 180, 60_180])]


def test_room_that_nobody_waited_for_changes_nothing() -> None:
    clock = SystemClock()
    clock.freeze()

    async def run() -> int:
        played = Played(ANSWER, clock)
        played.begin()
        await settle()
        played.writer.on_room()
        return len(played.timetable)

    assert asyncio.run(run()) == 1


def test_a_header_that_would_break_the_head_is_an_error(clock: FakeClock) -> None:
    transport = Transport(clock, clock.now())
    for header in (("x-a", "b\r\nx-c: d"), ("x a", "b"), ("x-a:", "b"), ("", "b"), ("x-a", "\0")):
        with pytest.raises(ValueError, match="not a header"):
            AnswerWriter(transport, lambda: None).send_whole(200, (header,), b"")
    assert transport.writes == []


def test_a_fault_of_our_own_ends_one_answer_and_no_other(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> tuple[Played, Played]:
        broken, whole = Played(ANSWER, clock), Played(ANSWER, clock)
        monkeypatch.setattr(broken.transport, "write", lambda _data: 1 / 0)
        whole.timetable = broken.timetable
        broken.begin()
        whole.begin()
        await settle()
        return broken, whole

    broken, whole = asyncio.run(run())
    assert [type(crash) for crash in broken.crashes] == [ZeroDivisionError]
    assert [end for end, _ in broken.ends] == ["failed"]
    assert whole.ends == [("eof", [175, 175, 186])]


def test_a_large_answer_leaves_in_portions(clock: FakeClock) -> None:
    answer = Answer(200, events=tuple(Event(0, bytes(40_000)) for _ in range(4)))
    assert [len(data) for data, _ in play(answer, clock).bodies] == [80_000, 80_000]


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
    ("answer", "bodies"),
    [
        (Answer(200, events=(Event(0, b"x"), Event(0, b"y"))), [b"xy"]),
        (Answer(204), [b""]),
        (Answer(200, events=(Event(0, b"x"),), head_after_ms=1), []),
        (Answer(200, events=(Event(0, b"x"), Event(1, b"y"))), [b"x"]),
        (
            Answer(200, events=(Event(0, bytes(40_000)),) * 2 + (Event(0, b"z"),)),
            [bytes(80_000)],
        ),  # it waits for its reader
        (Answer(200, events=(Event(0, b"x"),), end=End.RESET), [b"x"]),
        (Answer(0), []),
    ],
    ids=["events", "no body", "head later", "event later", "large", "reset", "refused"],
)
def test_what_waits_for_nothing_leaves_at_once_in_one_write(
    answer: Answer, bodies: list[bytes], clock: FakeClock
) -> None:
    async def run() -> list[bytes]:
        played = Played(answer, clock)
        played.begin()
        return [data for data, _ in played.bodies]

    assert asyncio.run(run()) == bodies


def test_a_client_that_left_while_its_answer_was_made_gets_nothing() -> None:
    clock = SystemClock()
    clock.freeze()

    async def run() -> Played:
        played = Played(ANSWER, clock)
        played.transport.close()
        played.begin()
        return played

    played = asyncio.run(run())
    assert (played.transport.writes, played.ends, len(played.timetable)) == ([], [("client left", [])], 0)
    assert played.writer.ended
