"""Servers: uvicorn on loopback sockets, on one event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import logging
import socket
import threading
from collections.abc import Awaitable, Callable, Generator
from typing import Any

import uvicorn

from mockserver.errors import UserError
from mockserver.wire.connection import WireProtocol

LOOPBACK, EVERYWHERE = "127.0.0.1", "0.0.0.0"  # noqa: S104  for who asks for it
_START_S = 30


class PortTakenError(UserError):
    """A port somebody else listens on."""

    def __init__(self, port: int, what: str, option: str) -> None:
        advice = f"Stop what listens there, or choose another with {option}"
        super().__init__(f"Port {port} for {what} is taken. {advice}.")
        self.port = port


class AddressError(UserError):
    """An address that is none of this machine's."""


def bind(port: int, what: str, option: str = "--port", address: str = LOOPBACK) -> socket.socket:
    """A listening socket, on loopback unless another IPv4 `address` is given; port 0 takes a free one. `what` and `option`
    are for the error.

    Raises:
        PortTakenError: somebody listens there.
        AddressError: it is no address of this machine's.
    """
    # Named TCP, else asyncio leaves Nagle's algorithm on and every answer of two writes waits 40 ms (measured).
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((address, port))
    except OSError as error:
        sock.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise PortTakenError(port, what, option) from error
        if error.errno == errno.EADDRNOTAVAIL:
            raise AddressError(
                f"--bind {address}: this machine has no such address; {EVERYWHERE} is all it has"
            ) from error
        raise
    sock.listen(2048)
    return sock


def bind_to(address: str, port: int, what: str, option: str) -> tuple[socket.socket, ...]:
    """As `bind`, on loopback first and on `address` besides."""
    try:
        ipaddress.IPv4Address(address)
    except ValueError:
        raise AddressError(
            f"--bind {address}: an IPv4 address of this machine is needed, or {EVERYWHERE} for all"
        ) from None
    if address == EVERYWHERE:
        return (bind(port, what, option, address),)
    here = bind(port, what, option)
    return (here,) if address == LOOPBACK else (here, bind(here.getsockname()[1], what, option, address))


def url_of(sock: socket.socket) -> str:
    """The base URL of a bound socket, for this machine."""
    return f"http://{LOOPBACK}:{sock.getsockname()[1]}"


class Servers:
    """ASGI applications, each on its socket, served until stopped."""

    def __init__(self, *served: tuple[Any, socket.socket], at_end: Callable[[], Awaitable[None]] | None = None) -> None:
        self._served = served
        self._at_end = at_end
        self._servers: list[_Server] = []
        self._thread = threading.Thread(target=self._run, name="mockserver", daemon=True)

    def start(self) -> None:
        """Return once all of them answer."""
        self._servers = [_Server(_config(app)) for app, _ in self._served]
        self._thread.start()
        for server in self._servers:
            if not server.up.wait(_START_S):
                raise RuntimeError("a server did not start")

    def stop(self) -> None:
        """Break off what is under way and return once nothing is served any more."""
        for server in self._servers:
            server.should_exit = True
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        await asyncio.gather(
            *(server.serve([sock]) for server, (_, sock) in zip(self._servers, self._served, strict=True))
        )
        if self._at_end is not None:
            await self._at_end()


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals alone and says when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def _config(app: Any) -> uvicorn.Config:
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    return uvicorn.Config(
        app,
        http=WireProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # who asks is who is connected
        date_header=False,  # Connection adds it where an answer that is passed on has none
        timeout_keep_alive=75,  # longer than clients keep an idle connection, so that none is closed under a request
        timeout_graceful_shutdown=2,
    )
