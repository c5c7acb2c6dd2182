"""One answer on its way out below ASGI: every write leaves at once, and none waits in a task."""

from __future__ import annotations

import asyncio
import functools
import socket
import struct
import time
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus

from mockserver.exchange import Headers, is_header

#: Answers without a body or its length. Source: RFC 9110, 8.6 forbids a length with 204 and leaves it open with 304.
BODILESS = (204, 304)
#: A reset discards what the client has received but not yet read, so a reset waits until the bytes before it were read.
READ_BEFORE_RESET_S = 0.1


@functools.lru_cache(2)
def date(second: int) -> bytes:
    """The value of a date header."""
    return formatdate(second, usegmt=True).encode()


def abort(transport: asyncio.Transport) -> None:
    """End a connection with an RST, as a crashed server would."""
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class AnswerWriter:
    """Writes one answer to a connection; `started` says that its head has left, `ended` that it is whole, or that the client has left.

    `on_left` is called when the client leaves before the end, `on_room` when it has read enough to be sent more; `full` says
    that it has not. `on_end` is the connection's own.
    """

    __slots__ = (
        "_chunked",
        "_has_body",
        "_head",
        "_is_head",
        "_keeps_alive",
        "_on_end",
        "_over",
        "_transport",
        "ended",
        "full",
        "on_left",
        "on_room",
        "started",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        on_end: Callable[[], None],
        *,
        keeps_alive: bool = True,
        is_head: bool = False,
        full: bool = False,
    ) -> None:
        self._transport, self._on_end = transport, on_end
        self._keeps_alive, self._is_head, self.full = keeps_alive, is_head, full
        self.on_left: Callable[[], None] = _nothing
        self.on_room: Callable[[], None] = _nothing
        self._head, self._chunked, self._has_body = b"", False, True
        self._over: asyncio.Future[None] | None = None
        self.started = self.ended = False

    @property
    def is_closing(self) -> bool:
        """Whether nobody is there any more."""
        return self._transport.is_closing()

    def start(self, status: int, headers: Headers) -> None:
        """Begin the answer; its head leaves with the first `send`, and another answer may be begun until then.

        Raises:
            ValueError: a header that would break the head.
        """
        head, is_dated, has_length = _head(status, headers)
        self._has_body = status not in BODILESS and not self._is_head
        self._chunked = self._has_body and not has_length
        self._head = b"".join(
            (
                head,
                b"" if is_dated else b"date: %b\r\n" % date(int(time.time())),
                b"transfer-encoding: chunked\r\n" if self._chunked else b"",
                b"\r\n" if self._keeps_alive else b"connection: close\r\n\r\n",
            )
        )

    def send(self, data: bytes, *, last: bool = False) -> None:
        """Send bytes of the body, and with `last` its end."""
        head, self._head = self._head, b""
        self.started = True
        if not self._has_body:
            data = b""
        elif self._chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
            data = data + b"0\r\n\r\n" if last else data
        if (head or data) and not self._transport.is_closing():  # asyncio would complain of each write
            self._transport.write(head + data)
        if last:
            self.end()

    def send_whole(self, status: int, headers: Headers, body: bytes) -> None:
        """Send an answer that has its whole body.

        Raises:
            ValueError: a header that would break the head.
        """
        self.start(status, headers)
        self.send(body, last=True)

    def answer(self, status: int, text: str, *headers: tuple[str, str]) -> None:
        """Send a complete plain-text answer."""
        body = text.encode()
        plain = (("content-type", "text/plain; charset=utf-8"), ("content-length", str(len(body))))
        self.send_whole(status, (*plain, *headers), body)

    def reset(self) -> None:
        """End the answer with an RST, once what was sent has been read."""
        asyncio.get_running_loop().call_later(READ_BEFORE_RESET_S, self._reset)

    def break_off(self) -> None:
        """Close the connection in the middle of the answer."""
        self._transport.close()

    async def wait(self) -> None:
        """Return once the answer has ended."""
        if not self.ended:
            self._over = asyncio.get_running_loop().create_future()
            await self._over

    def leave(self) -> None:
        """The client has left."""
        if not self.ended:
            self.on_left()
            self.end()

    def end(self) -> None:
        """Note the end of the answer."""
        if self.ended:
            return
        self.ended = True
        self.on_left = self.on_room = _nothing  # what an answer is made of is let go with it
        if self._over is not None and not self._over.done():
            self._over.set_result(None)
        if not self._keeps_alive:
            self._transport.close()
        self._on_end()

    def _reset(self) -> None:
        if not self._transport.is_closing():  # the client may have left meanwhile
            abort(self._transport)
        self.end()


def _nothing() -> None: ...


@functools.lru_cache(500)
def _head(status: int, headers: Headers) -> tuple[bytes, bool, bool]:
    """The lines of a head but for the last, and whether a date and a length are among them."""
    lines = [f"HTTP/1.1 {status} {_phrase(status)}\r\n"]
    kept = [header for header in headers if status not in BODILESS or header[0] != "content-length"]
    for name, value in kept:
        if not is_header(name, value):
            raise ValueError(f"not a header: {name!r}: {value!r}")
        lines.append(f"{name}: {value}\r\n")
    names = {name for name, _ in kept}
    return "".join(lines).encode("latin-1"), "date" in names, "content-length" in names


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
