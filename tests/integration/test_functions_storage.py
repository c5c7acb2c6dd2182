"""Bindings of Azure Storage, with both workers. The judge is Azurite, written and read by Microsoft's SDK."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient
from azurite import find

from mockserver.functions.storage import _ACCOUNT, _API_VERSION, _KEY
from mockserver.wire.server import bind
from tests.integration.function_apps import HEAD, WORKERS, write_app
from tests.integration.running import Running
from tests.polling import wait_until

pytestmark = pytest.mark.skipif(find() is None, reason="Azurite is neither on PATH nor in .cache")

SECRET = base64.b64encode(b"the key of a real account").decode()
REAL = f"DefaultEndpointsProtocol=https;AccountName=prod;AccountKey={SECRET};EndpointSuffix=core.windows.net"
APP = (
    HEAD.replace("FunctionApp()", "FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)")
    + """
import typing

S = "AzureWebJobsStorage"


@app.route(route="as-text/{name}")
@app.blob_input(arg_name="blob", path="inbox/{name}.txt", connection=S)
def as_text(req: func.HttpRequest, blob: str) -> str:
    return repr(blob)


@app.route(route="as-bytes/{name}")
@app.blob_input(arg_name="blob", path="inbox/{name}.txt", connection=S, data_type="BINARY")
def as_bytes(req: func.HttpRequest, blob: bytes) -> str:
    return repr(blob)


@app.route(route="as-stream/{name}")
@app.blob_input(arg_name="blob", path="inbox/{name}.txt", connection=S, data_type="BINARY")
async def as_stream(req: func.HttpRequest, blob: func.InputStream) -> str:
    return repr(blob and blob.read())


@app.route(route="bytes-without-type/{name}")
@app.blob_input(arg_name="blob", path="inbox/{name}.txt", connection=S)
def bytes_without_type(req: func.HttpRequest, blob: bytes) -> str:
    return repr(blob)


@app.route(route="put/{kind}")
@app.blob_output(arg_name="blob", path="%FOLDER%/{kind}/{rand-guid}.bin", connection="Orders")
def put(req: func.HttpRequest, blob: func.Out[bytes]) -> str:
    blob.set(req.get_body())
    return "put"


@app.route(route="put-nothing")
@app.blob_output(arg_name="blob", path="nothing/x", connection=S)
def put_nothing(req: func.HttpRequest, blob: func.Out[str]) -> str:
    return "nothing"


@app.route(route="expressions/{a}")
@app.blob_output(arg_name="$return", path="out/{a}/{b}/{c.d}/{query.b}/{headers.x-part}/{sys.utcnow:yyyy}.txt", connection=S)
def expressions(req: func.HttpRequest, res: func.Out[func.HttpResponse]) -> str:
    res.set(func.HttpResponse("answered", status_code=201))
    return "returned"


@app.route(route="send")
@app.queue_output(arg_name="msg", queue_name="{queue}", connection=S)
def send(req: func.HttpRequest, msg: func.Out[str]) -> str:
    msg.set(req.get_body().decode())
    return "sent"


@app.route(route="send-many")
@app.queue_output(arg_name="msg", queue_name="many", connection=S)
async def send_many(req: func.HttpRequest, msg: func.Out[typing.List[str]]) -> str:
    msg.set(["one", "two"])
    return "sent"


@app.route(route="send-message")
@app.queue_output(arg_name="msg", queue_name="messages", connection=S)
def send_message(req: func.HttpRequest, msg: func.Out[func.QueueMessage]) -> str:
    msg.set(func.QueueMessage(body="the body"))
    return "sent"


@app.route(route="add/{row}")
@app.table_output(arg_name="row", table_name="Things", partition_key="p", row_key="{row}", connection=S)
def add(req: func.HttpRequest, row: func.Out[str]) -> str:
    row.set(req.get_body().decode())
    return "added"


@app.route(route="rows/{row}")
@app.table_input(arg_name="rows", table_name="{table}", partition_key="q", row_key="{row}", connection=S)
def rows(req: func.HttpRequest, rows) -> str:
    return rows


@app.route(route="filtered/{name}")
@app.table_input(arg_name="rows", table_name="Read", filter="name eq '{name}'", take=1, connection=S)
def filtered(req: func.HttpRequest, rows: str) -> str:
    return rows


