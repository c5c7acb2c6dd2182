"""Microsoft's own worker, `azure-functions-runtime`: what Azure runs from Python 3.13 on, driven as its host drives it.

The caller supplies the classes of the worker's messages, so those of gRPC are not needed: objects with attributes are enough.
One app per process: the worker's registry, its HTTP server and the imported app belong to the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import socket
import threading
import time
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from mockserver.exchange import End, Headers
from mockserver.functions.app import AppFolder, LoadError, load_failure
from mockserver.functions.host import Function, Invocation, joined
from mockserver.functions.routes import RouteError, compile_route
from mockserver.wire.upstream import Upstream, UpstreamError

_START_TRIES = 500
#: Headers of the worker's own server, which Azure's host does not pass on.
_WORKER_HEADERS = frozenset({"date", "server"})


class _Message:
    """A message of the worker's protocol: the fields it was created with, and None for every other."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "TypedData":  # the worker distinguishes values from messages by it
            raise AttributeError(name)
        return None

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802  the protocol's own name
        """The one field that is set."""
        return next(iter(self.__dict__), None)


class _StatusResult(_Message):
    Failure, Success, Cancelled = 0, 1, 2


class _BindingInfo(_Message):
    undefined, out, inout = 0, 1, 2


setattr(_BindingInfo, "in", 0)  # a keyword of Python


class _Cookie(_Message):
    SameSite = SimpleNamespace(**{"Lax": "Lax", "Strict": "Strict", "ExplicitNone": "None", "None": None})


class _Binding(_Message):
    """The value of a parameter as the host sends it."""

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802  the protocol's own name
        """The field of a binding is always data."""
        return "data"


_PLAIN_MESSAGES = [
    "WorkerInitResponse",
    "WorkerMetadata",
    "FunctionMetadataResponse",
    "FunctionLoadResponse",
    "InvocationResponse",
    "RpcFunctionMetadata",
    "RpcException",
    "RpcHttp",
    "ParameterBinding",
    "RpcRetryOptions",
    "NullableString",
    "NullableBool",
    "NullableDouble",
    "NullableTimestamp",
    "Timestamp",
    "TypedData",
    "FunctionEnvironmentReloadResponse",
]
_MESSAGES = SimpleNamespace(
    StatusResult=_StatusResult,
    BindingInfo=_BindingInfo,
    RpcHttpCookie=_Cookie,
    **{name: type(name, (_Message,), {}) for name in _PLAIN_MESSAGES},
)


