"""What both fronts share: the check of the Host, and the Flask application behind them."""

from __future__ import annotations

import functools
from typing import Any

from mockserver.crash import Crash
from mockserver.exchange import Answer, End, Headers, Request
from mockserver.fronts.wsgi import Wsgi
from mockserver.journal.records import Records
from mockserver.wire.connection import EXHAUSTED, AsgiReceive, AsgiScope, AsgiSend, BodyBudget, Connection
from mockserver.wire.play import schedule
from mockserver.wire.upstream import HOP_BY_HOP

#: Source: Static Web Apps quotas, "Maximum request size" (static-web-apps#467, #1721).
REQUEST_LIMIT_BYTES = 30 << 20
_FRAMING = HOP_BY_HOP | {"content-length"}
#: Source: the official SDKs do not repeat a request whose answer says so.
NO_RETRY = ("x-should-retry", "false")


class Front:
    """An ASGI application that checks the Host, and leaves what it does not answer itself to a Flask application."""

    #: Other names of this machine that requests may be for.
    hosts: frozenset[str] = frozenset()

    def __init__(self, flask: Any, records: Records) -> None:
        self.flask, self._records = Wsgi(flask), records
        self.budget = BodyBudget()

    async def __call__(self, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend) -> None:
        """Answer one request: by `carry`, else by Flask."""
        if scope["type"] == "websocket":
            try:
                await self.converse(scope, receive, send)
            except OSError:
                pass  # the client has left while it was sent something
            except Exception as error:  # noqa: BLE001  as below; uvicorn closes the connection
                self._records.crashed(Crash.of(f"WebSocket {scope['raw_path'].decode('latin-1')}", error))
            return
        if scope["type"] != "http":
            return
        connection, request = Connection(scope, receive, send), None
        if connection.host in self.hosts:
            connection.admit()
        try:
            request = await connection.accept(REQUEST_LIMIT_BYTES, self.budget)
            if request is not None and not await self.carry(connection, request):
                await self.flask.answer(scope, request.body, connection)
        except Exception as error:  # noqa: BLE001  the outermost frame of our own code
            during = f"{scope['method']} {scope['raw_path'].decode('latin-1')}"
            status, words = self.failed(error, during, request.body if request else b"")
            if not connection.started:
                await connection.answer(status, words, NO_RETRY)
        finally:
            connection.release()

    def failed(self, error: Exception, during: str, body: bytes) -> tuple[int, str]:
        """Note a fault of our own; the status and the words that its client gets."""
        if isinstance(error, OSError) and error.errno in EXHAUSTED:
            return 503, f"This machine cannot answer for now: {error.strerror}.\n"
        self._records.crashed(Crash.of(during, error, body))
        return 500, "The mock failed; its console says why.\n"

    async def converse(self, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend) -> None:
        """Carry a WebSocket; refused unless a front has some."""
        del scope, receive
        await send({"type": "websocket.close", "code": 1008})

    async def carry(self, connection: Connection, request: Request) -> bool:
        """Answer the request and return True, or return False to leave it to Flask."""
        raise NotImplementedError


def sent_ms_of(answer: Answer) -> tuple[float, ...]:
    """When each event came, in milliseconds after the request; it was passed on at that moment."""
    return tuple(due_s * 1000 for due_s, _ in schedule(answer))


def sized(answer: Answer) -> Headers:
    """The answer's headers, with the length of its body unless it streams or breaks off."""
    ends_by_itself = answer.streams or answer.end is not End.EOF
    return _framed(answer.headers, None if ends_by_itself else len(answer.body))


@functools.lru_cache(500)
def _framed(headers: Headers, length: int | None) -> Headers:
    framed = tuple((name, value) for name, value in headers if name not in _FRAMING)
    return framed if length is None else (*framed, ("content-length", str(length)))
