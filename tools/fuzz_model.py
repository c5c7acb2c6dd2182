"""What tools/fuzz_ports.py sends to the model's port: heads, bodies, forms, batches, realtime events, control routes."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any

from fuzz_rig import DEAD_S, IDLE_S, Rig, Sent, Wrong, checked, form_of, port_of, request_bytes
from odd_inputs import HEADERS, METHODS, OddInputs, dumped
from valid_inputs import CHAT_BODY, EVENTS, FORMS, STUBS, VALID
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from mockserver.contract.operations import OPERATIONS, Operation
from mockserver.contract.violations import definitions

_PREFIXES = ["/v1"] * 6 + [
    "/openai/v1",
    "/openai/v1",
    "/models",
    "/api/projects/p/openai/v1",
    "/openai/deployments/gpt-4o",
    "/openai",
    "",
    "/v1/",
    "/openai/deployments/%ff",
]
_VERSIONS = [
    "2024-10-21",
    "2025-04-01-preview",
    "preview",
    "v1",
    "",
    "x",
    "9999-99-99",
    "%ff",
    "2024-10-21&api-version=2022-12-01",
]
_ODD_IDS = [
    "resp_x",
    "file-1",
    "vs_1",
    "\xff",
    "%ff",
    "%ed%a0%80",
    "%00",
    "..",
    "a" * 5000,
    "é",
    "%2f",
    "0",
    "gpt-4o",
    "{}",
    "ft:gpt-4o:x::y",
    "%20",
]


def op_path(odd: OddInputs, operation: Operation) -> str:
    """The path of an operation, with `{n}` for the n-th stored object, or an odd id."""
    path = operation.path
    for name in ("{model}", "{id}", "{item}"):
        path = path.replace(name, f"<{odd.pick(range(6))}>" if odd.often() < 0.6 else odd.pick(_ODD_IDS))
    prefix = odd.pick(_PREFIXES)
    query = odd.query()
    if prefix.startswith("/openai/d") or prefix in ("/openai", "/models"):
        query += f"{'&' if query else '?'}api-version={odd.pick(_VERSIONS)}"
    return f"{prefix}/{path}{query}"


def model_head(odd: OddInputs) -> tuple[str, bytes, bool]:
    """A head that may be none."""
    if odd.often() < 0.1:
        return (
            "head",
            odd.broken(
                odd.broken(b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 2\r\n\r\n{}")
            ),
            False,
        )
    target = odd.path() + odd.query() if odd.often() < 0.7 else op_path(odd, odd.pick(OPERATIONS))
    lines = [
        f"{odd.pick(METHODS)} {target} {odd.pick(['HTTP/1.1'] * 8 + ['HTTP/1.0', 'HTTP/2', '', 'http/1.1'])}".encode(
            "utf-8", "surrogatepass"
        ),
        b"host: 127.0.0.1",
        b"authorization: Bearer any",
        *odd.headers(3),
    ]
    body = odd.pick([b"", b"{}", b"0\r\n\r\n", b"5\r\nabc", b"ffffffffffffffffff\r\n", b"-1\r\n", CHAT_BODY.encode()])
    return "head", b"\r\n".join([*lines, b"", body]), False


def model_body(odd: OddInputs) -> tuple[str, bytes, bool]:
    """A request of an operation with a changed body."""
    operation = odd.pick([operation for operation in OPERATIONS if operation.method != "WEBSOCKET"])
    if odd.often() < 0.6:
        operation = odd.pick([operation for operation in OPERATIONS if operation.name in VALID])
    body = b""
    if operation.name in VALID:
        value = odd.pick(VALID[operation.name])
        if operation.request and odd.often() < 0.4:
            properties = list(_properties(operation.request))
            value = (
                {**value, **{odd.pick(properties): odd.scalar() for _ in range(odd.pick([1, 1, 2]))}}
                if properties
                else value
            )
            body = dumped(value).encode("utf-8", "surrogatepass")
        else:
            body = odd.json(value)
        for place in range(6):
            body = body.replace(b"{id}", b"<%d>" % place, 1)
    elif odd.often() < 0.2:
        body = odd.json({"a": 1})
    kind = [b"content-type: application/json"] if odd.often() < 0.95 else []
    return (
        operation.name,
        request_bytes(0, operation.method, op_path(odd, operation), [*kind, *_harmless(odd)], body),
        True,
    )


def _harmless(odd: OddInputs) -> list[bytes]:
    """OddInputs headers that leave the request one whole request."""
    names = (
        b"authorization",
        b"api-key",
        b"x-request-id",
        b"traceparent",
        b"openai",
        b"idempotency",
        b"accept",
        b"cookie",
        b"x-forwarded",
        b"x-ms",
        b"if-",
        b"range",
        b"content-type",
        b"content-encoding",
    )
    return [odd.pick([header for header in HEADERS if header.startswith(names)])] if odd.often() < 0.1 else []


def _properties(schema: str, level: int = 0) -> Iterator[str]:
    found = definitions("openai", requests=True).get(schema, {})
    yield from found.get("properties", {})
    for part in found.get("allOf", ()):
        yield from part.get("properties", {})
        if level < 4 and "$ref" in part:
            yield from _properties(part["$ref"].rpartition("/")[2], level + 1)


def attack_model(rig: Rig, made: tuple[str, bytes, bool]) -> None:
    """Send a request to the model."""
    label, data, whole = made
    port = port_of(rig.model.url)
    for place, name in enumerate(rig.ids):
        data = data.replace(b"<%d>" % place, name.encode())
    head, divider, body = data.partition(b"\r\n\r\n")
    if whole:
        head = re.sub(rb"content-length: \d+", b"content-length: %d" % len(body), head, count=1)
        head = head.replace(b"host: 127.0.0.1:0", b"host: 127.0.0.1:%d" % port)
    checked(port, Sent(label, head + divider + body, whole))
    if len(data) % 9 == 0:  # what has happened is looked at
        for view in ("journal", "timeline", "journal?prompt=x&turn=1"):
            checked(port, Sent(view, request_bytes(port, "GET", f"/__admin/{view}")))


def attack_strict_model(rig: Rig, made: tuple[str, bytes, bool]) -> None:
    """Send a request to the model that has recordings alone, or to the one that refuses next to nothing."""
    label, data, _ = made
    port = port_of((rig.strict_model if len(data) % 2 else rig.lenient_model).url)
    head, divider, body = data.partition(b"\r\n\r\n")
    head = re.sub(rb"content-length: \d+", b"content-length: %d" % len(body), head, count=1)
    checked(port, Sent(label, head.replace(b"host: 127.0.0.1:0", b"host: 127.0.0.1:%d" % port) + divider + body))
    if len(data) % 9 == 0:
        for view in ("journal", "timeline"):
            checked(port, Sent(view, request_bytes(port, "GET", f"/__admin/{view}")))


_FORM_PIECES = [b"--b", b"--b\r\n", b"--b--", b"\r\n", b"\r\n\r\n", b"Content-Disposition: form-data", b'Content-Disposition: form-data; name="', b"; filename*=UTF-8''%ff", b'; filename="\xff"', b'; name=""', b'name="a[b][c][d]"', b"Content-Type: \xff", b"Content-Transfer-Encoding: base64\r\n", b"Content-Length: -1\r\n",
    b"Content-Type: text/plain; charset=odd\r\n", b"Content-Type: text/plain; charset=utf-7\r\n", b"Content-Type: text/plain; charset=idna\r\n", b"Content-Type: text/plain; charset=unicode_escape\r\n", b"Content-Type: multipart/mixed; boundary=c\r\n", b"\x00", b"x" * 20_000]  # fmt: skip


def model_form(odd: OddInputs) -> tuple[str, bytes, bool]:
    """A changed form for an operation that takes one."""
    operation = odd.pick([operation for operation in OPERATIONS if operation.name in FORMS])
    fields: dict[str, Any] = dict(FORMS[operation.name])
    for _ in range(odd.pick([0, 1, 1, 2])):
        name = odd.pick(list(fields))
        match odd.pick(["odd", "odd", "odd", "gone", "bytes", "name", "line"]):
            case "odd":
                fields[name] = str(odd.scalar())
            case "gone":
                del fields[name]
                if not fields:
                    break
            case "bytes":
                value = fields[name]
                fields[name] = odd.broken(value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass"))
            case "name":
                fields[
                    name.split("[")[0]
                    + odd.pick(["[]", "[a]", "[a][b]", "[", "]", "[]]", "\ud800", "[\ud800]", '"', "\r\n"])
                ] = fields.pop(name)
            case "line":
                line = {
                    "custom_id": "1",
                    "method": "POST",
                    "url": "/v1/responses",
                    "body": odd.pick(VALID["createResponse"]),
                }
                fields[name] = b"\n".join(odd.json(line) for _ in range(odd.pick([1, 2, 5])))
    body, kind = form_of(fields, odd.pick([b"b"] * 9 + [b"x" * 80, b"\xff", b"a b"]))
    if odd.often() < 0.5:
        for _ in range(odd.pick([1, 2])):
            place = odd.chance.randrange(len(body) + 1)
            body = body[:place] + odd.pick(_FORM_PIECES) + body[place + odd.pick([0, 0, 5]) :]
        body = odd.broken(body) if odd.often() < 0.2 else body
    kind = odd.pick(
        [kind] * 12
        + [
            kind.replace(b"=b", b'="b"'),
            b"multipart/form-data",
            b"multipart/mixed; boundary=b",
            kind + b"; charset=odd",
            kind + b"; boundary=c",
            b"multipart/form-data; boundary*=utf-9''b",
            b"multipart/form-data; boundary*=odd''%ff",
        ]
    )
    return operation.name, request_bytes(0, "POST", f"/v1/{operation.path}", [b"content-type: " + kind], body), True


def model_batch(odd: OddInputs) -> list[bytes]:
    """The lines of a batch's file."""
    operations = [
        ("/v1/responses", "createResponse"),
        ("/v1/chat/completions", "createChatCompletion"),
        ("/v1/embeddings", "createEmbedding"),
    ]
    url, name = odd.pick(operations)
    line = {"custom_id": "1", "method": "POST", "url": url, "body": odd.pick(VALID[name])}
    return [url.encode(), b"\n".join(odd.json(line) for _ in range(odd.pick([1, 2, 5])))]


