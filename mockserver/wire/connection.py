"""One request on the wire: reads it, answers it in pieces, resets it, and knows at once when the client has left."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from email.utils import formatdate
from typing import Any
from urllib.parse import urlsplit

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mockserver.exchange import End, Headers, Request

#: A reset throws away what the client has received and not read yet; what was sent before it shall arrive.
_LAST_WORDS_S = 0.1

AsgiScope = MutableMapping[str, Any]
AsgiReceive = Callable[[], Awaitable[MutableMapping[str, Any]]]
AsgiSend = Callable[[MutableMapping[str, Any]], Awaitable[None]]

#: Names under which this machine is reached; any other Host is somebody's DNS pointing here.
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
_EXTENSION, _TRANSPORT, _ADMITTED = "mockserver", "transport", "admitted"


class WireProtocol(HttpToolsProtocol):
    """uvicorn's protocol, handing its transport to the application: the only way to a true reset."""

    def on_message_begin(self) -> None:
        """Start a request, with the transport among its extensions."""
        super().on_message_begin()
        self.scope["extensions"] = {_EXTENSION: {_TRANSPORT: self.transport}}


class _Pipe(asyncio.Protocol):
    """Sends whatever a client says on to another server."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def data_received(self, data: bytes) -> None:
        self._writer.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._writer.close()


class _GoneError(Exception):
    """The client left before its request was whole."""


class Connection:
    """One HTTP exchange as an ASGI server hands it over."""

    def __init__(self, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._gone: asyncio.Task[None] | None = None
        self.started = False
        hosts = dict.fromkeys(each for each in scope["headers"] if each[0] == b"host")  # one said twice is one
        scope["headers"] = [*hosts, *(each for each in scope["headers"] if each[0] != b"host")]
        self._headers: Headers = tuple(
            (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]
        )

    @property
    def host(self) -> str:
        """The Host header without the port, lower-case; empty where there is none, or several."""
        values = [value for name, value in self._headers if name == "host"]
        value = values[0].lower() if len(values) == 1 else ""
        name, colon, port = value.rpartition(":")
        return name if colon and port.isdigit() else value

    def admit(self) -> None:
        """Let the request in whatever its Host is: who sent it is known otherwise."""
        self._scope["extensions"][_EXTENSION][_ADMITTED] = True

    async def accept(self, limit_bytes: int) -> Request | None:
        """The whole request; None where it was refused, for another host or with a body beyond
        the limit, and where the client left in the middle of it."""
        if self.host not in LOOPBACK_NAMES and not self._scope["extensions"][_EXTENSION].get(_ADMITTED):
            await self.answer(421, "This server answers to 127.0.0.1 and localhost only.\n")
            return None
        try:
            body = await self._body(limit_bytes)
        except _GoneError:
            return None
        if body is None:
            await self.answer(413, f"The request is larger than {limit_bytes >> 20} MB.\n")
            return None
        path, query = (self._scope[key].decode("latin-1") for key in ("raw_path", "query_string"))
        return Request(self._scope["method"], path, query, self._headers, body)

    async def _body(self, limit_bytes: int) -> bytes | None:
        """The body; None where it is longer than the limit.

        Raises:
            _GoneError: the client left in the middle of it.
        """
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise _GoneError
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > limit_bytes:
                return None
            if not message.get("more_body"):
                return b"".join(chunks)

    async def until_gone(
        self, work: Coroutine[Any, Any, None], *, over: Coroutine[Any, Any, None] | None = None
    ) -> bool:
        """Run the work, cancelling it the moment the client leaves, or `over` has returned; whether it ran to its end.

        Call it after `accept`: what the client sends next is its leaving.
        """
        if self._gone is None:
            self._gone = asyncio.create_task(self._left())
        task = asyncio.create_task(work)
        limit = asyncio.create_task(over) if over is not None else None
        await asyncio.wait({task, self._gone, *([limit] if limit else [])}, return_when=asyncio.FIRST_COMPLETED)
        finished = task.done()
        for each in (task, limit):
            if each is not None and not each.done():
                each.cancel()
                await asyncio.wait({each})
        if not task.cancelled():
            task.result()
        return finished

    @property
    def gone(self) -> bool:
        """Whether the client has left."""
        return self._gone is not None and self._gone.done()

    async def tunnel(self, url: str, request: Request, target: str) -> None:
        """Hand the connection over to another server: the request as it came, then bytes both ways until one side ends.

        The client gets a 502 where that server takes no connection.
        """
        parts = urlsplit(url)
        try:
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
        except OSError as error:
            await self.answer(502, f"The dev server does not answer: {error}.\n")
            return
        host = ("host", parts.netloc)
        pairs = [host if name == "host" else (name, value) for name, value in request.headers]
        head = "".join([f"{request.method} {target} HTTP/1.1\r\n", *(f"{name}: {value}\r\n" for name, value in pairs)])
        writer.write(f"{head}\r\n".encode("latin-1"))
        transport = self._scope["extensions"][_EXTENSION][_TRANSPORT]
        http = transport.get_protocol()
        transport.set_protocol(_Pipe(writer))
        transport.resume_reading()
        try:
            while data := await reader.read(1 << 16):
                transport.write(data)
        except OSError:
            pass
        finally:
            writer.close()
            transport.close()
            http.connection_lost(None)  # uvicorn's own, so that it lets the connection go

    def drop(self, name: str) -> None:
        """Take the header `name` out of the request, for whoever it is left to."""
        self._scope["headers"] = [each for each in self._scope["headers"] if each[0].lower() != name.encode()]

    async def start(self, status: int, headers: Headers) -> None:
        """Send the head of the answer; with the date, where it has none."""
        self.started = True
        dated = headers if any(name == "date" for name, _ in headers) else (*headers, ("date", formatdate(usegmt=True)))
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in dated]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def write(self, data: bytes) -> None:
        """Send bytes of the body."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def finish(self) -> None:
        """End the answer properly."""
        await self._send({"type": "http.response.body", "body": b""})

    async def answer(self, status: int, text: str, *headers: tuple[str, str]) -> None:
        """Send a whole plain-text answer."""
        body = text.encode()
        plain = (("content-type", "text/plain; charset=utf-8"), ("content-length", str(len(body))))
        await self.start(status, (*plain, *headers))
        await self.write(body)
        await self.finish()

    async def end(self, end: End) -> None:
        """End the answer properly, with an RST as a crashed peer would, or never."""
        match end:
            case End.EOF:
                await self.finish()
            case End.RESET:
                await asyncio.sleep(_LAST_WORDS_S)
                transport = self._scope["extensions"][_EXTENSION][_TRANSPORT]
                transport.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
                transport.abort()
            case End.STALL:
                await asyncio.Event().wait()

    def again(self, body: bytes) -> AsgiReceive:
        """A receive that hands out the body that was read already, then what else comes."""
        unread = [body]

        async def receive() -> MutableMapping[str, Any]:
            return (
                {"type": "http.request", "body": unread.pop(), "more_body": False} if unread else await self._receive()
            )

        return receive

    async def _left(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
