"""The model's port: plain requests are answered below ASGI, where each costs a fifth; uvicorn reads whatever is not plain."""

from __future__ import annotations

import functools
import ipaddress
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import httptools

from mockserver.exchange import Headers, Request, whole_number
from mockserver.wire.connection import LOOPBACK_NAMES, BodyBudget, as_text, host_of, with_one_host
from mockserver.wire.protocol import WireProtocol
from mockserver.wire.writer import AnswerWriter

_HEAD_END = b"\r\n\r\n"
#: How much may come while an answer is being sent.
_MAX_WAITING_BYTES = 64 << 10
_MAX_HEAD_BYTES, _MAX_BODY_BYTES = 8 << 10, 1 << 20
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
#: Headers that need more than an answer, or that a web page sends.
_NOT_PLAIN = frozenset({"expect", "origin", "transfer-encoding", "upgrade"})


@runtime_checkable
class DirectFront(Protocol):
    """An ASGI application that also answers requests directly; `budget` counts their bodies."""

    budget: BodyBudget

    def answer_directly(self, request: Request, writer: AnswerWriter) -> bool:
        """Answer with the writer, now or later, or return False: the request then comes through ASGI."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class _Head:
    method: str
    raw_path: str
    query: str
    headers: Headers
    body_bytes: int


class _HeadReader:
    """What httptools calls while it reads a head."""

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.url, self.headers = b"", list[tuple[bytes, bytes]]()
        self.is_complete = self.is_plain = self.has_more = False

    def on_message_begin(self) -> None:
        self.has_more |= self.is_complete

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        parser = self.parser  # which knows this for as long as the message lasts
        self.is_plain = (
            parser.get_http_version() == "1.1" and parser.should_keep_alive() and not parser.should_upgrade()
        )
        self.is_complete = True

    def on_body(self, body: bytes) -> None:
        del body
        self.has_more = True


@functools.lru_cache(1000)  # a client sends the same head again and again
def _plain_head(data: bytes) -> _Head | None:
    """A request's head, with the empty line at its end; None where it is not one, or not plain."""
    reader = _HeadReader()
    try:
        reader.parser.feed_data(data)
        url = httptools.parse_url(reader.url)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return None
    if not reader.is_plain or reader.has_more or not url.path or not url.path.isascii():
        return None
    headers = as_text(with_one_host(reader.headers))
    names = dict(headers)
    length = whole_number(names.get("content-length", "0"))
    if not _NOT_PLAIN.isdisjoint(names) or length is None or length > _MAX_BODY_BYTES:
        return None
    method = reader.parser.get_method().decode()
    if method not in _METHODS or host_of(headers) not in LOOPBACK_NAMES:
        return None
    path, query = url.path.decode(), (url.query or b"").decode("latin-1")
    return _Head(method, path, query, headers, length)


class DirectProtocol(WireProtocol):
    """Lets a `DirectFront` answer the plain requests of clients on this machine; what it does not answer, uvicorn reads."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._front: DirectFront = self.app  # the server looks before it chooses this protocol
        self._in_message = False  # of uvicorn's
        self._is_answering = False  # directly
        self._rest, self._needed = bytearray(), 0  # of a request that has not come whole, or that waits for its turn
        self._held_bytes = 0
        self._used_s = 0.0

    # --- what asyncio calls ---

    def connection_made(self, transport: Any) -> None:
        """Begin a connection."""
        super().connection_made(transport)
        self._wire = transport
        self._is_local = self.client is not None and ipaddress.ip_address(self.client[0]).is_loopback

    def data_received(self, data: bytes) -> None:
        """Answer plain requests, in the order they came, and let uvicorn read all others."""
        if self._rest or self._is_answering:
            self._rest += data
            if self._is_answering:
                # One answer after the other. A client that leaves is seen as long as its connection is read.
                if len(self._rest) > _MAX_WAITING_BYTES:
                    self._wire.pause_reading()
            elif not self._hold(len(self._rest)) or len(self._rest) >= self._needed:
                self._go_on()
        elif self._is_uvicorns:
            super().data_received(data)
        else:
            self._take(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of what has come of a request."""
        super().connection_lost(exc)
        self._rest.clear()
        self._hold(0)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection on which nothing has happened for as long as uvicorn waits."""
        left_s = self._used_s + self.timeout_keep_alive - self.loop.time()
        if self._is_answering or self._rest or left_s > 0:
            self._close_later(self.timeout_keep_alive if left_s <= 0 else left_s)
        else:
            super().timeout_keep_alive_handler()

    # --- what uvicorn's parser calls ---

    def on_message_begin(self) -> None:
        """Start a request of uvicorn's."""
        self._in_message = True
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """End a request of uvicorn's."""
        self._in_message = False
        super().on_message_complete()

    # --- our own ---

    @property
    def _is_uvicorns(self) -> bool:
        """Whether what comes next belongs to uvicorn."""
        return self._in_message or not self._is_local or (self.cycle is not None and not self.cycle.response_complete)

    def _go_on(self) -> None:
        data, self._needed = bytes(self._rest), 0
        self._rest.clear()
        self._hold(0)
        if self._is_uvicorns:
            super().data_received(data)
        else:
            self._take(data)

    def _take(self, data: bytes) -> None:
        """Answer the plain requests that have come whole."""
        while data:
            end = data.find(_HEAD_END, 0, _MAX_HEAD_BYTES) + len(_HEAD_END)
            head = _plain_head(data[:end]) if end >= len(_HEAD_END) else None
            whole = end + head.body_bytes if head is not None else 0
            if head is None or not self._hold(min(len(data), whole)):
                return super().data_received(data)
            if len(data) < whole:
                self._rest += data
                self._needed = whole
                return None
            request = Request(head.method, head.raw_path, head.query, head.headers, data[end:whole])
            writer = self._writer = AnswerWriter(self._wire, self._ended, full=self._full)
            self._is_answering = True
            if not self._front.answer_directly(request, writer):
                self._is_answering, self._writer = False, None
                self._hold(0)
                return super().data_received(data)
            data = data[whole:]
            if not writer.ended:
                self._rest += data
                return None
        return None

    def _ended(self) -> None:
        """Note that an answer has ended, and go on with what came meanwhile."""
        self._is_answering, self._writer = False, None
        self._hold(0)
        self._used_s = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._close_later(self.timeout_keep_alive)
        if self._rest:
            self.loop.call_soon(self._resume)

    def _resume(self) -> None:
        if not self._is_answering and not self._wire.is_closing():
            self._wire.resume_reading()
            self._go_on()

    def _close_later(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _hold(self, size: int) -> bool:
        """Count so many bytes of a request, in place of those before; False where that is too much for the server."""
        budget = self._front.budget
        budget.held_bytes += size - self._held_bytes
        self._held_bytes = size
        if budget.held_bytes <= budget.most_bytes:
            return True
        budget.held_bytes -= size
        self._held_bytes = 0
        return False
