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
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from mockserver.exchange import End, Request
from mockserver.functions.app import AppFolder, load_failure
from mockserver.functions.bindings import Bindings
from mockserver.functions.cookies import written
from mockserver.functions.function import Function, function_of, in_order
from mockserver.functions.host import Invocation, RecordedResponse, joined
from mockserver.functions.messages import message
from mockserver.functions.protocol import MESSAGES, Message, ParameterBinding, StatusResult
from mockserver.functions.result import Result
from mockserver.functions.settings import LoadError
from mockserver.functions.storage import BoundValue
from mockserver.wire.connection import ClientLeftError
from mockserver.wire.server import HOST_THREAD
from mockserver.wire.upstream import Upstream, UpstreamError

_START_TRIES = 500
#: Headers of the worker's own server, which Azure's host does not pass on.
_WORKER_HEADERS = frozenset({"date", "server"})


class _EndedError(Exception):
    """A function has ended as no function does; says how."""


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
        # This host's requests to the worker are not the app's own requests.
        logging.getLogger("httpx2").addFilter(lambda record: record.threadName != HOST_THREAD)
        LOGGING_CONFIG["loggers"]["uvicorn.error"]["level"] = "WARNING"  # the server inside the FastAPI extension

        self._runtime, self._app, self._ids = runtime, app, dict[str, str]()
        self._upstream: Upstream | None = None
        # A loop and a thread of its own: in a main thread, the server inside the FastAPI extension handles signals.
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True, name="functions-worker").start()
        runtime.start_threadpool_executor()
        start = self._call_blocking(
            runtime.worker_init_request,
            worker_init_request=Message(capabilities={}, function_app_directory=str(app.path)),
        )
        if start.result.status != StatusResult.Success:
            raise LoadError(_explain(start.result.exception, app))
        self._http_url: str | None = start.capabilities.get("HttpUri")
        self.streams = self._http_url is not None
        self.functions = in_order(self._functions(app))
        if self._http_url is not None:
            _wait_for(self._http_url)
        if not self.functions:
            raise LoadError(f"{app.module}: the app has no function")

    def _functions(self, app: AppFolder) -> list[Function]:
        described = self._call_blocking(self._runtime.functions_metadata_request)
        functions = []
        for result in described.function_metadata_results or ():
            self._call_blocking(
                self._runtime.function_load_request, function_load_request=Message(function_id=result.function_id)
            )
            bindings = [json.loads(binding) for binding in result.raw_bindings]
            function = function_of(result.name, bindings, app.settings.prefix, _where(result.name, app))
            if function is not None:
                self._ids[result.name] = result.function_id
                functions.append(function)
        return functions

    async def answer(self, invocation: Invocation) -> None:
        """Let the worker call the function, and send what it returns."""
        if self._http_url is None:
            await self._classic(invocation)
            return
        answer = await self._stream(invocation, self._http_url)
        if answer is not None and (unsent := await invocation.bindings.deliver(_values(_put(answer)))):
            invocation.unsent(unsent)

    async def close(self) -> None:
        """Release the worker's threads and connections."""
        if self._upstream is not None:
            await self._upstream.close()
        self._runtime.stop_threadpool_executor()

    # --- classic: the request goes in as a message, and the answer comes out as one ----------------------------------

    async def _classic(self, invocation: Invocation) -> None:
        request, function = invocation.request, invocation.function
        asked = Message(
            method=request.method,
            url=f"http://{request.header('host') or ''}{request.target}",
            headers=joined(request.headers),
            params=invocation.parameters,
            query=joined(tuple(parse_qsl(request.query))),  # an empty value is left out, as by the host
            body=MESSAGES.TypedData(bytes=invocation.body) if invocation.body else MESSAGES.TypedData(),
        )
        inputs = await invocation.bindings.inputs()
        try:
            answer = await self._invoke(
                function, MESSAGES.TypedData(http=asked), inputs=inputs, request=request, response=invocation.response
            )
        except _EndedError:
            answer = None
        if answer is None:
            await invocation.empty(500)
            return
        put = _put(answer)
        if unsent := await invocation.bindings.deliver(_values(put)):
            await invocation.refuse(unsent)
            return
        # An HTTP answer is what the function returns, or what it has put into its parameter for it.
        await invocation.send(_result(put.get(function.answer_name)))

    async def run(self, function: Function, given: str, bindings: Bindings) -> str:
        """Run a function of another trigger."""
        form, text = message(function, given)
        known = {name: MESSAGES.TypedData(json=value) for name, value in bindings.metadata.items()}
        inputs = await bindings.inputs()
        try:
            answer = await self._invoke(function, MESSAGES.TypedData(**{form: text}), inputs=inputs, known=known)
        except _EndedError as error:
            return str(error)
        if answer is None:
            return "its traceback is above"
        return await bindings.deliver(_values(_put(answer)))

    # --- streaming: the worker's own HTTP server gets the request, and a message names its function ------------------

    async def _stream(self, invocation: Invocation, http_url: str) -> Any:
        """The worker's answer, once the function's own has been sent; None for none."""
        if self._upstream is None:
            # It closes a connection after an exception, unannounced.
            self._upstream = Upstream(http_url, pooled=False)
        upstream, connection, request = self._upstream, invocation.connection, invocation.request
        invocation_id = str(uuid.uuid4())
        own = [header for header in request.headers if header[0] != "x-ms-invocation-id"]  # the worker takes the first
        forwarded = replace(request, headers=(*own, ("x-ms-invocation-id", invocation_id)))
        empty = Message(
            method="", url="", headers={}, params=invocation.parameters, query={}, body=MESSAGES.TypedData()
        )
        call = asyncio.ensure_future(
            self._invoke(
                invocation.function,
                MESSAGES.TypedData(http=empty),
                inputs=await invocation.bindings.inputs(),
                request=request,
                response=invocation.response,
                invocation_id=invocation_id,
            )
        )

        async def pass_on() -> None:
            has_body = any(name in ("content-length", "transfer-encoding") for name, _ in request.headers)
            if not has_body:
                await connection.receive_passed()
            body = connection.pieces() if has_body else None  # of none, a stream would make one in chunks
            async with upstream.ask(forwarded, request.target, body=body) as live:
                headers = tuple(header for header in live.headers if header[0] not in _WORKER_HEADERS)
                await connection.start(live.status, headers)
                async for chunk in live.chunks:
                    await connection.write(chunk)
            await connection.finish()

        async def ended() -> None:
            """Return where the function ends without an answer: its own server would wait for one."""
            with contextlib.suppress(_EndedError):
                await asyncio.shield(call)
                await asyncio.Event().wait()

        try:
            if not await connection.run_while_connected(pass_on(), limit=ended()):
                if not call.done() or not isinstance(call.exception(), _EndedError):
                    return None  # the client left, which closes the function's generator
                if not connection.started:
                    await invocation.empty(500)
                else:
                    await connection.end(End.RESET)
                return None
        except ClientLeftError:
            return None  # its request to the worker has ended too
        except UpstreamError:
            if not connection.started:
                raise
            invocation.response.error = invocation.response.error or "broken off"
            await connection.end(End.RESET)
            return None
        return await _end(call, invocation.response)

    async def _invoke(
        self,
        function: Function,
        data: Any,
        *,
        inputs: Mapping[str, BoundValue | None],
        request: Request | None = None,
        response: RecordedResponse | None = None,
        invocation_id: str | None = None,
        known: Mapping[str, Any] | None = None,
    ) -> Any:
        """The worker's answer; None if the function raised an exception, which is printed."""
        request = request or Request("POST", "/")
        call = Message(
            invocation_id=invocation_id or str(uuid.uuid4()),
            function_id=self._ids[function.name],
            trigger_metadata=dict(known or {}),
            trace_context=Message(
                trace_parent=request.header("traceparent") or "",
                trace_state=request.header("tracestate") or "",
                attributes={},
            ),
            retry_context=Message(retry_count=0, max_retry_count=0, exception=None),
            input_data=[
                ParameterBinding(name=function.parameter, data=data),
                *(ParameterBinding(name=name, data=_typed(value)) for name, value in inputs.items()),
            ],
        )
        answer = await self._answer(call, function, response)
        if answer.result.status == StatusResult.Success:
            return answer
        exception = answer.result.exception
        if response is not None:
            response.error = exception.message.partition(":")[0]
        print(exception.stack_trace or exception.message, flush=True)  # the app's own traceback, for the console
        return None

    async def _answer(self, call: Any, function: Function, response: RecordedResponse | None) -> Any:
        """The worker's answer to an invocation.

        Raises:
            _EndedError: the function has ended as no function does, by sys.exit() or by cancelling itself; it is printed.
        """
        try:
            return await asyncio.wrap_future(self._call(self._runtime.invocation_request, invocation_request=call))
        except (LoadError, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise
            words = f"{function.name} has ended with {error or type(error).__name__}"
            print(words, flush=True)
            if response is not None:
                response.error = "ended"
            raise _EndedError(words) from error

    def _call(self, method: Callable[[Any], Coroutine[Any, Any, Any]], **message: Any) -> Any:
        """A future of a method of the worker, on the worker's own loop."""
        request = SimpleNamespace(
            request=SimpleNamespace(**message), properties={"host": "127.0.0.1", "protos": MESSAGES}
        )

        async def call() -> Any:
            try:
                return await method(request)
            except (Exception, asyncio.CancelledError):
                raise
            except BaseException as error:  # would end the loop, and every caller would wait forever
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


def _typed(value: BoundValue | None) -> Any:
    """What a function reads, as a message."""
    return MESSAGES.TypedData(**({} if value is None else {value.form: value.content}))


def _put(answer: Any) -> dict[str, Any]:
    """What a function has put into its outputs, and returned, each as a message."""
    put = {each.name: each.data for each in answer.output_data or ()}
    return {name: data for name, data in (*put.items(), ("$return", answer.return_value)) if data is not None}


def _values(put: Mapping[str, Any]) -> dict[str, BoundValue]:
    forms = {name: data.WhichOneof("data") for name, data in put.items()}
    return {name: BoundValue(form, getattr(put[name], form)) for name, form in forms.items() if form is not None}


def _result(value: Any) -> Result:
    """What the worker has made of a function's HTTP answer, as the host sends it."""
    if value is None:
        return Result(204)
    if value.WhichOneof("data") != "http":
        text = (value.string if value.string is not None else value.json) or ""
        return Result(200, (("content-type", "text/plain; charset=utf-8"),), text.encode())
    http = value.http
    headers = tuple((name.lower(), str(text)) for name, text in http.headers.items())
    cookies = tuple(("set-cookie", _cookie(cookie)) for cookie in http.cookies or ())
    return Result(int(http.status_code), (*headers, *cookies), http.body.bytes or b"")


def _cookie(cookie: Any) -> str:
    """A cookie of the worker's, as the host writes it."""
    given = {name: field.value for name in _COOKIE_FIELDS if (field := getattr(cookie, name)) is not None}
    expires = given.pop("expires", None)
    return written(
        cookie.name,
        cookie.value,
        expires=datetime.fromtimestamp(expires.seconds, UTC) if expires is not None else None,
        max_age=given.pop("max_age", None),
        same_site=cookie.same_site,
        **given,
    )


_COOKIE_FIELDS = ("domain", "path", "expires", "max_age", "secure", "http_only")


#: A function ends before its answer does; its message may come a moment later.
_AFTER_ANSWER_S = 1


async def _end(call: asyncio.Future[Any], response: RecordedResponse) -> Any:
    """The worker's answer, where a call ends whose answer has been sent; None for none. The worker's server answers itself where it does not know the method,
    and such a call would wait forever for its request."""
    await asyncio.wait({call}, timeout=_AFTER_ANSWER_S)
    if call.done():
        return call.result()
    response.error = "not called"
    call.cancel()
    return None
