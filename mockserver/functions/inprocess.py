"""The worker below Python 3.13: loads a function app into this interpreter and calls it, as Microsoft's worker would.

What a function gets and returns is converted by azure.functions itself, which Microsoft's worker asks too. One app per
process: a function app is a module, and Python loads a module once.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import os
import re
import threading
import traceback
import types
import typing
import uuid
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from mockserver.exchange import End, Request
from mockserver.functions.app import AppFolder, load_failure
from mockserver.functions.bindings import Bindings
from mockserver.functions.cookies import written_again
from mockserver.functions.function import Function, function_of, in_order
from mockserver.functions.host import BODILESS, Invocation, cannot_be_sent, joined
from mockserver.functions.messages import message
from mockserver.functions.result import Result
from mockserver.functions.settings import LoadError
from mockserver.functions.signature import Out, Signature, SignatureError, is_client, signature_of, streams
from mockserver.functions.storage import BoundValue


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A function's code, with how it is called; `request_type` is what a streaming function takes, None for a classic one."""

    call: Callable[..., Any]
    signature: Signature
    request_type: Any


class InProcessWorker:
    """An app's functions in this interpreter."""

    def __init__(self, app: AppFolder) -> None:
        """Load the app.

        Raises:
            LoadError: an exception while it loads, or a function that cannot be served.
        """
        pairs = _load(app)
        self.functions = in_order([function for function, _ in pairs])
        self.streams = streams()
        self._loaded: Mapping[str, _Loaded] = {function.name: loaded for function, loaded in pairs}
        # If it is not set, Python's own default applies, as in Microsoft's worker.
        count = os.environ.get("PYTHON_THREADPOOL_THREAD_COUNT", "")
        self._pool = ThreadPoolExecutor(int(count) if re.fullmatch(r"[1-9][0-9]{0,3}", count) else None)

    async def answer(self, invocation: Invocation) -> None:
        """Call the function and send what it returns."""
        loaded = self._loaded[invocation.function.name]
        with _in_trace_of(invocation.request):
            if loaded.request_type is not None:
                await self._stream(loaded, invocation)
            else:
                await self._classic(loaded, invocation)

    async def run(self, function: Function, given: str, bindings: Bindings) -> str:
        """Run a function of another trigger."""
        loaded, inputs = self._loaded[function.name], await bindings.inputs()
        try:
            form, text = message(function, given)
            data = {name: _datum(value, "json") for name, value in bindings.metadata.items()}
            arguments = _arguments(loaded, {function.parameter: _datum(text, form), **_data(inputs)}, data)
            put = await self._call(loaded, function, arguments, Request("POST", "/"))
        except Exception:  # noqa: BLE001  the outermost frame of the app
            traceback.print_exc()
            return "its traceback is above"
        return await bindings.deliver(_values(put))

    async def close(self) -> None:
        """End its threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _stream(self, loaded: _Loaded, invocation: Invocation) -> None:
        """Call a function that takes Starlette's request and returns its response, through Microsoft's FastAPI extension."""
        from fastapi.encoders import jsonable_encoder
        from starlette.responses import JSONResponse, PlainTextResponse, Response

        scope, receive = invocation.connection.scope, invocation.connection.receive_passed
        scope["path_params"] = invocation.parameters
        inputs = await invocation.bindings.inputs()
        outs = {name: Out() for name in loaded.signature.outputs}
        try:
            request = loaded.request_type(scope, receive)
            arguments = {invocation.function.parameter: request, **_arguments(loaded, _data(inputs), {}), **outs}
            answer = await self._called(loaded, invocation.function, arguments, invocation.request)
            if answer is None:
                raise ValueError(f"{invocation.function.name} has returned None")  # source: the worker's http_v2.py
            response = answer if isinstance(answer, Response) else JSONResponse(jsonable_encoder(answer))
        except Exception as error:  # noqa: BLE001  the outermost frame of the app: its exception is a 500 and a traceback
            traceback.print_exc()
            invocation.response.error = type(error).__name__
            response = PlainTextResponse("Internal Server Error", 500)
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers)
        if cannot_be_sent(response.status_code, headers) or response.status_code in BODILESS:
            await invocation.send(Result(response.status_code, headers))
            return
        try:
            await response(scope, receive, invocation.response)
        except Exception as error:  # noqa: BLE001  as above, in the middle of the answer
            traceback.print_exc()
            invocation.response.error = type(error).__name__
            await invocation.connection.end(End.RESET)
            return
        await self._deliver(loaded, invocation, outs)

    async def _deliver(self, loaded: _Loaded, invocation: Invocation, outs: Mapping[str, Out]) -> None:
        """Send what a function that has answered has put into its outputs."""
        try:
            unsent = await invocation.bindings.deliver(_values(_put(loaded, outs)))
        except Exception as error:  # noqa: BLE001  as above: a value that its output cannot take
            traceback.print_exc()
            invocation.response.error = type(error).__name__
            return
        if unsent:
            invocation.unsent(unsent)

    async def _classic(self, loaded: _Loaded, invocation: Invocation) -> None:
        """Call a function that takes `func.HttpRequest`."""
        function, inputs = invocation.function, await invocation.bindings.inputs()
        try:
            given = {function.parameter: _request_datum(invocation), **_data(inputs)}
            put = await self._call(loaded, function, _arguments(loaded, given, {}), invocation.request)
            if unsent := await invocation.bindings.deliver(_values(put)):
                await invocation.refuse(unsent)
                return
            # An HTTP answer is what the function returns, or what it has put into its parameter for it.
            result = _result(put.get(function.answer_name))
        except Exception as error:  # noqa: BLE001  the outermost frame of the app: its exception is an empty 500 and a traceback
            traceback.print_exc()
            invocation.response.error = type(error).__name__
            await invocation.empty(500)
            return
        await invocation.send(result)

    async def _call(
        self, loaded: _Loaded, function: Function, arguments: Mapping[str, Any], request: Request
    ) -> dict[str, Any]:
        """What a function has put into each output, and what it has returned, as data of the worker's protocol."""
        outs = {name: Out() for name in loaded.signature.outputs}
        returned = await self._called(loaded, function, {**arguments, **outs}, request)
        put = {**_put(loaded, outs), "$return": loaded.signature.returned(function.name, returned)}
        return {name: datum for name, datum in put.items() if datum is not None and datum.type is not None}

    async def _called(self, loaded: _Loaded, function: Function, arguments: dict[str, Any], request: Request) -> Any:
        if loaded.signature.wants_context:
            arguments["context"] = _context(function.name, loaded.call, request)
        try:
            if inspect.iscoroutinefunction(loaded.call):
                return await loaded.call(**arguments)
            return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: loaded.call(**arguments))
        except Exception:
            raise
        except BaseException as error:  # such as sys.exit(), which would end this host
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise  # the client has left
            raise RuntimeError(f"{function.name} has ended with {type(error).__name__}: {error}") from error


