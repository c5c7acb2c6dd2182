from __future__ import annotations

import json

import pytest

from mockserver.exchange import Request
from mockserver.matching import Difference, differences, last_prompt, nearest, question_of
from tests.unit.examples import chat

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello!"}]
AZURE = "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"


def relaid(request: Request) -> Request:
    """The same JSON with its keys turned round and white space added."""
    body = request.json_object() or {}
    text = json.dumps(dict(reversed(body.items())), indent=3)
    return Request(request.method, request.raw_path, request.query, (), text.encode())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (chat(temperature=1), relaid(chat(temperature=1))),
        (chat("Hi"), chat(messages=[{"role": "user", "content": [{"type": "text", "text": "Hi"}]}])),
        (chat(temperature=None), chat()),
        (chat(stream=False), chat()),
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
        "ignored-keys",
        "api-version",
        "azure-forms",
        "escaped-deployment",
    ],
)
def test_hits_where_the_model_would_see_the_same(one: Request, other: Request) -> None:
    assert question_of(one).fingerprint == question_of(other).fingerprint
    assert differences(question_of(one), question_of(other)) == ()


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
        (chat(), chat(path="/openai/v1/chat/completions")),
        (chat(messages=MESSAGES), chat(messages=MESSAGES[::-1])),
    ],
    ids=["text", "trailing-space", "model", "temperature", "stream", "usage", "number-or-true", "backend", "order"],
)
def test_misses_where_the_model_would_see_another(one: Request, other: Request) -> None:
    assert question_of(one).fingerprint != question_of(other).fingerprint


def test_differences_name_the_field_and_both_values() -> None:
    wanted = question_of(chat(messages=MESSAGES, temperature=0))
    got = question_of(chat(messages=[{"role": "system", "content": "Be brief!"}, *MESSAGES[1:]], seed=7))
    assert differences(wanted, got) == (
        Difference("messages[0].content", '"Be brief."', '"Be brief!"'),
        Difference("temperature", "0", "nothing"),
        Difference("seed", "nothing", "7"),
    )


def test_the_nearest_differs_least_and_is_of_the_same_backend() -> None:
    recorded = [
        ("azure", question_of(chat("Hello?", path=AZURE))),
        ("other question", question_of(chat("What is the capital of France?"))),
        ("typing error and more", question_of(chat("Name five kinds of fruit.", temperature=0, seed=1))),
    ]
    name, found = nearest(question_of(chat("Name five kinds of fruit")), recorded)
    assert (name, [each.field for each in found]) == (
        "typing error and more",
        ["messages[0].content", "temperature", "seed"],
    )


def test_without_the_instructions_the_other_messages_are_compared_all_the_same() -> None:
    found = differences(question_of(chat(messages=MESSAGES)), question_of(chat("Hello!")))
    assert found == (Difference("messages[0]", '{"role": "system", "content": "Be brief."}', "nothing"),)


def test_nothing_is_near_where_nothing_of_the_backend_is_loaded() -> None:
    assert nearest(question_of(chat()), [("azure", question_of(chat(path=AZURE)))]) == (None, ())


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
