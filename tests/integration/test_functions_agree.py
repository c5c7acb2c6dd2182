"""Both workers of the Functions host do the same: which functions they load, and what each answer becomes.

Microsoft's worker is the judge. Where ours is known to differ, the case is listed with its reason.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Union  # the older form too, which is another type

import azure.functions as func
import httpx2
import pytest

from mockserver.functions.process import FunctionsProcess
from mockserver.functions.signature import SignatureError, signature_of
from tests.integration.function_apps import write_app

pytestmark = pytest.mark.skipif(sys.version_info < (3, 13), reason="Microsoft's worker needs Python 3.13 or newer")

# --- which functions are loaded --------------------------------------------------------------------------------------

NONE = object()
REQUEST = [
    NONE,
    func.HttpRequest,
    str,
    bytes,
    int,
    dict,
    Union[func.HttpRequest, None],  # noqa: UP007
    list[str],
    func.Out[str],
    "text",
]
CONTEXT = ["absent", NONE, func.Context, str, Union[func.Context, None]]  # noqa: UP007
RETURN = [
    NONE, None, func.HttpResponse, str, bytes, dict, int, func.HttpRequest,
    Union[func.HttpResponse, str], str | None, list[str], func.Out[str], "text",  # noqa: UP007
]  # fmt: skip
OUT = [
    "absent",
    NONE,
    func.Out[str],
    func.Out[bytes],
    func.Out[func.QueueMessage],
    func.Out[list[str]],
    func.Out[int],
    str,
]
TRIGGERS: Mapping[str, tuple[dict[str, Any], list[Any]]] = {
    "timer_trigger": ({"schedule": "0 * * * * *"}, [NONE, func.TimerRequest, str, bytes, func.HttpRequest, int]),
    "queue_trigger": (
        {"queue_name": "q", "connection": "c"},
        [NONE, func.QueueMessage, str, bytes, list[func.QueueMessage]],
    ),
    "blob_trigger": ({"path": "p", "connection": "c"}, [NONE, func.InputStream, str, bytes, dict]),
    "service_bus_queue_trigger": (
        {"queue_name": "q", "connection": "c"},
        [NONE, func.ServiceBusMessage, list[func.ServiceBusMessage], str, int],
    ),
    "event_hub_message_trigger": (
        {"event_hub_name": "h", "connection": "c"},
        [NONE, func.EventHubEvent, list[func.EventHubEvent], str, dict],
    ),
    "event_grid_trigger": ({}, [NONE, func.EventGridEvent, str, dict]),
    "cosmos_db_trigger": (
        {"connection": "c", "database_name": "d", "container_name": "n"},
        [NONE, func.DocumentList, list[func.Document], str],
    ),
    "generic_trigger": ({"type": "kafkaTrigger"}, [NONE, str, bytes, int, dict]),
}
PROTOS = SimpleNamespace(BindingInfo=SimpleNamespace(**{"in": 0, "out": 1, "inout": 2, "undefined": 0}))


def function(parameters: Mapping[str, Any], returns: Any) -> Any:
    """A function with these parameters, each with its annotation."""
    source = f"def fun({', '.join(parameters)}): pass"
    names: dict[str, Any] = {}
    exec(source, names)
    hints = {name: hint for name, hint in {**parameters, "return": returns}.items() if hint is not NONE}
    names["fun"].__annotations__ = hints
    return names["fun"]


def definitions() -> Iterator[tuple[str, Any]]:
    """Functions of every kind, by a name that says how they are declared."""
    for request, context, out, returns in itertools.product(REQUEST, CONTEXT, OUT, RETURN):
        parameters = {"req": request}
        parameters |= {} if context == "absent" else {"context": context}
        parameters |= {} if out == "absent" else {"msg": out}
        app = func.FunctionApp()
        built: Any = app.route(route="x")
        if out != "absent":
            output = app.queue_output(arg_name="msg", queue_name="q", connection="c")
            function_with_output = output(function(parameters, returns))
            built(function_with_output)
        else:
            built(function(parameters, returns))
        yield f"http {parameters} -> {returns}", app
    for kind, (options, hints) in TRIGGERS.items():
        for hint, returns, extra in itertools.product(hints, RETURN, [False, True]):
            app = func.FunctionApp()
            parameters = {"it": hint, **({"more": NONE} if extra else {})}
            getattr(app, kind)(arg_name="it", **options)(function(parameters, returns))
            yield f"{kind} {parameters} -> {returns}", app
    for names in ({}, {"request": func.HttpRequest}, {"req": NONE, "other": str}):
        app = func.FunctionApp()
        app.route(route="x")(function(names, NONE))
        yield f"http {names}", app


def accepted_by_microsoft(definition: Any) -> str:
    """The words of its refusal; empty where it loads the function."""
    from azure_functions_runtime.functions import Registry

    try:
        Registry().add_indexed_function(definition, PROTOS)
    except Exception as error:  # noqa: BLE001  whatever keeps it from being loaded
        return f"{type(error).__name__}: {error}"
    return ""


def test_both_workers_load_and_refuse_the_same_functions() -> None:
    from azure_functions_runtime.bindings.meta import load_binding_registry

    load_binding_registry()
    differ, count = [], 0
    for words, app in definitions():
        (definition,) = app.get_functions()
        try:
            signature_of(definition.get_user_function(), definition.get_bindings())
            ours = ""
        except (SignatureError, NameError) as error:
            ours = f"{type(error).__name__}: {error}"
        theirs = accepted_by_microsoft(definition)
        count += 1
        if bool(ours) != bool(theirs):
            differ.append(f"{words}\n   ours: {ours or 'loaded'}\n   Microsoft's: {theirs or 'loaded'}")
    assert count > 5000
    assert differ == [], f"{len(differ)} of {count}\n" + "\n".join(differ[:20])


# --- what an answer becomes ------------------------------------------------------------------------------------------

ANSWERS = """
import datetime, decimal, enum, http
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
R = func.HttpResponse


