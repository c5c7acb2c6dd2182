"""A tape turns the bytes that an upstream sent, with the time of each, into an answer."""

from __future__ import annotations

import itertools
from dataclasses import replace

from mockserver.clock import Clock
from mockserver.exchange import Answer, End, Event, Headers, is_event_stream
from mockserver.sse import split_events

#: The last event of a stream of chat completion chunks; clients leave when they have read it.
DONE_EVENT = b"data: [DONE]\n\n"


class Tape:
    """Bytes go in as they come; an answer with the wait before each event comes out.

    Events beyond `limit_bytes` are counted and timed, but their bytes are discarded. `since_s` is when the request came, on the clock.
    """

    def __init__(self, *, since_s: float, clock: Clock, limit_bytes: int | None = None) -> None:
        self._since_s, self._clock, self._limit_bytes = since_s, clock, limit_bytes
        self._head, self._head_ms = Answer(0), 0
        self._pending = b""
        self._events: list[tuple[int, bytes]] = []  # milliseconds since the request, data
        self._size_bytes = 0
        self._last_event = b""
        self._ended = False

    def begin(self, status: int, headers: Headers) -> None:
        """Record the head, which came just now."""
        self._head, self._head_ms = Answer(status, headers), self._elapsed_ms()

    @property
    def status(self) -> int:
        """The answer's status, 0 before there is one."""
        return self._head.status

    @property
    def count(self) -> int:
        """The number of events so far."""
        return len(self._events)

    @property
    def whole(self) -> bool:
        """Whether the answer is complete: the body ended, or its last event was [DONE], after which clients leave."""
        return self._ended or self._last_event == DONE_EVENT

    def end(self) -> None:
        """Record that the body ended."""
        self._ended = True

    def add(self, chunk: bytes) -> None:
        """Record bytes that came just now. An event's time is when its last byte came."""
        self._pending += chunk
        if not is_event_stream(self._head.headers):
            self._pending = self._pending[: self._limit_bytes]
            return
        *events, rest = [*split_events(self._pending), *([b""] if _ends_event(self._pending) else [])] or [b""]
        for event in events:
            self._size_bytes += len(event)
            fits = self._limit_bytes is None or self._size_bytes <= self._limit_bytes
            self._events.append((self._elapsed_ms(), event if fits else b""))
            self._last_event = event
        self._pending = rest

    def answer(self) -> Answer:
        """The answer so far, as one that ended properly."""
        events = [*self._events, *([(self._elapsed_ms(), self._pending)] if self._pending else [])]
        previous = itertools.chain([self._head_ms], (at_ms for at_ms, _ in events))
        timed = [Event(at_ms - before_ms, data) for (at_ms, data), before_ms in zip(events, previous, strict=False)]
        return replace(self._head, events=tuple(timed), head_after_ms=self._head_ms, end=End.EOF)

    def _elapsed_ms(self) -> int:
        return round((self._clock.now() - self._since_s) * 1000)


def _ends_event(data: bytes) -> bool:
    """Whether the data ends with a blank line; a final CR may be the first half of a CRLF whose LF has not come yet."""
    return data.endswith((b"\n\n", b"\n\r\n"))