@contextmanager
def _in_trace_of(request: Request) -> Generator[None]:
    """Let the spans of an async function join a request's trace where PYTHON_ENABLE_OPENTELEMETRY is true, and the app has OpenTelemetry.

    Source: azure-functions-runtime 1.3; the threads of other functions have no trace there either.
    """
    propagator: Any = None
    if os.environ.get("PYTHON_ENABLE_OPENTELEMETRY", "").lower() in ("true", "1"):
        with suppress(ImportError):
            from opentelemetry import context
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

            propagator = TraceContextTextMapPropagator()
    if propagator is None:
        yield
        return
    token = context.attach(propagator.extract(joined(request.headers)))
    try:
        yield
    finally:
        context.detach(token)


#: One for all calls, as in Microsoft's worker.
_THREAD_LOCAL = threading.local()


def _context(name: str, call: Callable[..., Any], request: Request) -> types.SimpleNamespace:
    """What a function gets as func.Context. Source: the worker's bindings/context.py."""
    trace: dict[str, Any] = {
        "trace_parent": request.header("traceparent") or "",
        "trace_state": request.header("tracestate") or "",
        "attributes": {},
    }
    older = {"Traceparent": trace["trace_parent"], "Tracestate": trace["trace_state"], "Attributes": {}}
    return types.SimpleNamespace(
        function_name=name,
        function_directory=str(Path(inspect.getfile(call)).parent),
        invocation_id=str(uuid.uuid4()),
        thread_local_storage=_THREAD_LOCAL,
        trace_context=types.SimpleNamespace(**trace, **older),
        retry_context=types.SimpleNamespace(retry_count=0, max_retry_count=0, rpc_exception=None),
    )


