"""A tape turns the bytes that an upstream sent, with the time of each, into an answer."""

from __future__ import annotations

import itertools
import zlib
from dataclasses import replace

from mockserver.clock import Clock
from mockserver.exchange import Answer, End, Event, Headers, first, is_event_stream
from mockserver.sse import EventSplitter, ends_stream

#: zlib's number for gzip and deflate, whichever it is.
_GZIP_OR_DEFLATE = 47


class Tape:
    """Bytes go in as they come; an answer with the wait before each event comes out.

    Events beyond `limit_bytes` are counted and timed, but their bytes are discarded. `since_s` is when the request came, on the
    clock. With `decode`, a body that is compressed with gzip or deflate becomes the answer that it stands for.
    """

    def __init__(self, *, since_s: float, clock: Clock, limit_bytes: int | None = None, decode: bool = False) -> None:
        self._since_s, self._clock, self._limit_bytes, self._decode = since_s, clock, limit_bytes, decode
        self._head, self._head_ms = Answer(0), 0
        self._streams, self._ended = False, False
        self._body = bytearray()
        self._splitter = EventSplitter()
        self._decoder: zlib._Decompress | None = None
        self._events: list[tuple[int, bytes]] = []  # milliseconds since the request, data
        self._size_bytes = 0
        self._last_event = b""

    def begin(self, status: int, headers: Headers) -> None:
        """Record the head, which came just now."""
        if self._decode and first(headers, "content-encoding") in ("gzip", "x-gzip", "deflate"):
            self._decoder = zlib.decompressobj(_GZIP_OR_DEFLATE)
            headers = tuple(header for header in headers if header[0] not in ("content-encoding", "content-length"))
        self._head, self._head_ms = Answer(status, headers), self._elapsed_ms()
        self._streams = is_event_stream(headers)

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
        """Whether the answer is complete: the body ended, or its last event was one after which clients leave."""
        return self._ended or self.at_last_event

    @property
    def at_last_event(self) -> bool:
        """Whether the newest event is one after which clients leave, such as [DONE]."""
        return bool(self._last_event) and ends_stream(self._last_event)

    def end(self) -> None:
        """Record that the body ended."""
        self._ended = True

    def add(self, chunk: bytes) -> None:
        """Record bytes that came just now. An event's time is when its last byte came.

        Raises:
            zlib.error: the body is not compressed as its head says.
        """
        if self._decoder is not None:
            chunk = self._decoder.decompress(chunk)
        if not self._streams:
            self._body += chunk
            del self._body[self._limit_bytes or len(self._body) :]
            return
        for event in self._splitter.add(chunk):
            self._size_bytes += len(event)
            fits = self._limit_bytes is None or self._size_bytes <= self._limit_bytes
            self._events.append((self._elapsed_ms(), event if fits else b""))
            self._last_event = event

    def answer(self) -> Answer:
        """The answer so far, as one that ended properly."""
        rest = self._splitter.rest if self._streams else bytes(self._body)
        events = [*self._events, *([(self._elapsed_ms(), rest)] if rest else [])]
        previous = itertools.chain([self._head_ms], (at_ms for at_ms, _ in events))
        timed = [Event(at_ms - before_ms, data) for (at_ms, data), before_ms in zip(events, previous, strict=False)]
        return replace(self._head, events=tuple(timed), head_after_ms=self._head_ms, end=End.EOF)

    def _elapsed_ms(self) -> int:
        return round((self._clock.now() - self._since_s) * 1000)