def cookies(*values):
    response = R("x")
    for value in values:
        response.headers.add("Set-Cookie", value)
    return response


CASES = {
    "text": lambda: "grüße",
    "empty text": lambda: "",
    "none": lambda: None,
    "bytes": lambda: b"x",
    "number": lambda: 5,
    "object": lambda: {"a": 1},
    "list": lambda: [1],
    "true": lambda: True,
    "a class": lambda: R,
    "raises": lambda: 1 / 0,
    "exits": lambda: (_ for _ in ()).throw(KeyError("x")),
    "response": lambda: R("x"),
    "no body": lambda: R(),
    "bytes body": lambda: R(b"\\xff\\xfe"),
    "bytearray body": lambda: R(bytearray(b"x")),
    "wrong body": lambda: R(5),
    "status": lambda: R("x", status_code=418),
    "status as enum": lambda: R("x", status_code=http.HTTPStatus.CREATED),
    "status as text": lambda: R("x", status_code="201"),
    "wrong status": lambda: R("x", status_code="many"),
    "status 0": lambda: R("x", status_code=0),
    "status 99": lambda: R("x", status_code=99),
    "status 100": lambda: R("x", status_code=100),
    "status 204": lambda: R("x", status_code=204),
    "status 205": lambda: R("x", status_code=205),
    "status 304": lambda: R("x", status_code=304),
    "status 599": lambda: R("x", status_code=599),
    "status 600": lambda: R("x", status_code=600),
    "json": lambda: R("{}", mimetype="application/json"),
    "charset": lambda: R("ü", charset="latin-1"),
    "charset of json": lambda: R("ü", mimetype="application/json", charset="utf-16"),
    "unknown charset": lambda: R("ü", charset="klingon"),
    "html": lambda: R("<p>", mimetype="text/html"),
    "own type": lambda: R("x", headers={"Content-Type": "text/css"}),
    "own type in lower case": lambda: R("x", headers={"content-type": "text/css"}),
    "empty type": lambda: R("x", mimetype=""),
    "header": lambda: R("x", headers={"X-A": "1", "x-b": "2"}),
    "number as header": lambda: R("x", headers={"X-A": 5}),
    "empty header": lambda: R("x", headers={"X-A": ""}),
    "length": lambda: R("x", headers={"Content-Length": "100"}),
    "encoding": lambda: R("x", headers={"Content-Encoding": "gzip"}),
    "transfer": lambda: R("x", headers={"Transfer-Encoding": "chunked", "Connection": "close"}),
    "location": lambda: R(status_code=302, headers={"Location": "/x?a=b c"}),
    "cookie": lambda: cookies("a=1"),
    "two cookies": lambda: cookies("a=1; Path=/", "b=2; HttpOnly"),
    "cookie in a dict": lambda: R("x", headers={"Set-Cookie": "a=1; Secure"}),
    "quoted cookie": lambda: cookies('a="x y; z"; Max-Age=60'),
    "cookie with all": lambda: cookies(
        "a=1; Domain=example.org; Path=/p; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Max-Age=31536000; Secure; HttpOnly; SameSite=Strict"
    ),
    "cookie with a long life": lambda: cookies("a=1; Max-Age=10000000"),
    "cookie with a part of a second": lambda: cookies("a=1; Max-Age=1.5"),
    "cookie with a wrong life": lambda: cookies("a=1; Max-Age=long"),
    "cookie with another date": lambda: cookies("a=1; Expires=2026-10-21"),
    "cookie of another site": lambda: cookies("a=1; SameSite=Other"),
    "percent cookie": lambda: cookies("a=%20%2F"),
    "empty cookie": lambda: cookies("a="),
    "no cookie": lambda: cookies("no cookie at all"),
    "json cookie": lambda: cookies('a={"b":1}'),
}
NAMES = list(CASES)


