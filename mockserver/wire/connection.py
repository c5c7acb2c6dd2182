"""One request on the wire: reads it, answers it in pieces, resets it, and notices at once when the client leaves."""

from __future__ import annotations

import asyncio
import errno
import functools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, MutableMapping, Sequence
from typing import Any, Protocol

from mockserver.exchange import End, Headers, Request, whole_number
from mockserver.wire.writer import BODILESS, READ_BEFORE_RESET_S, AnswerWriter, abort, date

#: What an error of the system says of a machine that has no descriptors, buffers or memory left; no fault of our code.
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ENOSPC})

AsgiScope = MutableMapping[str, Any]
AsgiReceive = Callable[[], Awaitable[MutableMapping[str, Any]]]
AsgiSend = Callable[[MutableMapping[str, Any]], Awaitable[None]]

#: Names of this machine. A request for any other Host may come from a web page whose DNS name points here.
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
#: The place of what is ours in a scope.
EXTENSION, TRANSPORT, WRITER, _ADMITTED = "mockserver", "transport", "writer", "admitted"

#: White space around a header's value, which does not belong to it. Source: RFC 9110, 5.5.
_SPACE = b" \t"


class RawStream(Protocol):
    """A connection to a server after it agreed to another protocol."""

    async def read(self, max_bytes: int) -> bytes:
        """The next bytes; empty at the end."""

    async def write(self, buffer: bytes) -> None:
        """Send bytes."""


class _Pipe(asyncio.Protocol):
    """One side of a tunnel: neither side is read faster than the other reads."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._data: asyncio.Queue[bytes] = asyncio.Queue()
        self._writable = asyncio.Event()
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        self._data.put_nowait(data)
        self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._data.put_nowait(b"")
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def read(self) -> bytes:
        """What the client sent next; empty at its end."""
        if self._data.empty() and not self._transport.is_closing():
            self._transport.resume_reading()
        return await self._data.get()

    async def write(self, data: bytes) -> None:
        """Send bytes once the client has room for them."""
        await self._writable.wait()
        self._transport.write(data)


@functools.lru_cache(500)
def _encoded(headers: Headers) -> tuple[tuple[tuple[bytes, bytes], ...], bool]:
    """Headers as ASGI has them, and whether they have a date."""
    raw = tuple([(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers])
    return raw, any(name == b"date" for name, _ in raw)


def with_one_host(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """A request's headers, names in lower case, as they are passed on: a repeated Host counts once."""
    hosts = dict.fromkeys(header for header in headers if header[0] == b"host")
    return [*hosts, *((name, value.strip(_SPACE)) for name, value in headers if name != b"host")]


