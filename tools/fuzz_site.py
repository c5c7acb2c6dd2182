"""What tools/fuzz_ports.py sends to the site's port and the Functions host's, and how servers behind the site answer."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import json
import re
import time
import zlib
from typing import Any

from fuzz_rig import Rig, Sent, Wrong, checked, exchange, form_of, port_of, request_bytes
from odd_answers import answers
from odd_inputs import HEADERS, METHODS, OddInputs
from valid_inputs import CHAT_BODY, LOGIN, PRINCIPAL, SITE, STREAM, TICKET, TICKET_KEY

from mockserver.swa.session import SESSION_COOKIE


def site_request(odd: OddInputs) -> tuple[str, bytes, bool]:
    """A request for any path, of anybody."""
    if odd.often() < 0.05:
        return (
            "head",
            odd.broken(b"GET /.auth/me HTTP/1.1\r\nhost: 127.0.0.1\r\ncookie: StaticWebAppsAuthCookie=x\r\n\r\n"),
            False,
        )
    target = odd.path() + odd.query()
    cookies = [
        f"cookie: {SESSION_COOKIE}=".encode() + value
        for value in (
            b"<alice>",
            b"<carol>",
            b"x",
            b"\xff",
            b"2~x",
            b"99~<alice>",
            "²~x".encode(),
            "٣~x".encode(),
            b"<alice>x",
            b"W10.x",
            b"",
        )
    ]
    lines = [
        f"{odd.pick(METHODS)} {target} HTTP/1.1".encode("utf-8", "surrogatepass"),
        b"host: 127.0.0.1",
        *odd.headers(3),
    ]
    if odd.often() < 0.5:
        lines.append(odd.pick(cookies))
    return "head", b"\r\n".join([*lines, b"", odd.pick([b"", b"{}", b"0\r\n\r\n", b"a=b"])]), False


_TARGETS = ["/", "/x?y#z", "//evil", "http://[", "\\", "\x00", "/\r\nx: y", "/é", "/%ff", "http://127.0.0.1:<port>/a", ".referrer",
    "x" * 9000, "\ud800", "/\\evil", "javascript:x"]  # fmt: skip


def site_form(odd: OddInputs) -> tuple[str, bytes, bool]:
    """A sign-in by form or by JSON, or a sign-out."""
    origin = odd.pick(
        [[b"origin: http://127.0.0.1:<port>"]] * 8
        + [[], [odd.pick([header for header in HEADERS if header.startswith((b"origin", b"sec-fetch"))])]]
    )
    if odd.often() < 0.5:
        body = odd.json(odd.pick(LOGIN))
        return (
            "login",
            request_bytes(0, "POST", "/__mock/login", [b"content-type: application/json", *origin], body),
            True,
        )
    fields: dict[str, Any] = (
        {"persona": "alice"}
        if odd.often() < 0.4
        else {
            "userDetails": "ada",
            "userId": "7",
            "userRoles": "admin boss",
            "claims": '[{"typ": "a", "val": "b"}]',
            "expires_in_s": "60",
            "simulate": "",
        }
    )
    fields["post_login_redirect_uri"] = odd.pick(_TARGETS)
    for _ in range(odd.pick([0, 1, 1, 2])):
        fields[odd.pick(list(fields))] = (
            odd.json([{"typ": "a", "val": "b"}]).decode("latin-1") if odd.often() < 0.3 else str(odd.scalar())
        )
    pairs = "&".join(f"{name}={_quoted(value)}" for name, value in fields.items())
    path = odd.pick(
        ["/.auth/login/aad"] * 6 + ["/.auth/login/github", "/.auth/login/x", "/.auth/logout", "/__mock/expire"]
    )
    if odd.often() < 0.3:
        return "form", request_bytes(0, "GET", f"{path}?{pairs[:5000]}", origin), True
    if odd.often() < 0.3:
        body, kind = form_of(fields)
        return (
            "form",
            request_bytes(
                0, "POST", path, [b"content-type: " + kind, *origin], odd.broken(body) if odd.often() < 0.3 else body
            ),
            True,
        )
    return (
        "form",
        request_bytes(0, "POST", path, [b"content-type: application/x-www-form-urlencoded", *origin], pairs.encode()),
        True,
    )


def _quoted(text: str) -> str:
    return "".join(
        f"%{byte:02x}" if byte > 126 or byte < 33 or byte in b"&=%+#?" else chr(byte)
        for byte in text.encode("utf-8", "surrogatepass")
    )


def attack_site(rig: Rig, made: tuple[str, bytes, bool]) -> None:
    """Send a request to the site."""
    label, data, whole = made
    port = rig.fenced_site if len(data) % 3 == 0 else rig.site
    rig.upstream_answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    for name in ("alice", "carol"):
        data = data.replace(
            b"<%b>" % name.encode(), rig.sessions.cookie(rig.personas[name].principal("aad"), 9000).encode()
        )
    data = data.replace(b"<port>", str(port).encode())
    head, divider, body = data.partition(b"\r\n\r\n")
    if whole:
        head = re.sub(rb"content-length: \d+", b"content-length: %d" % len(body), head, count=1).replace(
            b"host: 127.0.0.1:0", b"host: 127.0.0.1:%d" % port
        )
    checked(port, Sent(label, head + divider + body, whole))


_UPSTREAM_HEADERS = [b"content-length: 2", b"content-length: 5", b"content-length: -1", b"content-length: x", b"transfer-encoding: chunked", b"content-type: text/event-stream", b"content-type: \xff", b"content-encoding: gzip", b"content-encoding: deflate", b"content-encoding: br", b"content-encoding: zstd", b"content-encoding: odd", b"location: http://[", b"location: \xff", b"location: http://127.0.0.1:99999/",
    b"location: //", b"set-cookie: \xff", b"set-cookie: a=b; Domain=", b"connection: upgrade\r\nupgrade: websocket", b"x: \x00", b": x", b"no colon", b"date: x", b"content-type: application/json", b"retry-after: \xff", b"x-request-id: \xff", b"x: " + b"y" * 70_000]  # fmt: skip


def upstream_answer(odd: OddInputs) -> list[bytes]:
    """Which path is asked for, and what the server behind answers."""
    status = odd.pick(
        [b"200 OK"] * 10
        + [
            b"204 No Content",
            b"304 Not Modified",
            b"101 Switching Protocols",
            b"100 Continue",
            b"302 Found",
            b"500 Oh",
            b"999 Odd",
            b"000 x",
            b"abc",
            b"200",
            b"600 x",
            b"199 x",
            b"200 \xff",
            b"429 x",
        ]
    )
    body = odd.pick(
        [
            b"ok",
            b"",
            STREAM.encode(),
            b"{}",
            b"5\r\nhello\r\n0\r\n\r\n",
            b"5\r\nhel",
            b"zz\r\n",
            b"ffffffffffffffffffff\r\n",
            gzip.compress(b"{}", mtime=0),
            gzip.compress(b"{}", mtime=0)[:12],
            zlib.compress(b"{}"),
            b"\x1f\x8b\xff",
            b"data: \xff\n\n",
            b"data: " + b"[" * 3000 + b"\n\n",
            gzip.compress(STREAM.encode(), mtime=0),
            odd.json(
                {"choices": [{"message": {"content": "x"}}], "usage": {"total_tokens": 1}, "error": {"message": "m"}}
            ),
            odd.broken(STREAM.encode()),
            *[odd.json({"roles": ["admin", "boss"]})] * 3,
            *[odd.pick(answers()).body(odd).encode()] * 6,
        ]
    )
    lines = [
        odd.pick([b"HTTP/1.1 ", b"HTTP/1.1 ", b"HTTP/1.1 ", b"HTTP/1.0 ", b"HTTP/9 ", b"", b"\xff"]) + status,
        *odd.chance.sample(_UPSTREAM_HEADERS, odd.pick([0, 1, 1, 2, 3])),
    ]
    answer = b"\r\n".join([*lines, b"", body])
    return [
        odd.pick([b"api", b"dev", b"record", b"record", b"roles"]),
        odd.broken(answer) if odd.often() < 0.15 else answer,
    ]


def attack_upstream(rig: Rig, made: list[bytes]) -> None:
    """Ask for what the server behind answers."""
    where, rig.upstream_answer = made[0].decode(), made[1]
    if where == "record":
        port = port_of(rig.recording_model.url)
        checked(
            port,
            Sent(
                f"upstream, {where}",
                request_bytes(
                    port, "POST", "/v1/chat/completions", [b"content-type: application/json"], CHAT_BODY.encode()
                ),
            ),
            may_fail=True,
        )
        for file in (rig.folder / "made").glob("*.yaml"):
            file.unlink()
        return
    if where == "roles":
        port, body = rig.fenced_site, json.dumps(LOGIN[1]).encode()
        sent = request_bytes(port, "POST", "/__mock/login", [b"content-type: application/json"], body)
        checked(port, Sent("upstream, roles", sent))
        return
    port = rig.site if where == "api" else rig.dev_site
    checked(
        port,
        Sent(f"upstream, {where}", request_bytes(port, "GET", "/api/x" if where == "api" else "/x")),
        may_fail=True,
    )


# --- the Functions host and our API ----------------------------------------------------------------------------------


def api_request(odd: OddInputs) -> list[Any]:
    """A route, whether the app is direct, its headers and its body."""
    direct = odd.often() < 0.4
    route = odd.pick(
        ["chat_completions"] * 4
        + (["health"] if direct else ["chat_ticket", "chat_ticket", "chat_feedback", "config", "me", "roles", "health"])
    )
    valid: dict[str, Any] = {
        "chat_completions": odd.pick(
            [
                {
                    "messages": [{"role": "user", "content": "x"}],
                    "stream": True,
                    "stream_options": {"include_usage": True},
                },
                {
                    "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "x"}],
                    "model": "gpt-4o-mini",
                    "temperature": 1,
                    "max_tokens": 5,
                },
            ]
        ),
        "chat_feedback": {"request_id": "r-1", "rating": "down", "reason": "wrong"},
        "chat_ticket": {"sha256": "0" * 64},
        "roles": {"userDetails": "a@b.c", "userId": "1", "identityProvider": "aad", "claims": []},
    }
    body = odd.json(valid[route]) if route in valid else b""
    headers: dict[str, bytes] = {"content-type": b"application/json"}
    principal = odd.json(PRINCIPAL) if odd.often() < 0.5 else json.dumps(PRINCIPAL).encode()
    headers["x-ms-client-principal"] = base64.b64encode(principal) if odd.often() < 0.95 else principal
    headers["x-ms-original-url"] = odd.pick(
        [f"{SITE}/api/x".encode()] * 6 + [b"http://[", b"//", b"x", b"http://\xff", b"http://[::1]:x"]
    )
    headers["origin"] = odd.pick([SITE.encode()] * 6 + [b"http://[", b"null", b"\xff", b""])
    if odd.often() < 0.2:
        name, _, value = odd.pick(HEADERS).partition(b": ")
        headers[name.decode("latin-1")] = value
    ticket = odd.json(TICKET) if odd.often() < 0.6 else json.dumps(TICKET).encode()
    return [
        route,
        direct,
        {name: value.decode("latin-1") for name, value in headers.items()},
        body.decode("latin-1"),
        ticket.decode("latin-1"),
        odd.often() < 0.8,
    ]


def signed(ticket: bytes, body: bytes, *, fits: bool) -> str:
    """A ticket with our signature, for the body where it `fits`."""
    if fits:
        ticket = ticket.replace(b"0" * 64, hashlib.sha256(body).hexdigest().encode())
    payload = base64.urlsafe_b64encode(ticket)
    signature = base64.urlsafe_b64encode(hmac.digest(TICKET_KEY.encode(), b"chat-ticket-v1." + payload, "sha256"))
    return f"{payload.decode()}.{signature.decode().rstrip('=')}"


_API_PATHS = {"chat_completions": "chat/completions", "chat_feedback": "chat/feedback", "chat_ticket": "chat/ticket"}


def attack_functions(rig: Rig, made: list[Any]) -> None:
    """Call a function of our API."""
    name, direct, headers, body, ticket, fits = made
    port = rig.functions["direct" if direct else "linked"]
    data = body.encode("latin-1")
    if direct:
        headers = {**headers, "x-chat-ticket": signed(ticket.encode("latin-1"), data, fits=fits)}
    lines = [
        f"{key}: {value}".encode("latin-1")
        for key, value in headers.items()
        if "\r" not in value
        and "\n" not in value
        and key not in ("content-length", "transfer-encoding", "expect", "upgrade", "host", "connection")
    ]
    method = "GET" if name in ("config", "me", "health") else "POST"
    rig.told.clear()
    answer = exchange(
        port, Sent(f"functions {name}", request_bytes(port, method, f"/api/{_API_PATHS.get(name, name)}", lines, data))
    )
    if answer[9:12] == b"500":
        end = time.monotonic() + 1
        while not (errors := [record.error for record in rig.told if record.error]) and time.monotonic() < end:
            time.sleep(0.005)
        raise Wrong(f"500 {' '.join(errors)}", f"functions {name}")


def functions_head(odd: OddInputs) -> tuple[str, bytes, bool]:
    """A head for the Functions host."""
    target = (
        odd.pick(
            [
                "/api/health",
                "/api/me",
                "/api/config",
                "/",
                "/api",
                "/api/chat/completions",
                "/admin/host/status",
                odd.path(),
            ]
        )
        + odd.query()
    )
    lines = [
        f"{odd.pick(METHODS)} {target} HTTP/1.1".encode("utf-8", "surrogatepass"),
        b"host: 127.0.0.1",
        *odd.headers(3),
    ]
    return "head", b"\r\n".join([*lines, b"", odd.pick([b"", b"{}", b"0\r\n\r\n"])]), False


def attack_functions_head(rig: Rig, made: tuple[str, bytes, bool]) -> None:
    """Send it."""
    checked(rig.functions["linked"], Sent(*made))