def attack_batch(rig: Rig, made: list[bytes]) -> None:
    """Have a batch of odd lines made, and read its answers."""
    port = port_of(rig.model.url)
    body, kind = form_of({"file": made[1], "purpose": "batch"})
    answer = checked(
        port, Sent("createFile", request_bytes(port, "POST", "/v1/files", [b"content-type: " + kind], body))
    )
    name = re.search(rb'"id":\s*"(file-[^"]+)"', answer)
    if name is None:
        return
    asked = {"input_file_id": name[1].decode(), "endpoint": made[0].decode(), "completion_window": "24h"}
    answer = checked(
        port,
        Sent(
            "createBatch",
            request_bytes(port, "POST", "/v1/batches", [b"content-type: application/json"], json.dumps(asked).encode()),
        ),
    )
    batch = re.search(rb'"id":\s*"(batch_[^"]+)"', answer)
    if batch is None:
        return
    answer = checked(port, Sent("retrieveBatch", request_bytes(port, "GET", f"/v1/batches/{batch[1].decode()}")))
    for output in re.findall(rb'"(?:output|error)_file_id":\s*"([^"]+)"', answer):
        checked(port, Sent("downloadFile", request_bytes(port, "GET", f"/v1/files/{output.decode()}/content")))


def model_realtime(odd: OddInputs) -> list[bytes]:
    """The path of a session, and its frames."""
    path = odd.pick(
        ["/v1/realtime?model=gpt-realtime"] * 5
        + [
            "/openai/realtime?api-version=2024-10-01-preview&deployment=gpt-4o",
            "/openai/v1/realtime?model=x",
            "/v1/realtime",
            "/v1/realtime?model=%ff",
            "/v1/realtime?model=%ed%a0%80",
        ]
    )
    return [path.encode(), *(odd.json(odd.pick(EVENTS)) for _ in range(odd.pick([1, 2, 3, 6])))]