class MicrosoftWorker:
    """Microsoft's worker with an app in it."""

    def __init__(self, app: AppFolder) -> None:
        """Load the app.

        Raises:
            LoadError: an exception while it loads, or a function that the worker refuses.
        """
        import azure_functions_runtime as runtime
        from azure_functions_runtime.logging import SDK_LOG_PREFIX
        from uvicorn.config import LOGGING_CONFIG

        logging.getLogger(SDK_LOG_PREFIX).setLevel(logging.CRITICAL)  # our own messages say the same
        LOGGING_CONFIG["loggers"]["uvicorn.error"]["level"] = "WARNING"  # the server inside the FastAPI extension

        self._runtime, self._app, self._ids = runtime, app, dict[str, str]()
        self._upstream: Upstream | None = None
        # A loop and a thread of its own: in a main thread, the server inside the FastAPI extension handles signals.
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True, name="functions-worker").start()
        runtime.start_threadpool_executor()
        start = self._call_blocking(
            runtime.worker_init_request,
            worker_init_request=_Message(capabilities={}, function_app_directory=str(app.path)),
        )
        if start.result.status != _StatusResult.Success:
            raise LoadError(_explain(start.result.exception, app))
        self._http_url: str | None = start.capabilities.get("HttpUri")
        self.functions = tuple(self._functions(app))
        if self._http_url is not None:
            _wait_for(self._http_url)
        if not self.functions:
            raise LoadError(f"{app.module}: the app has no HTTP function")

    def _functions(self, app: AppFolder) -> list[Function]:
        metadata = self._call_blocking(self._runtime.functions_metadata_request)
        functions = []
        for result in metadata.function_metadata_results or ():
            self._call_blocking(
                self._runtime.function_load_request, function_load_request=_Message(function_id=result.function_id)
            )
            for binding in map(json.loads, result.raw_bindings):
                if binding["type"] == "httpTrigger":
                    self._ids[result.name] = result.function_id
                    functions.append(_function(result.name, binding, app))
        return functions

    async def answer(self, invocation: Invocation) -> None:
        """Let the worker call the function, and send what it returns."""
        if self._http_url is None:
            await self._classic(invocation)
        else:
            await self._stream(invocation, self._http_url)

    async def close(self) -> None:
        """Release the worker's threads and connections."""
        if self._upstream is not None:
            await self._upstream.close()
        self._runtime.stop_threadpool_executor()

    # --- classic: the request goes in as a message, and the answer comes out as one ----------------------------------

    async def _classic(self, invocation: Invocation) -> None:
        request = invocation.request
        message = _Message(
            method=request.method,
            url=f"http://{request.header('host') or ''}{request.target}",
            headers=joined(request.headers),
            params=invocation.parameters,
            query=joined(tuple(parse_qsl(request.query))),  # an empty value is left out, as by the host
            body=_MESSAGES.TypedData(bytes=request.body) if request.body else _MESSAGES.TypedData(),
        )
        answer = await self._invoke(invocation, message)
        if answer is None:
            await invocation.empty(500)
            return
        value = answer.return_value
        if value is None:
            await invocation.empty(204)
        elif value.WhichOneof("data") == "http":
            http = value.http
            headers: Headers = tuple((name.lower(), str(text)) for name, text in http.headers.items())
            cookies: Headers = tuple(("set-cookie", _cookie(cookie)) for cookie in http.cookies or ())
            await invocation.answer(int(http.status_code), (*headers, *cookies), http.body.bytes or b"")
        else:
            text = (value.string if value.string is not None else value.json) or ""
            await invocation.answer(200, (("content-type", "text/plain; charset=utf-8"),), text.encode())

    # --- streaming: the worker's own HTTP server gets the request, and a message names its function ------------------

    async def _stream(self, invocation: Invocation, http_url: str) -> None:
        if self._upstream is None:
            self._upstream = Upstream(http_url)
        upstream, connection, request = self._upstream, invocation.connection, invocation.request
        invocation_id = str(uuid.uuid4())
        forwarded = replace(request, headers=(*request.headers, ("x-ms-invocation-id", invocation_id)))
        empty = _Message(
            method="", url="", headers={}, params=invocation.parameters, query={}, body=_MESSAGES.TypedData()
        )
        call = asyncio.ensure_future(self._invoke(invocation, empty, invocation_id))

        async def pass_on() -> None:
            async with upstream.ask(forwarded, request.target) as live:
                headers = tuple(header for header in live.headers if header[0] not in _WORKER_HEADERS)
                await connection.start(live.status, headers)
                async for chunk in live.chunks:
                    await connection.write(chunk)
            await connection.finish()

        try:
            if not await connection.run_while_connected(pass_on()):
                return  # the client left, which closes the function's generator
        except UpstreamError:
            if not connection.started:
                raise
            invocation.response.error = invocation.response.error or "broken off"
            await connection.end(End.RESET)
            return
        await call

    async def _invoke(self, invocation: Invocation, http: Any, invocation_id: str | None = None) -> Any:
        """The worker's answer; None if the function raised an exception, which is printed."""
        request = invocation.request
        message = _Message(
            invocation_id=invocation_id or str(uuid.uuid4()),
            function_id=self._ids[invocation.function.name],
            trigger_metadata={},
            trace_context=_Message(
                trace_parent=request.header("traceparent") or "",
                trace_state=request.header("tracestate") or "",
                attributes={},
            ),
            retry_context=_Message(retry_count=0, max_retry_count=0, exception=None),
            input_data=[_Binding(name=invocation.function.parameter, data=_MESSAGES.TypedData(http=http))],
        )
        answer = await asyncio.wrap_future(self._call(self._runtime.invocation_request, invocation_request=message))
        if answer.result.status == _StatusResult.Success:
            return answer
        exception = answer.result.exception
        invocation.response.error = exception.message.partition(":")[0]
        print(exception.stack_trace or exception.message, flush=True)  # the app's own traceback, for the console
        return None

    def _call(self, method: Callable[[Any], Coroutine[Any, Any, Any]], **message: Any) -> Any:
        """A future of a method of the worker, on the worker's own loop."""
        request = SimpleNamespace(
            request=SimpleNamespace(**message), properties={"host": "127.0.0.1", "protos": _MESSAGES}
        )

        async def call() -> Any:
            try:
                return await method(request)
            except SystemExit as error:  # would end the loop, and the caller would wait for ever
                raise LoadError(load_failure(error, self._app)) from error

        return asyncio.run_coroutine_threadsafe(call(), self._loop)

    def _call_blocking(self, method: Callable[[Any], Coroutine[Any, Any, Any]], **message: Any) -> Any:
        return self._call(method, **message).result()


