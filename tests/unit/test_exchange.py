"""Requests, answers and events: the properties that other rooms rely on."""

from __future__ import annotations

import base64
import hashlib

import pytest

from mockserver.exchange import MAX_DEPTH, Answer, Event, Request, is_event_stream, parse_json, server_url, shortened
from mockserver.matching.call import Call
from mockserver.sse import EventSplitter, ends_stream, event_json, split_events


def test_long_data_in_a_url_is_shown_by_its_size_and_hash() -> None:
    data = base64.b64encode(bytes(300)).decode()
    short = f"data:image/png;base64,… (300 bytes, sha256 {hashlib.sha256(bytes(300)).hexdigest()})"
    assert shortened({"a": [f"data:image/png;base64,{data}", 5]}) == {"a": [short, 5]}
    assert shortened(f"data:;base64,{data}=").endswith(
        f"(401 bytes, sha256 {hashlib.sha256(f'{data}='.encode()).hexdigest()})"
    )
    for text in ("data:image/png;base64,AA==", f"see data:image/png;base64,{data}", data):
        assert shortened(text) == text


@pytest.mark.parametrize(
    ("body", "events"),
    [
        (b"", ()),
        (b"data: 1\n\ndata: 2\n\n", (b"data: 1\n\n", b"data: 2\n\n")),
        (b"data: 1\r\n\r\ndata: 2\r\n\r\n", (b"data: 1\r\n\r\n", b"data: 2\r\n\r\n")),
        (b"data: 1\r\rdata: 2\r\r", (b"data: 1\r\r", b"data: 2\r\r")),
        (b": ping\n\ndata: 1\n\n", (b": ping\n\n", b"data: 1\n\n")),
        (b"event: a\ndata: 1\n\nrest", (b"event: a\ndata: 1\n\n", b"rest")),
        (b"data: 1\n\n\n", (b"data: 1\n\n", b"\n")),
        (b"no end", (b"no end",)),
    ],
    ids=["empty", "lf", "crlf", "cr", "comment", "rest", "extra-newline", "no-blank-line"],
)
def test_a_stream_is_split_after_every_blank_line_without_losing_a_byte(body: bytes, events: tuple[bytes, ...]) -> None:
    assert split_events(body) == events
    assert b"".join(split_events(body)) == body


BODY = b"data: a\n\n\n: ping\n\n\n\r\rdata: b\r\n\r\n\rdata: c\r\rid: 1\n\r\ndata: d\n\rdata: e\r\n\n\nrest\r"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 100])
def test_a_stream_is_split_into_the_same_events_however_it_was_cut(size: int) -> None:
    splitter = EventSplitter()
    events = [event for at in range(0, len(BODY), size) for event in splitter.add(BODY[at : at + size])]
    assert (*events, splitter.rest) == split_events(BODY)
    assert b"".join((*events, splitter.rest)) == BODY
    assert len(events) == 8


def test_a_long_event_in_many_chunks_takes_linear_time() -> None:
    splitter = EventSplitter()
    for _ in range(30_000):
        assert splitter.add(b"x" * 1000) == []
    assert [len(event) for event in splitter.add(b"\n\n")] == [30_000_002]


@pytest.mark.parametrize(
    ("value", "streams"),
    [
        ("text/event-stream", True),
        ("Text/Event-Stream; charset=utf-8", True),
        ("application/json", False),
        (None, False),
    ],
)
def test_an_event_stream_is_recognized_by_its_content_type(value: str | None, streams: bool) -> None:
    assert is_event_stream((("content-type", value),) if value else ()) is streams


def test_json_is_read_to_the_greatest_depth_and_wide_json_at_any_width() -> None:
    deepest = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert parse_json(deepest) is not None
    assert parse_json(b"[" + deepest + b"]") is None
    assert len(parse_json(b"[" + b"[]," * 5_000 + b"[]]")) == 5_001


def test_the_body_is_the_events_joined() -> None:
    assert Answer(200, events=(Event(1, b"a"), Event(2, b"b"))).body == b"ab"


@pytest.mark.parametrize("data", [b"", b"[1]", b"\xff", b"{", b'{"a": NaN}', b'{"a":' * 3000 + b"1" + b"}" * 3000])
def test_only_an_object_is_the_json_of_an_event(data: bytes) -> None:
    assert event_json(b"data: " + data + b"\n\n") is None


def test_an_event_that_is_nested_too_deep_does_not_end_a_stream() -> None:
    assert ends_stream(b'data: {"type": "error"}\n\n')
    assert not ends_stream(b'data: {"type": "error", "x": ' + b"[" * 3000 + b"]" * 3000 + b"}\n\n")


@pytest.mark.parametrize("body", [b"", b"[1]", b"\xff", b"{", b"null", b'{"a":' * 201 + b"1" + b"}" * 201])
def test_only_an_object_is_a_json_object(body: bytes) -> None:
    assert Call(Request("POST", "/", body=body)).body is None


@pytest.mark.parametrize(
    ("text", "port"), [("http://localhost:5173", 5173), ("https://example.com/v1", None), ("http://[::1]:80/", 80)]
)
def test_a_server_url_is_split_into_its_parts(text: str, port: int | None) -> None:
    parts = server_url(text)
    assert parts is not None
    assert parts.port == port


@pytest.mark.parametrize(
    "text", ["", "foo", "localhost:1", "ftp://x", "http://", "http://[", "http://x:abc", "http://x:99999", "http://x:0"]
)
def test_an_invalid_server_url_is_none(text: str) -> None:
    assert server_url(text) is None


@pytest.mark.parametrize(
    "data",
    [
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b"[-1e999]",
        b"[Infinity]",
        b"-Infinity",
        b'"\xff"',
        b"",
        b"[" * 5000,
        b"9" * 5000,
        b"\xff\xfe{",
        b"\xfe\xff\x00",
    ],
)
def test_what_is_no_json_is_none(data: bytes) -> None:
    assert parse_json(data) is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_json_with_half_a_pair_that_is_not_escaped_is_no_text_and_none(encoding: str) -> None:
    assert parse_json('{"a": "\ud800"}'.encode(encoding, "surrogatepass")) is None
    assert parse_json(b'{"a": "\\ud800"}') == {"a": "\ud800"}


def test_json_in_utf_8_utf_16_and_with_a_mark_is_read() -> None:
    assert [parse_json('{"ü": 1}'.encode(code)) for code in ("utf-8", "utf-8-sig", "utf-16", "utf-16-be")] == [
        {"ü": 1}
    ] * 4
