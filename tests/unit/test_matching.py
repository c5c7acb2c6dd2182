"""Matching: which requests get one answer, how others differ, and which recording is nearest."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mockserver.cassettes import cassette
from mockserver.exchange import Interaction, Request
from mockserver.matching.call import Call
from mockserver.matching.conversation import Conversation
from mockserver.matching.differences import Difference, differences, nearest
from mockserver.matching.ignore import IgnoreError, parse_ignore
from mockserver.matching.miss import Miss, why_not_acceptable
from mockserver.simulation.cassette_index import ConflictError, load_index
from mockserver.simulation.miss_report import same_reason
from tests.unit.examples import answered, chat

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello!"}]
AZURE = "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"


def reformatted(request: Request) -> Request:
    """The same JSON with its keys in reverse order and more white space."""
    body = Call(request).body or {}
    text = json.dumps(dict(reversed(body.items())), indent=3)
    return Request(request.method, request.raw_path, request.query, (), text.encode())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (chat(temperature=1), reformatted(chat(temperature=1))),
        (chat("Hi"), chat(messages=[{"role": "user", "content": [{"type": "text", "text": "Hi"}]}])),
        (chat(temperature=None), chat()),
        (chat(stream=False), chat()),
        (chat(temperature=0.0), chat(temperature=0)),
        (chat(n=1, temperature=1.0, top_p=1, logprobs=False, presence_penalty=0), chat()),
        (chat(user="u-1", metadata={"a": "b"}, store=True), chat()),
        (chat(path=AZURE), chat(path=AZURE.replace("2024-10-21", "2024-06-01"))),
        (chat(path=AZURE, model="whatever"), chat(path="/openai/v1/chat/completions")),
        (
            chat(path="/openai/deployments/caf%C3%A9/chat/completions"),
            chat(path="/openai/v1/chat/completions", model="café"),
        ),
    ],
    ids=[
        "layout",
        "text-part",
        "null",
        "stream-false",
        "number-spelling",
        "defaults",
        "ignored-keys",
        "api-version",
        "azure-forms",
        "escaped-deployment",
    ],
)
def test_requests_match_where_the_model_would_see_the_same(one: Request, other: Request) -> None:
    assert Call(one).canonical.fingerprint == Call(other).canonical.fingerprint
    assert differences(Call(one).canonical, Call(other).canonical) == ()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (chat("Hello!"), chat("Hello")),
        (chat("Hello!"), chat("Hello! ")),
        (chat(), chat(model="gpt-4o-mini")),
        (chat(), chat(temperature=0)),
        (chat(), chat(stream=True)),
        (chat(stream=True), chat(stream=True, stream_options={"include_usage": True})),
        (chat(n=1), chat(n=True)),
        (chat(n=1), chat(n=2)),
        (chat(), chat(path="/openai/v1/chat/completions")),
        (chat(messages=MESSAGES), chat(messages=MESSAGES[::-1])),
    ],
    ids=[
        "text",
        "trailing-space",
        "model",
        "temperature",
        "stream",
        "usage",
        "number-or-true",
        "n",
        "backend",
        "order",
    ],
)
def test_requests_do_not_match_where_the_model_would_see_a_difference(one: Request, other: Request) -> None:
    assert Call(one).canonical.fingerprint != Call(other).canonical.fingerprint


def test_differences_name_the_field_and_both_values() -> None:
    expected = Call(chat(messages=MESSAGES, temperature=0)).canonical
    got = Call(chat(messages=[{"role": "system", "content": "Be brief!"}, *MESSAGES[1:]], seed=7)).canonical
    assert differences(expected, got) == (
        Difference("messages[0].content", '"Be brief."', '"Be brief!"'),
        Difference("temperature", "0", "nothing"),
        Difference("seed", "nothing", "7"),
    )


def test_the_nearest_recording_differs_least_and_has_the_same_backend() -> None:
    recorded = [
        ("azure", Call(chat("Hello?", path=AZURE)).canonical),
        ("other question", Call(chat("What is the capital of France?")).canonical),
        ("typing error and more", Call(chat("Name five kinds of fruit.", temperature=0, seed=1)).canonical),
    ]
    name, fields = nearest(Call(chat("Name five kinds of fruit")).canonical, recorded)
    assert (name, [difference.field for difference in fields]) == (
        "typing error and more",
        ["messages[0].content", "temperature", "seed"],
    )


def test_missing_instructions_are_one_difference() -> None:
    result = differences(Call(chat(messages=MESSAGES)).canonical, Call(chat("Hello!")).canonical)
    assert result == (Difference("messages[0]", '{"role": "system", "content": "Be brief."}', "nothing"),)


def with_image(data: bytes) -> Request:
    url = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    return chat(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}])


def test_the_difference_of_two_images_is_short() -> None:
    one, other = (Call(with_image(bytes([number]) * 300)).canonical for number in (1, 2))
    hashes = [hashlib.sha256(bytes([number]) * 300).hexdigest() for number in (1, 2)]
    expected, got = (f'"data:image/png;base64,… (300 bytes, sha256 {each})"' for each in hashes)
    assert differences(one, other) == (Difference("messages[0].content[0].image_url.url", expected, got),)


def test_long_texts_are_compared_from_where_they_differ() -> None:
    """Two texts of a megabyte took a minute and a half."""
    long = "".join(map(str, range(200_000)))
    recorded = [("far", Call(chat("x" * len(long))).canonical), ("near", Call(chat(f"{long}!")).canonical)]
    assert nearest(Call(chat(f"{long}?")).canonical, recorded)[0] == "near"


def test_nothing_is_nearest_without_a_recording_of_the_same_backend() -> None:
    assert nearest(Call(chat()).canonical, [("azure", Call(chat(path=AZURE)).canonical)]) == (None, ())


def test_the_last_prompt_is_the_last_user_message() -> None:
    later = [
        *MESSAGES,
        {"role": "assistant", "content": "Hi"},
        {"role": "user", "content": "And?"},
        {"role": "tool", "content": "x"},
    ]
    assert Conversation({"messages": later}).last_prompt == ["And?"]
    assert Conversation({"messages": "broken"}).last_prompt is None
    assert Conversation({}).last_prompt is None


# --- ignored fields and contents ---

DATED = "Today is {}. Hello!"


@pytest.mark.parametrize(
    ("ignore", "one", "other"),
    [
        ("messages[*].content=date", DATED.format("2026-11-22"), DATED.format("2027-01-01")),
        ("messages[0].content=date", DATED.format("2026-11-22T10:00:00Z"), DATED.format("2027-01-01")),
        (
            "messages[*].content=uuid",
            "id 1b4e28ba-2fa1-11d2-883f-0016d3cca427",
            "id 6fa459ea-ee8a-3ca4-894e-db77e160355e",
        ),
        (r"messages[*].content=run \d+", "run 1 of it", "run 22 of it"),
        ("messages[*].content", "one", "another"),
    ],
)
def test_ignored_fields_and_contents_make_no_difference(ignore: str, one: str, other: str) -> None:
    assert Call(chat(one)).canonical.fingerprint != Call(chat(other)).canonical.fingerprint
    ignores = [parse_ignore(ignore)]
    assert Call(chat(one), ignores).canonical.fingerprint == Call(chat(other), ignores).canonical.fingerprint
    assert Call(chat(one, seed=1), ignores).canonical.fingerprint != Call(chat(other), ignores).canonical.fingerprint


DAYS = (
    ("2026-11-22", "2027-01-01"),
    ("2026-11-22T10:00:00.123Z", "2027-01-01T09:30:00Z"),
    ("22 November 2026", "1 January 2027"),
    ("November 22nd, 2026 at 10:30 am", "January 1st, 2027 at 9:05 pm"),
    ("Sunday, Nov 22, 2026", "Friday, Jan 1, 2027"),
    ("22.11.2026", "01.01.2027"),
    ("11/22/2026, 10:30", "1/1/2027, 8:15"),
    ("Sun Nov 22 10:00:00 2026", "Fri Jan  1 09:00:00 2027"),
    ("Sun, 22 Nov 2026 10:00:00 GMT", "Fri, 01 Jan 2027 09:00:00 GMT"),
    ("10:30 PM", "09:05 AM"),
    ("1795340000", "1798761600"),
)


@pytest.mark.parametrize(("one", "other"), DAYS, ids=[one for one, _ in DAYS])
def test_a_date_is_proposed_and_ignored_in_whichever_form(one: str, other: str) -> None:
    one, other = DATED.format(one), DATED.format(other)
    difference = Difference("messages[0].content", json.dumps(one), json.dumps(other))
    assert Miss(Call(chat(other)), "a.yaml#1", (difference,)).helpful_ignores == ("messages[*].content=date",)
    ignores = [parse_ignore("messages[*].content=date")]
    assert Call(chat(one), ignores).canonical.fingerprint == Call(chat(other), ignores).canonical.fingerprint


@pytest.mark.parametrize("text", ["version 3.14.15", "10.0.0.1", "call 12345678", "a may day", "1.5 of 20261122"])
def test_what_is_no_date_is_compared(text: str) -> None:
    ignores = [parse_ignore("messages[*].content=date")]
    assert Call(chat(text), ignores).canonical.body["messages"][0]["content"] == text


def test_recordings_of_two_days_load_together_and_the_later_file_answers(tmp_path: Path) -> None:
    for name, day in (("a", "2026-11-22"), ("b", "2026-11-23")):
        interaction = Interaction(chat(DATED.format(day)), answered(f'{{"file": "{name}"}}'))
        cassette.write(tmp_path / f"{name}.yaml", cassette.dump(cassette.new_recording([interaction], upstream="")))
    index = load_index((tmp_path,), ["messages[*].content=date"])
    (stub,) = index.recorded(Call(chat(DATED.format("2030-01-01")), index.ignores))
    assert stub.name == "b.yaml#1"
    cassette.write(tmp_path / "c.yaml", (tmp_path / "b.yaml").read_text().replace('"b"', '"c"'))
    with pytest.raises(ConflictError, match=r"b\.yaml#1 and c\.yaml#1 hold the same request"):
        load_index((tmp_path,), ["messages[*].content=date"])


@pytest.mark.parametrize("text", ["", "=date", "messages[].content=date", "messages[*].content=(", "a b=x"])
def test_an_invalid_ignore_is_an_error(text: str) -> None:
    with pytest.raises(IgnoreError, match=re.escape(repr(text))):
        parse_ignore(text)


def test_a_miss_suggests_an_ignore_only_where_it_would_make_the_request_match() -> None:
    recorded = Call(chat(DATED.format("2026-11-22"))).canonical
    for request, helps in (
        (chat(DATED.format("2027-01-01")), ("messages[*].content=date",)),
        (chat(DATED.format("2027-01-01"), seed=1), ()),
    ):
        got = Call(request).canonical
        assert Miss(Call(request), "a#1", differences(recorded, got)).helpful_ignores == helps


# --- metamorphic: generated conversations ---


def conversations() -> list[dict[str, Any]]:
    """60 bodies of many kinds, the same each time."""
    chance = random.Random(7)
    words = ["Hello", "Grüße", "tell me", "日本", "2026-11-22", "a|b", "  spaced  ", "🙂", '"quoted"', "line\nbreak"]
    bodies = []
    for _ in range(60):
        turns = []
        for index in range(chance.randrange(1, 6)):
            turns.append({"role": ["user", "assistant"][index % 2], "content": " ".join(chance.sample(words, 4))})
        if chance.random() < 0.5:
            turns.insert(0, {"role": "system", "content": chance.choice(words)})
        options: dict[str, Any] = {
            "temperature": chance.choice([0, 0.5, 2]),
            "seed": chance.randrange(9),
            "stop": chance.choice([None, ["x"], "y"]),
        }
        if chance.random() < 0.4:
            options["tools"] = [
                {"type": "function", "function": {"name": chance.choice("fgh"), "parameters": {"type": "object"}}}
            ]
            options["tool_choice"] = chance.choice(["auto", "required"])
        if chance.random() < 0.3:
            options["response_format"] = {"type": "json_object"}
        bodies.append({"messages": turns, "stream": chance.random() < 0.5, **options})
    return bodies


def edits(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Bodies that differ from this one in one thing that the model would see."""
    for index, message in enumerate(body["messages"]):
        turns = body["messages"]
        yield {
            **body,
            "messages": [*turns[:index], {**message, "content": message["content"] + "."}, *turns[index + 1 :]],
        }
        yield {**body, "messages": [*turns[:index], {**message, "role": "developer"}, *turns[index + 1 :]]}
        yield {**body, "messages": [*turns[:index], {**message, "name": "n"}, *turns[index + 1 :]]}
        yield (
            {**body, "messages": [*turns[:index], *turns[index + 1 :]]}
            if len(turns) > 1
            else {**body, "messages": turns * 2}
        )
    for key, value in (
        ("temperature", 0.7),
        ("seed", 99),
        ("stop", ["other"]),
        ("n", 2),
        ("top_p", 0.3),
        ("max_tokens", 7),
        ("logit_bias", {"1": 2}),
        ("model", "other"),
    ):
        yield {**body, key: value}
    yield {**body, "stream": not body["stream"]}
    yield {**body, "response_format": {"type": "text"}}
    yield {**body, "tools": [{"type": "function", "function": {"name": "z"}}]}
    if "tools" in body:
        yield {**body, "tool_choice": "none"}