def attack_realtime(rig: Rig, made: list[bytes]) -> None:
    """Hold a realtime session; other requests are still answered after it."""
    url = rig.model.url.replace("http", "ws", 1) + made[0].decode()
    try:
        with connect(
            url, additional_headers={"authorization": "Bearer any"}, max_size=None, close_timeout=1
        ) as session:
            for frame in made[1:]:
                text: str | bytes = frame
                with contextlib.suppress(UnicodeDecodeError):
                    text = frame.decode()
                session.send(text)
            session.send('{"type":"input_audio_buffer.clear"}')
            _drain(session, until="input_audio_buffer.cleared", within_s=DEAD_S / 2)
            _drain(session, until="", within_s=IDLE_S)
    except (WebSocketException, ConnectionError):
        pass
    checked(port_of(rig.model.url), Sent("health", request_bytes(port_of(rig.model.url), "GET", "/__admin/health")))


def _drain(session: ClientConnection, *, until: str, within_s: float) -> None:
    try:
        while not until or f'"type":"{until}"' not in str(session.recv(timeout=within_s)):
            if not until:
                session.recv(timeout=within_s)
    except TimeoutError:
        if until:
            raise Wrong("no answer", "realtime session") from None


_CONTROL = [
    "health",
    "crashes",
    "reset",
    "scopes",
    "scopes/x",
    "stubs",
    "scenarios",
    "clock",
    "journal",
    "journal/verify",
    "timeline",
    "x",
    "",
]
_CONTROL_BODIES: dict[str, list[Any]] = {
    "scopes": [{"scenario": "slow"}, {}], "scenarios": [{"chosen": "slow"}, {"chosen": None}], "clock": [{"frozen": True}, {"advance_s": 60}, {"frozen": False, "advance_s": 1}], "stubs": [[stub] for stub in STUBS],
}  # fmt: skip