@app.timer_trigger(arg_name="timer", schedule="0 0 3 * * *", run_on_startup=True)
@app.queue_output(arg_name="$return", queue_name="Ticks", connection=S)
def tick(timer: func.TimerRequest) -> str:
    return '{"tick": [1, "zwölf"]}'


@app.queue_trigger(arg_name="msg", queue_name="orders", connection=S)
@app.blob_input(arg_name="before", path="inbox/{id}.txt", connection=S)
@app.blob_output(arg_name="after", path="orders/{customer.name}/{id}.txt", connection=S)
def order(msg: func.QueueMessage, before: str, after: func.Out[str]) -> None:
    after.set(f"{before} {msg.get_json()['id']}")


@app.route(route="real")
@app.queue_output(arg_name="msg", queue_name="q", connection="Real")
def real(req: func.HttpRequest, msg: func.Out[str]) -> str:
    msg.set("one")
    return "sent"


@app.route(route="reads-real")
@app.blob_input(arg_name="blob", path="inbox/x", connection="Real")
def reads_real(req: func.HttpRequest, blob: str) -> str:
    return "read"


@app.route(route="down")
@app.queue_output(arg_name="msg", queue_name="q", connection="Down")
def down(req: func.HttpRequest, msg: func.Out[str]) -> str:
    msg.set("one")
    return "sent"


@app.route(route="reads-down")
@app.blob_input(arg_name="blob", path="inbox/x", connection="Down")
def reads_down(req: func.HttpRequest, blob: str) -> str:
    return "read"
"""
).replace('@app.route(route="expressions/{a}")', '@app.route(route="expressions/{a}", binding_arg_name="res")')
STREAMING = """
import azure.functions as func
from azurefunctions.extensions import base
from azurefunctions.extensions.http.fastapi import Request, StreamingResponse

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


class Client(base.SdkType):
    def get_sdk_type(self):
        return self


class ClientConverter(base.InConverter, binding="blob", trigger="blobTrigger"):
    @classmethod
    def check_input_type_annotation(cls, pytype):
        return True

    @classmethod
    def decode(cls, data, *, trigger_metadata, pytype):
        return data


@app.route(route="copy/{name}")
@app.blob_input(arg_name="blob", path="inbox/{name}.txt", connection="AzureWebJobsStorage")
@app.queue_output(arg_name="msg", queue_name="copies", connection="AzureWebJobsStorage")
async def copy(req: Request, blob: str, msg: func.Out[str]) -> StreamingResponse:
    async def pieces():
        yield f"read {blob}"

    msg.set(f"copied {blob}")
    return StreamingResponse(pieces())


@app.route(route="client")
@app.blob_input(arg_name="blob", path="inbox/x.txt", connection="AzureWebJobsStorage")
async def client(req: Request, blob: Client) -> str:
    return "read"
"""


@dataclass(frozen=True)
class Azurite:
    """A running Azurite, and Microsoft's clients of it."""

    connection: str
    blobs: BlobServiceClient
    queues: QueueServiceClient
    tables: TableServiceClient

    def names(self, container: str) -> list[str]:
        return [blob.name for blob in self.blobs.get_container_client(container).list_blobs()]

    def blob(self, container: str, name: str) -> bytes:
        return self.blobs.get_blob_client(container, name).download_blob().readall()

    def messages(self, queue: str) -> list[str]:
        """The messages of a queue as they are stored; none are left."""
        client = self.queues.get_queue_client(queue)
        found = list(client.receive_messages(max_messages=32))
        for message in found:
            client.delete_message(message)  # not clear_messages, which would delete one that comes meanwhile
        return [message.content for message in found]


def texts(messages: list[str]) -> list[str]:
    return [base64.b64decode(message).decode() for message in messages]


def connection(endpoints: dict[str, str]) -> str:
    parts = "".join(f"{kind}Endpoint={url}/{_ACCOUNT};" for kind, url in endpoints.items())
    return f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={_KEY};{parts}"