def as_text(headers: Sequence[tuple[bytes, bytes]]) -> Headers:
    """Headers as a `Request` has them."""
    return tuple([(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers])


def host_of(headers: Headers) -> str:
    """The Host header without the port, in lower case; an empty string if there is not exactly one."""
    values = [value for name, value in headers if name == "host"]
    value = values[0].lower() if len(values) == 1 else ""
    name, colon, port = value.rpartition(":")
    return name if colon and port.isdigit() else value


def _without_length(headers: Headers) -> Headers:
    return tuple(header for header in headers if header[0] != "content-length")


class ClientLeftError(Exception):
    """The client left before its request was complete."""


class _TooMuchError(Exception):
    """The server holds too many bytes of requests."""


_RETRY = ("retry-after", "1")


class BodyBudget:
    """How many bytes of requests' bodies a server holds at once, from the first byte until the request is answered."""

    def __init__(self, most_bytes: int = 256 << 20) -> None:
        self.most_bytes, self.held_bytes = most_bytes, 0


class Connection:
    """One HTTP exchange as an ASGI server passes it to an application."""

    def __init__(self, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend) -> None:
        self.scope, self._receive, self._send = scope, receive, send
        self._departure: asyncio.Task[None] | None = None
        self._transport = scope.get("extensions", {}).get(EXTENSION, {}).get(TRANSPORT)
        self._writer: AnswerWriter | None = None
        self._started = False
        self._budget, self._held_bytes = BodyBudget(), 0
        self._read: asyncio.Event | None = None  # where the body is passed on unread: set at its end
        scope["headers"] = with_one_host(scope["headers"])
        self._headers = as_text(scope["headers"])

    @property
    def host(self) -> str:
        """The Host header without the port, in lower case; an empty string if the request does not have exactly one."""
        return host_of(self._headers)

    @property
    def started(self) -> bool:
        """Whether the answer has begun."""
        return self._started or (self._writer is not None and self._writer.started)

    def admit(self) -> None:
        """Accept the request for any Host, because its sender has been checked in another way."""
        self.scope.setdefault("extensions", {}).setdefault(EXTENSION, {})[_ADMITTED] = True

    async def accept(self, limit_bytes: int, budget: BodyBudget | None = None) -> Request | None:
        """The complete request. None if it was refused, because of its Host or because its body exceeds the limit or what is
        left of the budget, and if the client left before it was complete. Its bytes count until `release`."""
        self._budget = budget or self._budget
        if not self.is_for_this_machine:
            await self.answer(421, "This server answers to 127.0.0.1 and localhost only.\n")
            return None
        try:
            body = await self._body(limit_bytes)
        except ClientLeftError:
            return None
        except _TooMuchError:
            await self.answer(503, f"More than {self._budget.most_bytes >> 20} MB of requests at once.\n", _RETRY)
            return None
        if body is None:
            await self.answer(413, f"The request is larger than {limit_bytes >> 20} MB.\n")
            return None
        return self.request_of(self.scope["method"], body)

    async def accept_unread(self, limit_bytes: int) -> Request | None:
        """The request without its body, which `receive_passed` gives as it comes. None if it was refused, because of its Host or
        the length that it names."""
        if not self.is_for_this_machine:
            await self.answer(421, "This server answers to 127.0.0.1 and localhost only.\n")
            return None
        request = self.request_of(self.scope["method"])
        if (whole_number(request.header("content-length") or "") or 0) > limit_bytes:
            await self.answer(413, f"The request is larger than {limit_bytes >> 20} MB.\n")
            return None
        self._read = asyncio.Event()
        return request

    async def receive_passed(self) -> MutableMapping[str, Any]:
        """The next message of a client whose body is passed on unread."""
        message = await self._receive()
        if self._read is not None and (message["type"] == "http.disconnect" or not message.get("more_body")):
            self._read.set()
        return message

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body of a request that was accepted unread, as it comes.

        Raises:
            ClientLeftError: the client left before its end.
        """
        while self._read is not None and not self._read.is_set():
            message = await self.receive_passed()
            if message["type"] == "http.disconnect":
                raise ClientLeftError
            yield message.get("body", b"")

    def release(self) -> None:
        """Let go of the request's body: others may take its place."""
        self._budget.held_bytes -= self._held_bytes
        self._held_bytes = 0

    @property
    def is_for_this_machine(self) -> bool:
        """Whether the Host is a name of this machine, or its sender has been checked in another way."""
        extension = self.scope.get("extensions", {}).get(EXTENSION, {})
        return self.host in LOOPBACK_NAMES or bool(extension.get(_ADMITTED))

    def request_of(self, method: str, body: bytes = b"") -> Request:
        """The request with a method and a body."""
        path, query = (self.scope[key].decode("latin-1") for key in ("raw_path", "query_string"))
        return Request(method, path, query, self._headers, body)

    async def _body(self, limit_bytes: int) -> bytes | None:
        """The body; None if it is longer than the limit.

        Raises:
            ClientLeftError: the client left before the body was complete.
            _TooMuchError: the server holds too many bytes.
        """
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientLeftError
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            self._budget.held_bytes += len(chunks[-1])
            self._held_bytes = size
            if self._budget.held_bytes > self._budget.most_bytes:
                raise _TooMuchError
            if size > limit_bytes:
                return None
            if not message.get("more_body"):
                return b"".join(chunks)

    async def run_while_connected(
        self, work: Coroutine[Any, Any, None], *, limit: Coroutine[Any, Any, None] | None = None
    ) -> bool:
        """Run the work and return whether it finished. It is cancelled the moment the client leaves, or `limit` returns.

        Call it after `accept`: the next message from the client is then its leaving.
        """
        if self._departure is None:
            self._departure = asyncio.create_task(self._wait_until_client_leaves())
        tasks = [asyncio.create_task(work), *([asyncio.create_task(limit)] if limit is not None else [])]
        await asyncio.wait({*tasks, self._departure}, return_when=asyncio.FIRST_COMPLETED)
        finished = tasks[0].done()
        for task in tasks:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
        if not tasks[0].cancelled():
            tasks[0].result()
        return finished

    def writer(self) -> AnswerWriter:
        """What answers the request below ASGI. Call it after `accept`, and wait for its end."""
        writer: AnswerWriter = self.scope["extensions"][EXTENSION][WRITER]()
        self._writer = writer
        return writer

    @property
    def client_left(self) -> bool:
        """Whether the client has left."""
        return self._departure is not None and self._departure.done()

    async def tunnel(self, status: int, headers: Headers, other: RawStream) -> None:
        """Pass on a server's agreement to another protocol, then bytes in both directions until one side ends."""
        transport = self.scope["extensions"][EXTENSION][TRANSPORT]
        if transport.is_closing():  # the client has left already
            return
        http, pipe = transport.get_protocol(), _Pipe(transport)
        transport.set_protocol(pipe)
        lines = [f"HTTP/1.1 {status} Switching Protocols", *(f"{name}: {value}" for name, value in headers)]
        transport.write("\r\n".join([*lines, "", ""]).encode("latin-1"))

        async def to_server() -> None:
            while data := await pipe.read():
                await other.write(data)

        async def to_client() -> None:
            while data := await other.read(1 << 16):
                await pipe.write(data)

        tasks = [asyncio.create_task(to_server()), asyncio.create_task(to_client())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            transport.close()
            http.connection_lost(None)  # tells uvicorn's own protocol, which no longer sees the transport

    def remove_header(self, name: str) -> None:
        """Remove a header from the request before another application gets it."""
        self.scope["headers"] = [header for header in self.scope["headers"] if header[0].lower() != name.encode()]

    async def start(self, status: int, headers: Headers) -> None:
        """Send the head of the answer, with a date if it has none, and without the length of a body that it cannot have."""
        self._started = True
        raw, is_dated = _encoded(headers if status not in BODILESS else _without_length(headers))
        raw = raw if is_dated else (*raw, (b"date", date(int(time.time()))))
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def write(self, data: bytes) -> None:
        """Send bytes of the body, unless nobody is there any more: asyncio would complain of each."""
        if not self.is_closing:
            await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def finish(self) -> None:
        """End the answer properly."""
        if not self.is_closing:
            await self._send({"type": "http.response.body", "body": b""})

    async def send_whole(self, status: int, headers: Headers, body: bytes) -> None:
        """Send an answer that has its whole body, in one write."""
        transport = self._transport
        if transport is not None:
            transport.hold()
        try:
            await self.start(status, headers)
            if not self.is_closing:
                await self._send({"type": "http.response.body", "body": body})
        finally:
            if transport is not None:
                transport.let_go()

    @property
    def is_closing(self) -> bool:
        """Whether nobody is there any more."""
        return self._transport is not None and self._transport.is_closing()

    async def answer(self, status: int, text: str, *headers: tuple[str, str]) -> None:
        """Send a complete plain-text answer."""
        body = text.encode()
        plain = (("content-type", "text/plain; charset=utf-8"), ("content-length", str(len(body))))
        await self.send_whole(status, (*plain, *headers), body)

    async def end(self, end: End) -> None:
        """End the answer properly, or with an RST as a crashed server would, or never."""
        match end:
            case End.EOF:
                await self.finish()
            case End.RESET:
                await asyncio.sleep(READ_BEFORE_RESET_S)
                if not self.is_closing:  # the client may have left meanwhile
                    abort(self._transport)
            case End.STALL:
                await asyncio.Event().wait()

    async def _wait_until_client_leaves(self) -> None:
        if self._read is not None:
            await self._read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass
