"""Servers: uvicorn on loopback sockets, on one event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import ipaddress
import logging
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Generator
from typing import Any

import uvicorn

from mockserver.crash import Crash
from mockserver.errors import UserError
from mockserver.wire.connection import EXHAUSTED
from mockserver.wire.direct import DirectFront, DirectProtocol
from mockserver.wire.protocol import WireProtocol
from mockserver.wire.uvicorn_check import check_uvicorn

LOOPBACK, EVERYWHERE = "127.0.0.1", "0.0.0.0"  # noqa: S104  only on request, with --bind
#: The name of the thread whose event loop serves.
HOST_THREAD = "mockserver"
_START_S = 30
_QUIET_S = 10

log = logging.getLogger("mockserver")


class PortTakenError(UserError):
    """A port that another program listens on."""

    def __init__(self, port: int, what: str, option: str) -> None:
        super().__init__(f"Port {port} for {what} is taken. Stop what listens there, or choose another with {option}.")
        self.port = port


class AddressError(UserError):
    """An address that this machine does not have."""


def bind(
    port: int, what: str, option: str = "--port", address: str = LOOPBACK, *, shared: bool = False
) -> socket.socket:
    """A listening socket, on loopback unless another IPv4 `address` is passed; port 0 takes a free one. `what` and `option`
    are for the error. Several `shared` ones may have one port: the kernel spreads connections over them.

    Raises:
        PortTakenError: another program listens there.
        AddressError: not an address of this machine.
    """
    # TCP is named, or asyncio leaves Nagle's algorithm on, and each answer of two writes waits 40 ms (measured).
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        sock.bind((address, port))
    except OSError as error:
        sock.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise PortTakenError(port, what, option) from error
        if error.errno == errno.EADDRNOTAVAIL:
            raise AddressError(
                f"--bind {address}: this machine has no such address; {EVERYWHERE} is all of its addresses"
            ) from error
        raise
    sock.listen(2048)
    return sock


def bind_for(processes: int, address: str, port: int, what: str, option: str) -> tuple[tuple[socket.socket, ...], ...]:
    """Sockets as from `bind_to` for each of so many processes that share a port."""
    first = bind_to(address, port, what, option)
    if processes == 1:
        return (first,)
    port = first[0].getsockname()[1]
    for sock in first:  # these made sure that nobody else has the port, not even to share it
        sock.close()
    return tuple(bind_to(address, port, what, option, shared=True) for _ in range(processes))


def bind_to(address: str, port: int, what: str, option: str, *, shared: bool = False) -> tuple[socket.socket, ...]:
    """Sockets as from `bind`: on loopback, and on `address` too."""
    try:
        ipaddress.IPv4Address(address)
    except ValueError:
        raise AddressError(
            f"--bind must be an IPv4 address of this machine, or {EVERYWHERE} for all of them, got {address!r}"
        ) from None
    if address == EVERYWHERE:
        return (bind(port, what, option, address, shared=shared),)
    local = bind(port, what, option, shared=shared)
    if address == LOOPBACK:
        return (local,)
    return local, bind(local.getsockname()[1], what, option, address, shared=shared)


def url_of(sock: socket.socket, scheme: str = "http") -> str:
    """The base URL of a bound socket, for this machine."""
    return f"{scheme}://{LOOPBACK}:{sock.getsockname()[1]}"


class Servers:
    """ASGI applications, each served on its socket until `stop`. `at_end` runs after the last request, and `stop` waits for it.

    A request that has not ended `patience_s` seconds after `stop` is cancelled; None waits for ever. With `tls`, clients
    have to speak TLS. With `websockets`, the applications get those too. `crashed` is told what no application caught.
    """

    def __init__(
        self,
        *served: tuple[Any, socket.socket],
        at_end: Callable[[], Awaitable[None]] | None = None,
        patience_s: int | None = 2,
        tls: ssl.SSLContext | None = None,
        websockets: bool = False,
        crashed: Callable[[Crash], None] = lambda _crash: None,
    ) -> None:
        self._tls, self._websockets = tls, websockets
        self._served, self._patience_s = served, patience_s
        self._at_end, self._crashed = at_end, crashed
        self._quiet_until_s = 0.0
        self._servers: list[_Server] = []
        self._thread = threading.Thread(target=self._run, name=HOST_THREAD, daemon=True)

    def start(self) -> None:
        """Return once all of them answer.

        Raises:
            UserError: this version of uvicorn lacks something that we use.
        """
        _check_once()
        self._servers = [
            _Server(_config(app, self._patience_s, self._tls, websockets=self._websockets)) for app, _ in self._served
        ]
        self._thread.start()
        for server in self._servers:
            if not server.up.wait(_START_S):
                raise RuntimeError(f"a server did not start within {_START_S} s")

    def stop(self) -> None:
        """Cut the open connections and return once every server has stopped."""
        for server in self._servers:
            server.should_exit = True
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        asyncio.get_running_loop().set_exception_handler(self._uncaught)
        await asyncio.gather(
            *(server.serve([sock]) for server, (_, sock) in zip(self._servers, self._served, strict=True))
        )
        if self._at_end is not None:
            await self._at_end()

    def _uncaught(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Tell of a callback's or a task's exception; those of sockets are the network's, and asyncio logs them."""
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno in EXHAUSTED:
            if loop.time() > self._quiet_until_s:
                # asyncio reports it some thousand times a second.
                log.warning("no new connection can be accepted for now: %s", error.strerror)
                self._quiet_until_s = loop.time() + _QUIET_S
        elif error is None or isinstance(error, OSError):
            loop.default_exception_handler(context)
        else:
            self._crashed(Crash.of(str(context.get("message", "the event loop")), error))


class _Server(uvicorn.Server):
    """A uvicorn server that does not handle signals, and sets `up` when it has started."""

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


_WEBSOCKETS = "websockets-sansio"
_SETTINGS: dict[str, Any] = {
    "http": DirectProtocol,
    "ws": "none",
    "lifespan": "off",
    "log_config": None,
    "access_log": False,
    "server_header": False,
    "proxy_headers": False,  # the client is the connected address, whatever headers say
    "date_header": False,  # Connection adds it where an answer that is passed on has none
    "timeout_keep_alive": 75,  # longer than clients keep an idle connection, so that none is closed under a request
}


@functools.cache
def _check_once() -> None:
    check_uvicorn(_SETTINGS)


def _config(app: Any, patience_s: int | None, tls: ssl.SSLContext | None, *, websockets: bool) -> uvicorn.Config:
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    protocol = DirectProtocol if isinstance(app, DirectFront) else WireProtocol
    chosen = {"http": protocol, "ws": _WEBSOCKETS if websockets else "none"}
    config = uvicorn.Config(app, timeout_graceful_shutdown=patience_s, **{**_SETTINGS, **chosen})
    config.load()
    config.ssl = tls  # a context, because uvicorn's own options want a key on disk
    return config
