"""Looks for a way past the gate: odd bytes on raw connections, and what reaches the servers behind it.

tools/wire_fuzz.py [EXCHANGES] [SEED]    100,000 exchanges by default

Behind the gate stands a server that is the dev server and the API at once and keeps every byte. Two parsers, which are not the
gate's own settings, read those bytes as requests. Each request must be one that the gate has decided to let through, and the
principal with it the one whose cookie it had. Nothing else may arrive: not by upgrades, pipelining, smuggling or odd forms.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import random
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote_to_bytes

import h11
import httptools

from mockserver.clock import SystemClock
from mockserver.flask_apps.site_app import create_app
from mockserver.fronts.gate import SiteFront
from mockserver.journal.entry import Entry
from mockserver.journal.journal import Journal
from mockserver.swa.personas import load_personas
from mockserver.swa.session import SESSION_COOKIE, Sessions
from mockserver.swa.static_web_app import load_static_web_app
from mockserver.wire.server import Servers, bind, url_of

CONFIG = {
    "routes": [
        {"route": "/admin*", "allowedRoles": ["admin"]},
        {"route": "/members/*", "allowedRoles": ["authenticated"]},
        {"route": "/api/secret*", "allowedRoles": ["admin"]},
        {"route": "/hidden", "rewrite": "/admin/page"},
    ],
    "navigationFallback": {"rewrite": "/index.html", "exclude": ["/img/*"]},
}
AT_ONCE, EXCHANGES = 24, 100_000
_IDLE_S = 0.06
_TOKEN = re.compile(rb"t\d+x\d+")
#: How the gate says that it let a request through to a server.
_THROUGH = ("file", "api")


@dataclass
class Seen:
    """What reached the servers behind the gate: each connection's bytes."""

    connections: list[bytearray] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Keep what comes, and answer each request; agree to every protocol. What follows in one other than WebSocket counts."""
        kept = bytearray()
        self.connections.append(kept)
        answered = 0
        try:
            while data := await reader.read(65536):
                kept += data
                while (end := kept.find(b"\r\n\r\n", answered)) >= 0:
                    head = bytes(kept[answered:end]).lower()
                    length = re.search(rb"content-length: *(\d+)", head)
                    answered = end + 4 + (int(length[1]) if length else 0)
                    wanted = re.search(rb"\r\nupgrade: *(\S+)", head)
                    if wanted is not None:
                        writer.write(
                            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: %b\r\n\r\n"
                            % wanted[1]
                        )
                    if wanted is not None and wanted[1] == b"websocket":
                        del kept[answered:]
                        while await reader.read(65536):  # frames from now on, whatever they look like
                            pass
                        return
                    body = b"" if head.startswith(b"head ") else b"ok"
                    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\n" + body)
        except ConnectionError:
            pass
        finally:
            writer.close()


def requests_in(data: bytes) -> Iterator[tuple[bytes, bytes | None]]:
    """The targets of the requests in a connection's bytes, each with its principal, as two parsers read them."""
    server = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    server.receive_data(data)
    with contextlib.suppress(h11.ProtocolError):
        while isinstance(event := server.next_event(), h11.Request | h11.Data | h11.EndOfMessage):
            if isinstance(event, h11.Request):
                yield event.target, dict(event.headers).get(b"x-ms-client-principal")
            elif isinstance(event, h11.EndOfMessage):
                server.send(h11.Response(status_code=200, headers=[]))
                server.send(h11.EndOfMessage())
                server.start_next_cycle()
    parsed = _Parsed()
    with contextlib.suppress(httptools.HttpParserError, httptools.HttpParserUpgrade):
        httptools.HttpRequestParser(parsed).feed_data(data)
    yield from parsed.found


class _Parsed:
    def __init__(self) -> None:
        self.found: list[tuple[bytes, bytes | None]] = []

    def on_url(self, url: bytes) -> None:
        self.found.append((url, None))

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"x-ms-client-principal":
            self.found[-1] = (self.found[-1][0], value)


# --- odd requests ----------------------------------------------------------------------------------------------------

PATHS = ["/", "/admin/{}", "/admin{}", "/ADMIN/{}", "/members/{}", "/api/{}", "/api/secret/{}", "/API/Secret/{}", "/hidden", "/ws/{}",
         "//admin/{}", "/./admin/{}", "/x/../admin/{}", "/%61dmin/{}", "/admin%2f{}", "/%2e%2e/admin/{}", "/admin;x/{}", "/x%00/{}",
         "/public/{}", "/img/{}", "/admin\\{}", "/.auth/me?{}", "/a?/admin/{}", "/a#/admin/{}", "*", "admin/{}", "http://127.0.0.1/admin/{}",
         "http://evil.example/admin/{}", "//evil.example/{}", "127.0.0.1:80", "/admin/{}?x=\x01", "/é/{}"]  # fmt: skip
