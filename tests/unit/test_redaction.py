"""Secrets and people are taken out of every value by their form, wherever they stand, and nothing else changes."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from mockserver.exchange import Answer, Event, Headers, Interaction, Request
from mockserver.matching.call import Call
from mockserver.redaction.exchanges import (
    RedactedInteraction,
    personal_headers,
    redacted,
    shown_answer,
    shown_request,
    without_credentials,
)
from mockserver.redaction.kinds import KINDS
from mockserver.redaction.known import remember
from mockserver.redaction.redaction import Redaction, Secret, apart, clean
from mockserver.redaction.replacements import REDACTED
from tests.unit.canaries import CANARIES, CORES, NOT_SECRET
from tests.unit.examples import chat
from tests.unit.ordinary_texts import ORDINARY

SSE: Headers = (("content-type", "text/event-stream"),)
OPENAI, AWS, MAIL = CANARIES["OpenAI key"], CANARIES["AWS access key"], CANARIES["e-mail address"]


def taken_out(request: Request, answer: Answer) -> RedactedInteraction:
    return redacted(Interaction(request, answer), Redaction())


def events_of(payloads: Sequence[Any]) -> Answer:
    data = [b"data: " + json.dumps(payload, ensure_ascii=False).encode() + b"\n\n" for payload in payloads]
    return Answer(200, SSE, tuple(Event(7, event) for event in data))


def payloads_of(answer: Answer) -> list[Any]:
    return [json.loads(event.data.removeprefix(b"data: ")) for event in answer.events]


def streamed(*pieces: str, field: str = "content", **more: Any) -> Answer:
    return events_of(
        [{"id": "chatcmpl-1", "choices": [{"index": 0, "delta": {field: piece}, **more}]} for piece in pieces]
    )


def text_of(answer: Answer, field: str = "content") -> str:
    return "".join(payload["choices"][0]["delta"][field] for payload in payloads_of(answer))


def test_every_kind_has_an_example_that_it_finds_and_a_source() -> None:
    assert CORES.keys() == CANARIES.keys()
    assert [kind.name for kind in KINDS if not kind.source] == []


NEIGHBOURS = (
    "Use {}, please",
    "Key:\n{}\nThanks",
    "\t{}\t",
    "密钥为{}谢谢",
    "({})",
    '"{}"',
    "ü{}ü",
    "x={}",
    "\\n{}\\n",
    "\\u003c{}",
    "%0A{}",
    "{}",
)


@pytest.mark.parametrize("kind", CANARIES)
def test_a_secret_in_a_text_is_taken_out_whatever_stands_beside_it(kind: str) -> None:
    prompt = "\n|\n".join(text.replace("{}", CANARIES[kind]) for text in NEIGHBOURS)
    body = json.dumps({"arguments": json.dumps({"inner": json.dumps([prompt])})}).encode()
    result = taken_out(chat(prompt), Answer(200, (), (Event(0, body),)))
    (inner,) = json.loads(json.loads(json.loads(result.interaction.answer.body)["arguments"])["inner"])
    (message,) = json.loads(result.interaction.request.body)["messages"]
    for text in (inner, message["content"]):
        assert CORES[kind] not in text
        assert len(text.split("\n|\n")) == len(NEIGHBOURS)
    again = taken_out(result.interaction.request, result.interaction.answer)
    assert (again.interaction, again.secrets) == (result.interaction, {})
    assert Call(chat(prompt)).canonical.fingerprint == Call(result.interaction.request).canonical.fingerprint


@pytest.mark.parametrize("kind", CANARIES)
def test_a_secret_that_events_share_is_taken_out_wherever_it_is_cut(kind: str) -> None:
    text = f"It is {CANARIES[kind]}, Grüße"
    whole = Redaction().text(text)
    for cut in range(7, 6 + len(CANARIES[kind]), 3):
        answer = taken_out(chat(), streamed(text[:cut], text[cut:])).interaction.answer
        assert text_of(answer) == whole
        assert [event.after_ms for event in answer.events] == [7, 7]
    letters = taken_out(chat(), streamed(*text))
    assert (text_of(letters.interaction.answer), len(letters.interaction.answer.events)) == (whole, len(text))
    assert letters.secrets[kind.rstrip(" 1")] == 1


@pytest.mark.parametrize("text", NOT_SECRET)
def test_a_text_that_only_looks_like_a_secret_stays(text: str) -> None:
    assert Redaction().text(text) == text
    assert taken_out(chat(), streamed(*text)).interaction.answer == streamed(*text)


@pytest.mark.parametrize(
    "text",
    [
        '{"AZURE_OPENAI_KEY": "3f9c2a7be1d045863f9c2a7be1d04586"}',
        '{"openai_api_key": "Hunter2hunter2x"}',
        '{"password":"Hunter2-hunter2"}\n{"a":1}',
        '{"password": "Hunter2-hunter2", "x": "cut o',
        '\ufeff{"password": "Hunter2-hunter2"}',
        "_ada@corp-x.com_",
        "ada@corp-x.com(Ada)",
        "иван@corp-x.com",
        "用户@corp-x.cn",
        "ada@почта.рф",
        "ada@x.org",
        "ADA@CORP-X.COM",
        "Ada@Corp-X.Local",
        "ada%40corp-x.com",
        "Server=db;User Id=a;Password=Hunter2-hunter2",
        "Password=Hunter2-hunter2;Server=db;",
        f"x&sig=7nRM-_{CANARIES['OpenAI key'][8:45]}",
        f"https://proxy/k/{CANARIES['Azure AI key']}/v1",
        f"_{CANARIES['JSON Web Token']}_",
        "base64-" + base64.b64encode(b'{"mail":"ada@corp-x.com"}').decode(),
        "a.b.acme-payroll.openai.azure.com",
        "".join(f"-{line}\n" for line in CANARIES["private key"].splitlines()),
        "".join(f"> {line}\n" for line in CANARIES["private key"].splitlines()),
        "+49 (0)151 / 234 567 89",
        "LY83002048000020100120361",
    ],
)
def test_odd_places_and_forms_hide_nothing(text: str) -> None:
    once = Redaction().text(text)
    assert once != text
    assert not re.search(r"unter2|3f9c2a|acme|@corp|40corp|иван|用户|почта|x\.org|7nRM|aB3dE5|ZGFAY29y|151|LY83", once)
    assert Redaction().text(once) == once


@pytest.mark.parametrize(
    "text",
    [
        '{"a":"x\\nacme-pay.openai.azure.com"}\n{"b":1}',
        '{print("x\\nacme-pay.openai.azure.com")}',
        "https%3A%2F%2Facme-payroll.openai.azure.com",
        "%3Cada@corp-x.com%3E",
    ],
)
def test_an_escape_before_a_secret_stays_whole(text: str) -> None:
    once = Redaction().text(text)
    assert once in (
        re.sub(r"acme-pay(roll)?|ada@corp-x.com", replacement, text)
        for replacement in ("resource", Redaction().text("ada@corp-x.com"))
    )
    asked = chat(text)
    assert (
        Call(asked).canonical.fingerprint
        == Call(taken_out(asked, Answer(200)).interaction.request).canonical.fingerprint
    )


def test_a_form_is_answered_by_its_recording() -> None:
    form = (("content-type", "application/X-www-form-urlencoded"),)
    asked = Request("POST", "/v1/files", "", form, b"client_secret=abcd&email=ada%40corp-x.com")
    recorded = taken_out(asked, Answer(200)).interaction.request
    assert b"abcd" not in recorded.body
    assert Call(asked).canonical.fingerprint == Call(recorded).canonical.fingerprint


@pytest.mark.parametrize(
    "event",
    [
        '{"choices":[{"index":0,"delta":{"content":"","content":%s}}]}',
        '{"type":"response.output_text.delta","item_id":"m%d","output_index":0,"delta":%s}',
        '{"z":' + "[" * 210 + "]" * 210 + ',"choices":[{"index":0,"delta":{"content":%s}}]}',
        '{"choices":[{"index":%d.0,"delta":{"content":%s}}]}',
    ],
    ids=["a key twice", "an id that is new each time", "deep", "a fraction as index"],
)
def test_odd_events_are_put_together_too(event: str) -> None:
    pieces = [AWS[at : at + 7] for at in range(0, len(AWS), 7)]
    texts = [
        event % ((number if "item_id" in event else 0, json.dumps(piece)) if "%d" in event else json.dumps(piece))
        for number, piece in enumerate(pieces)
    ]
    answer = Answer(200, SSE, tuple(Event(0, f"data: {text}\n\n".encode()) for text in texts))
    body = taken_out(chat(), answer).interaction.answer.body.decode()
    assert [piece for piece in pieces if piece in body] == []


def test_half_a_surrogate_beside_a_secret_in_log_probabilities() -> None:
    tokens = [{"token": text, "bytes": []} for text in ("\ud83d", AWS)]
    body = json.dumps({"choices": [{"index": 0, "logprobs": {"content": tokens}}]}).encode()
    (event,) = taken_out(chat(), Answer(200, (), (Event(0, body),))).interaction.answer.events
    assert [each["token"] for each in json.loads(event.data)["choices"][0]["logprobs"]["content"]] == [
        "\ud83d",
        "REDACTED",
    ]


@pytest.mark.parametrize("name", ORDINARY)
def test_nothing_is_taken_out_of_an_ordinary_text(name: str) -> None:
    text = ORDINARY[name]
    assert [text[secret.start : secret.end] for secret in Redaction().secrets(text)] == []
    assert clean({"content": text, "arguments": json.dumps([text])}) == {
        "content": text,
        "arguments": json.dumps([text]),
    }


@pytest.mark.parametrize("field", ["content", "refusal", "reasoning_content", "reasoning", "anything_new"])
def test_every_field_of_a_delta_is_put_together(field: str) -> None:
    answer = taken_out(chat(), streamed(MAIL[:5], MAIL[5:], field=field)).interaction.answer
    assert text_of(answer, field) == Redaction().text(MAIL)


def test_fields_and_choices_of_one_event_are_put_together_apart() -> None:
    def event(one: str, other: str, arguments: str) -> dict[str, Any]:
        calls = [{"index": 0, "function": {"arguments": arguments}}]
        return {
            "choices": [
                {"index": 1, "delta": {"content": other}},
                {"index": 0, "delta": {"content": one, "tool_calls": calls}},
            ]
        }

    events = [
        event(AWS[:9], "", '{"to": "\\n'),
        event("", AWS[:9], MAIL[:5]),
        event(AWS[9:], AWS[9:], f'{MAIL[5:]}"}}'),
    ]
    answer = taken_out(chat(), events_of(events)).interaction.answer
    got = payloads_of(answer)
    for choice in (0, 1):
        assert "".join(each["choices"][choice]["delta"]["content"] for each in got) == "REDACTED"
    arguments = "".join(each["choices"][1]["delta"]["tool_calls"][0]["function"]["arguments"] for each in got)
    assert json.loads(arguments) == {"to": "\n" + Redaction().text(MAIL)}


def test_arguments_of_two_calls_are_never_mixed() -> None:
    def call(index: int, piece: str) -> dict[str, Any]:
        first = {"id": "call_1", "type": "function"} if piece == AWS[:9] else {}
        return {
            "choices": [
                {"index": 0, "delta": {"tool_calls": [{"index": index, **first, "function": {"arguments": piece}}]}}
            ]
        }

    events = [call(0, AWS[:9]), call(1, "AKIA"), call(0, AWS[9:]), call(1, "none")]
    answer = taken_out(chat(), events_of(events)).interaction.answer
    texts = [each["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] for each in payloads_of(answer)]
    assert texts == ["REDACTED", "AKIA", "", "none"]


def test_deltas_of_a_response_are_put_together_by_item() -> None:
    def delta(item: str, text: str) -> dict[str, Any]:
        return {"type": "response.output_text.delta", "item_id": item, "output_index": 0, "delta": text}

    events = [delta("msg_1", AWS[:9]), delta("msg_2", "AKIA"), delta("msg_1", AWS[9:])]
    whole = {"type": "response.output_text.done", "item_id": "msg_1", "text": AWS}
    answer = taken_out(chat(), events_of([*events, whole])).interaction.answer
    got = payloads_of(answer)
    assert [each["delta"] for each in got[:3]] == ["REDACTED", "AKIA", ""]
    assert got[3]["text"] == "REDACTED"


def token(text: str) -> dict[str, Any]:
    alternative = {"token": text, "logprob": -0.1, "bytes": list(text.encode())}
    return {**alternative, "top_logprobs": [alternative]}


@pytest.mark.parametrize("cut", [1, 9, 19])
def test_log_probabilities_do_not_spell_the_secret(cut: int) -> None:
    pieces = ["My ", AWS[:cut], AWS[cut:], "!"]
    parts = [
        {"choices": [{"index": 0, "delta": {"content": piece}, "logprobs": {"content": [token(piece)]}}]}
        for piece in pieces
    ]
    whole = {
        "choices": [
            {"index": 0, "message": {"content": "".join(pieces)}, "logprobs": {"content": list(map(token, pieces))}}
        ]
    }
    stream = taken_out(chat(), events_of(parts)).interaction.answer
    plain = taken_out(chat(), Answer(200, (), (Event(0, json.dumps(whole).encode()),))).interaction.answer
    streamed_tokens = [each["choices"][0]["logprobs"]["content"][0] for each in payloads_of(stream)]
    for tokens in (streamed_tokens, json.loads(plain.body)["choices"][0]["logprobs"]["content"]):
        assert [each["token"] for each in tokens] == ["My ", "REDACTED", "", "!"]
        assert [bytes(each["bytes"]).decode() for each in tokens] == ["My ", "REDACTED", "", "!"]
        assert [len(each["top_logprobs"]) for each in tokens] == [1, 0, 0, 1]


@pytest.mark.timeout(30)
def test_many_secrets_in_one_escaped_text_take_linear_time() -> None:
    text = "\n".join(f"a{number}@corp-x.com, some text" for number in range(5_000))
    assert taken_out(chat(text), Answer(200)).secrets == {"e-mail address": 5_000}


def test_what_has_no_secret_is_byte_for_byte_the_same() -> None:
    body = b'{"b" :1.0, "a":"\\u00fc \\/ \\ud83d\\ude00 \xc3\xbc", "a":2}  '
    events = [
        b": it's \"a ping\r\n\r\n",
        b'event: x\ndata: {"a": "\\u00fc"}\n\n',
        b"data: {broken\n\n",
        b"data: [DONE]\n\n",
        b"\xff\xfe",
    ]
    for answer in (
        Answer(200, (), (Event(0, body),)),
        Answer(200, SSE, tuple(Event(0, event) for event in events)),
        Answer(200, (), (Event(0, bytes(range(256)) * 9),)),
    ):
        assert taken_out(chat(), answer).interaction.answer == answer


def test_only_the_secret_changes_in_a_body_with_escapes_and_odd_spacing() -> None:
    body = '{"b" :1.0, "a":"\\u00fc \\/ %s\\n\\ud83d\\ude00" }  '
    answer = Answer(200, (), (Event(0, (body % AWS).encode()),))
    assert taken_out(chat(), answer).interaction.answer.body == (body % "REDACTED").encode()


@pytest.mark.parametrize("hidden", ["\\u0040", "@"])
def test_escapes_hide_nothing(hidden: str) -> None:
    body = json.dumps({"text": "ada@corp-analytical.com<"}).replace("@", hidden).replace("<", "\\u003c")
    (answer,) = taken_out(chat(), Answer(200, (), (Event(0, body.encode()),))).interaction.answer.events
    assert json.loads(answer.data) == {"text": Redaction().text("ada@corp-analytical.com") + "<"}


def test_keys_of_json_are_looked_at_and_their_names_too() -> None:
    assert clean({AWS: 1, "api-key": "0123456789abcdef", "api_key": "the api key", "key1": ["a1b2c3d4e5"]}) == {
        "REDACTED": 1,
        "api-key": "REDACTED",
        "api_key": "the api key",
        "key1": ["REDACTED"],
    }


@pytest.mark.parametrize("start", ["AAAAA=", "=", "A=A=A=", "A" * 61 + "=", "A" * 62 + "=="])
@pytest.mark.parametrize("rest", [600, 5000])
def test_letters_of_base64_that_are_no_base64_are_shown_as_they_are(start: str, rest: int) -> None:
    text = start + "A" * rest
    assert clean([text, {"x": text}]) == [text, {"x": text}]


@pytest.mark.parametrize("strip", [False, True])
def test_base64_of_a_text_is_looked_into(strip: bool) -> None:
    def encoded(text: str) -> str:
        return base64.b64encode(text.encode()).decode().rstrip("=" if strip else "")

    text = f"data:text/plain;base64,{encoded(f'the key is {AWS} ü')} and {encoded('nothing to see here at all')}"
    assert Redaction().text(text) == text.replace(encoded(f"the key is {AWS} ü"), encoded("the key is REDACTED ü"))


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("filling", ["", "x", "xx"])
def test_base64_stays_in_its_alphabet_and_with_or_without_its_padding(encode: Any, padded: bool, filling: str) -> None:
    inner = '{"mail": "ada@corp-x.com", "x": ">>>>>>??????"}' + filling
    given, expected = (encode(text.encode()).decode() for text in (inner, Redaction().text(inner)))
    given = given if padded else given.rstrip("=")
    assert ({"+", "/"} if encode is base64.b64encode else {"-", "_"}) <= set(given) & set(expected)
    kept = expected if len(given) % 4 == 0 else expected.rstrip("=")
    assert Redaction().text(f"a {given} b") == f"a {kept} b"


@pytest.mark.parametrize(
    "name",
    [
        "AccessKey", "access_token", "AccountKey", "admin-key", "OPENAI_API_KEY", "api token", "Authorization", "authToken",
        "bearer_token", "function_key", "x-functions-key", "id_token", "key1", "KEY2", "_master-key", "passphrase", "passwd",
        "db_password", "privateKey", "PWD", "query_key", "refresh_token", "sas-token", "clientSecret", "secret_key",
        "aws_session_token", "Ocp-Apim-Subscription-Key",
    ],
)  # fmt: skip
def test_the_value_of_a_secrets_name_is_taken_out(name: str) -> None:
    assert clean({name: "Hunter2-hunter2"}) == {name: REDACTED}
    assert clean({name: "Hunter2"}) == {name: "Hunter2"}  # too short to be one
    assert clean({f"{name}_note": "Hunter2-hunter2"}) == {f"{name}_note": "Hunter2-hunter2"}


def test_the_shortest_secret_is_found_alone_and_in_json() -> None:
    assert Redaction().text("a@b.co") != "a@b.co"
    assert "a@b.co" not in Redaction().text('{"x":"a@b.co"}')


def test_secrets_that_overlap_become_one_and_neighbours_stay_two() -> None:
    one, two = Secret(0, 10, "one", "k"), Secret(2, 5, "two", "k")
    assert apart([two, one]) == [one]
    assert apart([two, one._replace(end=4)]) == [Secret(0, 5, "one", "k")]
    assert apart([two, one._replace(end=2)]) == [one._replace(end=2), two]


def test_bytes_that_are_no_text_stay_beside_a_secret() -> None:
    data = Redaction().data(b"\xff ada@corp-x.com \xfe")
    assert (data[:2], data[-2:], b"corp-x" in data) == (b"\xff ", b" \xfe", False)


def test_a_compressed_body_is_looked_into() -> None:
    answer = Answer(200, (("content-encoding", "gzip"),), (Event(3, gzip.compress(f'{{"a": "{AWS}"}}'.encode())),))
    assert gzip.decompress(taken_out(chat(), answer).interaction.answer.body) == b'{"a": "REDACTED"}'


def test_known_keys_are_taken_out_whatever_their_form_and_across_events() -> None:
    remember(["hunter2-hunter2-hunter2", "", "short"])
    answer = taken_out(chat(), streamed("my hunter2", "-hun", "ter2-hunter2 and short")).interaction.answer
    assert text_of(answer) == "my REDACTED and short"
    assert Call(chat("hunter2-hunter2-hunter2")).canonical.body["messages"][0]["content"] == "hunter2-hunter2-hunter2"


def test_a_known_key_is_taken_out_at_the_start_and_each_time() -> None:
    remember(["hunter3-hunter3-hunter3"])
    assert Redaction().text("hunter3-hunter3-hunter3") == "REDACTED"
    assert Redaction().text("hunter3-hunter3-hunter3hunter3-hunter3-hunter3 ") == "REDACTEDREDACTED "
    assert Redaction(with_known=False).text("hunter3-hunter3-hunter3") == "hunter3-hunter3-hunter3"


def test_letters_of_data_that_look_like_a_secret_stay() -> None:
    noise = base64.b64encode(bytes(range(200, 256)) * 12).decode()
    assert Redaction().text(f"{noise}/{AWS}/{noise}") == f"{noise}/{AWS}/{noise}"
    assert AWS not in Redaction().text(f"{noise[:200]}/{AWS}/")


def test_what_a_project_allows_stays() -> None:
    text = f"{MAIL} and info@corp.com and {AWS}"
    assert Redaction(("*@corp.com",)).text(text) == text.replace(MAIL, Redaction().text(MAIL)).replace(AWS, "REDACTED")


def test_the_same_address_gets_the_same_replacement_and_another_a_different_one() -> None:
    one, same, other = (Redaction().text(address) for address in ("Ada@Corp.com", "ada@corp.com", "bob@corp.com"))
    assert one == same != other
    assert one.endswith("@example.com")


def test_a_request_is_shown_without_its_credentials_but_with_their_headers() -> None:
    request = Request(
        "GET", f"/v1/files/{AWS}", f"code=abc&a={MAIL.replace('@', '%40')}", (("authorization", "Bearer 1"), ("x", AWS))
    )
    assert without_credentials(request).headers == (("authorization", "REDACTED"), ("x", AWS))
    shown = shown_request(request)
    assert (shown.raw_path, shown.headers) == ("/v1/files/REDACTED", (("authorization", "REDACTED"), ("x", "REDACTED")))
    assert shown.query == f"code=REDACTED&a={Redaction().text(MAIL).replace('@', '%40')}"
    headers = (("set-cookie", "a=b"), ("x-ratelimit-key", "k"), ("server", "x"))
    assert shown_answer(Answer(200, headers)).headers == (
        ("set-cookie", "REDACTED"),
        ("x-ratelimit-key", "REDACTED"),
        ("server", "x"),
    )


def test_a_recording_has_only_harmless_headers_and_no_secret_in_them() -> None:
    request = Request(
        "POST",
        "/v1/chat/completions",
        headers=(
            ("authorization", "Bearer x"),
            ("api-key", "x"),
            ("cookie", "a=b"),
            ("content-type", "application/json"),
        ),
        query=f"api-version=1&api-key=secret&subscription-key=s&x={AWS}",
    )
    answer = Answer(
        200,
        (
            ("content-type", "application/json"),
            ("set-cookie", "a=b"),
            ("openai-organization", "acme"),
            ("x-ratelimit-limit-requests", "5"),
            ("x-ratelimit-key", "abcd"),
            ("location", f"/jobs/1?sig={OPENAI}{OPENAI}"),
        ),
    )
    recording = taken_out(request, answer).interaction
    assert recording.request.headers == (("content-type", "application/json"),)
    assert recording.request.query == "api-version=1&api-key=REDACTED&subscription-key=REDACTED&x=REDACTED"
    assert recording.answer.headers == (
        ("content-type", "application/json"),
        ("x-ratelimit-limit-requests", "5"),
        ("location", "/jobs/1?sig=REDACTED"),
    )


def test_the_headers_of_a_person_are_named_until_they_are_taken_out() -> None:
    headers = (("authorization", "Bearer x"), ("accept", "*/*"), ("cookie", REDACTED))
    assert personal_headers(headers) == ("authorization",)


def test_a_query_without_a_key_stays_and_a_key_in_it_is_counted() -> None:
    for query in ("", "a", "a=", "api-key=", "a=b&c"):
        assert without_credentials(replace(chat(), query=query)).query == query
    assert without_credentials(replace(chat(), query="a=b&api-key=x&c")).query == f"a=b&api-key={REDACTED}&c"
    assert taken_out(replace(chat(), query="a=b&api-key=x"), Answer(200, ())).secrets == {"key in an address": 1}
    again = taken_out(replace(chat(), query=f"api-key={REDACTED}"), Answer(200, ()))
    assert again.secrets == {}


def test_a_form_is_decoded_value_by_value() -> None:
    form = (("content-type", "application/x-www-form-urlencoded"),)
    request = Request("POST", "/v1/x", headers=form, body=b"a=Key%3A%0A" + AWS.encode() + b"&b=ada%40corp-x.com&c=1+2")
    body = taken_out(request, Answer(200)).interaction.request.body
    assert body == f"a=Key%3A%0AREDACTED&b={Redaction().text('ada@corp-x.com').replace('@', '%40')}&c=1+2".encode()


def test_a_key_in_the_query_does_not_decide_what_answers() -> None:
    one, other = (
        Call(Request("POST", "/openai/v1/chat/completions", query)).canonical.fingerprint
        for query in ("subscription-key=abc&api-version=1", "subscription-key=REDACTED&api-version=1")
    )
    assert one == other


def test_ids_vectors_and_encrypted_content_stay() -> None:
    vector = base64.b64encode(bytes(range(256)) * 24).decode()
    body = {
        "id": "resp_0ca3f598125653cf01693c1f21bf8c819596a078608d16a52d",
        "encrypted_content": "gAAAAABpzorVRpbnZOYp5LlfC6IRb_i2RYcRxPEms2SExjVmxPtxbthqfMDz8OJhbUo2JM-R7yPthPmV8bU",
        "obfuscation": "sk3xAKIAxyz",
        "embedding": vector,
        "call_id": "call_abcDEF123456",
    }
    answer = Answer(200, (), (Event(0, json.dumps(body).encode()),))
    assert taken_out(chat(), answer).interaction.answer == answer


@pytest.mark.parametrize(
    "text",
    [
        "a word and another; " * 500_000,
        "eyJ" * 1_000_000,
        "eyJabc " * 100_000,
        "sk-" * 1_000_000,
        "a" * 3_000_000 + "@",
        "-----BEGIN PRIVATE KEY-----" * 10_000,
        "://a:" * 200_000,
        "key key key " * 30_000,
        "a@b.c " * 10_000,
        '{"a":' * 100_000,
        '["' + '\\"' * 1_000_000,
    ],
    ids=["prose", "eyJ", "eyJabc", "sk-", "one word", "private key", "address", "key", "@", "deep", "quotes"],
)
@pytest.mark.timeout(30)  # a quadratic search would take hours
def test_a_large_body_without_secrets_takes_linear_time(text: str) -> None:
    assert Redaction().text(text) == text


@pytest.mark.parametrize(
    "events",
    [
        [
            {"type": "response.output_text.done", "item_id": f"m{number}", "text": text}
            for number, text in enumerate(["It is", AWS, "so"])
        ],
        ["It is", AWS, "so"],
        ['{"text": "It is", "text": "X"}', json.dumps({"text": AWS})[:-1] + ', "text": "so"}'],
    ],
    ids=["items that end", "plain lines", "a key twice"],
)
def test_a_secret_that_stands_alone_is_found_though_what_is_beside_it_would_hide_it(events: list[Any]) -> None:
    texts = [event if isinstance(event, str) else json.dumps(event) for event in events]
    texts = [text.replace("It is", "ITIS") for text in texts]  # no AWS key has a letter before it
    answer = Answer(200, SSE, tuple(Event(0, f"data: {text}\n\n".encode()) for text in texts))
    result = taken_out(chat(), answer)
    assert AWS.encode() not in result.interaction.answer.body
    assert result.secrets == {"AWS access key": 1}


def test_what_is_allowed_is_compared_with_the_secret_alone() -> None:
    key = "3f9c2a7be1d045863f9c2a7be1d04586"
    assert Redaction((key,)).text(f"{key} ", "AZURE_OPENAI_KEY") == f"{key} "


def test_many_pieces_with_many_secrets_take_linear_time() -> None:
    pieces = [f"a{number}@corp-x.com " for number in range(5_000)]
    assert taken_out(chat(), streamed(*pieces)).secrets == {"e-mail address": 5_000}


def test_what_stands_beside_a_secret_in_one_token_stays() -> None:
    tokens = [{"token": f"({AWS}) ", "bytes": [], "top_logprobs": []}]
    body = json.dumps({"choices": [{"index": 0, "logprobs": {"content": tokens}}]}).encode()
    (event,) = taken_out(chat(), Answer(200, (), (Event(0, body),))).interaction.answer.events
    assert json.loads(event.data)["choices"][0]["logprobs"]["content"][0]["token"] == "(REDACTED) "


def test_what_is_too_large_to_be_unpacked_is_not_kept() -> None:
    bomb = gzip.compress(b"sk-proj-" + b"a1" * 20 + bytes(65 << 20))
    assert Redaction().data(bomb) == b"REDACTED"
