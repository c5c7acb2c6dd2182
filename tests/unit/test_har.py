"""The journal as HAR.

Readers that nobody here wrote took the HAR of a run of the whole app, with files, streams, a refusal and a reset: haralyzer 2.4
every entry, npm's har-validator 5.1 its whole schema. Playwright's answers a page from one in `tests/e2e/test_har.py`.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from mockserver.exchange import Answer, Event, Request
from mockserver.flask_apps import control
from mockserver.journal.entry import Place
from mockserver.journal.journal import Journal
from mockserver.matching.call import Call
from mockserver.simulation.simulation import Simulation
from mockserver.swa.routing import Action
from tests.unit.canaries import CANARIES, CORES
from tests.unit.examples import FakeClock, answered, chat

SSE = (("content-type", "text/event-stream"),)
STREAM = Answer(
    200, SSE, (Event(5, b"data: one\n\n"), Event(7, b"data: two\n\n"), Event(1, b"data: [DONE]\n\n")), head_after_ms=20
)


def exchange(
    journal: Journal,
    request: Request,
    answer: Answer | None,
    *,
    end: str = "eof",
    took_s: float = 0.1,
    sent_ms: tuple[float, ...] = (),
    **more: Any,
) -> None:
    entry = journal.records.open(1_000_000.25, Call(request), answer, **more)
    journal.records.close(entry, end=end, took_s=took_s, sent_ms=sent_ms)


def only_entry(journal: Journal) -> dict[str, Any]:
    (entry,) = journal.har()["log"]["entries"]
    assert isinstance(entry, dict)
    return entry


def with_headers(request: Request, **headers: str) -> Request:
    added = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return replace(request, headers=(*request.headers, *added))


def test_an_exchange_is_an_entry_with_its_address_and_both_bodies_as_they_were_sent() -> None:
    journal, request = Journal(), with_headers(chat("Hi", path="/v1/chat/completions?a=1&b="), host="127.0.0.1:4281")
    answer = replace(answered('{"x": 1}'), decided_by="hello.yaml#1", head_after_ms=30)
    exchange(journal, request, answer, sent_ms=(40.5,))
    entry = only_entry(journal)
    assert (entry["startedDateTime"], entry["time"]) == ("1970-01-12T13:46:40.250Z", 100)
    assert entry["request"] == {
        "method": "POST",
        "url": "http://127.0.0.1:4281/v1/chat/completions?a=1&b=",
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": [
            {"name": "authorization", "value": "REDACTED"},
            {"name": "content-type", "value": "application/json"},
            {"name": "host", "value": "127.0.0.1:4281"},
        ],
        "queryString": [{"name": "a", "value": "1"}, {"name": "b", "value": ""}],
        "postData": {"mimeType": "application/json", "text": request.body.decode()},
        "headersSize": -1,
        "bodySize": len(request.body),
    }
    assert entry["response"] == {
        "status": 200,
        "statusText": "OK",
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": [{"name": "content-type", "value": "application/json"}],
        "content": {"size": 8, "mimeType": "application/json", "text": '{"x": 1}'},
        "redirectURL": "",
        "headersSize": -1,
        "bodySize": 8,
    }
    ours = {name: value for name, value in entry.items() if name.startswith("_")}
    assert ours == {
        "_number": 1,
        "_visit": 1,
        "_place": "model",
        "_scope": "",
        "_persona": None,
        "_rule": "",
        "_decidedBy": "hello.yaml#1",
        "_attempt": 1,
        "_end": "eof",
        "_sentMs": [40.5],
    }


@pytest.mark.parametrize(
    ("answer", "end", "took_s", "sent_ms", "parts"),
    [
        (STREAM, "eof", 0.0333, (25.0, 32.0, 33.0), (20, 13.3)),
        (STREAM, "eof", 0.010, (8.0, 9.0, 9.5), (8, 2)),
        (STREAM, "client left", 0.015, (), (15, 0)),
        (replace(answered("x"), head_after_ms=30), "eof", 0.05, (40.5,), (40.5, 9.5)),
        (Answer(200), "eof", 0.05, (3.0,), (3, 47)),
        (Answer(0), "reset", 0.5, (), (500, 0)),
        (None, "eof", 0.5, (), (500, 0)),
        (STREAM, "open", 0, (), (-1, -1)),
    ],
)
def test_the_parts_of_its_time_add_up_to_it(
    answer: Answer | None, end: str, took_s: float, sent_ms: tuple[float, ...], parts: tuple[float, float]
) -> None:
    journal = Journal()
    exchange(journal, chat(), answer, end=end, took_s=took_s, sent_ms=sent_ms)
    entry = only_entry(journal)
    timings = entry["timings"]
    assert (timings["wait"], timings["receive"]) == pytest.approx(parts)
    assert sum(part for part in timings.values() if part != -1) == pytest.approx(entry["time"])
    assert [name for name, part in timings.items() if part == -1][:4] == ["blocked", "dns", "connect", "ssl"]


def test_a_stream_shows_the_events_that_left_and_when() -> None:
    journal = Journal()
    exchange(journal, chat(), STREAM, end="client left", sent_ms=(25.1234, 32.0))
    entry = only_entry(journal)
    assert entry["response"]["content"]["text"] == "data: one\n\ndata: two\n\n"
    assert (entry["_end"], entry["_sentMs"]) == ("client left", [25.123, 32.0])


@pytest.mark.parametrize(("answer", "end"), [(Answer(0), "reset"), (None, "open")])
def test_an_answer_without_a_head_has_status_0_as_a_browser_says_it(answer: Answer | None, end: str) -> None:
    journal = Journal()
    exchange(journal, chat(), answer, end=end)
    response = only_entry(journal)["response"]
    assert (response["status"], response["statusText"], response["headers"]) == (0, "", [])
    assert response["content"] == {"size": 0, "mimeType": "x-unknown"}


@pytest.mark.parametrize(
    ("headers", "body", "content"),
    [
        ((("content-type", "image/png"),), b"\x89PNG", {"text": base64.b64encode(b"\x89PNG").decode(), "size": 4}),
        ((("content-encoding", "gzip"),), gzip.compress(b"Hi", mtime=0), {"text": "Hi", "size": 2}),
        ((("content-encoding", "gzip"),), gzip.compress(b"Hi", mtime=0)[:9], {"comment": "gzip that breaks off, or holds too much"}),
        ((("content-encoding", "br"),), b"\x0b\x01\x80Hi\x03", {"comment": "compressed with br"}),
    ],
)  # fmt: skip
def test_what_is_no_plain_text_is_base64_or_unpacked_or_left_out(
    headers: tuple[tuple[str, str], ...], body: bytes, content: dict[str, Any]
) -> None:
    journal = Journal()
    exchange(journal, chat(), Answer(200, headers, (Event(0, body),)))
    found = only_entry(journal)["response"]["content"]
    assert {name: found[name] for name in content} == content
    assert ("text" in found) == ("text" in content)


def test_what_the_journal_does_not_keep_is_said_to_be_missing() -> None:
    journal = Journal()
    file = Answer(200, decided_by=Action.FILE)
    exchange(journal, Request("GET", "/app.js"), file, place=Place.SITE)
    exchange(journal, Request("POST", "/api/chat", body=b"\xff"), Answer(200, decided_by="function"), place=Place.HOST)
    long = replace(STREAM, events=(*STREAM.events, Event(0, b"")), decided_by=Action.API)
    exchange(journal, Request("GET", "/api/x"), long, place=Place.SITE)
    site, host, cut = journal.har()["log"]["entries"]
    for entry in (site, host):
        assert entry["response"]["content"]["comment"] == "the journal does not keep these bytes"
        assert entry["response"]["bodySize"] == -1
    assert cut["response"]["content"]["comment"] == "the journal keeps the beginning of what passes the gate"
    assert host["request"]["url"] == "http://host.localhost/api/chat"
    assert host["request"]["postData"] == {"mimeType": "", "text": "", "comment": "1 byte that are no text"}


@pytest.mark.parametrize("host", ["", "a b", "x/../y", "user:pass@example.com", "é.example", "a\r\nb"])
def test_a_host_that_is_none_is_replaced_by_the_place(host: str) -> None:
    journal = Journal()
    exchange(journal, with_headers(chat(), host=host), STREAM)
    assert only_entry(journal)["request"]["url"] == "http://model.localhost/v1/chat/completions"


def test_the_exchanges_of_a_visit_name_its_first_and_are_in_the_order_in_which_they_came() -> None:
    journal = Journal()
    for number, place in enumerate((Place.SITE, Place.MODEL, Place.MODEL)):
        request = with_headers(chat(), x_request_id="r1" if number < 2 else "r2", host="x")
        exchange(journal, request, STREAM, place=place, rule="rule 11 (invited)")
    entries = journal.har(tls=True)["log"]["entries"]
    assert [(entry["_number"], entry["_visit"], entry["_place"]) for entry in entries] == [
        (1, 1, "site"),
        (2, 1, "model"),
        (3, 3, "model"),
    ]
    assert [entry["request"]["url"].partition(":")[0] for entry in entries] == ["http", "https", "https"]
    assert entries[0]["_rule"] == "rule 11 (invited)"
    assert len(journal.only(place="site").har()["log"]["entries"]) == 1


def test_a_redirect_says_where_to() -> None:
    journal = Journal()
    exchange(journal, Request("GET", "/"), Answer(302, (("location", "/.auth/login/aad"),)), place=Place.SITE)
    assert only_entry(journal)["response"]["redirectURL"] == "/.auth/login/aad"


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from map(str, value)
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from strings(item)
    if isinstance(value, str):
        yield value
        if value.startswith("{"):
            yield from strings(json.loads(value))


@pytest.mark.parametrize("kind", CANARIES)
def test_no_secret_is_in_it_wherever_it_was(kind: str) -> None:
    secret, core = f"It is {CANARIES[kind]} yes", CORES[kind]
    journal = Journal()
    line = secret.replace("\n", " ").encode("ascii", "ignore").decode()
    pair = json.dumps({"text": secret}).encode()
    halves = [json.dumps({"choices": [{"index": 0, "delta": {"content": part}}]}) for part in (secret[:9], secret[9:])]
    streamed = replace(STREAM, events=tuple(Event(1, f"data: {half}\n\n".encode()) for half in halves))
    answers = [
        Answer(200, (("content-type", "application/json"), ("x-note", line), ("set-cookie", "a=b")), (Event(0, pair),)),
        streamed,
        Answer(200, (("content-encoding", "gzip"),), (Event(0, gzip.compress(pair, mtime=0)),)),
        Answer(302, (("location", f"/?{line}"),)),
    ]
    for answer in answers:
        request = with_headers(chat(secret, path=f"/v1/{quote(line)}?q={quote(line)}"), x_note=line, host=line)
        exchange(journal, request, replace(answer, decided_by=secret), sent_ms=(1.0, 2.0), rule=secret)
    found = list(strings(journal.har()))
    assert len(found) > 100
    assert [text for text in found if core in text or core.replace("\n", " ") in text] == []


@pytest.mark.parametrize(
    "header",
    ["authorization", "cookie", "set-cookie", "api-key", "x-functions-key", "x-ms-client-principal", "x-mockserver-token"],
)  # fmt: skip
def test_no_credential_is_in_it_though_it_has_no_form(header: str) -> None:
    journal, request = Journal(), Request("GET", "/api/x", "code=hush1&sig=hush2&token=hush3&x=said")
    answer = replace(STREAM, headers=(*SSE, (header, "hush4")))
    exchange(journal, with_headers(request, **{header: "hush5"}), answer, place=Place.SITE)
    text = json.dumps(journal.har())
    assert ("hush" in text, "said" in text, text.count(f'"{header}", "value": "REDACTED"')) == (False, True, 2)


def test_the_control_route_takes_the_criteria_of_the_journal() -> None:
    simulation = Simulation(clock=FakeClock())
    client = control.create_app(simulation, "t0").test_client()
    for prompt in ("Hi", "Ho"):
        simulation.answer(chat(prompt))
    answer = client.get("/__admin/journal.har?prompt=Hi")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert [entry["_number"] for entry in answer.get_json()["log"]["entries"]] == [1]
    assert client.get("/__admin/journal.har?promt=Hi").status_code == 400