USUAL_PATHS = ["/public/{}", "/admin/{}", "/api/{}", "/api/secret/{}", "/members/{}", "/ws/{}"]
METHODS = [
    *["GET"] * 12,
    "POST",
    "POST",
    "PUT",
    "HEAD",
    "OPTIONS",
    "CONNECT",
    "TRACE",
    "PRI",
    "get",
    "G\x00T",
    "GET ",
    " GET",
]
VERSIONS = [*["HTTP/1.1"] * 14, "HTTP/1.0", "HTTP/2.0", "HTTP/1.9", "http/1.1", "HTTP/1.1 ", ""]
HEADERS = [
    "upgrade: h2c\r\nconnection: Upgrade, HTTP2-Settings\r\nhttp2-settings: AAMAAABkAAQ", "upgrade: websocket\r\nconnection: Upgrade",
    "upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13",
    "upgrade: WebSocket, h2c\r\nconnection: upgrade", "connection: close", "connection: keep-alive, x-ms-client-principal", "connection: cookie",
    "expect: 100-continue", "te: trailers", "trailer: cookie", "transfer-encoding: chunked", "transfer-encoding : chunked",
    "transfer-encoding: xchunked", "transfer-encoding: chunked, identity", "Transfer-Encoding:\tchunked", "content-length: 0",
    "content-length: 5\r\ncontent-length: 0", "content-length: +5", "content-length: 5, 5", "content-length: 0x5", "content-length: 00005",
    "x-original-url: /admin/x", "x-rewrite-url: /admin/x", "x-forwarded-host: evil.example", "x-ms-client-principal: eyJ1c2VyUm9sZXMiOlsiYWRtaW4iXX0=",
    "x_ms_client_principal: eyJ1c2VyUm9sZXMiOlsiYWRtaW4iXX0=", "x-ms-client-principal : forged", " folded: header", "x: a\r\n folded", "no colon",
    "x: \x00", "x\n: y", "host: evil.example", "host:", "range: bytes=0-1,2-3", "origin: https://evil.example", "sec-fetch-site: cross-site",
]  # fmt: skip
ENDS = [*["\r\n"] * 12, "\n", "\r"]


class Odd:
    """Odd bytes from one source of chance; every path that a request asks for has a name of its own."""

    def __init__(self, chance: random.Random, cookies: list[str], number: int) -> None:
        self.chance, self.cookies, self.number, self.count = chance, cookies, number, 0

    def connection(self) -> list[bytes]:
        """Everything that a client sends on one connection: one request or several."""
        return [self.request() for _ in range(self.chance.choice([1, 1, 2, 2, 3]))]

    def request(self, depth: int = 0) -> bytes:
        """One request, perhaps with another as its body."""
        pick, end = self.chance.choice, "\r\n"
        self.count += 1
        name = f"t{self.number}x{self.count}"
        if self.chance.random() < 0.6:  # a usual request with one odd header: what a server is most likely to take
            lines = [f"GET {pick(USUAL_PATHS).format(name)} HTTP/1.1", "host: 127.0.0.1", pick(HEADERS)]
        else:
            end = pick(ENDS)
            lines = [f"{pick(METHODS)} {pick(PATHS).format(name)} {pick(VERSIONS)}", "host: 127.0.0.1"]
            lines += self.chance.sample(HEADERS, pick([0, 0, 1, 1, 2, 3]))
        if self.chance.random() < 0.6:
            lines.append(f"cookie: {pick(self.cookies)}")
        body = b""
        if depth == 0 and self.chance.random() < 0.4:
            inner = self.request(1) if self.chance.random() < 0.7 else b"x" * pick([0, 4, 5, 300])
            kind = pick(["length", "short", "long", "chunked", "broken chunks", "both", "none"])
            body, framing = _framed(kind, inner, self.chance)
            lines += framing
        self.chance.shuffle(lines[2:])
        return end.join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body


def _framed(kind: str, inner: bytes, chance: random.Random) -> tuple[bytes, list[str]]:
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(inner), inner)
    match kind:
        case "length":
            return inner, [f"content-length: {len(inner)}"]
        case "short":
            return inner, [f"content-length: {max(0, len(inner) - 3)}"]
        case "long":
            return inner, [f"content-length: {len(inner) + 7}"]
        case "chunked":
            trailer = chance.choice([b"", b"cookie: x=y\r\n", b"x-ms-client-principal: forged\r\n"])
            return chunked[:-2] + trailer + b"\r\n", ["transfer-encoding: chunked"]
        case "broken chunks":
            size = chance.choice([b"ffffffffffffffff", b"-1", b"5;ext=1", b"0x5", b" 5", b"5\n"])
            return size + b"\r\n" + inner + b"\r\n0\r\n\r\n", ["transfer-encoding: chunked"]
        case "both":
            return chunked, [f"content-length: {chance.choice([0, 4, len(chunked)])}", "transfer-encoding: chunked"]
    return inner, []


# --- the comparison --------------------------------------------------------------------------------------------------