def _load(app: AppFolder) -> list[tuple[Function, _Loaded]]:
    try:
        module = importlib.import_module(app.module.stem)
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
    pairs = [pair for definition in definitions if (pair := _function(definition, app)) is not None]
    if not pairs:
        raise LoadError(f"{app.module}: the app has no function")
    return pairs


def _hints(call: Callable[..., Any]) -> Mapping[str, Any]:
    try:
        return typing.get_type_hints(call)
    except (NameError, TypeError):  # its signature says so
        return {}


def _marked(binding: dict[str, Any], hints: Mapping[str, Any]) -> dict[str, Any]:
    """A binding, marked as azurefunctions-extensions-base marks it where its parameter is a client of the SDK."""
    deferred = is_client(hints.get(binding["name"]))
    return {**binding, "properties": {"SupportsDeferredBinding": True}} if deferred else binding


def _function(definition: Any, app: AppFolder) -> tuple[Function, _Loaded] | None:
    call, name = definition.get_user_function(), definition.get_function_name()
    hints = _hints(call)
    bindings = [_marked(json.loads(binding), hints) for binding in definition.get_raw_bindings()]
    place = (
        f"{call.__code__.co_filename}, line {call.__code__.co_firstlineno}"
        if hasattr(call, "__code__")
        else str(app.module)
    )
    function = function_of(name, bindings, app.settings.prefix, place)
    if function is None:
        return None
    try:
        signature = signature_of(call, definition.get_bindings())
    except (SignatureError, NameError) as error:  # NameError: an annotation that cannot be read
        raise LoadError(f"{place}: function {name!r} {error}") from error
    request_type = None
    if streams() and function.route is not None:
        from azurefunctions.extensions.base import RequestTrackerMeta

        request_type = RequestTrackerMeta.get_request_type()
    return function, _Loaded(call, signature, request_type)


def _arguments(loaded: _Loaded, data: Mapping[str, Any], beside: Mapping[str, Any]) -> dict[str, Any]:
    """What a function gets for data; `beside` is what is known of its message."""
    return {name: loaded.signature.decoded(name, datum, beside) for name, datum in data.items()}


def _data(inputs: Mapping[str, BoundValue | None]) -> dict[str, Any]:
    return {name: None if value is None else _datum(value.content, value.form) for name, value in inputs.items()}


def _put(loaded: _Loaded, outs: Mapping[str, Out]) -> dict[str, Any]:
    """What a function has put into its outputs, as data of the worker's protocol."""
    return {name: loaded.signature.encoded(name, out.get()) for name, out in outs.items() if out.get() is not None}


def _values(put: Mapping[str, Any]) -> dict[str, BoundValue]:
    return {name: BoundValue(datum.type, datum.value) for name, datum in put.items()}


def _datum(value: Any, form: str) -> Any:
    from azure.functions.meta import Datum

    return Datum(value, form)


def _request_datum(invocation: Invocation) -> Any:
    """A request as the worker's protocol has it."""
    request = invocation.request

    def texts(pairs: Mapping[str, str]) -> dict[str, Any]:
        return {name: _datum(value, "string") for name, value in pairs.items()}

    fields = {
        "method": _datum(request.method, "string"),
        "url": _datum(f"http://{request.header('host') or ''}{request.target}", "string"),
        "headers": texts(joined(request.headers)),
        "query": texts(joined(tuple(parse_qsl(request.query)))),
        "params": texts(invocation.parameters),
        "body": _datum(invocation.body, "bytes"),
    }
    return _datum(fields, "http")


def _result(datum: Any) -> Result:
    """What a function's HTTP answer is on the wire."""
    if datum is None or datum.type is None:
        return Result(204)
    if datum.type != "http":
        return Result(200, (("content-type", "text/plain; charset=utf-8"),), str(datum.value).encode())
    fields = datum.value
    headers = tuple((name.lower(), str(text.value)) for name, text in fields["headers"].items())
    cookies = tuple(
        ("set-cookie", written_again(name, morsel))
        for cookie in fields["cookies"] or ()
        for name, morsel in cookie.items()
    )
    return Result(int(fields["status_code"].value), (*headers, *cookies), fields["body"].value)
