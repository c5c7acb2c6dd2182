"""A tape turns what an upstream sent, and when, into an answer to keep."""

from __future__ import annotations

import itertools
from dataclasses import replace

from mockserver.clock import Clock
from mockserver.exchange import Answer, End, Event, Headers, is_event_stream
from mockserver.sse import split_events

#: The last event of a stream of chat completion chunks; clients leave when they have read it.
DONE_EVENT = b"data: [DONE]\n\n"


class Tape:
    """What came, and when: bytes go in, an answer with the wait before every event comes out.

    Beyond `limit_bytes` events are still counted and timed, but their bytes are not kept.
    """

    def __init__(self, *, asked_s: float, clock: Clock, limit_bytes: int | None = None) -> None:
        self._asked_s, self._clock, self._limit_bytes = asked_s, clock, limit_bytes
        self._head, self._head_ms = Answer(0), 0
        self._pending = b""
        self._events: list[tuple[int, bytes]] = []  # milliseconds since the request, data
        self._kept_bytes = 0
        self._last = b""
        self._ended = False

    def begin(self, status: int, headers: Headers) -> None:
        """Note the head, which came just now."""
        self._head, self._head_ms = Answer(status, headers), self._elapsed_ms()

    @property
    def status(self) -> int:
        """The answer's status, 0 before there is one."""
        return self._head.status

    @property
    def count(self) -> int:
        """How many events came."""
        return len(self._events)

    @property
    def whole(self) -> bool:
        """Whether all of it came: to the end of the body, or to the stream's own last word, after which clients leave."""
        return self._ended or self._last == DONE_EVENT

    def end(self) -> None:
        """Note that the body ended."""
        self._ended = True

    def add(self, chunk: bytes) -> None:
        """Note bytes that came just now. An event's time is when its last byte came."""
        self._pending += chunk
        if not is_event_stream(self._head.headers):
            self._pending = self._pending[: self._limit_bytes]
            return
        *whole, rest = [*split_events(self._pending), *([b""] if _ends_event(self._pending) else [])] or [b""]
        for event in whole:
            self._kept_bytes += len(event)
            fits = self._limit_bytes is None or self._kept_bytes <= self._limit_bytes
            self._events.append((self._elapsed_ms(), event if fits else b""))
            self._last = event
        self._pending = rest

    def answer(self) -> Answer:
        """The answer as it came, ended."""
        events = [*self._events, *([(self._elapsed_ms(), self._pending)] if self._pending else [])]
        before = itertools.chain([self._head_ms], (at for at, _ in events))
        waits = [Event(at - earlier, data) for (at, data), earlier in zip(events, before, strict=False)]
        return replace(self._head, events=tuple(waits), head_after_ms=self._head_ms, end=End.EOF)

    def _elapsed_ms(self) -> int:
        return round((self._clock.now() - self._asked_s) * 1000)


def _ends_event(data: bytes) -> bool:
    """Whether the data ends with a blank line; a final CR may be half of a CRLF still under way."""
    return data.endswith((b"\n\n", b"\n\r\n"))
