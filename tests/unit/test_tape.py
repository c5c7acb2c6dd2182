from __future__ import annotations

import zlib

import pytest

from mockserver.exchange import Event, Headers
from mockserver.wire.tape import Tape
from tests.unit.examples import FakeClock

STREAM: Headers = (("content-type", "text/event-stream"),)
JSON: Headers = (("content-type", "application/json"),)


def record(headers: Headers, clock: FakeClock, *arrivals: tuple[float, bytes], limit_bytes: int | None = None) -> Tape:
    """A tape with chunks, each so many milliseconds after the previous one; the head came after 5."""
    tape = Tape(since_s=clock.now(), clock=clock, limit_bytes=limit_bytes)
    clock.now_s += 0.005
    tape.begin(200, headers)
    for after_ms, chunk in arrivals:
        clock.now_s += after_ms / 1000
        tape.add(chunk)
    return tape


@pytest.mark.parametrize(
    ("arrivals", "events"),
    [
        ([(100, b"data: 1\n\n"), (20, b"data: 2\n\n")], [Event(100, b"data: 1\n\n"), Event(20, b"data: 2\n\n")]),
        ([(100, b"data: 1\n\ndata: 2\n\n")], [Event(100, b"data: 1\n\n"), Event(0, b"data: 2\n\n")]),
        (
            [(100, b"data: 1"), (20, b"\n"), (3, b"\ndata: 2\n\n")],
            [Event(123, b"data: 1\n\n"), Event(0, b"data: 2\n\n")],
        ),
        ([(100, b"data: 1\r\n\r"), (20, b"\n")], [Event(120, b"data: 1\r\n\r\n")]),
        ([(100, b": ping\n\n"), (20, b"unfinished")], [Event(100, b": ping\n\n"), Event(20, b"unfinished")]),
        ([], []),
    ],
    ids=["one-a-chunk", "two-a-chunk", "split", "split-crlf", "comment-and-rest", "nothing"],
)
def test_an_events_time_is_when_its_last_byte_came(
    arrivals: list[tuple[float, bytes]], events: list[Event], clock: FakeClock
) -> None:
    answer = record(STREAM, clock, *arrivals).answer()
    assert list(answer.events) == events
    assert answer.head_after_ms == 5
    assert answer.body == b"".join(chunk for _, chunk in arrivals)


def test_a_compressed_stream_keeps_its_pace_and_loses_its_compression(clock: FakeClock) -> None:
    compressor = zlib.compressobj(wbits=31)
    parts = [
        compressor.compress(event) + compressor.flush(zlib.Z_SYNC_FLUSH) for event in (b"data: 1\n\n", b"data: 2\n\n")
    ]
    tape = Tape(since_s=clock.now(), clock=clock, decode=True)
    tape.begin(200, (*STREAM, ("content-encoding", "gzip"), ("content-length", "9")))
    for part in (*parts, compressor.flush()):
        clock.now_s += 0.05
        tape.add(part)
    assert tape.answer().headers == STREAM
    assert list(tape.answer().events) == [Event(50, b"data: 1\n\n"), Event(50, b"data: 2\n\n")]


def test_a_json_body_is_one_event_with_one_wait(clock: FakeClock) -> None:
    assert record(JSON, clock, (100, b'{"a":'), (50, b"1}")).answer().events == (Event(150, b'{"a":1}'),)


def test_a_stream_is_complete_at_its_end_or_at_its_done_event(clock: FakeClock) -> None:
    assert not record(STREAM, clock, (1, b"data: 1\n\n")).whole
    assert record(STREAM, clock, (1, b"data: 1\n\n"), (1, b"data: [DONE]\n\n")).whole
    tape = record(STREAM, clock, (1, b"data: 1\n\n"))
    tape.end()
    assert tape.whole