@pytest.fixture(scope="module")
def azurite() -> Iterator[Azurite]:
    ports = [option for kind in ("blob", "queue", "table") for option in (f"--{kind}Port", "0")]
    options = ["--inMemoryPersistence", "--silent", "--disableTelemetry", *ports]
    with subprocess.Popen([str(find()), *options], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        endpoints: dict[str, str] = {}
        while len(endpoints) < 3:
            line = process.stdout.readline()
            assert line, "Azurite has ended"
            if found := re.search(r"(Blob|Queue|Table) service is successfully listening at (\S+)", line):
                endpoints[found[1]] = found[2]
        where = connection(endpoints)
        with (
            BlobServiceClient.from_connection_string(where, api_version=_API_VERSION) as blobs,
            QueueServiceClient.from_connection_string(where, api_version=_API_VERSION) as queues,
            TableServiceClient.from_connection_string(where) as tables,
        ):
            yield Azurite(where, blobs, queues, tables)
        process.terminate()
        process.stdout.read()


@pytest.fixture(scope="module")
def filled(azurite: Azurite) -> Azurite:
    """An Azurite with something to read."""
    container = azurite.blobs.create_container("inbox")
    container.upload_blob("a.txt", "grüße".encode())
    container.upload_blob("odd.txt", b"\xff\x00")
    container.upload_blob("7.txt", b"seven")
    table = azurite.tables.create_table("Read")
    for row in ("a", "b"):
        table.create_entity({"PartitionKey": "q", "RowKey": row, "name": f"o'{row}", "number": 5, "yes": True})
    table.create_entity({"PartitionKey": "other", "RowKey": "c", "name": "o'a"})
    return azurite


@dataclass(frozen=True)
class Host:
    """A running host with an app, a client of it, and its Azurite."""

    command: Running
    client: httpx2.Client
    azurite: Azurite

    def get(self, path: str) -> tuple[int, str]:
        answer = self.client.get(f"api/{path}")
        return answer.status_code, answer.text

    def post(self, path: str, content: str | bytes, **headers: str) -> tuple[int, str]:
        answer = self.client.post(f"api/{path}", content=content, headers=headers)
        return answer.status_code, answer.text


def running(app: Path, worker: str, azurite: Azurite) -> Iterator[Host]:
    if worker == "microsoft" and sys.version_info < (3, 13):
        pytest.skip("Microsoft's worker needs Python 3.13 or newer; this run is on an older one")
    with bind(0, "the test") as free:
        closed = f"http://127.0.0.1:{free.getsockname()[1]}"
    settings: dict[str, Any] = {
        "AzureWebJobsStorage": azurite.connection,
        "AzureWebJobsOrders": azurite.connection,
        "Orders": REAL,
        "Real": REAL,
        "Down": connection(dict.fromkeys(("Blob", "Queue", "Table"), closed)),
        "FOLDER": "made",
        "HTTP_PROXY": "http://127.0.0.1:9",  # no proxy of the environment is asked
    }
    command = Running("functions", "--app", str(app), "--port", "0", "--worker", worker, **settings)
    with command.process:
        try:
            url = command.read_until("^ready (.*)")[1]
            with httpx2.Client(base_url=url, timeout=20, trust_env=False) as client:
                yield Host(command, client, azurite)
        finally:
            command.process.terminate()
            command.exit_status()
    assert SECRET not in "\n".join(command.lines)
    assert _KEY not in "\n".join(command.lines)


@pytest.fixture(scope="module", params=WORKERS)
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, filled: Azurite) -> Iterator[Host]:
    app = write_app(tmp_path_factory.mktemp("app"), APP)
    yield from running(app, request.param, filled)


@pytest.mark.parametrize(
    ("path", "read"),
    [
        ("as-text/a", "'grüße'"),
        ("as-bytes/odd", r"b'\xff\x00'"),
        ("as-stream/odd", r"b'\xff\x00'"),
        ("bytes-without-type/a", "'grüße'"),
        ("as-text/odd", r"'�\x00'"),
    ],
    ids=["text", "bytes", "stream", "bytes without a data_type are text, as on Azure", "bytes as text"],
)
def test_a_blob_is_read(host: Host, path: str, read: str) -> None:
    assert host.get(path) == (200, read)


def test_a_blob_that_is_not_there_is_none(host: Host) -> None:
    assert [host.get(f"{kind}/gone") for kind in ("as-text", "as-bytes", "as-stream")] == [(200, "None")] * 3


