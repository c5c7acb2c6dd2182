"""What a collector is told of an exchange, and which trace it belongs to."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from mockserver.exchange import Answer, Request, json_answer
from mockserver.journal.entry import Entry, Place
from mockserver.journal.records import Records
from mockserver.telemetry import spans
from mockserver.telemetry.attributes import Described, described
from mockserver.telemetry.collector import watched
from mockserver.wire.trace import own_span, passed_on

KEY = "sk-proj-" + "aB3dE5fG7h" * 5
TRACE, CLIENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def words(path: str, asked: dict[str, Any], answer: dict[str, Any]) -> Described:
    request = Request("POST", path, body=json.dumps(asked).encode())
    return described(Entry(1, 0.0, request, json_answer(200, answer), end="eof"))


@pytest.mark.parametrize(
    ("path", "asked", "answer"),
    [
        (f"/openai/deployments/{KEY}/chat/completions", {}, {}),
        ("/v1/chat/completions", {"model": KEY}, {"model": KEY, "id": KEY, "choices": [{"finish_reason": KEY}]}),
        (f"/v1/{KEY}", {}, {}),
    ],
    ids=["deployment", "model", "path"],
)
def test_a_key_in_the_wrong_place_is_not_told(path: str, asked: dict[str, Any], answer: dict[str, Any]) -> None:
    told = words(path, asked, answer)
    assert KEY not in told.name + str(told.attributes)
    assert "REDACTED" in told.name


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("ValueError", "ValueError"),
        ("it has written to a table, and an entity must be an object, got 'words'", "function"),
    ],
)
def test_what_a_function_wrote_is_not_told(error: str, told: str) -> None:
    answer = Answer(500, decided_by=error)
    call = Entry(1, 0.0, Request("POST", "/admin/functions/order"), answer, place=Place.HOST, rule="order", end="eof")
    assert described(call).attributes["dress_rehearsal.decided_by"] == told


@pytest.mark.parametrize("address", ["http://127.0.0.1:x", "http://127.0.0.1:99999", "http://[::1", "localhost:4318"])
def test_a_collectors_address_that_cannot_be_read_is_a_warning(address: str, caplog: pytest.LogCaptureFixture) -> None:
    records = Records()
    with caplog.at_level(logging.WARNING, "mockserver"), watched(records, address):
        assert records.watcher is None
    assert "OTEL_EXPORTER_OTLP_ENDPOINT must be a URL, such as http://127.0.0.1:4318" in caplog.text


@pytest.mark.parametrize(
    "traceparent",
    [
        "rubbish",
        "00-abc-def-01",
        f"00-{'0' * 32}-{CLIENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{CLIENT}-01",
        f"00-{TRACE}-{CLIENT}-01-more",
        f"ff-{TRACE}-{CLIENT}-01",
    ],
)
def test_a_traceparent_that_is_none_begins_a_new_trace(traceparent: str) -> None:
    request, span_id = own_span(Request("GET", "/", headers=(("traceparent", traceparent), ("tracestate", "a=b"))))
    (name, value), *rest = request.headers
    assert (name, value.split("-")[2], rest) == ("traceparent", span_id, [])
    assert TRACE not in value


@pytest.mark.parametrize("more", [("00", ""), ("01", "-more")])
def test_a_trace_goes_on_with_its_own_span_as_the_parent(more: tuple[str, str]) -> None:
    version, rest = more
    asked = Request("GET", "/", headers=(("traceparent", f"{version}-{TRACE}-{CLIENT}-00{rest}"),))
    request, span_id = own_span(asked)
    assert request is asked
    assert passed_on(request.headers, span_id) == (("traceparent", f"{version}-{TRACE}-{span_id}-00{rest}"),)


def test_after_an_exchange_that_cannot_be_described_the_next_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    met = list[int]()

    def fails(entry: Entry) -> Described:
        met.append(entry.number)
        raise ValueError(entry.number)

    monkeypatch.setattr(spans, "described", fails)
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    told = spans.Spans()
    told.ended(Entry(1, 0.0, Request("GET", "/"), None))
    told.ended(Entry(2, 0.0, Request("GET", "/"), None))
    told.close()
    assert met == [1, 2]
    assert caplog.text.count("a span is not sent") == 2
