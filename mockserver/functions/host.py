"""The Functions host: finds the function for a request and lets a worker call it, as Azure's own host does."""

from __future__ import annotations

import asyncio
import hmac
import sys
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol
from urllib.parse import parse_qsl

from mockserver.crash import Crash
from mockserver.errors import count_of
from mockserver.exchange import Headers, Request, is_header
from mockserver.functions.admin import PING_PATH, Admin, home
from mockserver.functions.bindings import Bindings
from mockserver.functions.function import Function, words_of
from mockserver.functions.process import InvocationRecord
from mockserver.functions.result import Result
from mockserver.functions.routes import path_of
from mockserver.functions.settings import FRAMING, HostSettings
from mockserver.functions.storage import Storage, StorageError, is_of_storage
from mockserver.matching.call import VISIT_HEADERS
from mockserver.wire.connection import AsgiReceive, AsgiScope, AsgiSend, BodyBudget, Connection
from mockserver.wire.trace import own_span, passed_on

#: Source: Functions host, DefaultMaxRequestBodySize.
REQUEST_LIMIT_BYTES = 104_857_600
#: Methods that a browser may use across origins. Source: the Functions host answers preflights before any function.
_CORS_METHODS = "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS"
#: Answers without a body. Source: Kestrel.
BODILESS = frozenset({204, 205, 304})


class RecordedResponse:
    """An ASGI `send` that adds headers, and `defaults` where the answer has none of that name, and records what is sent, and
    when; `error` is the exception a function raised."""

    def __init__(self, send: AsgiSend, headers: Headers, defaults: Headers = ()) -> None:
        self._send, self._headers, self._defaults, self._began_s = send, headers, defaults, time.monotonic()
        self._status, self._sent_ms, self._ended = 0, list[float](), False
        self.error = ""

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        """Send a message."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            sent = {name.lower() for name, _ in message["headers"]}
            defaults = [header for header in self._defaults if header[0].encode() not in sent]
            added = [(name.encode(), value.encode("latin-1")) for name, value in (*self._headers, *defaults)]
            message = {**message, "headers": [*message["headers"], *added]}
        await self._send(message)
        if message.get("body"):
            self._sent_ms.append(round(self._elapsed_s() * 1000, 1))
        self._ended = message["type"] == "http.response.body" and not message.get("more_body", False)

    def record(self, function: str, request: Request, span_id: str) -> InvocationRecord:
        """The record of the call that this answers."""
        ids = {name: value for name in VISIT_HEADERS if (value := request.header(name))}
        end = "eof" if self._ended else "client left"
        outcome = (self._status, end, self._elapsed_s(), self._sent_ms, self.error)
        return InvocationRecord(function, request.method, request.raw_path, ids, *outcome, span_id)

    def _elapsed_s(self) -> float:
        return time.monotonic() - self._began_s


@dataclass(frozen=True)
class Invocation:
    """A request for a function, with the `parameters` of its route, its response, and what else is read and written."""

    function: Function
    parameters: dict[str, str]
    request: Request
    connection: Connection
    response: RecordedResponse
    storage: Storage

    @cached_property
    def bindings(self) -> Bindings:
        """What the call reads and writes."""
        return Bindings.of_request(self.function, self.storage, self.request, self.parameters, self.body)

    @property
    def body(self) -> bytes:
        """The body that a classic function gets. Source: the host copies it where `ContentLength > 0`, so not one in chunks."""
        return self.request.body if self.request.header("content-length") else b""

    async def empty(self, status: int) -> None:
        """Answer with a status and no body."""
        await self.send(Result(status))

    async def refuse(self, words: str) -> None:
        """Answer with an empty 500, and say on the console what is not imitated."""
        self.unsent(words)
        await self.empty(500)

    def unsent(self, words: str) -> None:
        """Say on the console what was not sent, where the answer has been."""
        print(f"{self.function.name}: {words}", flush=True)
        self.response.error = "refused"

    async def send(self, result: Result) -> None:
        """Answer with a complete body, framed by the host whatever the function says of that. A status that no server sends
        becomes a 500."""
        status, body = result.status, result.body
        if wrong := cannot_be_sent(status, result.headers):
            print(f"{self.function.name} has answered with {wrong}, which no server sends", flush=True)
            self.response.error = "not sent"
            status, body, result = 500, b"", Result(500)
        body = b"" if status in BODILESS else body
        headers = tuple(header for header in result.headers if header[0] not in FRAMING)
        await self.connection.send_whole(status, (*headers, ("content-length", str(len(body)))), body)


def cannot_be_sent(status: int, headers: Headers) -> str:
    """What of an answer's head cannot be sent, in words; empty where all can."""
    if not 200 <= status <= 599:
        return f"status {status}"
    wrong = next((header for header in headers if not is_header(*header)), None)
    return f"the header {wrong[0]!r}: {wrong[1]!r}" if wrong else ""