def _wait_for(url: str) -> None:
    """Return once the worker's own server accepts connections: it publishes its address before that."""
    parts = urlsplit(url)
    for _ in range(_START_TRIES):
        with contextlib.suppress(OSError):
            socket.create_connection((parts.hostname or "", parts.port or 80), timeout=1).close()
            return
        time.sleep(0.02)
    raise LoadError(f"Microsoft's worker does not answer at {url}")


def _function(name: str, binding: dict[str, Any], app: AppFolder) -> Function:
    template = "/".join(filter(None, (app.prefix, binding.get("route") or name)))
    try:
        route = compile_route(template)
    except RouteError as error:
        raise LoadError(f"{_where(name, app)}: function {name!r}: {error}") from error
    methods = frozenset(method.upper() for method in binding.get("methods") or ()) or None
    return Function(name, template, route, methods, (binding.get("authLevel") or "function").lower(), binding["name"])


def _explain(exception: Any, app: AppFolder) -> str:
    """The worker's exception, after the app's line or the function that it is about."""
    lines = re.findall(r'File "([^"]+)", line (\d+)', exception.stack_trace or "")
    app_lines = [(file, line) for file, line in lines if Path(file).is_relative_to(app.path)]
    text = " ".join(str(exception.message).split())
    if match := re.search(r"cannot load the (\w+) function|function (\w+)", text):
        return f"{_where(match[1] or match[2], app)}: {text}"
    return f"{app_lines[-1][0]}, line {app_lines[-1][1]}: {text}" if app_lines else f"{app.module}: {text}"


def _where(name: str, app: AppFolder) -> str:
    """The file and line where a function of that name is defined."""
    for path in sorted(app.path.rglob("*.py")):
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if re.match(rf"\s*(?:async\s+)?def {re.escape(name)}\(", line):
                return f"{path}, line {number}"
    return str(app.module)


def _cookie(cookie: Any) -> str:
    """A `Set-Cookie` as the host writes it."""
    parts = [f"{cookie.name}={cookie.value}"]
    for attribute in ("domain", "path"):
        value = getattr(cookie, attribute)
        parts += [f"{attribute}={value.value}"] if value is not None and value.value else []
    if cookie.max_age is not None and cookie.max_age.value is not None:
        parts.append(f"max-age={cookie.max_age.value:g}")
    if cookie.expires is not None and cookie.expires.value is not None:
        moment = datetime.fromtimestamp(cookie.expires.value.seconds, UTC)
        parts.append(f"expires={format_datetime(moment, usegmt=True)}")
    parts += ["secure"] if cookie.secure is not None and cookie.secure.value else []
    parts += ["httponly"] if cookie.http_only is not None and cookie.http_only.value else []
    parts += [f"samesite={cookie.same_site.lower()}"] if cookie.same_site else []
    return "; ".join(parts)