def test_a_blob_is_written_in_a_new_container(host: Host) -> None:
    kind = host.command.process.pid  # the setting AzureWebJobsOrders goes before Orders
    assert host.post(f"put/{kind}", b"\xff\x00") == (200, "put")
    (name,) = [name for name in host.azurite.names("made") if name.startswith(f"{kind}/")]
    assert re.fullmatch(rf"{kind}/[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}\.bin", name)
    assert host.azurite.blob("made", name) == b"\xff\x00"


def test_an_output_that_is_not_set_writes_nothing(host: Host) -> None:
    assert host.get("put-nothing") == (200, "nothing")
    assert "nothing" not in [container.name for container in host.azurite.blobs.list_containers()]


def test_what_is_returned_goes_to_its_output_and_expressions_are_replaced(host: Host) -> None:
    body = json.dumps({"a": "body", "b": "body", "c": {"D": 1}})
    assert host.post("expressions/Route?b=query&A=query", body, **{"x-part": "head"}) == (201, "answered")
    (name,) = [name for name in host.azurite.names("out") if name.startswith("Route/query/1/query/head/20")]
    assert host.azurite.blob("out", name) == b"returned"
    host.azurite.blobs.get_blob_client("out", name).delete_blob()


@pytest.mark.parametrize(
    ("content", "messages"),
    [
        ("plain text", ["plain text"]),
        ('["one", 2, {"a": true}]', ["one", "2", '{\n  "a": true\n}']),
        ('{"a":"ü"}', ['{\n  "a": "ü"\n}']),
    ],
    ids=["text", "a JSON array is several messages", "a JSON object is reformatted"],
)
def test_a_text_is_sent_to_a_queue(host: Host, content: str, messages: list[str]) -> None:
    assert host.post("send?queue=texts", content) == (200, "sent")
    assert texts(host.azurite.messages("texts")) == messages


def test_a_list_and_a_message_are_sent_to_a_queue(host: Host) -> None:
    assert [host.get("send-many"), host.get("send-message")] == [(200, "sent")] * 2
    assert texts(host.azurite.messages("many")) == ["one", "two"]
    assert texts(host.azurite.messages("messages")) == ["the body"]


def test_a_text_that_only_looks_like_json_is_not_sent(host: Host) -> None:
    assert host.post("send?queue=texts", "[not JSON]") == (500, "")
    host.command.read_until("send: it has written to the queue '{queue}' .msg., and the text begins and ends as JSON")


def test_an_expression_without_a_value_fails_the_call(host: Host) -> None:
    assert host.post("send", "x") == (500, "")
    host.command.read_until("send: it has written to the queue .*, and nothing has the name {queue}")


def test_entities_are_added_to_a_new_table_and_none_is_replaced(host: Host) -> None:
    row, extra = f"r{host.command.process.pid}", f"x{host.command.process.pid}"
    rows = [
        {"text": "ü", "count": 5_000_000_000, "size": 1.5, "yes": True, "no": None, "inner": {"a": 1}},
        {"partitionKey": "p", "rowkey": extra, "date": "2026-01-01T00:00:00Z"},
    ]
    assert host.post(f"add/{row}", json.dumps(rows)) == (200, "added")
    table = host.azurite.tables.get_table_client("Things")
    found = dict(table.get_entity("p", row))
    assert found.pop("count").value == 5_000_000_000
    inner = '{\n  "a": 1\n}'
    assert found == {"PartitionKey": "p", "RowKey": row, "text": "ü", "size": 1.5, "yes": True, "inner": inner}
    assert table.get_entity("p", extra)["date"] == "2026-01-01T00:00:00Z"
    assert host.post(f"add/{row}", "{}") == (500, "")
    host.command.read_until("add: it has written to the table 'Things' .row., and Azurite at .* says: .*already exists")
    assert host.post(f"add/{row}", "no JSON") == (500, "")
    host.command.read_until("an entity must be a JSON object, got")


def test_a_partition_is_read_whatever_its_row_key_as_on_azure(host: Host) -> None:
    status, read = host.get("rows/a?table=Read")
    assert (status, json.loads(read)) == (
        200,
        [
            {"PartitionKey": "q", "RowKey": row, "name": f"o'{row}", "number": 5, "yes": True}
            for row in ("a", "b")
        ],
    )  # fmt: skip
    assert host.get("rows/a?table=Missing") == (500, "")
    host.command.read_until("rows: not called, as it reads the table '{table}' .rows., and there is no table 'Missing'")


