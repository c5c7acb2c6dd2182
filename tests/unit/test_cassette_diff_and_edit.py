"""`cassette show`, `diff` and `edit`, and the changes of shape that `drift` reports."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mockserver.answers.authored.authored_answer import AuthoredAnswer, ToolCall
from mockserver.answers.authored.expand import expand
from mockserver.cassette_tools.diff import as_markdown, interaction_diffs
from mockserver.cassette_tools.structure import changes
from mockserver.cassette_tools.transcript import transcript
from mockserver.cassettes import cassette
from mockserver.cli import main
from mockserver.exchange import Answer, End, Event, Interaction
from mockserver.matching.call import Call
from mockserver.simulation.cassette_index import BUNDLED_CASSETTES
from mockserver.sse import event_json
from tests.unit.examples import answered, chat

RESPONSES = "/v1/responses"


def interaction(answer: AuthoredAnswer, path: str = "/v1/chat/completions", **body: Any) -> Interaction:
    if path == RESPONSES:
        body = {"messages": None, "input": "Hello!", **body}
    request = chat(path=path, **body)
    return Interaction(request, expand(answer, Call(request), seed="s", model="gpt-4o-2024-08-06", at_s=1000))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/openai/v1/chat/completions"])
def test_a_transcript_says_who_said_what_and_how_it_ended(path: str, stream: bool) -> None:
    options = {"stream_options": {"include_usage": True}} if stream else {}
    script = transcript(interaction(AuthoredAnswer("Hi, **you**."), path, stream=stream, **options))
    assert (script.turns, script.answer, script.finish) == ((("user", "Hello!"),), "Hi, **you**.", "stop")
    assert script.title == f"createChatCompletion, gpt-4o, 200, {'streamed' if stream else 'JSON'}"
    assert script.tokens == 9 + 6


@pytest.mark.parametrize("stream", [False, True])
def test_a_transcript_shows_a_response_and_its_tool_call(stream: bool) -> None:
    tools = [{"type": "function", "name": "f", "parameters": {}, "strict": True}]
    script = transcript(
        interaction(AuthoredAnswer("Hi", (ToolCall("f", {"x": 1}),)), RESPONSES, stream=stream, tools=tools)
    )
    assert script.turns == (("user", "Hello!"),)
    assert script.answer == 'Hi\ncalls f({"x": 1})'
    assert script.finish == "completed"


@pytest.mark.parametrize("path", ["/v1/chat/completions", RESPONSES])
def test_a_transcript_shows_an_image_by_its_size_and_hash(path: str) -> None:
    url = f"data:image/png;base64,{base64.b64encode(bytes(300)).decode()}"
    if path == RESPONSES:
        kind, asked = (
            "input_image",
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": url}]}]},
        )
    else:
        kind, image = "image_url", {"type": "image_url", "image_url": {"url": url}}
        asked = {"messages": [{"role": "user", "content": [image]}]}
    shown = f"({kind} data:image/png;base64,… (300 bytes, sha256 {hashlib.sha256(bytes(300)).hexdigest()}))"
    assert transcript(interaction(AuthoredAnswer("A cat."), path, **asked)).turns == (("user", shown),)


def test_a_transcript_shows_a_refusal_and_a_broken_stream() -> None:
    refused = Answer(400, (), (Event(0, b'{"error":{"message":"No."}}'),))
    assert transcript(Interaction(chat(), refused)).answer == "No."
    broken = interaction(AuthoredAnswer("one two"), stream=True)
    assert transcript(replace(broken, answer=replace(broken.answer, end=End.RESET))).finish == "reset"


# --- diff ---


def test_the_report_shows_a_changed_number_and_a_changed_name() -> None:
    before = interaction(
        AuthoredAnswer("The ship of Captain Ahab left with 120 men, see https://a.example/x."), stream=True
    )
    after = interaction(
        AuthoredAnswer("The ship of Captain Nemo left with 121 men, see https://b.example/x."), stream=True
    )
    report = as_markdown(interaction_diffs({"a.yaml": [before]}, {"a.yaml": [after]}))
    for note in (
        "number gone: 120", "number new: 121", "name gone: Captain Ahab", "name new: Captain Nemo", "host new: b.example",
        "-    The ship of Captain Ahab left with 120 men", "+    The ship of Captain Nemo left with 121 men",
    ):  # fmt: skip
        assert note in report
    assert "Shape" not in report
    assert interaction_diffs({"a.yaml": [before]}, {"a.yaml": [before]}) == ()


def test_interactions_with_the_same_request_are_compared() -> None:
    one, two, three = (replace(interaction(AuthoredAnswer(text)), request=chat(text)) for text in ("1", "2", "3"))
    (gone,) = interaction_diffs({"a": [one, two]}, {"a": [two]})
    assert (gone.name, gone.after) == ("a#1", None)
    (new,) = interaction_diffs({"a": [one]}, {"a": [one, three]})
    assert (new.name, new.before) == ("a#2", None)
    prompt = replace(one, request=chat("1", temperature=0))
    (moved,) = interaction_diffs({"a": [one]}, {"a": [prompt]})
    assert moved.before is not None
    assert moved.after is not None


# --- shapes ---


def mapped(answer: Answer, change: Callable[[dict[str, Any]], object], kind: str = "") -> Answer:
    """The answer with a change made to its JSON, or to every event of a kind."""
    events = []
    for event in answer.events:
        body = event_json(event.data) if answer.streams else json.loads(event.data)
        if body is None or (kind and body.get("type") != kind):
            events.append(event)
            continue
        change(body)
        text = json.dumps(body)
        events.append(replace(event, data=(f"data: {text}\n\n" if answer.streams else text).encode()))
    return replace(answer, events=tuple(events))


CHAT = interaction(AuthoredAnswer("one two")).answer
STREAM = interaction(AuthoredAnswer("one two"), stream=True).answer
RESPONSE = interaction(AuthoredAnswer("one two"), RESPONSES, stream=True).answer


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (CHAT, replace(CHAT, status=404), [("status", "status")]),
        (CHAT, mapped(CHAT, lambda body: body.update(new=1)), [("added", "new")]),
        (CHAT, mapped(CHAT, lambda body: body.pop("system_fingerprint")), [("removed", "system_fingerprint")]),
        (CHAT, mapped(CHAT, lambda body: body.update(created="now")), [("retyped", "created")]),
        (CHAT, mapped(CHAT, lambda body: body["choices"][0]["message"].pop("refusal")), [("removed", "choices[].message.refusal")]),
        (CHAT, mapped(CHAT, lambda body: body["usage"].pop("prompt_tokens_details")), [("removed", "usage.prompt_tokens_details")]),
        (STREAM, mapped(STREAM, lambda body: body["choices"][0]["delta"].update(new=True)), [("added", "chat.completion.chunk choices[].delta.new")]),
        (RESPONSE, mapped(RESPONSE, lambda body: body.update(type="response.text.delta"), "response.output_text.delta"), [("event", "response.output_text.delta"), ("event", "response.text.delta")]),
        (RESPONSE, mapped(RESPONSE, lambda body: body["item"].update(id=7), "response.output_item.done"), [("retyped", "response.output_item.done item.id")]),
        (CHAT, replace(CHAT, headers=(("content-type", "text/html"),)), [("header", "content-type")]),
        (CHAT, replace(CHAT, headers=(*CHAT.headers, ("retry-after", "1"))), [("header", "retry-after")]),
        (CHAT, interaction(AuthoredAnswer("other words, and more of them")).answer, []),
        (CHAT, mapped(CHAT, lambda body: body.update(system_fingerprint=None)), []),
        (CHAT, mapped(CHAT, lambda body: body["choices"][0]["message"].update(annotations=[])), []),
        (STREAM, interaction(AuthoredAnswer("quite another number of words here"), stream=True).answer, []),
    ],
)  # fmt: skip
def test_a_change_of_shape_has_its_kind_and_a_change_of_prose_is_none(
    before: Answer, after: Answer, expected: list[tuple[str, str]]
) -> None:
    assert [(change.kind, change.field) for change in changes(before, after)] == expected


# --- the commands ---


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["cassette", *arguments])
    return result.exit_code, result.output


def test_edit_replaces_an_answer_and_show_shows_it(tmp_path: Path) -> None:
    path = tmp_path / "hello.yaml"
    path.write_bytes((BUNDLED_CASSETTES / "hello.yaml").read_bytes())
    (tmp_path / "new.md").write_text("Grüße, **you**!\n\n- one\n- two\n", encoding="utf-8")
    status, before = run("show", str(path))
    assert status == 0
    assert "hello.yaml   recorded   20" in before
    assert "user:\n    Hello!" in before
    assert run("edit", str(path), "1", "--answer", str(tmp_path / "new.md"))[0] == 0
    _, after = run("show", str(path))
    assert "hello.yaml   authored" in after
    assert "answer:\n    Grüße, **you**!\n\n    - one\n    - two\n" in after
    old, new = cassette.load(BUNDLED_CASSETTES / "hello.yaml").interactions[0], cassette.load(path).interactions[0]
    assert new.request == old.request
    assert new.answer.head_after_ms == old.answer.head_after_ms
    assert run("check", str(path)) == (0, "0 errors, 0 warnings\n")
    status, text = run("diff", str(BUNDLED_CASSETTES / "hello.yaml"), str(path))
    assert (status, "hello.yaml#1 changed" in text, "+    Grüße, **you**!" in text) == (1, True, True)
    assert run("diff", str(path), str(path)) == (0, "Nothing changed.\n")


def test_an_impossible_edit_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "hello.yaml"
    path.write_bytes((BUNDLED_CASSETTES / "hello.yaml").read_bytes())
    (tmp_path / "new.md").write_text("x")
    status, text = run("edit", str(path), "7", "--answer", str(tmp_path / "new.md"))
    assert (status, "interaction 7: there is no such one; the file has 1 interaction" in text) == (1, True)
    assert run("edit", str(path), "1", "--answer", str(tmp_path / "nowhere.md"))[0] == 1
    assert path.read_bytes() == (BUNDLED_CASSETTES / "hello.yaml").read_bytes()


def test_every_bundled_cassette_can_be_shown() -> None:
    status, text = run("show", str(BUNDLED_CASSETTES))
    assert status == 0
    assert text.count("answer:") >= 8


def test_a_review_says_size_source_age_and_secrets_of_each_file(tmp_path: Path) -> None:
    key = "sk-proj-" + "a1" * 20
    for side, prompt in (("old", "x"), ("new", f"Key:\n{key} info@corp-x.com")):
        interaction = Interaction(chat(prompt), answered("x"))
        made = replace(cassette.new_recording([interaction], upstream=""), date="2026-01-01", allowed=("info@*",))
        cassette.write(tmp_path / side / "a.yaml", cassette.dump(made))
    status, text = run("diff", "--markdown", str(tmp_path / "old"), str(tmp_path / "new"))
    assert (status, key in text.partition("````")[0]) == (1, False)
    (row,) = [line for line in text.splitlines() if line.startswith("| a.yaml")]
    assert re.fullmatch(
        r"\| a\.yaml \| recorded \| \d+ days \| \d+ B, was \d+ B \| \*\*1 OpenAI key\*\*, allowed: `info@\*` \|", row
    )
