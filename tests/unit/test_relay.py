from __future__ import annotations

import pytest

from mockserver.exchange import Answer, Event, Headers, Interaction, Request
from mockserver.redact import Redaction
from mockserver.wire.tape import Tape
from tests.unit.examples import FakeClock

STREAM: Headers = (("content-type", "text/event-stream"),)
JSON: Headers = (("content-type", "application/json"),)


def taped(headers: Headers, clock: FakeClock, *arrivals: tuple[float, bytes], limit_bytes: int | None = None) -> Tape:
    """A tape of chunks, each so many milliseconds after the one before; the head came after 5."""
    tape = Tape(asked_s=clock.now(), clock=clock, limit_bytes=limit_bytes)
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
    answer = taped(STREAM, clock, *arrivals).answer()
    assert list(answer.events) == events
    assert answer.head_after_ms == 5
    assert answer.body == b"".join(chunk for _, chunk in arrivals)


def test_a_json_body_is_one_event_with_one_wait(clock: FakeClock) -> None:
    assert taped(JSON, clock, (100, b'{"a":'), (50, b"1}")).answer().events == (Event(150, b'{"a":1}'),)


def test_a_stream_is_whole_with_its_last_word_even_if_the_client_leaves_then(clock: FakeClock) -> None:
    assert not taped(STREAM, clock, (1, b"data: 1\n\n")).whole
    assert taped(STREAM, clock, (1, b"data: 1\n\n"), (1, b"data: [DONE]\n\n")).whole
    ended = taped(STREAM, clock, (1, b"data: 1\n\n"))
    ended.end()
    assert ended.whole


def test_only_harmless_headers_and_no_known_key_are_kept() -> None:
    request = Request(
        "POST",
        "/v1/chat/completions",
        headers=(
            ("authorization", "Bearer sk-12345"),
            ("api-key", "sk-12345"),
            ("cookie", "a=b"),
            ("content-type", "application/json"),
        ),
        body=b'{"messages": ["my key is sk-12345"]}',
        query="api-version=1&api-key=secret&x=1",
    )
    answer = Answer(
        200,
        (
            ("content-type", "application/json"),
            ("set-cookie", "a=b"),
            ("openai-organization", "acme"),
            ("x-ratelimit-limit-requests", "5"),
        ),
        (Event(3, b"you said sk-12345"),),
    )
    kept = Redaction.of(["sk-12345", "", "e"]).interaction(Interaction(request, answer))
    assert kept.request.headers == (("content-type", "application/json"),)
    assert kept.answer.headers == (("content-type", "application/json"), ("x-ratelimit-limit-requests", "5"))
    assert kept.request.query == "api-version=1&api-key=REDACTED&x=1"
    assert (kept.request.body, kept.answer.events) == (
        b'{"messages": ["my key is REDACTED"]}',
        (Event(3, b"you said REDACTED"),),
    )
