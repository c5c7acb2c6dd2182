"""The Functions host: finds the function for a request and lets a worker answer, as Azure's own host does."""

from __future__ import annotations

import hmac
import re
import time
import traceback
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Protocol

from mockserver.exchange import Headers, Request
from mockserver.functions.process import InvocationRecord
from mockserver.functions.routes import specificity
from mockserver.matching.call import VISIT_HEADERS
from mockserver.wire.connection import AsgiReceive, AsgiScope, AsgiSend, Connection

#: Source: Functions host, DefaultMaxRequestBodySize.
REQUEST_LIMIT_BYTES = 104_857_600
#: What a browser may send across origins. Source: the Functions host answers preflights before any function.
_CORS_METHODS = "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS"


@dataclass(frozen=True, slots=True)
class Function:
    """One HTTP function. `methods` None takes all of them; `level` is who may call it: anonymous, function or admin;
    `parameter` is what its request is called."""

    name: str
    template: str
    route: re.Pattern[str]
    methods: frozenset[str] | None
    level: str
    parameter: str


class Sent:
    """A `send` that notes what is sent, and when; `error` is what a function let through."""

    def __init__(self, send: AsgiSend, headers: Headers) -> None:
        self._send, self._added, self._began_s = send, headers, time.monotonic()
        self._status, self._sent_ms, self._ended = 0, list[float](), False
        self.error = ""

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        """Send it."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            added = [(name.encode(), value.encode("latin-1")) for name, value in self._added]
            message = {**message, "headers": [*message["headers"], *added]}
        await self._send(message)
        if message.get("body"):
            self._sent_ms.append(round(self._elapsed_s() * 1000, 1))
        self._ended = message["type"] == "http.response.body" and not message.get("more_body", False)

    def call(self, function: str, request: Request) -> InvocationRecord:
        """What became of it."""
        ids = {name: value for name in VISIT_HEADERS if (value := request.header(name))}
        end = "eof" if self._ended else "client left"
        how = (self._status, end, self._elapsed_s(), self._sent_ms, self.error)
        return InvocationRecord(function, request.method, request.raw_path, ids, *how)

    def _elapsed_s(self) -> float:
        return time.monotonic() - self._began_s


@dataclass(frozen=True, slots=True)
class Invocation:
    """A request on its way to its function: `parameters` are those of its route."""

    function: Function
    parameters: dict[str, str]
    request: Request
    connection: Connection
    scope: AsgiScope
    sent: Sent

    async def empty(self, status: int) -> None:
        """Answer with a status and nothing else."""
        await self.connection.start(status, (("content-length", "0"),))
        await self.connection.finish()

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Answer with a whole body."""
        kept = tuple((name, value) for name, value in headers if name != "content-length")
        await self.connection.start(status, (*kept, ("content-length", str(len(body)))))
        await self.connection.write(body)
        await self.connection.finish()


class Worker(Protocol):
    """What runs an app's functions. Use it on one event loop."""

    functions: tuple[Function, ...]

    async def answer(self, invocation: Invocation) -> None:
        """Call the function and send what it returns."""
        ...

    async def close(self) -> None:
        """Let go of what it holds."""
        ...


class FunctionsHost:
    """An ASGI application that answers for an app's functions.

    `key` opens those that are not anonymous, as `x-functions-key` or `code`; None asks for none, as `func start` does.
    """

    def __init__(
        self,
        worker: Worker,
        *,
        key: str | None = None,
        origins: frozenset[str] = frozenset(),
        report: Callable[[InvocationRecord], None] = lambda _call: None,
    ) -> None:
        # A literal goes before a parameter, whatever order they were written in.
        self._functions = sorted(worker.functions, key=lambda each: specificity(each.template))
        self._worker, self._key, self._origins, self._report = worker, key, origins, report

    async def __call__(self, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        origin = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"), None)
        allowed = origin if origin in self._origins else "*" if origin and "*" in self._origins else None
        sent = Sent(send, (("access-control-allow-origin", allowed),) if allowed else ())
        connection = Connection(scope, receive, sent)
        request = await connection.accept(REQUEST_LIMIT_BYTES)
        if request is None:
            return
        if allowed and request.method == "OPTIONS" and request.header("access-control-request-method"):
            await _preflight(connection, request)
            return
        function, parameters = self._find(scope["method"], scope["path"])
        invocation = Invocation(function or _NONE, parameters, request, connection, scope, sent)
        try:
            if function is None:
                await invocation.empty(404)  # a wrong method too: the host's routes know no 405
            elif not self._may_call(function, request):
                await invocation.empty(401)
            else:
                await self._worker.answer(invocation)
        except Exception as error:  # noqa: BLE001  the outermost frame of the host
            traceback.print_exc()
            sent.error = type(error).__name__
            if not connection.started:
                await invocation.empty(500)
        finally:
            self._report(sent.call(function.name if function else "", request))

    def _find(self, method: str, path: str) -> tuple[Function | None, dict[str, str]]:
        for function in self._functions:
            if (match := function.route.fullmatch(path)) and (function.methods is None or method in function.methods):
                return function, {name: value for name, value in match.groupdict().items() if value is not None}
        return None, {}

    def _may_call(self, function: Function, request: Request) -> bool:
        """Source: the key is taken from `x-functions-key`, else from `code`; a wrong one is a 401 without a body."""
        if self._key is None or function.level == "anonymous":
            return True
        code = re.search(r"(?:^|&)code=([^&]*)", request.query)
        given = request.header("x-functions-key") or (code[1] if code else "")
        return hmac.compare_digest(given.encode(), self._key.encode())


_NONE = Function("", "", re.compile(""), None, "anonymous", "")


async def _preflight(connection: Connection, request: Request) -> None:
    wanted = request.header("access-control-request-headers")
    headers: Headers = (("access-control-allow-methods", _CORS_METHODS), ("access-control-max-age", "600"))
    if wanted:
        headers = (*headers, ("access-control-allow-headers", wanted), ("vary", "origin"))
    await connection.start(204, headers)
    await connection.finish()


def joined(pairs: Headers) -> dict[str, str]:
    """Repeated names joined with a comma, as the host hands them to the worker."""
    result: dict[str, str] = {}
    for name, value in pairs:
        result[name] = f"{result[name]},{value}" if name in result else value
    return result