async def send(port: int, requests: list[bytes], chance: random.Random) -> None:
    """Send requests in pieces, some only after what came for the one before; read what comes, and leave, sometimes early."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return
    try:
        for number, data in enumerate(requests):
            cut = sorted(chance.sample(range(1, len(data)), min(len(data) - 1, chance.choice([0, 0, 1, 3]))))
            for start, stop in zip([0, *cut], [*cut, len(data)], strict=True):
                writer.write(data[start:stop])
                await writer.drain()
                await asyncio.sleep(0)
            if number < len(requests) - 1 and chance.random() < 0.5:
                await asyncio.wait_for(reader.read(65536), _IDLE_S)
        if chance.random() < 0.95:
            while await asyncio.wait_for(reader.read(65536), _IDLE_S):
                pass
    except (OSError, TimeoutError):
        pass
    finally:
        writer.close()


async def fuzz(exchanges: int, seed: int) -> list[str]:
    """Every request that arrived and was not let through, or with another principal."""
    seen, journal = Seen(), Journal()
    upstream = await asyncio.start_server(seen.serve, "127.0.0.1", 0)
    url, clock = f"http://127.0.0.1:{upstream.sockets[0].getsockname()[1]}", SystemClock()
    sessions, personas = Sessions("fuzz", clock), load_personas()
    cookies = [
        f"{SESSION_COOKIE}={sessions.cookie(personas[name].principal('aad'), 9000)}" for name in ("alice", "carol")
    ]
    cookies += [
        f"{SESSION_COOKIE}=forged",
        "x=y",
        f"{SESSION_COOKIE}={Sessions('other', clock).cookie(personas['carol'].principal('aad'), 9000)}",
    ]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "staticwebapp.config.json").write_text(json.dumps(CONFIG))
        site = load_static_web_app(
            url, personas=personas, sessions=sessions, clock=clock, api_urls=(url,), config=Path(folder)
        )
    front, sock = SiteFront(create_app(site), site, records=journal.records), bind(0, "the fuzzer")
    servers = Servers((front, sock), at_end=front.close)
    servers.start()
    port, sent = int(url_of(sock).rpartition(":")[2]), 0
    problems: list[str] = []
    wait_until_full = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, requests: list[bytes]) -> None:
        async with wait_until_full:
            await send(port, requests, random.Random(number))  # noqa: S311  to be repeated, not secret

    number = 0
    while sent < exchanges:
        tasks = []
        for _ in range(400):
            odd = Odd(random.Random(f"{seed} {number}"), cookies, number)  # noqa: S311
            requests = odd.connection()
            sent += odd.count
            tasks.append(asyncio.create_task(one(number, requests)))
            number += 1
        await asyncio.gather(*tasks)
        problems += compare(seen, journal)
        seen.connections = [kept for kept in seen.connections[-64:] if kept]
        if number % 8000 == 0 or problems:
            print(f"{sent:8,} requests sent on {number:,} connections, {len(problems)} problems", flush=True)
        if problems:
            break
    servers.stop()
    upstream.close()
    print(
        f"{sent:,} requests sent on {number:,} connections, {COUNTS['arrived']:,} arrived behind the gate, {len(problems)} problems"
    )
    return problems


COUNTS: Counter[str] = Counter()


#: What no decision lets anybody but an admin have, in any form that a server behind may read as it.
_GUARDED = re.compile(rb"/+admin|/+(?i:api/+secret)")


def compare(seen: Seen, entries: Iterable[Entry]) -> Iterator[str]:
    """Compare what arrived with what was let through; each connection's bytes are compared once more until it is forgotten."""
    let_through: dict[bytes, set[str]] = {}
    for entry in entries:
        if entry.answer is not None and entry.answer.decided_by in _THROUGH:
            for token in _TOKEN.findall(entry.request.raw_path.encode() + entry.request.query.encode()):
                let_through.setdefault(token, set()).add(entry.persona or "")
    for kept in seen.connections:
        for target, principal in requests_in(bytes(kept)):
            COUNTS["arrived"] += 1
            for token in _TOKEN.findall(target):
                if token not in let_through:
                    yield f"{target!r} arrived, and no decision let it through"
                elif _GUARDED.match(unquote_to_bytes(target)) and "carol" not in let_through[token]:
                    yield f"{target!r} arrived, which only carol may have, and was let through for {let_through[token]}"
                elif principal is not None and _name(principal) not in let_through[token]:
                    yield f"{target!r} arrived for {_name(principal)!r}, and was let through for {let_through[token]}"


def _name(principal: bytes) -> str:
    try:
        return str(json.loads(base64.b64decode(principal))["userDetails"]).partition("@")[0]
    except (ValueError, KeyError, TypeError):
        return repr(principal)


def main() -> None:
    """Run, and end with 1 if anything got past."""
    exchanges = int(sys.argv[1]) if len(sys.argv) > 1 else EXCHANGES
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)  # noqa: S311
    print(f"seed {seed}", flush=True)
    problems = asyncio.run(fuzz(exchanges, seed))
    for problem in problems[:20]:
        print(problem)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
