"""uvicorn's HTTP protocol, with what Connection needs of it: its transport, an answer below ASGI, the leaving of every client."""

from __future__ import annotations

import asyncio
import functools
import sys
from typing import Any
from weakref import WeakSet

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mockserver.wire.connection import EXTENSION, TRANSPORT, WRITER
from mockserver.wire.writer import AnswerWriter

#: Headers that ask for another protocol.
_OF_UPGRADE = frozenset({b"upgrade", b"http2-settings", b"connection"})


class _Transport:
    """A transport that can hold what is written, so that an answer's head and body leave in one write."""

    def __init__(self, real: asyncio.Transport) -> None:
        self._real = real
        self._held: list[bytes] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def write(self, data: bytes) -> None:
        """Send bytes, or hold them."""
        if self._held is None:
            self._real.write(data)
        else:
            self._held.append(data)

    def close(self) -> None:
        """Close the connection once what is held has been sent."""
        self.let_go()
        self._real.close()

    def hold(self) -> None:
        """Hold what is written from now on."""
        self._held = []

    def let_go(self) -> None:
        """Send what was held."""
        held, self._held = self._held, None
        if held:
            self._real.write(b"".join(held))


class WireProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with its transport passed to the application: a true reset is not possible without it."""

    _received = b""
    _writer: AnswerWriter | None = None
    _full = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._cycles: WeakSet[Any] = WeakSet()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as asyncio calls it
        """Begin a connection."""
        super().connection_made(_Transport(transport))  # type: ignore[arg-type]  # it is one, for all that uvicorn uses

    def on_message_begin(self) -> None:
        """Start a request, with the transport among its extensions."""
        super().on_message_begin()
        self.scope["extensions"] = {EXTENSION: {TRANSPORT: self.transport}}

    def data_received(self, data: bytes) -> None:
        """Read what came: requests, whatever protocol they would rather speak."""
        self._received = data
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """Begin to answer a request; not yet where `_unsupported_upgrade_warning` reads it again."""
        if not self._reads_again():
            super().on_headers_complete()
            if self.cycle is not None:  # None while a WebSocket begins
                self._cycles.add(self.cycle)
                self.scope["extensions"][EXTENSION][WRITER] = functools.partial(self._writer_of, self.cycle)

    def _writer_of(self, cycle: Any) -> AnswerWriter:
        """What answers, in uvicorn's place, a request that uvicorn has read."""

        def end() -> None:
            cycle.response_started = cycle.response_complete = True
            cycle.message_event.set()
            cycle.on_response()

        self.flow.resume_reading()  # uvicorn stops at a large body, and then nobody would see the client leave
        self._writer = AnswerWriter(
            self.transport,
            end,
            keeps_alive=cycle.keep_alive,
            is_head=cycle.scope["method"] == "HEAD",
            full=self._full,
        )
        return self._writer

    def pause_writing(self) -> None:
        """Let nobody send more until the client has read."""
        self._full = True
        if self._writer is not None:
            self._writer.full = True
        super().pause_writing()

    def resume_writing(self) -> None:
        """Let an answer go on."""
        self._full = False
        super().resume_writing()
        if self._writer is not None:
            self._writer.full = False
            self._writer.on_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell every request that the client has left; uvicorn tells the last of pipelined ones alone."""
        super().connection_lost(exc)
        if self._writer is not None:
            self._writer.leave()
        for cycle in self._cycles:
            cycle.disconnected = True
            cycle.message_event.set()

    def on_message_complete(self) -> None:
        """End a request."""
        if not self._reads_again():
            super().on_message_complete()

    def _reads_again(self) -> bool:
        """Whether a request asks for a protocol other than WebSocket: the parser then takes its body for that protocol."""
        if not self.parser.should_upgrade() or self.parser.get_method() == b"CONNECT":
            return False
        names = dict(self.headers)
        with_body = b"transfer-encoding" in names or names.get(b"content-length", b"0") != b"0"
        web_socket = names.get(b"upgrade", b"").strip().lower() == b"websocket"
        return with_body or not web_socket or self.parser.get_method() != b"GET"

    def _should_upgrade(self) -> bool:
        return super()._should_upgrade() and not self._reads_again()

    def _unsupported_upgrade_warning(self) -> None:
        """Go on with HTTP/1.1, as a server may that is asked for another protocol. Source: RFC 9110, 7.8.

        The parser reads nothing more after such a request, so another one does, the request itself again where it had to wait.
        """
        problem = sys.exception()
        rest = self._received[problem.args[0] :] if isinstance(problem, httptools.HttpParserUpgrade) else b""
        if self._reads_again():
            kept = [(name, value) for name, value in self.headers if name not in _OF_UPGRADE]
            lines = [self.parser.get_method() + b" " + self.url + b" HTTP/1.1", *(b": ".join(pair) for pair in kept)]
            rest = b"\r\n".join([*lines, b"", b""]) + rest
        self.parser = httptools.HttpRequestParser(self)
        if rest:
            self.data_received(rest)
