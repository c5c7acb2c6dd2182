"""Recording through the relay, against an upstream of the test's own."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from mockserver import cassette
from mockserver.exchange import End
from mockserver.rehearsal import Model, ModelOptions, SetUpError
from mockserver.simulation import OnMiss

KEY = "sk-upstream-0123456789"
EVENTS = [b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n' % word for word in (b"one", b"two")]
DONE = b"data: [DONE]\n\n"
MESSAGES = [{"role": "user", "content": "Größe? Sag's mir!"}]


@pytest.fixture
def recording(httpserver: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Model]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    options = ModelOptions((tmp_path,), OnMiss.RECORD, httpserver.url_for("/v1"))
    with Model(options) as model:
        yield model


def ask(model: Model) -> Any:
    client: Any = openai.OpenAI(base_url=f"{model.url}/v1", api_key="the-clients-own", max_retries=0)
    return client.chat.completions.create(model="m", messages=MESSAGES, stream=True)


def wait_until_kept(model: Model) -> None:
    """The client has its answer a moment before the file has."""
    for _ in range(500):
        if all(entry.end != "open" for entry in model.simulation.journal):
            return
        time.sleep(0.01)
    raise AssertionError("the exchange never ended")


def test_hands_every_event_on_as_it_comes_and_keeps_the_whole(
    recording: Model, httpserver: HTTPServer, tmp_path: Path
) -> None:
    read = threading.Event()
    seen: list[Request] = []

    def answer(request: Request) -> Response:
        seen.append(request)

        def events() -> Iterator[bytes]:
            yield EVENTS[0]
            assert read.wait(10), "the first event did not reach the client before the second was sent"
            yield EVENTS[1]
            yield DONE

        return Response(events(), content_type="text/event-stream")

    httpserver.expect_request("/v1/chat/completions").respond_with_handler(answer)
    stream = ask(recording)
    assert next(stream).choices[0].delta.content == "one"
    read.set()
    assert [chunk.choices[0].delta.content for chunk in stream] == ["two"]
    wait_until_kept(recording)

    (path,) = tmp_path.iterdir()
    assert path.name == "größe-sag-s-mir.yaml"
    (interaction,) = cassette.load(path).interactions
    assert [event.data for event in interaction.answer.events] == [*EVENTS, DONE]
    assert seen[0].headers["authorization"] == f"Bearer {KEY}"
    text = path.read_text()
    assert KEY not in text
    assert "the-clients-own" not in text

    assert [chunk.choices[0].delta.content for chunk in ask(recording)] == ["one", "two"]
    assert len(seen) == 1
    assert recording.simulation.journal[-1].decided_by == "größe-sag-s-mir.yaml#1"


def test_the_turns_of_a_conversation_go_into_one_file(recording: Model, httpserver: HTTPServer, tmp_path: Path) -> None:
    httpserver.expect_request("/v1/chat/completions").respond_with_json({"choices": []})
    client: Any = openai.OpenAI(base_url=f"{recording.url}/v1", api_key="k")
    first = [{"role": "user", "content": "First?"}]
    for messages in (
        first,
        [*first, {"role": "assistant", "content": "1"}, {"role": "user", "content": "Second?"}],
        [{"role": "user", "content": "First!"}],
    ):
        client.chat.completions.create(model="m", messages=messages)
    wait_until_kept(recording)
    assert {path.name: len(cassette.load(path).interactions) for path in tmp_path.iterdir()} == {
        "first.yaml": 2,
        "first-2.yaml": 1,
    }


@pytest.mark.parametrize(("status", "kept"), [(400, True), (401, True), (429, False), (500, False), (503, False)])
def test_refusals_reach_the_client_and_passing_trouble_is_not_kept(
    status: int, kept: bool, recording: Model, httpserver: HTTPServer, tmp_path: Path
) -> None:
    httpserver.expect_request("/v1/chat/completions").respond_with_data(
        '{"error":{"message":"no"}}', status=status, headers={"retry-after": "7"}
    )
    answer = httpx2.post(
        f"{recording.url}/v1/chat/completions",
        json={"model": "m", "messages": MESSAGES},
        headers={"authorization": "Bearer k"},
    )
    assert (answer.status_code, answer.text, answer.headers["retry-after"]) == (
        status,
        '{"error":{"message":"no"}}',
        "7",
    )
    wait_until_kept(recording)
    assert bool(list(tmp_path.iterdir())) is kept


def test_an_upstream_that_breaks_off_breaks_off_for_the_client_and_nothing_is_kept(
    recording: Model, httpserver: HTTPServer, tmp_path: Path
) -> None:
    def events() -> Iterator[bytes]:
        yield EVENTS[0]
        raise ConnectionResetError

    httpserver.expect_request("/v1/chat/completions").respond_with_handler(
        lambda _: Response(events(), headers={"content-length": "9999"}, content_type="text/event-stream")
    )
    with pytest.raises((openai.APIConnectionError, httpx2.HTTPError)):
        list(ask(recording))
    assert recording.simulation.journal[-1].end == End.RESET
    assert list(tmp_path.iterdir()) == []
    httpserver.clear_all_handlers()
    httpserver.clear()


def test_an_upstream_that_is_not_there_is_said(tmp_path: Path) -> None:
    with Model(ModelOptions((tmp_path,), OnMiss.RECORD, "http://127.0.0.1:9/v1")) as model:
        with pytest.raises(
            openai.InternalServerError, match=r"The upstream could not be asked: http://127\.0\.0\.1:9/v1"
        ):
            ask(model)
        assert list(tmp_path.iterdir()) == []


def test_a_client_that_leaves_in_the_middle_leaves_no_half_recording(
    recording: Model, httpserver: HTTPServer, tmp_path: Path
) -> None:
    gone = threading.Event()

    def events() -> Iterator[bytes]:
        try:
            yield EVENTS[0]
            while not gone.wait(0.01):
                yield b": ping\n\n"
        finally:
            gone.set()

    httpserver.expect_request("/v1/chat/completions").respond_with_handler(
        lambda _: Response(events(), content_type="text/event-stream")
    )
    stream = ask(recording)
    next(stream)
    stream.close()
    assert gone.wait(10), "the upstream was not told that the client left"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (ModelOptions((), OnMiss.RECORD, "http://127.0.0.1:9"), "needs --upstream URL to ask and --cassettes DIR"),
        (ModelOptions((Path("x"),), OnMiss.RECORD), "needs --upstream URL to ask and --cassettes DIR"),
        (ModelOptions((), OnMiss.ERROR, "http://127.0.0.1:9"), "add --on-miss record"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: ModelOptions, complaint: str) -> None:
    with pytest.raises(SetUpError, match=complaint):
        Model(options)


def test_a_recording_that_cannot_be_written_is_said_and_the_client_has_its_answer(
    recording: Model, httpserver: HTTPServer, tmp_path: Path
) -> None:
    (tmp_path / "größe-sag-s-mir.yaml").write_text("- say: a scenario of the same name\n")
    httpserver.expect_request("/v1/chat/completions").respond_with_json({"choices": []})
    answer = httpx2.post(
        f"{recording.url}/v1/chat/completions",
        json={"model": "m", "messages": MESSAGES},
        headers={"authorization": "Bearer k"},
    )
    assert answer.json() == {"choices": []}
    wait_until_kept(recording)
    assert recording.simulation.journal[-1].decided_by.startswith("not kept: ")


def test_what_came_compressed_all_the_same_plays_compressed(
    recording: Model, httpserver: HTTPServer, tmp_path: Path
) -> None:
    packed = gzip.compress(b'{"choices": []}')
    httpserver.expect_request("/v1/chat/completions").respond_with_data(
        packed, headers={"content-encoding": "gzip"}, content_type="application/json"
    )
    for _ in range(2):
        answer = httpx2.post(
            f"{recording.url}/v1/chat/completions",
            json={"model": "m", "messages": MESSAGES},
            headers={"authorization": "Bearer k"},
        )
        assert answer.json() == {"choices": []}
        wait_until_kept(recording)
    assert len(httpserver.log) == 1


def test_the_upstreams_key_in_an_answer_is_not_written_down(
    recording: Model, httpserver: HTTPServer, tmp_path: Path
) -> None:
    httpserver.expect_request("/v1/chat/completions").respond_with_json({"choices": [], "echo": KEY})
    httpx2.post(
        f"{recording.url}/v1/chat/completions",
        json={"model": "m", "messages": MESSAGES},
        headers={"authorization": "Bearer k"},
    )
    wait_until_kept(recording)
    (path,) = tmp_path.iterdir()
    assert KEY not in path.read_text()
    assert "REDACTED" in path.read_text()
