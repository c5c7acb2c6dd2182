"""Secrets and names are taken out by their form, wherever they are, and nothing else changes."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from mockserver.exchange import Answer, Event, Interaction, Request
from mockserver.matching.call import Call
from mockserver.redact import Redaction, clean, shown
from tests.unit.canaries import CANARIES, NOT_SECRET
from tests.unit.examples import chat

SSE = (("content-type", "text/event-stream"),)


def delta(text: str, **more: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, **more}
    return b"data: " + json.dumps({"id": "chatcmpl-1", "choices": [choice]}, ensure_ascii=False).encode() + b"\n\n"


def streamed(*pieces: str, **more: Any) -> Interaction:
    return Interaction(chat(), Answer(200, SSE, tuple(Event(7, delta(piece, **more)) for piece in pieces)))


def text_of(interaction: Interaction) -> str:
    events = [json.loads(event.data.removeprefix(b"data: ")) for event in interaction.answer.events]
    return "".join(event["choices"][0]["delta"]["content"] for event in events)


@pytest.mark.parametrize("kind", CANARIES)
def test_a_secret_in_a_prompt_and_in_an_answer_is_taken_out(kind: str) -> None:
    secret = CANARIES[kind]
    body = json.dumps({"text": f"Use {secret}, please"}).encode()
    interaction = Interaction(chat(f"It is {secret}."), Answer(200, (), (Event(0, body),)))
    redacted = Redaction().interaction(interaction)
    for text in (redacted.request.body, redacted.answer.body):
        assert secret.encode() not in text
        assert json.dumps(secret)[1:-1].encode() not in text
        json.loads(text)
    assert Redaction().kinds(interaction)[kind] == 2
    assert not Redaction().kinds(redacted)


@pytest.mark.parametrize("kind", CANARIES)
def test_a_secret_that_events_share_is_taken_out_wherever_it_is_cut(kind: str) -> None:
    secret = CANARIES[kind]
    text = f"It is {secret}, Grüße"
    whole = Redaction().text(text)
    for cut in range(7, 6 + len(secret)):
        interaction = streamed(text[:cut], text[cut:])
        redacted = Redaction().interaction(interaction)
        assert text_of(redacted) == whole
        assert [event.after_ms for event in redacted.answer.events] == [7, 7]
    letters = Redaction().interaction(streamed(*text))
    assert (text_of(letters), len(letters.answer.events)) == (whole, len(text))
    assert Redaction().kinds(streamed(*text))[kind] == 1


@pytest.mark.parametrize("text", NOT_SECRET)
def test_a_text_that_only_looks_like_a_secret_stays(text: str) -> None:
    assert Redaction().text(text) == text
    assert Redaction().interaction(streamed(*text)).answer == streamed(*text).answer


def test_known_keys_are_taken_out_whatever_their_form_and_across_events() -> None:
    redaction = Redaction.of(["hunter2-hunter2", "", "short"])
    redacted = redaction.interaction(streamed("my hunter2", "-hun", "ter2 and short"))
    assert text_of(redacted) == "my REDACTED and short"


def test_arguments_of_two_calls_are_never_mixed() -> None:
    key = CANARIES["AWS access key"]

    def call(index: int, piece: str) -> bytes:
        function = {"arguments": piece}
        choice = {"index": 0, "delta": {"tool_calls": [{"index": index, "function": function}]}}
        return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"

    events = [call(0, key[:9]), call(1, "AKIA"), call(0, key[9:]), call(1, "none")]
    redacted = Redaction().interaction(
        Interaction(chat(), Answer(200, SSE, tuple(Event(0, event) for event in events)))
    )
    assert [event.data for event in redacted.answer.events] == [
        call(0, "REDACTED"),
        call(1, "AKIA"),
        call(0, ""),
        call(1, "none"),
    ]


def test_log_probabilities_do_not_spell_the_secret() -> None:
    key = CANARIES["AWS access key"]
    entry = {"token": key[:9], "logprob": -0.1, "bytes": list(key[:9].encode()), "top_logprobs": []}
    redacted = Redaction().interaction(streamed(key[:9], key[9:], logprobs={"content": [entry], "refusal": None}))
    assert key[:9].encode() not in redacted.answer.body
    assert text_of(redacted) == "REDACTED"


def test_the_same_address_gets_the_same_replacement_and_another_a_different_one() -> None:
    one, same, other = (Redaction().text(address) for address in ("Ada@Corp.com", "ada@corp.com", "bob@corp.com"))
    assert one == same != other
    assert one.endswith("@example.com")
    assert Redaction().text(one) == one


def test_a_request_with_a_secret_matches_its_recording() -> None:
    request = chat(f"Mail ada@corp.com with {CANARIES['GitHub token']}")
    redacted = Redaction().interaction(Interaction(request, Answer(200)))
    assert redacted.request.body != request.body
    assert Call(request).canonical.fingerprint == Call(redacted.request).canonical.fingerprint
    other = chat(f"Mail bob@corp.com with {CANARIES['GitHub token']}")
    assert Call(request).canonical.fingerprint != Call(other).canonical.fingerprint


def test_a_request_is_shown_without_its_credentials_but_with_their_headers() -> None:
    request = chat(key="sk-1")
    assert shown(request).header("authorization") == "REDACTED"
    assert shown(request).header("content-type") == "application/json"
    assert clean({"a": [CANARIES["AWS access key"], 1]}) == {"a": ["REDACTED", 1]}


def test_a_recording_has_only_harmless_headers_and_no_known_key() -> None:
    request = Request(
        "POST",
        "/v1/chat/completions",
        headers=(
            ("authorization", "Bearer sk-12345"),
            ("api-key", "sk-12345"),
            ("cookie", "a=b"),
            ("content-type", "application/json"),
        ),
        body=b'{"messages": ["my key is sk-12345"]}',
        query="api-version=1&api-key=secret&x=1",
    )
    answer = Answer(
        200,
        (
            ("content-type", "application/json"),
            ("set-cookie", "a=b"),
            ("openai-organization", "acme"),
            ("x-ratelimit-limit-requests", "5"),
        ),
        (Event(3, b"you said sk-12345"),),
    )
    recording = Redaction.of(["sk-12345", "", "e"]).interaction(Interaction(request, answer))
    assert recording.request.headers == (("content-type", "application/json"),)
    assert recording.answer.headers == (("content-type", "application/json"), ("x-ratelimit-limit-requests", "5"))
    assert recording.request.query == "api-version=1&api-key=REDACTED&x=1"
    assert (recording.request.body, recording.answer.events) == (
        b'{"messages": ["my key is REDACTED"]}',
        (Event(3, b"you said REDACTED"),),
    )


def test_ids_vectors_and_encrypted_content_stay() -> None:
    vector = base64.b64encode(bytes(range(256)) * 24).decode()
    body = {
        "id": "resp_0ca3f598125653cf01693c1f21bf8c819596a078608d16a52d",
        "encrypted_content": "gAAAAABpzorVRpbnZOYp5LlfC6IRb_i2RYcRxPEms2SExjVmxPtxbthqfMDz8OJhbUo2JM-R7yPthPmV8bU",
        "obfuscation": "sk3xAKIAxyz",
        "embedding": vector,
        "call_id": "call_abcDEF123456",
    }
    interaction = Interaction(chat(), Answer(200, (), (Event(0, json.dumps(body).encode()),)))
    assert Redaction().interaction(interaction).answer == interaction.answer


@pytest.mark.parametrize(
    "text",
    [
        "a word and another; " * 1_500_000,
        "eyJ" * 1_000_000,
        "eyJabc " * 400_000,
        "sk-" * 1_000_000,
        "a" * 3_000_000 + "@",
    ],
    ids=["prose", "eyJ", "eyJabc", "sk-", "one word"],
)
@pytest.mark.timeout(30)  # a quadratic search would take hours
def test_a_large_body_without_secrets_takes_linear_time(text: str) -> None:
    assert Redaction().text(text) == text
