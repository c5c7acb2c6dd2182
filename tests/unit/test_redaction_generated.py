"""Secrets of every kind, in every place, beside anything, cut anywhere: none is written. `make fuzz` tries thousands.

What was written is read back without our code: PyYAML loads it, and texts are decoded as JSON, base64, forms and gzip for as long
as that goes.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote, unquote, unquote_plus

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mockserver.cassettes import cassette
from mockserver.exchange import Answer, Event, Headers, Interaction, Request
from mockserver.matching.call import Call
from mockserver.redaction.exchanges import redacted
from mockserver.redaction.redaction import Redaction
from tests.unit.canaries import CANARIES, CORES

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "25"))
JSON: Headers = (("content-type", "application/json"),)
SSE: Headers = (("content-type", "text/event-stream"),)

#: Ends with nothing that could belong to the secret after it.
BEFORE = st.one_of(
    st.sampled_from(
        [
            "",
            "\n",
            "\t",
            "\r\n",
            '"',
            "'",
            "\\",
            "\\n",
            "\\u003c",
            "(",
            "[",
            "{",
            "<",
            "密钥为",
            "für ",
            "ü",
            "🙂",
            "\x00",
            "=",
            ": ",
            "%0A",
        ]
    ),
    st.text(max_size=12).map(lambda text: f"{text} "),
)
AFTER = st.one_of(
    st.sampled_from(
        ["", "\n", "\t", '"', "'", "\\n", ")", "]", "}", ">", "谢谢", "ü", "🙂", "\x00", ",", ";", ". ", " "]
    ),
    st.text(max_size=12).map(lambda text: f" {text}"),
)


def pieces(text: str, cuts: Sequence[int]) -> list[str]:
    """The text, cut at some places."""
    places = sorted({cut % (len(text) + 1) for cut in cuts})
    return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]


def stream(payloads: Sequence[Any], *, ascii_only: bool) -> Answer:
    data = [f"data: {json.dumps(payload, ensure_ascii=ascii_only)}\n\n" for payload in payloads]
    return Answer(200, SSE, tuple(Event(1, each.encode("utf-8", "surrogatepass")) for each in data))


def choice(index: int, **delta: Any) -> dict[str, Any]:
    return {"object": "chat.completion.chunk", "choices": [{"index": index, "delta": delta}]}


def places(text: str, cuts: Sequence[int], ascii_only: bool) -> dict[str, Interaction]:
    """An exchange for each place where a text may stand."""
    nested = json.dumps({"a": [text], "b": json.dumps({"c": text}, ensure_ascii=ascii_only)}, ensure_ascii=ascii_only)
    parts = pieces(text, cuts)
    calls = [choice(0, tool_calls=[{"index": 1, "function": {"arguments": part}}]) for part in pieces(nested, cuts)]
    tokens = [
        {"token": part, "logprob": 0, "bytes": list(part.encode("utf-8", "replace")), "top_logprobs": []}
        for part in parts
    ]
    ask = Request("POST", "/v1/chat/completions", headers=JSON, body=b'{"model": "m"}')
    plain = Answer(200, JSON)

    def body(value: Any) -> Request:
        return Request(
            "POST",
            "/v1/chat/completions",
            "",
            JSON,
            json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass"),
        )

    def answer(data: bytes, *headers: tuple[str, str]) -> Answer:
        return Answer(200, (*JSON, *headers), (Event(1, data),))

    raw = json.dumps({"message": {"content": text}}, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    printable = quote(text.encode("utf-8", "replace"), safe="")
    deltas = [
        {"type": "response.output_text.delta", "item_id": "m", "output_index": 0, "delta": part} for part in parts
    ]
    return {
        "prompt": Interaction(body({"messages": [{"role": "user", "content": text}]}), plain),
        "tool result": Interaction(body({"messages": [{"role": "tool", "content": nested}]}), plain),
        "key": Interaction(body({"metadata": {text: 1}}), plain),
        "base64": Interaction(body({"file_data": base64.b64encode(text.encode("utf-8", "replace")).decode()}), plain),
        "query": Interaction(Request("GET", "/v1/files", f"after={printable}", JSON), plain),
        "answer": Interaction(ask, answer(raw)),
        "gzip": Interaction(ask, answer(gzip.compress(raw), ("content-encoding", "gzip"))),
        "header": Interaction(
            ask, answer(b"{}", ("location", f"/v1/x?y={text.encode('utf-8', 'replace').decode('latin-1')}"))
        ),
        "content": Interaction(ask, stream([choice(0, content=part) for part in parts], ascii_only=ascii_only)),
        "reasoning beside content": Interaction(
            ask, stream([choice(0, content="", reasoning_content=part) for part in parts], ascii_only=ascii_only)
        ),
        "two choices": Interaction(
            ask,
            stream(
                [
                    {"choices": [{"index": 1, "delta": {"content": part}}, {"index": 0, "delta": {"content": part}}]}
                    for part in parts
                ],
                ascii_only=ascii_only,
            ),
        ),
        "arguments": Interaction(ask, stream(calls, ascii_only=ascii_only)),
        "response": Interaction(ask, stream(deltas, ascii_only=ascii_only)),
        "logprobs": Interaction(
            ask, answer(json.dumps({"choices": [{"index": 0, "logprobs": {"content": tokens}}]}).encode())
        ),
        "streamed logprobs": Interaction(
            ask,
            stream(
                [{"choices": [{"index": 0, "logprobs": {"content": [each]}}]} for each in tokens], ascii_only=ascii_only
            ),
        ),
        "comment": Interaction(ask, Answer(200, SSE, (Event(1, b": " + repr(text).encode() + b"\n\n"),))),
        "plain stream": Interaction(
            ask, Answer(200, SSE, tuple(Event(1, f"data: {json.dumps(part)[1:-1]}\n\n".encode()) for part in parts))
        ),
    }


def said(value: Any) -> Iterator[str]:
    """Every text in a value, decoded in every way that goes, and what the deltas of a stream add up to."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from said(key)
            yield from said(item)
    elif isinstance(value, list):
        tokens = [item["token"] for item in value if isinstance(item, dict) and "token" in item]
        yield "".join(tokens)
        for item in value:
            yield from said(item)
    elif isinstance(value, bytes):
        yield from said(gzip.decompress(value) if value.startswith(b"\x1f\x8b") else value.decode("utf-8", "replace"))
    elif isinstance(value, str) and len(value) >= 6:
        yield value
        yield unquote(value)
        if "data: " in value:
            yield from streamed(value)
        for decode in (
            json.loads,
            lambda text: base64.b64decode(text, validate=True),
            lambda text: [unquote_plus(text)],
        ):
            try:
                inner = decode(value)
            except ValueError:
                continue
            if inner not in ([value], value):
                yield from said(inner)