def model_control(odd: OddInputs) -> tuple[str, bytes, bool]:
    """A request for a control route."""
    route = (
        odd.pick(_CONTROL)
        if odd.often() < 0.6
        else odd.pick(["scopes", "stubs", "scenarios", "clock", "journal", "journal/verify"])
    )
    method = (
        odd.pick(["GET", "POST", "POST", "DELETE", "PUT", "OPTIONS"])
        if route not in ("journal", "journal/verify", "timeline")
        else "GET"
    )
    body = odd.json(odd.pick(_CONTROL_BODIES[route])) if route in _CONTROL_BODIES else b""
    token = odd.pick(
        [[b"x-mockserver-token: <token>"]] * 6 + [[], [b"x-mockserver-token: \xff"], [b"x-mockserver-token: "]]
    )
    scope = odd.pick([[]] * 9 + [[b"x-mockserver-scope: none"], [b"x-mockserver-scope: \xff"]])
    query = (
        odd.query() if route not in ("journal/verify",) else f"?within_s=0.01&times=0{odd.query().replace('?', '&')}"
    )
    return route, request_bytes(0, method, f"/__admin/{route}{query}", [*token, *scope], body), True


def attack_control(rig: Rig, made: tuple[str, bytes, bool]) -> None:
    """Use a control route, and then ask the model under what was said."""
    label, data, whole = made
    attack_model(rig, (label, data.replace(b"<token>", rig.model.token.encode()), whole))
    rig.model.clock.resume()
    if label in ("stubs", "scenarios", "scopes"):
        port = port_of(rig.model.url)
        for name in ("createChatCompletion", "createResponse"):
            for stream in (False, True):
                body = json.dumps({**VALID[name][0], "stream": stream}).encode()
                path = "/v1/responses" if name == "createResponse" else "/v1/chat/completions"
                sent = Sent(
                    f"{label}, then {name}",
                    request_bytes(port, "POST", path, [b"content-type: application/json"], body),
                    whole=False,
                )
                checked(port, sent, may_fail=True)
        rig.model.simulation.reset()
