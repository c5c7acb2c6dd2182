"""Odd inputs by chance: values, documents, requests and bytes, most of them valid ones that were changed."""

from __future__ import annotations

import base64
import contextlib
import copy
import json
import random
import re
from collections.abc import Iterator, Sequence
from typing import Any


class Raw(str):
    """A text that stands in a document as it is, without quotes."""

    __slots__ = ()


def nested(count: int, begin: str = "[", end: str = "]", core: str = "") -> Raw:
    """Lists in lists, or whatever `begin` begins."""
    return Raw(begin * count + core + end * count)


NUMBERS = [*map(Raw, ["9" * 4000, "-" + "9" * 4000, "9" * 4400, "1" + "0" * 400, "1e400", "-1e400", "NaN", "Infinity", "-Infinity", "-0", "-1", "-1.5",
    "0", "0.0", "1.0", "1.5", "1e308", "-1e308", "1e-400", "1e2", "2147483648", "9223372036854775807", "9223372036854775808",
    "18446744073709551616", "1e19", "253402300800", "1e15", "0x10", "01", "+1", ".5", "1_000", "1e", "--1"])]  # fmt: skip
SHAPES: list[Any] = [None, True, False, "", [], {}, [[]], [None], [{}], {"": None}, {"a": {"b": {}}}, ["a", 1, None, {}], *map(Raw, ['{"a":1,"a":2}', "[1,]", "{'a':1}",
    "[" * 30 + "]" * 30])]  # fmt: skip
DEEP = [
    nested(150),
    nested(190),
    nested(201),
    nested(990),
    nested(3000),
    nested(190, '{"a":', "}", "1"),
    nested(3000, '{"a":', "}", "1"),
]
DEEPEST = [nested(100_000), nested(100_000, '{"a":', "}", "1"), Raw("[" * 100_000), Raw('{"a":' * 100_000)]
TEXTS = ["\ud800", "a\udfffb", "\udc00\ud800", "\x00", "a\x00b", "\u202e\ufeff", "\U0001f600" * 50, "é", "\r\n", "a\r\nx-odd: 1", " ", "\n\n", "x" * 100_000,
    "ab " * 20_000, "\\", "%", "%00", "%zz", "../../x", "(", "(a+)+$", "[", "*", "?", "{x", "1e400", "NaN", "-1", "٣", "²", "9" * 4400, "null", "data:", "data:,", "data:x",
    "data:image/png;base64,", "data:image/png;base64,!!!!", "data:image/png;base64,iVBORw0KGgo=", "data:;base64,AAAA",
    "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\xff\xff\xff\xff\xff\xff\xff\xff").decode(), "data:text/plain,%ff", "data:" + "a" * 70_000,
    "http://[", "https://[::1", "http://127.0.0.1:99999/", "http://x:y@", "//", "://", "http://\ud800/", "2026-02-30", "99999-01-01T00:00:00Z", "/__admin", "auto", "none", "required",
    "gpt-4o", "text-embedding-3-small", "gpt-image-1", "dall-e-2", "whisper-1", "gpt-4o-audio-preview", "o3", "json_object", "b64_json", "base64", "developer", "tool",
    "AAAA", "A===", "=", "//8=", "////", "\ud83d", "message", "function_call_output", "item_reference", "image_generation_call"]  # fmt: skip