def streamed(body: str) -> Iterator[str]:
    added: dict[str, str] = defaultdict(str)
    for line in body.splitlines():
        if not line.startswith("data: "):
            continue
        try:
            event = json.loads(line.removeprefix("data: "))
        except ValueError:
            event = None
        if not isinstance(event, dict):
            added["text"] += line.removeprefix("data: ")
            continue
        yield from said(event)
        added["response"] += str(event.get("delta", ""))
        for each in event.get("choices", ()):
            for key, value in each.get("delta", {}).items():
                if key == "tool_calls":
                    added[f"{each['index']} arguments"] += value[0]["function"]["arguments"]
                else:
                    added[f"{each['index']} {key}"] += value
            for entry in (each.get("logprobs") or {}).get("content", ()):
                added[f"{each['index']} tokens"] += entry["token"]
    for text in added.values():
        yield text
        try:
            yield from said(json.loads(text))
        except ValueError:
            continue


@settings(max_examples=EXAMPLES, deadline=None, derandomize=EXAMPLES <= 100, suppress_health_check=list(HealthCheck))
@given(
    kind=st.sampled_from(sorted(CANARIES)),
    before=BEFORE,
    after=AFTER,
    cuts=st.lists(st.integers(0, 400), max_size=6),
    ascii_only=st.booleans(),
)
def test_no_secret_is_written(kind: str, before: str, after: str, cuts: list[int], ascii_only: bool) -> None:
    text = f"{before}{CANARIES[kind]}{after}"
    given = places(text, cuts, ascii_only)
    results = {place: redacted(interaction, Redaction()) for place, interaction in given.items()}
    written = cassette.dump(cassette.new_recording([each.interaction for each in results.values()], upstream="a test"))
    for place, entry in zip(given, yaml.load(written, yaml.CSafeLoader)["interactions"], strict=True):
        leaks = [each for each in said(entry) if CORES[kind] in each]
        assert not leaks, f"{place}: {leaks[0]!r}"
    for place, result in results.items():
        request, answer = result.interaction.request, result.interaction.answer
        assert not redacted(result.interaction, Redaction()).secrets, place
        for data in (request.body, answer.body):
            if data.startswith(b"{"):
                json.loads(data)
        same = Call(given[place].request).canonical.fingerprint == Call(request).canonical.fingerprint
        assert same, f"{place}: its recording would not answer it"
        assert len(answer.events) == len(given[place].answer.events)
