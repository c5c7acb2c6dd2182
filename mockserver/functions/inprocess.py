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
    """What is called: `streams` for functions that speak FastAPI's request type."""

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
        loaded = dict(_load(app))
        self.functions = tuple(loaded)
        self._loaded: Mapping[str, _Loaded] = {function.name: each for function, each in loaded.items()}
        # Unset, Python's own default applies, as in Microsoft's worker.
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
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _stream(self, loaded: _Loaded, invocation: Invocation) -> None:
        """A function that takes Starlette's request and returns its response, through Microsoft's FastAPI extension."""
        from starlette.responses import JSONResponse, PlainTextResponse, Response

        scope, receive = invocation.scope, invocation.connection.again(invocation.request.body)
        scope["path_params"] = invocation.parameters
        try:
            request = loaded.request_type(scope, receive)
            answer = await self._called(loaded, invocation, request)
            response = answer if isinstance(answer, Response) else JSONResponse(answer)
        except Exception as error:  # noqa: BLE001  the outermost frame of the app: its exception is a 500 and a traceback
            traceback.print_exc()
            invocation.sent.error = type(error).__name__
            response = PlainTextResponse("Internal Server Error", 500)
        await response(scope, receive, invocation.sent)

    async def _classic(self, loaded: _Loaded, invocation: Invocation) -> None:
        """A function that takes `func.HttpRequest` and returns `func.HttpResponse` or a text."""
        import azure.functions as func

        request = invocation.request
        asked = func.HttpRequest(
            method=request.method,
            url=f"http://{invocation.connection.host}{request.target}",
            headers=joined(request.headers),
            params=joined(tuple(parse_qsl(request.query))),
            route_params=invocation.parameters,
            body=request.body,
        )
        try:
            answer = await self._called(loaded, invocation, asked)
            if not isinstance(answer, func.HttpResponse | str):  # so does Microsoft's worker: even None is a 500
                raise TypeError(f"{invocation.function.name} returned {answer!r}; func.HttpResponse or str is possible")
        except Exception as error:  # noqa: BLE001  the outermost frame of the app: its exception is an empty 500 and a traceback
            traceback.print_exc()
            invocation.sent.error = type(error).__name__
            await invocation.empty(500)
            return
        response = answer if isinstance(answer, func.HttpResponse) else func.HttpResponse(answer)
        headers = tuple((name.lower(), str(value)) for name, value in response.headers.items())
        if not any(name == "content-type" for name, _ in headers):
            headers = (*headers, ("content-type", f"{response.mimetype}; charset={response.charset}"))
        await invocation.answer(response.status_code, headers, response.get_body())

    async def _called(self, loaded: _Loaded, invocation: Invocation, request: Any) -> Any:
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

    apps = [each for each in vars(module).values() if isinstance(each, FunctionRegister)]
    if len(apps) != 1:
        raise LoadError(f"{app.module}: one FunctionApp at top level is needed, there are {len(apps)}")
    try:
        built = apps[0].get_functions()
    except Exception as error:
        raise LoadError(f"{app.module}: {error}") from error
    http = [each for each in built if getattr(each.get_trigger(), "type", None) == "httpTrigger"]
    if not http:
        raise LoadError(f"{app.module}: the app has no HTTP function")
    loaded = [_function(each, app.prefix) for each in http]
    kinds = {each.streams for _, each in loaded}
    if len(kinds) > 1:
        classic = next(function.name for function, each in loaded if not each.streams)
        raise LoadError(
            f"{app.module}: function {classic!r} takes func.HttpRequest and others FastAPI's Request; on Azure, an app "
            "that mixes them has no function at all"
        )
    return loaded


def _function(built: Any, prefix: str) -> tuple[Function, _Loaded]:
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
    methods = frozenset(_plain(each).upper() for each in trigger.methods or ()) or None
    hints = typing.get_type_hints(call)
    request_type, returned = hints.get(trigger.name), hints.get("return")
    streams = getattr(request_type, "__module__", "").startswith("starlette")
    if not streams and isinstance(returned, type) and not issubclass(returned, _returnable()):
        raise LoadError(
            f"{_place(call)}: function {name!r} says that it returns {returned.__name__}; func.HttpResponse or str is possible"
        )
    function = Function(name, template, route, methods, _plain(trigger.auth_level).lower() or "function", trigger.name)
    return function, _Loaded(call, request_type, streams, "context" in parameters)


def _returnable() -> tuple[type, ...]:
    """What a classic function may say it returns. Source: azure.functions, the output check of its HTTP binding."""
    from azure.functions import HttpResponse

    return HttpResponse, str


def _plain(value: Any) -> str:
    return str(getattr(value, "value", value) or "")


def _place(call: Callable[..., Any]) -> str:
    code = inspect.unwrap(call).__code__
    return f"{code.co_filename}, line {code.co_firstlineno}"