@app.route(route="sync/{number:int}")
def sync(req: func.HttpRequest) -> func.HttpResponse:
    return CASES[NAMES[int(req.route_params["number"])]]()


@app.route(route="later/{number:int}")
async def later(req: func.HttpRequest):
    return CASES[NAMES[int(req.route_params["number"])]]()


@app.route(route="put/{number:int}", binding_arg_name="res")
def put(req: func.HttpRequest, res: func.Out[func.HttpResponse]) -> None:
    res.set(CASES[NAMES[int(req.route_params["number"])]]())


@app.route(route="names")
def names(req: func.HttpRequest) -> str:
    return "|".join(NAMES)


@app.route(route="echo/{x?}")
def echo(req: func.HttpRequest, context: func.Context) -> str:
    try:
        body = req.get_json()
    except ValueError as error:
        body = str(error)
    parts = [req.method, dict(req.params), dict(req.route_params), sorted(req.headers.items()), req.get_body(), body, dict(req.form)]
    trace, retry = context.trace_context, context.retry_context
    parts += [trace.trace_parent, trace.trace_state, trace.attributes, trace.Traceparent, trace.Tracestate, trace.Attributes]
    parts += [retry.retry_count, retry.max_retry_count, retry.rpc_exception]
    return repr([*parts, context.function_name, context.function_directory, len(context.invocation_id)])
"""
REQUESTS: list[dict[str, Any]] = [
    {"url": "echo/a%20b?q=1&q=2&empty=&plus=a+b&enc=%C3%BC"},
    {"url": "echo"},
    {"method": "POST", "url": "echo", "json": {"a": [1]}},
    {"method": "POST", "url": "echo", "content": b"\xff\x00"},
    {"method": "POST", "url": "echo", "data": {"a": "1", "b": "ü"}},
    {"method": "POST", "url": "echo", "files": {"f": ("n.txt", b"x")}},
    {"method": "PUT", "url": "echo", "content": b""},
    {"method": "OPTIONS", "url": "echo"},
    {"method": "HEAD", "url": "echo"},
    {
        "url": "echo",
        "headers": {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=1"},
    },
    {"url": "echo", "headers": {"X-Empty": "", "X-Upper": "Ä".encode("latin-1")}},
    {"url": "echo", "headers": [("x-twice", "a"), ("x-twice", "b"), ("cookie", "a=1"), ("cookie", "b=2")]},
]


def seen(client: httpx2.Client, asked: dict[str, Any]) -> tuple[Any, ...]:
    """What a client gets, but for the port and the moment."""
    try:
        answer = client.request(**asked)
    except httpx2.HTTPError as error:
        return type(error).__name__, str(error)
    left_out = ("date", "server")
    headers = sorted((name, value) for name, value in answer.headers.multi_items() if name not in left_out)
    return answer.status_code, headers, answer.content.replace(str(answer.url.port).encode(), b"PORT")


def test_both_workers_send_the_same_for_whatever_a_function_returns(tmp_path: Path) -> None:
    app = write_app(tmp_path, ANSWERS)
    processes = [
        FunctionsProcess(app, port=0, environment={}, options=("--worker", each)) for each in ("microsoft", "inprocess")
    ]
    try:
        clients = [httpx2.Client(base_url=f"{each.wait_until_ready()}/api/", timeout=20) for each in processes]
        names = clients[0].get("names").text.split("|")
        cases = [
            *({"url": f"{style}/{number}"} for number in range(len(names)) for style in ("sync", "later", "put")),
            *REQUESTS,
        ]
        differ = []
        for case in cases:
            asked = {"method": "GET", "headers": {"user-agent": "test", "x-boundary": "1"}, **case}
            if "files" in asked:
                asked |= {
                    "headers": {"content-type": "multipart/form-data; boundary=b"},
                    "content": b'--b\r\nContent-Disposition: form-data; name="f"; filename="n"\r\n\r\nx\r\n--b--\r\n',
                }
                del asked["files"]
            theirs, ours = (seen(client, asked) for client in clients)
            if ours != theirs:
                name = (
                    names[int(case["url"].rpartition("/")[2])]
                    if case["url"].split("/")[0] in ("sync", "later", "put")
                    else ""
                )
                differ.append(f"{case} {name}\n   ours: {ours}\n   Microsoft's: {theirs}")
        assert differ == [], f"{len(differ)} of {len(cases)}\n" + "\n".join(differ)
    finally:
        for process in processes:
            process.stop()
