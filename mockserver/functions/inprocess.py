"""The in-process host: loads a function app into this interpreter and answers HTTP as the Functions host would.

One app per process: a function app is a module named `function_app`, and Python loads a module once.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import os
import re
import sys
import threading
import time
import traceback
import types
import typing
import uuid
from collections.abc import Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from mockserver.connection import Connection, Receive, Scope, Send
from mockserver.exchange import Headers, Request
from mockserver.functions.process import Call
from mockserver.functions.routes import RouteError, compile_route, specificity
from mockserver.when import JOINING

#: Source: Functions host, DefaultMaxRequestBodySize.
REQUEST_LIMIT_BYTES = 104_857_600


class LoadError(Exception):
    """A function app that cannot be loaded; says which file, line or function, and why."""


@dataclass(frozen=True, slots=True)
class Function:
    """One HTTP function. `methods` None takes all of them; `streams` for those that speak FastAPI's request type."""

    name: str
    route: re.Pattern[str]
    template: str
    methods: frozenset[str] | None
    parameter: str
    call: Callable[..., Any]
    request_type: Any
    streams: bool
    wants_context: bool


def load_functions(folder: Path) -> tuple[Function, ...]:
    """The HTTP functions of the app in a folder, the most specific route first.

    Puts the `Values` of local.settings.json into the environment where they are not set yet.

    Raises:
        LoadError: no app, an exception while it loads, or a function that cannot be served.
    """
    folder = folder.resolve()
    if not (folder / "function_app.py").is_file():
        raise LoadError(f"{folder}: there is no function_app.py")
    _apply_local_settings(folder / "local.settings.json")
    prefix = _route_prefix(folder / "host.json")
    sys.path.insert(0, str(folder))
    os.chdir(folder)
    try:
        module = importlib.import_module("function_app")
    except Exception as error:
        raise LoadError(_explain(error, folder)) from error
    from azure.functions import FunctionRegister

    apps = [each for each in vars(module).values() if isinstance(each, FunctionRegister)]
    if len(apps) != 1:
        raise LoadError(f"{folder / 'function_app.py'}: one FunctionApp at top level is needed, there are {len(apps)}")
    try:
        built = apps[0].get_functions()
    except Exception as error:
        raise LoadError(f"{folder / 'function_app.py'}: {error}") from error
    functions = [
        _function(each, prefix) for each in built if getattr(each.get_trigger(), "type", None) == "httpTrigger"
    ]
    if not functions:
        raise LoadError(f"{folder / 'function_app.py'}: the app has no HTTP function")
    return tuple(sorted(functions, key=lambda each: specificity(each.template)))


def _function(built: Any, prefix: str) -> Function:
    trigger, call, name = built.get_trigger(), built.get_user_function(), built.get_function_name()
    template = "/".join(filter(None, (prefix, trigger.route or name)))
    parameters = inspect.signature(call).parameters
    if trigger.name not in parameters:
        raise LoadError(f"{_place(call)}: function {name!r} has no parameter {trigger.name!r} for its request")
    extra = [each for each in parameters if each not in (trigger.name, "context")]
    if extra:
        raise LoadError(f"{_place(call)}: function {name!r} has a parameter {extra[0]!r} that nothing is bound to")
    try:
        route = compile_route(template)
    except RouteError as error:
        raise LoadError(f"{_place(call)}: function {name!r}: {error}") from error
    methods = frozenset(str(getattr(each, "value", each)).upper() for each in trigger.methods or ()) or None
    request_type = typing.get_type_hints(call).get(trigger.name)
    streams = getattr(request_type, "__module__", "").startswith("starlette")
    return Function(name, route, template, methods, trigger.name, call, request_type, streams, "context" in parameters)


def _apply_local_settings(path: Path) -> None:
    if path.is_file():
        try:
            values = json.loads(path.read_text(encoding="utf-8")).get("Values", {})
        except (ValueError, AttributeError) as error:
            raise LoadError(f"{path}: no JSON object: {error}") from error
        for name, value in values.items():
            os.environ.setdefault(name, str(value))


def _route_prefix(path: Path) -> str:
    if not path.is_file():
        raise LoadError(f'{path}: there is no host.json; the smallest is {{"version": "2.0"}}')
    try:
        host = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise LoadError(f"{path}: no JSON: {error}") from error
    return str(host.get("extensions", {}).get("http", {}).get("routePrefix", "api")).strip("/")