@pytest.mark.parametrize("body", conversations(), ids=range(60))
def test_every_edit_of_a_conversation_is_a_miss_and_every_reformatting_a_hit(body: dict[str, Any]) -> None:
    own = Call(chat(**body)).canonical.fingerprint
    assert Call(reformatted(chat(**body))).canonical.fingerprint == own
    parts = [{**message, "content": [{"type": "text", "text": message["content"]}]} for message in body["messages"]]
    assert Call(chat(**{**body, "messages": parts, "user": "u", "n": 1, "top_p": 1.0})).canonical.fingerprint == own
    for edited in edits(body):
        assert Call(chat(**edited)).canonical.fingerprint != own, edited


def test_a_message_more_or_less_in_the_middle_is_named_where_it_is() -> None:
    ends = [{"role": "user", "content": text} for text in ("a", "b", "c", "d")]
    one = Call(chat(messages=ends)).canonical
    for messages, difference in (
        (ends[:1] + ends[2:], ("messages[1]", '{"role": "user", "content": "b"}', "nothing")),
        (
            [*ends[:3], {"role": "user", "content": "x"}, *ends[3:]],
            ("messages[3]", "nothing", '{"role": "user", "content": "x"}'),
        ),
        (ends[1:], ("messages[0]", '{"role": "user", "content": "a"}', "nothing")),
        (ends[:3], ("messages[3]", '{"role": "user", "content": "d"}', "nothing")),
    ):
        found = differences(one, Call(chat(messages=messages)).canonical)
        assert [(each.field, each.expected, each.got) for each in found] == [difference]


