from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest

from mockserver.exchange import Request
from mockserver.matching.call import Call
from mockserver.matching.differences import Difference, differences, nearest
from mockserver.matching.ignore import IgnoreError, parse_ignore
from mockserver.matching.miss import Miss
from mockserver.matching.prompt import last_prompt
from tests.unit.examples import chat

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello!"}]
AZURE = "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"


def relaid(request: Request) -> Request:
    """The same JSON with its keys turned round and white space added."""
    body = Call(request).body or {}
    text = json.dumps(dict(reversed(body.items())), indent=3)
    return Request(request.method, request.raw_path, request.query, (), text.encode())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (chat(temperature=1), relaid(chat(temperature=1))),
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
def test_hits_where_the_model_would_see_the_same(one: Request, other: Request) -> None:
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
def test_misses_where_the_model_would_see_another(one: Request, other: Request) -> None:
    assert Call(one).canonical.fingerprint != Call(other).canonical.fingerprint


def test_differences_name_the_field_and_both_values() -> None:
    wanted = Call(chat(messages=MESSAGES, temperature=0)).canonical
    got = Call(chat(messages=[{"role": "system", "content": "Be brief!"}, *MESSAGES[1:]], seed=7)).canonical
    assert differences(wanted, got) == (
        Difference("messages[0].content", '"Be brief."', '"Be brief!"'),
        Difference("temperature", "0", "nothing"),
        Difference("seed", "nothing", "7"),
    )


def test_the_nearest_differs_least_and_is_of_the_same_backend() -> None:
    recorded = [
        ("azure", Call(chat("Hello?", path=AZURE)).canonical),
        ("other question", Call(chat("What is the capital of France?")).canonical),
        ("typing error and more", Call(chat("Name five kinds of fruit.", temperature=0, seed=1)).canonical),
    ]
    name, found = nearest(Call(chat("Name five kinds of fruit")).canonical, recorded)
    assert (name, [each.field for each in found]) == (
        "typing error and more",
        ["messages[0].content", "temperature", "seed"],
    )


def test_without_the_instructions_the_other_messages_are_compared_all_the_same() -> None:
    found = differences(Call(chat(messages=MESSAGES)).canonical, Call(chat("Hello!")).canonical)
    assert found == (Difference("messages[0]", '{"role": "system", "content": "Be brief."}', "nothing"),)


def test_nothing_is_near_where_nothing_of_the_backend_is_loaded() -> None:
    assert nearest(Call(chat()).canonical, [("azure", Call(chat(path=AZURE)).canonical)]) == (None, ())


def test_the_last_prompt_is_the_last_user_message() -> None:
    later = [
        *MESSAGES,
        {"role": "assistant", "content": "Hi"},
        {"role": "user", "content": "And?"},
        {"role": "tool", "content": "x"},
    ]
    assert last_prompt({"messages": later}) == "And?"
    assert last_prompt({"messages": "broken"}) is None
    assert last_prompt(None) is None


# --- what does not count ---

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
def test_what_is_ignored_does_not_count(ignore: str, one: str, other: str) -> None:
    assert Call(chat(one)).canonical.fingerprint != Call(chat(other)).canonical.fingerprint
    ignores = [parse_ignore(ignore)]
    assert Call(chat(one), ignores).canonical.fingerprint == Call(chat(other), ignores).canonical.fingerprint
    assert Call(chat(one, seed=1), ignores).canonical.fingerprint != Call(chat(other), ignores).canonical.fingerprint


@pytest.mark.parametrize("text", ["", "=date", "messages[].content=date", "messages[*].content=(", "a b=x"])
def test_what_cannot_be_ignored_is_an_error(text: str) -> None:
    with pytest.raises(IgnoreError, match=re.escape(repr(text))):
        parse_ignore(text)


def test_a_miss_says_what_to_ignore_where_that_is_all_that_differs() -> None:
    recorded = Call(chat(DATED.format("2026-11-22"))).canonical
    for request, helps in (
        (chat(DATED.format("2027-01-01")), ("messages[*].content=date",)),
        (chat(DATED.format("2027-01-01"), seed=1), ()),
    ):
        got = Call(request).canonical
        assert Miss(Call(request), "a#1", differences(recorded, got)).helpful_ignores == helps


# --- metamorphic: generated conversations ---


def conversations() -> list[dict[str, Any]]:
    """Requests of many kinds, the same ones each time."""
    chance = random.Random(7)
    words = ["Hello", "Grüße", "tell me", "日本", "2026-11-22", "a|b", "  spaced  ", "🙂", '"quoted"', "line\nbreak"]
    made = []
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
        made.append({"messages": turns, "stream": chance.random() < 0.5, **options})
    return made


def edits(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every request that differs from this one in one thing the model would see."""
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
def test_every_single_edit_of_a_conversation_is_a_miss_and_every_relaying_a_hit(body: dict[str, Any]) -> None:
    own = Call(chat(**body)).canonical.fingerprint
    assert Call(relaid(chat(**body))).canonical.fingerprint == own
    parts = [{**each, "content": [{"type": "text", "text": each["content"]}]} for each in body["messages"]]
    assert Call(chat(**{**body, "messages": parts, "user": "u", "n": 1, "top_p": 1.0})).canonical.fingerprint == own
    for edited in edits(body):
        assert Call(chat(**edited)).canonical.fingerprint != own, edited