class Worker(Protocol):
    """Runs an app's functions. Use it on one event loop."""

    #: In the order in which their routes are tried.
    functions: tuple[Function, ...]
    #: Whether its HTTP functions read the request themselves, as it comes.
    streams: bool

    async def answer(self, invocation: Invocation) -> None:
        """Call an HTTP function and send what it returns.

        Raises:
            StorageError: what it reads cannot be read; it has not been called.
        """
        ...

    async def run(self, function: Function, given: str, bindings: Bindings) -> str:
        """Run a function of another trigger with a message; why it has failed, empty where it has not.

        Raises:
            StorageError: what it reads cannot be read.
        """
        ...

    async def close(self) -> None:
        """Release its threads and connections."""
        ...


class FunctionsHost:
    """An ASGI application that serves an app's functions.

    `key` is required for those that are not anonymous, as `x-functions-key` or `code`; None requires none, as `func start` does.
    `traced` makes each call a span of its own in the request's trace.
    """

    def __init__(
        self,
        worker: Worker,
        settings: HostSettings | None = None,
        *,
        key: str | None = None,
        traced: bool = False,
        report: Callable[[InvocationRecord], None] = lambda _record: None,
        crashed: Callable[[Crash], None] = lambda _crash: None,
    ) -> None:
        self._settings = settings or HostSettings()
        self._all = worker.functions
        self._functions = tuple(each for each in self._all if self._settings.serves(each.name))
        self._worker, self._key, self._traced, self._report, self._crashed = worker, key, traced, report, crashed
        self._admin = Admin(self._all, self._functions, self._run)
        self._storage = Storage(plain_messages=self._settings.plain_messages)
        self._refusals = {function.name: self._refusal(function) for function in self._all}
        self._budget, self._running = BodyBudget(), set[asyncio.Task[None]]()
        self._places = asyncio.Semaphore(self._settings.most_at_once or sys.maxsize)
        self._outstanding = 0

    async def close(self) -> None:
        """Release what the worker holds."""
        await self._worker.close()

    def described(self, worker: str, url: str) -> tuple[str, ...]:
        """What is served, in lines: how many functions have a route, and each other one with what sets it off."""
        routed = [function for function in self._functions if function.route is not None]
        lines = [f"functions  {count_of(len(routed), 'route')} on {worker}"]
        for function in self._all:
            if function not in self._functions:
                lines.append(f"disabled   {function.name}")
            elif refusal := self._refusals[function.name]:
                lines.append(f"refused    {function.kind} {function.name}: {refusal}")
            elif function.route is None:
                run = f"run it: POST {url}/admin/functions/{function.name}"
                lines.append(f"{function.kind:<10} {function.name}  {function.source}  {run}")
        called = [function for function in self._functions if not self._refusals[function.name]]
        return (*lines, *(line for function in called for line in self._storage.described(function)))

    def _refusal(self, function: Function) -> str:
        """Why a function is not called; empty where it is."""
        why_not = ((each, self._storage.refusal(each)) for each in function.inputs if is_of_storage(each))
        unread = (f"it reads {words_of(binding)}, and {words}" for binding, words in why_not if words)
        return function.refusal or next(unread, "")

    async def __call__(self, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        allowed = self._allowed(scope)
        response = RecordedResponse(send, allowed, self._settings.headers)
        connection = Connection(scope, receive, response)
        path = path_of(scope["raw_path"].decode("latin-1"))
        try:
            if self._worker.streams and not path.lower().startswith("/admin/"):
                request = await connection.accept_unread(REQUEST_LIMIT_BYTES)
            else:
                request = await connection.accept(REQUEST_LIMIT_BYTES, self._budget)
            if request is None:
                return
            if "\0" in path:  # source: Kestrel refuses it
                await connection.send_whole(400, (("content-length", "0"),), b"")
                return
            if allowed and request.method == "OPTIONS" and request.header("access-control-request-method"):
                await _preflight(connection, request)
            elif answer := self._own_answer(path, request):
                await connection.send_whole(answer.status, answer.headers, answer.body)
            else:
                await self._invoke(path, connection, request, response)
        finally:
            connection.release()

    def _allowed(self, scope: AsgiScope) -> Headers:
        """What lets a page of another origin read the answer; empty where it may not, or none asks."""
        origins = self._settings.origins
        origin = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"), "")
        allowed = origin if origin in origins else "*" if origin and "*" in origins else ""
        if not allowed:
            return ()
        credentials = (("access-control-allow-credentials", "true"),) if self._settings.credentials else ()
        return (("access-control-allow-origin", allowed), *credentials)

    def _own_answer(self, path: str, request: Request) -> Result | None:
        """What the host answers itself: `/admin`, and `/` where no function has that route."""
        if path == "/" and self._find(request.method, path)[0] is None:
            return home()
        if not path.lower().startswith("/admin/"):
            return None
        if request.method != "GET" and request.header("origin"):  # a page of any site may send a POST
            return Result(403)
        if not self._has_key(request) and path.lower() != PING_PATH:
            return Result(401)
        return self._admin.answer(path, request)

    async def _invoke(self, path: str, connection: Connection, request: Request, response: RecordedResponse) -> None:
        """Answer a request by the function for it, and report the call."""
        function, span_id = None, ""
        try:
            function, parameters = self._find(request.method, path)
            if self._traced:
                request, span_id = own_span(request)
            passed = replace(request, headers=passed_on(request.headers, span_id)) if span_id else request
            invocation = Invocation(function or _NO_FUNCTION, parameters, passed, connection, response, self._storage)
            if function is None or function not in self._functions:
                await invocation.empty(404)  # for a wrong method, and for a disabled one; the host never answers 405
            elif function.level != "anonymous" and not self._has_key(request):
                await invocation.empty(401)
            elif self._settings.most_waiting is not None and self._outstanding >= self._settings.most_waiting:
                await invocation.send(_TOO_MANY)
            else:
                await self._call(function, invocation)
        except Exception as error:  # noqa: BLE001  the outermost frame of the host
            self._crashed(Crash.of(f"{request.method} {request.raw_path}, at the Functions host", error, request.body))
            response.error = type(error).__name__
            if not connection.started:
                await connection.start(500, (("content-length", "0"),))
                await connection.finish()
        finally:
            self._report(response.record(function.name if function else "", request, span_id))

    async def _call(self, function: Function, invocation: Invocation) -> None:
        if refusal := self._refusals[function.name]:
            await invocation.refuse(f"not called, as {refusal}")
            return
        self._outstanding += 1
        try:
            async with self._places:
                await self._worker.answer(invocation)
        except StorageError as error:
            await invocation.refuse(f"not called, as {error}")
        finally:
            self._outstanding -= 1

    def _run(self, function: Function, given: str) -> None:
        """Run a function of another trigger, and say how it ended. A timer's runs do not overlap."""
        if function.kind == "timer" and function.name in {task.get_name() for task in self._running}:
            print(f"timer {function.name} is still running: this run is skipped", flush=True)
            return

        async def run() -> None:
            began_s = time.monotonic()
            bindings = Bindings.of_message(function, self._storage, given)
            try:
                trouble = self._refusals[function.name] or await self._worker.run(function, given, bindings)
            except StorageError as error:
                trouble = str(error)
            took_s = time.monotonic() - began_s
            ended = f"has failed: {trouble}" if trouble else f"has run, {took_s:.1f} s"
            print(f"{function.kind} {function.name} {ended}", flush=True)
            path = f"/admin/functions/{function.name}"
            self._report(
                InvocationRecord(function.name, "POST", path, {}, 500 if trouble else 202, "eof", took_s, [], trouble)
            )

        task = asyncio.get_running_loop().create_task(run(), name=function.name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def _find(self, method: str, path: str) -> tuple[Function | None, dict[str, str]]:
        for function in self._all:
            if function.route is None or (function.methods is not None and method not in function.methods):
                continue
            if (parameters := function.route.match(path)) is not None:
                return function, parameters
        return None, {}

    def _has_key(self, request: Request) -> bool:
        """Whether a request has the key. Source: AuthenticationLevelHandler: `x-functions-key` where it is sent, else `code`; a
        wrong one is a 401 without a body."""
        if self._key is None:
            return True
        key = request.header("x-functions-key")
        if key is None:
            pairs = parse_qsl(request.query, keep_blank_values=True)
            key = next((value for name, value in pairs if name.lower() == "code"), "")
        return hmac.compare_digest(key.encode(), self._key.encode())


#: Source: HttpThrottleMiddleware and ScriptConstants.AntaresScaleOutHeaderName of the host.
_TOO_MANY = Result(429, (("x-function-scaleout", "1"),))
_NO_FUNCTION = Function("", (), {"type": "httpTrigger", "name": ""})


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