@pytest.mark.parametrize(
    ("field", "expected", "got", "reason"),
    [
        ("messages[0].content", "a", "b", ""),
        ("messages[1].content", "a", "b", "a message of the user asks something else"),
        ("messages[2].content", "a", "b", "a message of the tool asks something else"),
        ("messages[3]", "nothing", "b", "there are more messages, or fewer"),
        ("input", "a", "b", "it asks something else"),
        ("last user message", "a", "b", "it asks something else"),
        ("text", "a", "b", "it asks something else"),
        ("model", "a", "b", "another model would answer differently"),
        ("stream", "true", "nothing", "the answer would have another form"),
        ("temperature", "0", "nothing", ""),
    ],
)
def test_an_old_answer_is_kept_only_where_it_would_still_answer(
    field: str, expected: str, got: str, reason: str
) -> None:
    body: dict[str, Any] = {"messages": [{"role": "system"}, {"role": "user"}, {"role": "tool"}]}
    difference = Difference(field, expected, got)
    assert why_not_acceptable(difference, body) == reason
    request = chat(**body)
    assert Miss(Call(request), "a.yaml#1", (difference,)).acceptable is (reason == "")
    assert Miss(Call(request), None, (difference,)).acceptable is False


def test_misses_are_for_one_reason_where_their_single_difference_is_the_same() -> None:
    one, other = Difference("temperature", "0", "nothing"), Difference("seed", "1", "2")
    same = Miss(Call(chat("a")), "x#1", (one,)), Miss(Call(chat("b")), "x#2", (one,))
    assert same_reason(*same)
    assert not same_reason(same[0], Miss(Call(chat("b")), "x#1", (other,)))
    assert not same_reason(Miss(Call(chat("a")), "x#1", (one, other)), Miss(Call(chat("b")), "x#1", (one, other)))
    assert same_reason(Miss(Call(chat("a")), "x#1", (one, other)), Miss(Call(chat("a")), "x#1"))
    assert not same_reason(Miss(Call(chat("a")), reason="one"), Miss(Call(chat("a")), reason="other"))


def test_an_id_in_the_path_counts_and_an_unknown_path_is_its_own_operation() -> None:
    one, other = (Call(Request("GET", f"/v1/responses/{name}")).canonical for name in ("a", "b"))
    assert (one.operation, one.body, one.fingerprint == other.fingerprint) == ("getResponse", {"id": "a"}, False)
    unknown = Call(Request("GET", "/v1/unknown/{id}", "x=1")).canonical
    assert (unknown.operation, unknown.body) == ("GET /v1/unknown/{id}", {"query": {"x": ["1"]}})