def _explain(error: Exception, folder: Path) -> str:
    """The app's own line that raised, and what."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}: {error.msg}"
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(folder)]
    place = f"{own[-1].filename}, line {own[-1].lineno}: " if own else f"{folder / 'function_app.py'}: "
    return f"{place}{type(error).__name__}: {error}"


def _place(call: Callable[..., Any]) -> str:
    code = inspect.unwrap(call).__code__
    return f"{code.co_filename}, line {code.co_firstlineno}"


class InProcessHost:
    """An ASGI application that answers for the functions."""

    def __init__(self, functions: tuple[Function, ...], *, report: Callable[[Call], None] = lambda _call: None) -> None:
        self._functions, self._report = functions, report
        # Unset, Python's own default applies, as in Microsoft's worker.
        count = os.environ.get("PYTHON_THREADPOOL_THREAD_COUNT")
        self._pool = ThreadPoolExecutor(int(count) if count else None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        watched = _Watched(send)
        connection = Connection(scope, receive, watched)
        request = await connection.accept(REQUEST_LIMIT_BYTES)
        if request is None:
            return
        function, parameters = self._find(scope["method"], scope["path"])
        try:
            if function is None:
                await _empty(connection, 404)  # a wrong method too: the host's routes know no 405
            elif function.streams:
                await self._stream(function, parameters, scope, connection.again(request.body), watched)
            else:
                await self._classic(function, parameters, request, connection, watched)
        finally:
            self._report(watched.call(function.name if function else "", request))

    def _find(self, method: str, path: str) -> tuple[Function | None, dict[str, str]]:
        for function in self._functions:
            if (match := function.route.fullmatch(path)) and (function.methods is None or method in function.methods):
                return function, {name: value for name, value in match.groupdict().items() if value is not None}
        return None, {}

    async def _stream(
        self, function: Function, parameters: dict[str, str], scope: Scope, receive: Receive, send: _Watched
    ) -> None:
        """A function that takes Starlette's request and returns its response, through Microsoft's FastAPI extension."""
        scope["path_params"] = parameters
        request = function.request_type(scope, receive)
        try:
            response = await self._called(function, {function.parameter: request})
        except Exception as error:  # noqa: BLE001  the outermost frame of the app: its exception is a 500 and a traceback
            traceback.print_exc()
            send.error = type(error).__name__
            response = _starlette_500()
        await response(scope, receive, send)

    async def _classic(
        self,
        function: Function,
        parameters: dict[str, str],
        request: Request,
        connection: Connection,
        watched: _Watched,
    ) -> None:
        """A function that takes `func.HttpRequest` and returns `func.HttpResponse` or a text."""
        import azure.functions as func

        asked = func.HttpRequest(
            method=request.method,
            url=f"http://{connection.host}{request.target}",
            headers=_joined(request.headers),
            params=_joined(tuple((name, value) for name, value in parse_qsl(request.query))),
            route_params=parameters,
            body=request.body,
        )
        try:
            answer = await self._called(function, {function.parameter: asked})
            response = answer if isinstance(answer, func.HttpResponse) else func.HttpResponse(str(answer))
        except Exception as error:  # noqa: BLE001  the outermost frame of the app: its exception is an empty 500 and a traceback
            traceback.print_exc()
            watched.error = type(error).__name__
            await _empty(connection, 500)
            return
        body = response.get_body()
        headers = {name.lower(): str(value) for name, value in response.headers.items()}
        content_type = headers.get("content-type") or f"{response.mimetype}; charset={response.charset}"
        headers |= {"content-type": content_type, "content-length": str(len(body))}
        await connection.start(response.status_code, tuple(headers.items()))
        await connection.write(body)
        await connection.finish()

    async def _called(self, function: Function, arguments: dict[str, Any]) -> Any:
        if function.wants_context:
            arguments["context"] = types.SimpleNamespace(
                function_name=function.name, invocation_id=str(uuid.uuid4()), thread_local_storage=threading.local()
            )
        if inspect.iscoroutinefunction(function.call):
            return await function.call(**arguments)
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: function.call(**arguments))


class _Watched:
    """A `send` that notes what is sent, and when."""

    def __init__(self, send: Send) -> None:
        self._send, self._began_s = send, time.monotonic()
        self._status, self._sent_ms, self._ended = 0, list[float](), False
        self.error = ""

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        await self._send(message)
        if message["type"] == "http.response.start":
            self._status = message["status"]
        elif message.get("body"):
            self._sent_ms.append(round(self._elapsed_s() * 1000, 1))
        self._ended = message["type"] == "http.response.body" and not message.get("more_body", False)

    def call(self, function: str, request: Request) -> Call:
        """What became of it."""
        ids = {name: value for name in JOINING if (value := request.header(name))}
        end = "eof" if self._ended else "client left"
        how = (self._status, end, self._elapsed_s(), self._sent_ms, self.error)
        return Call(function, request.method, request.raw_path, ids, *how)

    def _elapsed_s(self) -> float:
        return time.monotonic() - self._began_s


async def _empty(connection: Connection, status: int) -> None:
    await connection.start(status, (("content-length", "0"),))
    await connection.finish()


def _starlette_500() -> Any:
    from starlette.responses import PlainTextResponse

    return PlainTextResponse("Internal Server Error", 500)


def _joined(pairs: Headers) -> dict[str, str]:
    """Repeated names joined with a comma, as the host hands them to the worker."""
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined
