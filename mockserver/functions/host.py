"""The Functions host: finds the function for a request and lets a worker call it, as Azure's own host does."""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Protocol

from mockserver.crash import Crash
from mockserver.exchange import Headers, Request
from mockserver.functions.process import InvocationRecord
from mockserver.functions.routes import specificity
from mockserver.matching.call import VISIT_HEADERS
from mockserver.wire.connection import AsgiReceive, AsgiScope, AsgiSend, BodyBudget, Connection

#: Source: Functions host, DefaultMaxRequestBodySize.
REQUEST_LIMIT_BYTES = 104_857_600
#: Methods that a browser may use across origins. Source: the Functions host answers preflights before any function.
_CORS_METHODS = "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS"


@dataclass(frozen=True, slots=True)
class Function:
    """One HTTP function. `methods` None means all of them; `level` is who may call it: anonymous, function or admin;
    `parameter` is the name of its request parameter."""

    name: str
    template: str
    route: re.Pattern[str]
    methods: frozenset[str] | None
    level: str
    parameter: str


class RecordedResponse:
    """An ASGI `send` that adds headers and records what is sent, and when; `error` is the exception a function raised."""

    def __init__(self, send: AsgiSend, headers: Headers) -> None:
        self._send, self._headers, self._began_s = send, headers, time.monotonic()
        self._status, self._sent_ms, self._ended = 0, list[float](), False
        self.error = ""

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        """Send a message."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            added = [(name.encode(), value.encode("latin-1")) for name, value in self._headers]
            message = {**message, "headers": [*message["headers"], *added]}
        await self._send(message)
        if message.get("body"):
            self._sent_ms.append(round(self._elapsed_s() * 1000, 1))
        self._ended = message["type"] == "http.response.body" and not message.get("more_body", False)

    def record(self, function: str, request: Request) -> InvocationRecord:
        """The record of the call that this answers."""
        ids = {name: value for name in VISIT_HEADERS if (value := request.header(name))}
        end = "eof" if self._ended else "client left"
        outcome = (self._status, end, self._elapsed_s(), self._sent_ms, self.error)
        return InvocationRecord(function, request.method, request.raw_path, ids, *outcome)

    def _elapsed_s(self) -> float:
        return time.monotonic() - self._began_s


@dataclass(frozen=True, slots=True)
class Invocation:
    """A request for a function, with the `parameters` of its route, and its response."""

    function: Function
    parameters: dict[str, str]
    request: Request
    connection: Connection
    scope: AsgiScope
    response: RecordedResponse

    async def empty(self, status: int) -> None:
        """Answer with a status and no body."""
        await self.connection.start(status, (("content-length", "0"),))
        await self.connection.finish()

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Answer with a complete body."""
        unsized = tuple((name, value) for name, value in headers if name != "content-length")
        await self.connection.start(status, (*unsized, ("content-length", str(len(body)))))
        await self.connection.write(body)
        await self.connection.finish()


class Worker(Protocol):
    """Runs an app's functions. Use it on one event loop."""

    functions: tuple[Function, ...]

    async def answer(self, invocation: Invocation) -> None:
        """Call the function and send what it returns."""
        ...

    async def close(self) -> None:
        """Release its threads and connections."""
        ...


class FunctionsHost:
    """An ASGI application that serves an app's functions.

    `key` is required for those that are not anonymous, as `x-functions-key` or `code`; None requires none, as `func start` does.
    """

    def __init__(
        self,
        worker: Worker,
        *,
        key: str | None = None,
        origins: frozenset[str] = frozenset(),
        report: Callable[[InvocationRecord], None] = lambda _record: None,
        crashed: Callable[[Crash], None] = lambda _crash: None,
    ) -> None:
        # A literal comes before a parameter, independent of the order in the file.
        self._functions = sorted(worker.functions, key=lambda function: specificity(function.template))
        self._worker, self._key, self._origins, self._report, self._crashed = worker, key, origins, report, crashed
        self._budget = BodyBudget()

    async def __call__(self, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        origin = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"), None)
        allowed = origin if origin in self._origins else None
        if origin and allowed is None and "*" in self._origins:
            allowed = "*"
        response = RecordedResponse(send, (("access-control-allow-origin", allowed),) if allowed else ())
        connection = Connection(scope, receive, response)
        try:
            request = await connection.accept(REQUEST_LIMIT_BYTES, self._budget)
            if request is None:
                return
            if allowed and request.method == "OPTIONS" and request.header("access-control-request-method"):
                await _preflight(connection, request)
            else:
                await self._invoke(scope, connection, request, response)
        finally:
            connection.release()

    async def _invoke(
        self, scope: AsgiScope, connection: Connection, request: Request, response: RecordedResponse
    ) -> None:
        """Answer a request by the function for it, and report the call."""
        function = None
        try:
            function, parameters = self._find(scope["method"], scope["path"])
            invocation = Invocation(function or _NO_FUNCTION, parameters, request, connection, scope, response)
            if function is None:
                await invocation.empty(404)  # for a wrong method too: the host never answers 405
            elif not self._may_call(function, request):
                await invocation.empty(401)
            else:
                await self._worker.answer(invocation)
        except Exception as error:  # noqa: BLE001  the outermost frame of the host
            self._crashed(Crash.of(f"{request.method} {request.raw_path}, at the Functions host", error, request.body))
            response.error = type(error).__name__
            if not connection.started:
                await connection.start(500, (("content-length", "0"),))
                await connection.finish()
        finally:
            self._report(response.record(function.name if function else "", request))

    def _find(self, method: str, path: str) -> tuple[Function | None, dict[str, str]]:
        for function in self._functions:
            if (match := function.route.fullmatch(path)) and (function.methods is None or method in function.methods):
                return function, {name: value for name, value in match.groupdict().items() if value is not None}
        return None, {}

    def _may_call(self, function: Function, request: Request) -> bool:
        """Whether a request may call the function. Source: the key is taken from `x-functions-key`, else from `code`; a wrong one is a 401 without a body."""
        if self._key is None or function.level == "anonymous":
            return True
        code = re.search(r"(?:^|&)code=([^&]*)", request.query)
        key = request.header("x-functions-key") or (code[1] if code else "")
        return hmac.compare_digest(key.encode(), self._key.encode())


_NO_FUNCTION = Function("", "", re.compile(""), None, "anonymous", "")


async def _preflight(connection: Connection, request: Request) -> None:
    requested = request.header("access-control-request-headers")
    headers: Headers = (("access-control-allow-methods", _CORS_METHODS), ("access-control-max-age", "600"))
    if requested:
        headers = (*headers, ("access-control-allow-headers", requested), ("vary", "origin"))
    await connection.start(204, headers)
    await connection.finish()


def joined(pairs: Headers) -> dict[str, str]:
    """The values of repeated names joined with a comma, as the host passes them to the worker."""
    result: dict[str, str] = {}
    for name, value in pairs:
        result[name] = f"{result[name]},{value}" if name in result else value
    return result