#: What takes long where a pattern tries each place again, or each length.
LONG = [piece * count for piece in ("a", "A=", "eyJ", "sk-", "a@a.", "{", "\\", "\\u", "\\ud83d", "data:", "://", "-", ".", " ", "\n", "`", "1", "é", "\t ", "<|x|>", "[a](", "**", "key=", "A" * 63 + "=", "%41", "'", '"', ",", "a b ",
    "-----BEGIN PRIVATE KEY-----", "Bearer ", "AKIA", "/", "api_key: ", "\u200b", "#", "|", "x-", "0x", "aA1-") for count in (400, 60_000 // len(piece))]  # fmt: skip
#: What only YAML has.
YAML_ODD = [".nan", ".inf", "-.inf", "!!binary x", "!!binary AAAA", "!!binary \"\xff\"", "!!set {a, b}", "!!omap [a: 1]", "!!pairs [a: 1]", "!!timestamp 9999-99-99", "2026-01-01",
    "2026-02-30", "0001-01-01T00:00:00+99:99", "2026-01-01 00:00:00.123456789123 +23:59", "!!int x", "!!float x", "!!bool x", "!!null x", "!!python/object:os.system x", "!!python/tuple [1]", "!odd x", "&a [*a]", "&a {a: *a}", "*nowhere",
    "{<<: 1}", "{<<: [1]}", "{<<: {a: 1}}", "{? [a] : b}", "{? {a: 1} : b}", "{1: 2}", "{null: 1}", "{.nan: 1}", "1:2:3", "0o7", "0b1", "1_000", "yes", "~", "|", ">", "@", "`", "%TAG ! x", "---", "...", "? ",
    "&a [&b [x, x], *b, *b]", "!!str 1", "!!map []", "!!seq {}", "= ", "<<", "!!value =", "!!merge <<", "!<x> y", "\"\\ud800\"", "\"\\x00\"", "\"\\U00110000\"", "\"\\N\""]  # fmt: skip
BOMB = (
    "[&a [x,x,x,x,x,x,x,x,x]"
    + "".join(f",&{chr(98 + n)} [{','.join('*' + chr(97 + n) for _ in range(9))}]" for n in range(8))
    + "]"
)
HEADERS = [b"x: \x00", b"x: \xff\xfe", b": x", b"no colon", b" folded: x", b"x: a\r\n b", b"content-length: -1", b"content-length: 9999999999999999999999", b"content-length: x",
    b"content-length: 5\r\ncontent-length: 6", b"transfer-encoding: chunked", b"transfer-encoding: gzip", b"transfer-encoding: xchunked", b"host: evil.example", b"host:", b"host: [", b"host: [::1", b"host: 127.0.0.1:x",
    b"host: \xff", b"origin: http://[", b"origin: null", b"origin: \xff", b"origin: http://127.0.0.1:99999", b"origin: https://x:y@[::1]:0", b"origin: //", b"expect: 100-continue", b"expect: x", b"upgrade: websocket\r\nconnection: upgrade", b"upgrade: h2c\r\nconnection: upgrade",
    b"upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-key: x\r\nsec-websocket-version: 13", b"upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13",
    b"content-type: \xff", b"content-type: application/json; charset=\xff", b"content-type: multipart/form-data", b"content-type: multipart/form-data; boundary=", b"content-type: multipart/form-data; boundary=\xff", b"content-type: application/x-www-form-urlencoded",
    b"content-encoding: gzip", b"content-encoding: br", b"accept: \xff", b"accept-encoding: gzip;q=x", b"authorization: \xff", b"authorization: Bearer", b"authorization: Basic \xff", b"authorization: Bearer " + b"x" * 20_000, b"api-key: \xff",
    b"cookie: \xff", b"cookie: =;;=; \x01", b"cookie: " + b"a=b; " * 5000, b"x-request-id: \xff", b"x-request-id: " + b"x" * 9000, b"traceparent: \xff", b"traceparent: 00-" + b"0" * 32 + b"-x-1", b"traceparent: 00-\xff-x-1", b"x-mockserver-scope: \xff", b"x-mockserver-scope: none",
    b"x-mockserver-token: \xff", b"openai-organization: \xff", b"idempotency-key: \xff", b"x-ms-client-principal: \xff", b"x-ms-client-principal: e30=", b"x-ms-client-principal: bnVsbA==", b"x-ms-original-url: http://[", b"x-ms-original-url: \xff", b"x-forwarded-for: \xff", b"x-forwarded-for: [", b"x-forwarded-proto: \xff",
    b"range: bytes=0-", b"range: bytes=-0", b"range: bytes=5-2", b"range: bytes=" + b"9" * 5000 + b"-", b"range: bytes=-" + b"9" * 5000, b"range: bytes=a-b", b"range: bytes=0-0,1-1,2-2", b"range: bytes=\xff", b"range: x", "range: bytes=²-".encode(), b"if-range: \xff", b"if-range: Sat, 99 Foo 99999 00:00:00 GMT", b"if-none-match: \xff", b"if-none-match: W/", b"if-modified-since: Sat, 01 Jan 99999 00:00:00 GMT", b"if-modified-since: \xff",
    b"if-modified-since: Sat, 01 Jan 0000 00:00:00 +9999", b"access-control-request-method: \xff", b"access-control-request-headers: \xff\x00", b"sec-fetch-site: \xff", b"x-chat-ticket: \xff", b"x-chat-ticket: .", b"x-functions-key: \xff", b"sec-websocket-protocol: \xff, realtime", b"connection: \xff", b"te: \xff", b"x-http-method-override: DELETE"]  # fmt: skip
QUERY_NAMES = ["limit", "after", "before", "order", "stream", "starting_after", "include[]", "include", "api-version", "model", "metadata[a]", "filter", "purpose", "deployment", "path", "method", "persona", "theme", "width",
    "post_login_redirect_uri", "post_logout_redirect_uri", "status", "events_sent", "attempt", "number", "turn", "times", "within_s", "prompt", "pattern", "contains", "operation", "scope", "code", "live", "x"]  # fmt: skip
METHODS = [
    *["GET", "POST"] * 6,
    "PUT",
    "PATCH",
    "DELETE",
    "HEAD",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "get",
    "G\x00T",
    "X" * 5000,
    "",
    "PRI",
    "É",
]
PIECES = ["/", "//", ".", "..", "%", "%zz", "%00", "%ff", "%c3%28", "%2f", "%2e%2e", "%5c", "\\", "\xff", "é", "?", "#", "*", ";", ":", "@", "[", "]", "{", "}", "\x01", "x", "x" * 9000, "api", "api/x", ".auth/me", ".auth/login/aad", ".auth/logout", ".auth/login/x", ".auth/purge/aad",
    ".auth/login/aad/callback", "__mock/", "__mock/states", "__mock/states/x.png", "__mock/login", "__mock/expire", "__admin/health", "__admin/journal", "__admin/crashes", "__admin/timeline", "__admin", "v1/models", "v1/responses", "index.html", "staticwebapp.config.json", "data.bin", "admin", "http://127.0.0.1/", "http://[", "%F0%9F%98%80", "%ed%a0%80"]  # fmt: skip


class OddInputs:
    """OddInputs inputs of one source of chance. Without `deadly` ones, none is nested so deep that a parser in C may end the process."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.pick, self.often = chance.choice, chance.random

    def scalar(self) -> Any:
        """A value that is odd wherever it stands."""
        kinds = (NUMBERS, NUMBERS, SHAPES, TEXTS, TEXTS, LONG, DEEP if self.often() < 0.3 else SHAPES)
        return copy.deepcopy(self.pick(self.pick(kinds))) if self.often() < 0.995 else self.pick(DEEPEST)

    def changed(self, value: Any, times: int = 1) -> Any:
        """A copy of a JSON value with some of its parts replaced, removed, renamed, repeated or moved."""
        value = json.loads(json.dumps(value))
        for _ in range(times):
            places = list(places_in(value))
            if not places or self.often() < 0.02:
                value = self.scalar()
                if not isinstance(value, dict | list):
                    return value
                continue
            parent, key = self.pick(places)
            match self.pick(["odd"] * 6 + ["gone", "new key", "renamed", "wrapped", "moved", "repeated", "kind"]):
                case "odd":
                    parent[key] = self.scalar()
                case "gone":
                    del parent[key]
                case "new key" if isinstance(parent, dict):
                    parent[self.pick(["x", "", "id", "type", "\ud800", "a" * 3000, "__class__", "model"])] = (
                        self.scalar()
                    )
                case "renamed" if isinstance(parent, dict):
                    parent[str(self.pick(TEXTS))] = parent.pop(key)
                case "wrapped":
                    parent[key] = self.pick([[parent[key]], {"a": parent[key]}, str(parent[key])])
                case "moved":
                    other, name = self.pick(places)
                    with contextlib.suppress(KeyError, IndexError):
                        parent[key] = copy.deepcopy(other[name])
                case "repeated" if isinstance(parent, list):
                    parent.extend(copy.deepcopy(parent[key]) for _ in range(self.pick([1, 3, 30, 300])))
                case _:
                    parent[key] = self.pick(["text", 3, 2.5, True, None, [], {}])
        return value

    def json(self, value: Any) -> bytes:
        """The bytes of a JSON value that was changed, sometimes in another encoding, cut off, or with odd bytes."""
        text = dumped(self.changed(value, self.pick([0, 1, 1, 1, 1, 2, 3])))
        if self.often() < 0.05:  # a key twice
            text = re.sub(r'"(\w+)":', r'"\1":1,"\1":', text, count=1)
        data = text.encode("utf-8", "surrogatepass")
        return self.broken(data) if self.often() < 0.06 else data

    def broken(self, data: bytes) -> bytes:
        """Bytes with a change that no text has."""
        place, end = sorted((self.chance.randrange(len(data) + 1), self.chance.randrange(len(data) + 1)))
        match self.pick(["cut", "gone", "twice", "in", "in", "flip", "encoding", "empty", "byte order"]):
            case "cut":
                return data[:place]
            case "gone":
                return data[:place] + data[end:]
            case "twice":
                return data[:end] + data[place:]
            case "in":
                inside = self.pick(
                    [
                        b"\x00",
                        b"\xff",
                        b"\xed\xa0\x80",
                        b"\xf4\x90\x80\x80",
                        b"\r",
                        b"\n",
                        b"\t",
                        b'"',
                        b"{",
                        b"[",
                        b"}",
                        b"\x1f\x8b",
                        b"\xef\xbb\xbf",
                        b"\\",
                    ]
                )
                return data[:place] + inside + data[place:]
            case "flip" if data:
                place = min(place, len(data) - 1)
                return data[:place] + bytes([data[place] ^ self.pick([1, 2, 4, 32, 128])]) + data[place + 1 :]
            case "encoding":
                return data.decode("utf-8", "replace").encode(
                    self.pick(["utf-16", "utf-32", "utf-16-be", "utf-7"]), "replace"
                )
            case "byte order":
                return self.pick([b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\xff\xfe\x00\x00"]) + data
        return b""

    def text(self, text: str, tokens: Sequence[str]) -> bytes:
        """A document's text with some of its words and lines replaced."""
        for _ in range(self.pick([1, 1, 2, 3])):
            words = list(re.finditer(r"(?m)(?<=[:,\[] )[^,\]}\n]+|\b[\w.-]+\b|^ +", text))
            if not words:
                break
            word = self.pick(words)
            new = self.pick([*tokens, *(str(self.pick(NUMBERS)), str(self.pick(TEXTS))) * 8])
            text = text[: word.start()] + new + text[word.end() :]
        data = text.encode("utf-8", "surrogatepass")
        return self.broken(data) if self.often() < 0.2 else data

    def yaml(self, text: str, value: Any) -> bytes:
        """A YAML document: the text changed, or the value changed and written as JSON, which YAML has too."""
        if self.often() < 0.004:
            return self.pick(
                [BOMB, "[" * 1000 + "]" * 1000, *DEEPEST, "- " * 1000, "{a: " * 1000 + "}" * 1000, "? " * 1000]
            ).encode()
        if self.often() < 0.4:
            return self.text(text, YAML_ODD)
        value = self.changed(value, self.pick([1, 1, 2, 3]))
        if isinstance(value, dict | list) and self.often() < 0.4 and (places := list(places_in(value))):
            parent, key = self.pick(places)
            parent[key] = Raw(self.pick(YAML_ODD))
        written = dumped(value)
        return (written if len(written) < 5000 or "[" * 500 not in written else "[]").encode("utf-8", "surrogatepass")

    def headers(self, most: int = 2) -> list[bytes]:
        """Some odd headers."""
        return self.chance.sample(HEADERS, self.pick(range(most + 1)))

    def query(self) -> str:
        """A query, mostly empty."""
        if self.often() < 0.6:
            return ""
        values = [
            *map(str, NUMBERS[:20]),
            "1",
            "5-2",
            "1-",
            "0-999999999",
            "a",
            "",
            "%",
            "%ff",
            "%ed%a0%80",
            "true",
            "x" * 3000,
            "é",
            "(",
            "(a%2B)%2B$",
            "http://[",
            "//evil",
            "/%00",
        ]
        pairs = [f"{self.pick(QUERY_NAMES)}={self.pick(values)}" for _ in range(self.pick([1, 1, 2, 5]))]
        return "?" + "&".join(pairs)

    def path(self) -> str:
        """A path of odd pieces."""
        return "/" * self.pick([0, 1, 1, 1, 1, 2]) + "".join(self.chance.choices(PIECES, k=self.pick([1, 1, 2, 3, 5])))


def places_in(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a value where another one may stand: its parent, and the key or index."""
    waiting = [value]
    while waiting:
        parent = waiting.pop()
        items = parent.items() if isinstance(parent, dict) else enumerate(parent) if isinstance(parent, list) else ()
        for key, item in list(items)[:200]:
            yield parent, key
            waiting.append(item)


def dumped(value: Any) -> str:
    """The JSON of a value; a `Raw` text stands as it is."""
    raws: list[str] = []

    def marked(item: Any, depth: int = 0) -> Any:
        if isinstance(item, Raw):
            raws.append(item)
            return f"@@{len(raws) - 1}@@"
        if isinstance(item, dict) and depth < 100:
            return {key: marked(each, depth + 1) for key, each in item.items()}
        return [marked(each, depth + 1) for each in item] if isinstance(item, list) and depth < 100 else item

    text = json.dumps(marked(value))
    return re.sub(r'"@@(\d+)@@"', lambda match: raws[int(match[1])], text)
