"""What a HAR holds of a model's calls, and in what two answers differ."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mockserver.cassette_tools.har_calls import HarCall, HarError, har_calls
from mockserver.cassette_tools.replay import differences
from mockserver.exchange import Answer, Event, json_answer
from mockserver.journal.entry import Place
from mockserver.journal.journal import Journal
from mockserver.matching.call import Call
from tests.unit.canaries import CANARIES
from tests.unit.examples import ANSWER, chat

CHAT = "https://api.openai.com/v1/chat/completions"
JSON = [{"name": ":status", "value": "200"}, {"name": "Content-Type", "value": "application/json"}]


def entry(url: str = CHAT, method: str = "POST", **response: Any) -> dict[str, Any]:
    """An entry as a browser saves it."""
    secret = [
        {"name": name, "value": "hush"} for name in (":authority", "Authorization", "Cookie", "api-key", "Origin")
    ]
    request = {
        "method": method,
        "url": url,
        "headers": [*secret, {"name": "Content-Type", "value": "application/json"}],
        "postData": {"mimeType": "application/json", "text": '{"model": "gpt-4o"}'},
    }
    content = {"size": 2, "mimeType": "application/json", "text": "{}"}
    return {"request": request, "response": {"status": 200, "headers": JSON, "content": content, **response}}


def calls_of(tmp_path: Path, *entries: Any) -> Sequence[HarCall]:
    path = tmp_path / "saved.har"
    path.write_text(json.dumps({"log": {"version": "1.2", "entries": entries}}), encoding="utf-8-sig")
    return har_calls(path)


@pytest.mark.parametrize(
    ("method", "url", "path"),
    [
        ("POST", CHAT, "/v1/chat/completions"),
        ("POST", "https://gateway.example/team/a/v1/embeddings", "/v1/embeddings"),
        ("POST", "https://x.openai.azure.com/openai/v1/responses", "/openai/v1/responses"),
        (
            "POST",
            "https://x.openai.azure.com/openai/deployments/chat/chat/completions?api-version=2024-10-21",
            "/openai/deployments/chat/chat/completions?api-version=2024-10-21",
        ),
        ("POST", f"{CHAT}?api-key=hush&code=hush&x=1", "/v1/chat/completions?x=1"),
        ("GET", "https://api.openai.com/v1/models", "/v1/models"),
        ("OPTIONS", CHAT, None),
        ("GET", "https://example.com/app.js", None),
        ("POST", "https://example.com/api/chat/completions", None),
        ("POST", "http://[", None),
    ],
)
def test_a_call_is_an_operation_of_a_model_and_goes_without_what_identifies_its_sender(
    tmp_path: Path, method: str, url: str, path: str | None
) -> None:
    found = calls_of(tmp_path, {"request": None}, 5, entry(url, method))
    assert [(call.number, call.interaction.request.target) for call in found] == ([(3, path)] if path else [])
    for call in found:
        assert call.interaction.request.headers == (("content-type", "application/json"),)
        assert "hush" not in str(call.interaction.request)


def test_the_journals_own_file_is_read_back_as_what_the_model_saw(tmp_path: Path) -> None:
    journal, events = Journal(), (Event(0, b'data: {"a": 1}\n\n'), Event(0, b"data: [DONE]\n\n"))
    answer = Answer(200, (("content-type", "text/event-stream"),), events)
    for place in (Place.SITE, Place.HOST, Place.MODEL):
        journal.records.close(journal.records.open(1.0, Call(chat("Zoë")), answer, place=place), end="eof", took_s=0)
    (call,) = calls_of(tmp_path, *journal.har()["log"]["entries"])
    assert (call.number, call.missing, call.interaction.answer) == (3, "", answer)
    assert call.interaction.request.body == chat("Zoë").body


@pytest.mark.parametrize(
    ("changed", "missing"),
    [
        ({"response": {"status": 0, "content": {}}}, "it broke off before an answer came"),
        ({"response": {"status": -1}}, "it broke off before an answer came"),
        ({"response": None}, "it broke off before an answer came"),
        ({"response": {"status": 200, "content": {"size": 0}}}, "the file does not hold its answer's text"),
        ({"response": {"status": 200, "content": {"text": "", "comment": "x"}}}, "the file does not hold its answer's text"),
        ({"response": {"status": 200, "content": {"text": "?", "encoding": "base64"}}}, "its answer's base64 cannot be read"),
        ({"response": {"status": 204, "content": {"size": 0}}}, ""),
        ({"response": {"status": 200, "content": {"text": ""}}}, ""),
        ({"_end": "client left"}, "its answer ended early: client left"),
        ({"request": {"method": "POST", "url": CHAT, "bodySize": 5}}, "the file does not hold its body"),
        ({"request": {"method": "POST", "url": CHAT, "bodySize": 0}}, ""),
    ],
)  # fmt: skip
def test_what_the_file_does_not_hold_is_said(tmp_path: Path, changed: dict[str, Any], missing: str) -> None:
    (call,) = calls_of(tmp_path, {**entry(), **changed})
    assert call.missing == missing


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"log": {}}', '{"log": {"entries": {}}}', "[" * 9000])
def test_a_file_that_is_no_har_is_refused_with_where_to_get_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.har"
    path.write_text(text)
    with pytest.raises(HarError, match=r"x\.har is no HAR, .*network panel.*/__admin/journal\.har"):
        har_calls(path)


def completion(content: str | None = "In Norway.", finish: str = "stop", calls: Sequence[Any] = ()) -> Answer:
    message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
    message |= {"tool_calls": list(calls)} if calls else {}
    choice = {"index": 0, "finish_reason": finish, "logprobs": None, "message": message}
    return json_answer(200, {**ANSWER, "choices": [choice]})


def tool(arguments: str) -> dict[str, Any]:
    return {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": arguments}}


def stream(*payloads: Any) -> Answer:
    events = tuple(Event(1, f"data: {json.dumps(each)}\n\n".encode()) for each in payloads)
    return Answer(200, (("content-type", "text/event-stream"),), events)


def response(text: str, *, status: str = "completed", id_: str = "resp_1") -> Answer:
    output = [{"id": "msg_1", "type": "message", "content": [{"type": "output_text", "text": text}]}]
    return json_answer(200, {"id": id_, "object": "response", "status": status, "output": output})


@pytest.mark.parametrize(
    ("now", "lines"),
    [
        (completion(), []),
        (json_answer(200, {**ANSWER, "id": "chatcmpl-2", "created": 9, "system_fingerprint": "fp_2"}), []),
        (completion("In Sweden."), ["text:", "  --- in the file", "  +++ now", "  @@ -1 +1 @@", "  -In Norway.", "  +In Sweden."]),
        (completion(finish="length"), ["finish reason: stop -> length"]),
        (json_answer(200, {**ANSWER, "new": 1}), ["shape: added: new: absent -> number"]),
        (
            completion(calls=[tool("{}")]),
            ["tool calls:", "  --- in the file", "  +++ now", "  @@ -0,0 +1 @@", "  +look({})", "shape: added: choices[].message.tool_calls: absent -> list"],
        ),
        (
            json_answer(429, {"error": {"message": "Slow down.", "code": "rate"}}),
            ["status: 200 -> 429", "finish reason: stop -> refused: rate", "text:", "  --- in the file", "  +++ now", "  @@ -1 +1 @@", "  -In Norway.", "  +Slow down."],
        ),
    ],
)  # fmt: skip
def test_answers_differ_in_status_text_calls_end_and_shape(now: Answer, lines: list[str]) -> None:
    found = differences(completion(), now)
    assert [line for line in found if not line.startswith("shape: added: choices[].message.tool_calls[]")] == lines


def test_white_space_in_the_arguments_of_a_call_is_no_difference() -> None:
    assert differences(completion(calls=[tool('{"a": 1}')]), completion(calls=[tool('{"a":1}')])) == ()
    assert differences(completion(calls=[tool('{"a": 1}')]), completion(calls=[tool('{"a": 2}')])) != ()
    assert differences(completion(calls=[tool('{"a"')]), completion(calls=[tool('{"b"')])) != ()


@pytest.mark.parametrize(
    ("before", "now", "same"),
    [
        (response("Hi"), response("Hi", id_="resp_2"), True),
        (response("Hi"), response("Ho"), False),
        (response("Hi"), response("Hi", status="incomplete"), False),
        (json_answer(200, {"data": [0.5], "created": 1}), json_answer(200, {"data": [0.5], "created": 2}), True),
        (json_answer(200, {"data": [0.5]}), json_answer(200, {"data": [0.6]}), False),
        (stream({"choices": [{"text": "a"}]}), stream({"choices": [{"text": "b"}]}), False),
        (stream({"type": "speech", "audio": "a"}), stream({"type": "speech", "audio": "b"}), False),
        (stream({"type": "speech", "audio": "a"}), stream({"type": "speech", "audio": "a"}), True),
        (replace(completion(), events=(Event(0, b"\xff"),)), replace(completion(), events=(Event(0, b"\xfe"),)), False),
    ],
)
def test_every_kind_of_answer_is_compared_by_what_it_says(before: Answer, now: Answer, *, same: bool) -> None:
    assert (differences(before, now) == ()) == same


def test_events_may_be_cut_in_another_way() -> None:
    def chunk(text: str) -> dict[str, Any]:
        return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": text}}]}

    assert differences(stream(chunk("In Nor"), chunk("way")), stream(chunk("In Norway"))) == ()


def test_what_is_said_has_no_secret_and_an_end() -> None:
    text = "\n".join(f"{CANARIES['OpenAI key']} {number}" for number in range(100))
    found = differences(completion(text), completion("x"))
    assert (any("sk-" in line for line in found), len(found)) == (False, 42)
    assert found[-1] == "  … 64 more lines"
    assert differences(completion(text), completion(text.replace(CANARIES["OpenAI key"], "REDACTED"))) == ()