def test_a_filter_takes_a_text_as_a_text(host: Host) -> None:
    assert [row["RowKey"] for row in json.loads(host.get("filtered/o'a")[1])] in (["a"], ["c"])
    assert host.get("filtered/x' or name eq 'o''a") == (200, "[]")


def test_a_timer_writes_to_a_queue(host: Host) -> None:
    def ticks() -> list[str]:
        queues = [queue.name for queue in host.azurite.queues.list_queues()]
        return texts(host.azurite.messages("ticks")) if "ticks" in queues else []

    assert wait_until(ticks) == ['{\n  "tick": [\n    1,\n    "zwölf"\n  ]\n}']


def test_a_queues_message_has_values_for_expressions(host: Host) -> None:
    name = f"c{host.command.process.pid}"
    given = json.dumps({"id": 7, "customer": {"name": name}})
    assert host.client.post("admin/functions/order", json={"input": given}).status_code == 202
    wait_until(lambda: "orders" in [container.name for container in host.azurite.blobs.list_containers()])
    assert wait_until(lambda: [each for each in host.azurite.names("orders") if each.startswith(name)]) == [
        f"{name}/7.txt"
    ]
    assert host.azurite.blob("orders", f"{name}/7.txt") == b"seven 7"
    host.client.post("admin/functions/order", json={"input": '{"id": 7}'})
    host.command.read_until(
        "queue order has failed: it has written to the blob 'orders/.* .after., and nothing has the name {customer.name}"
    )


def test_a_real_account_is_not_asked(host: Host) -> None:
    started = "\n".join(host.command.lines)
    words = "the app setting Real names a server beyond this machine, which is never asked; UseDevelopmentStorage=true"
    assert f"refused    http reads_real: it reads the blob 'inbox/x' (blob), and {words}" in started
    assert host.get("reads-real") == (500, "")
    host.command.read_until("reads_real: not called, as it reads the blob 'inbox/x' .blob., and the app setting Real")
    assert host.get("real") == (500, "")
    host.command.read_until("real: it has written to the queue 'q' .msg., and the app setting Real names a server")


def test_an_azurite_that_does_not_run_is_named(host: Host) -> None:
    assert [host.get("down"), host.get("reads-down")] == [(500, "")] * 2
    host.command.read_until(
        r"down: it has written to the queue 'q' .msg., and Azurite does not answer at http://127.0.0.1:\d+; start it: npx azurite"
    )
    host.command.read_until(
        "reads_down: not called, as it reads the blob 'inbox/x' .blob., and Azurite does not answer at"
    )


def test_the_start_says_what_goes_where(host: Host) -> None:
    started, place = "\n".join(host.command.lines), r"-> Azurite http://127\.0\.0\.1:\d+"
    for line in (
        "blob       order reads inbox/{id}.txt ",
        "queue      tick writes Ticks ",
        "table      add writes Things ",
    ):
        assert re.search(re.escape(line) + place + "$", started, re.MULTILINE), started


def test_what_the_host_asks_is_not_in_the_apps_log(host: Host) -> None:
    assert host.get("as-text/a") == (200, "'grüße'")
    assert host.get("real") == (500, "")
    host.command.read_until("real: it has written")
    assert [line for line in host.command.lines if line.startswith("log ")] == []


@pytest.fixture(scope="module", params=WORKERS)
def streaming_host(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, filled: Azurite
) -> Iterator[Host]:
    settings = '{"version": "2.0", "extensions": {"queues": {"messageEncoding": "none"}}}'
    app = write_app(tmp_path_factory.mktemp("streaming"), STREAMING, settings)
    yield from running(app, request.param, filled)


def test_a_streaming_function_reads_and_writes__messages_not_encoded(streaming_host: Host) -> None:
    assert streaming_host.get("copy/a") == (200, "read grüße")
    read: Callable[[], Any] = lambda: streaming_host.azurite.messages("copies")  # noqa: E731
    wait_until(lambda: "copies" in [queue.name for queue in streaming_host.azurite.queues.list_queues()])
    assert wait_until(read) == ["copied grüße"]


def test_a_client_of_the_sdk_is_refused(streaming_host: Host) -> None:
    words = "blob is a client of Azure's SDK, and such bindings are not imitated: take bytes or str"
    assert f"refused    http client: {words}" in "\n".join(streaming_host.command.lines)
    assert streaming_host.get("client")[0] == 500
