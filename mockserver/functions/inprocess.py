"""The worker below Python 3.13: loads a function app into this interpreter and calls it, as Microsoft's worker would.

One app per process: a function app is a module named `function_app`, and Python loads a module once.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import os
import threading
import traceback
import types
import typing
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from mockserver.functions.app import AppFolder, LoadError, load_failure
from mockserver.functions.host import Function, Invocation, joined
from mockserver.functions.routes import RouteError, compile_route


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A function's code: `streams` if it takes FastAPI's request type."""

    call: Callable[..., Any]
    request_type: Any
    streams: bool
    wants_context: bool


class InProcessWorker:
    """An app's functions in this interpreter."""

    def __init__(self, app: AppFolder) -> None:
        """Load the app.

        Raises:
            LoadError: an exception while it loads, or a function that cannot be served.
        """
        pairs = _load(app)
        self.functions = tuple(function for function, _ in pairs)
        self._loaded: Mapping[str, _Loaded] = {function.name: loaded for function, loaded in pairs}
        # If it is not set, Python's own default applies, as in Microsoft's worker.
        count = os.environ.get("PYTHON_THREADPOOL_THREAD_COUNT")
        self._pool = ThreadPoolExecutor(int(count) if count else None)

    async def answer(self, invocation: Invocation) -> None:
        """Call the function and send what it returns."""
        loaded = self._loaded[invocation.function.name]
        if loaded.streams:
            await self._stream(loaded, invocation)
        else:
            await self._classic(loaded, invocation)

    async def close(self) -> None:
        """End its threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _stream(self, loaded: _Loaded, invocation: Invocation) -> None:
        """Call a function that takes Starlette's request and returns its response, through Microsoft's FastAPI extension."""
        from starlette.responses import JSONResponse, PlainTextResponse, Response

        scope, receive = invocation.scope, invocation.connection.receive_again(invocation.request.body)
        scope["path_params"] = invocation.parameters
        try:
            request = loaded.request_type(scope, receive)
            answer = await self._call(loaded, invocation, request)
            response = answer if isinstance(answer, Response) else JSONResponse(answer)
        except Exception as error:  # noqa: BLE001  the outermost frame of the app: its exception is a 500 and a traceback
            traceback.print_exc()
            invocation.response.error = type(error).__name__
            response = PlainTextResponse("Internal Server Error", 500)
        await response(scope, receive, invocation.response)

    async def _classic(self, loaded: _Loaded, invocation: Invocation) -> None:
        """Call a function that takes `func.HttpRequest` and returns `func.HttpResponse` or a string."""
        import azure.functions as func

        request = invocation.request
        http_request = func.HttpRequest(
            method=request.method,
            url=f"http://{invocation.connection.host}{request.target}",
            headers=joined(request.headers),
            params=joined(tuple(parse_qsl(request.query))),
            route_params=invocation.parameters,
            body=request.body,
        )
        try:
            answer = await self._call(loaded, invocation, http_request)
            if not isinstance(answer, func.HttpResponse | str):  # as in Microsoft's worker: even None is a 500
                raise TypeError(f"{invocation.function.name} must return func.HttpResponse or str, returned {answer!r}")
        except Exception as error:  # noqa: BLE001  the outermost frame of the app: its exception is an empty 500 and a traceback
            traceback.print_exc()
            invocation.response.error = type(error).__name__
            await invocation.empty(500)
            return
        response = answer if isinstance(answer, func.HttpResponse) else func.HttpResponse(answer)
        headers = tuple((name.lower(), str(value)) for name, value in response.headers.items())
        if not any(name == "content-type" for name, _ in headers):
            headers = (*headers, ("content-type", f"{response.mimetype}; charset={response.charset}"))
        await invocation.answer(response.status_code, headers, response.get_body())

    async def _call(self, loaded: _Loaded, invocation: Invocation, request: Any) -> Any:
        arguments: dict[str, Any] = {invocation.function.parameter: request}
        if loaded.wants_context:
            arguments["context"] = types.SimpleNamespace(
                function_name=invocation.function.name,
                invocation_id=str(uuid.uuid4()),
                thread_local_storage=threading.local(),
            )
        if inspect.iscoroutinefunction(loaded.call):
            return await loaded.call(**arguments)
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: loaded.call(**arguments))


def _load(app: AppFolder) -> list[tuple[Function, _Loaded]]:
    try:
        module = importlib.import_module("function_app")
    except (Exception, SystemExit) as error:
        raise LoadError(load_failure(error, app)) from error
    from azure.functions import FunctionRegister

    apps = [value for value in vars(module).values() if isinstance(value, FunctionRegister)]
    if len(apps) != 1:
        raise LoadError(f"{app.module}: must have one FunctionApp at top level, has {len(apps)}")
    try:
        definitions = apps[0].get_functions()
    except Exception as error:
        raise LoadError(f"{app.module}: {error}") from error
    http = [
        definition for definition in definitions if getattr(definition.get_trigger(), "type", None) == "httpTrigger"
    ]
    if not http:
        raise LoadError(f"{app.module}: the app has no HTTP function")
    pairs = [_function(definition, app.prefix) for definition in http]
    if len({loaded.streams for _, loaded in pairs}) > 1:
        classic = next(function.name for function, loaded in pairs if not loaded.streams)
        raise LoadError(
            f"{app.module}: function {classic!r} takes func.HttpRequest and others FastAPI's Request; on Azure, an app "
            "that mixes them has no functions at all"
        )
    return pairs


def _function(definition: Any, prefix: str) -> tuple[Function, _Loaded]:
    trigger, call, name = definition.get_trigger(), definition.get_user_function(), definition.get_function_name()
    template = "/".join(filter(None, (prefix, trigger.route or name)))
    parameters = inspect.signature(call).parameters
    if trigger.name not in parameters:
        raise LoadError(f"{_place(call)}: function {name!r} has no parameter {trigger.name!r} for its request")
    unbound = [parameter for parameter in parameters if parameter not in (trigger.name, "context")]
    if unbound:
        raise LoadError(f"{_place(call)}: function {name!r} has a parameter {unbound[0]!r} without a binding")
    try:
        route = compile_route(template)
    except RouteError as error:
        raise LoadError(f"{_place(call)}: function {name!r}: {error}") from error
    methods = frozenset(_plain(method).upper() for method in trigger.methods or ()) or None
    hints = typing.get_type_hints(call)
    request_type, return_type = hints.get(trigger.name), hints.get("return")
    streams = getattr(request_type, "__module__", "").startswith("starlette")
    if not streams and isinstance(return_type, type) and not issubclass(return_type, _return_types()):
        raise LoadError(
            f"{_place(call)}: function {name!r} must return func.HttpResponse or str, is declared to return {return_type.__name__}"
        )
    function = Function(name, template, route, methods, _plain(trigger.auth_level).lower() or "function", trigger.name)
    return function, _Loaded(call, request_type, streams, "context" in parameters)


def _return_types() -> tuple[type, ...]:
    """What a classic function may declare to return. Source: azure.functions, the output check of its HTTP binding."""
    from azure.functions import HttpResponse

    return HttpResponse, str


def _plain(value: Any) -> str:
    return str(getattr(value, "value", value) or "")


def _place(call: Callable[..., Any]) -> str:
    code = inspect.unwrap(call).__code__
    return f"{code.co_filename}, line {code.co_firstlineno}"
