"""Recording from an upstream of the test's own."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import random
import socket
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from mockserver.cassettes import cassette
from mockserver.cassettes.real_endpoint import RecordingError
from mockserver.cli import console
from mockserver.exchange import End
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import ModelOptions, OptionsError
from mockserver.simulation.settings import OnMiss
from tests.polling import wait_until
from tests.unit.canaries import CANARIES, CORES

KEY = "sk-upstream-0123456789"
EVENTS = [b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n' % word for word in (b"one", b"two")]
DONE = b"data: [DONE]\n\n"
MESSAGES = [{"role": "user", "content": "Größe? Sag's mir!"}]


@pytest.fixture
def recording(httpserver: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelEndpoint]:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    options = ModelOptions((tmp_path,), OnMiss.RECORD, httpserver.url_for("/v1"))
    with ModelEndpoint(options) as model:
        yield model


def ask(model: ModelEndpoint) -> Any:
    client: Any = openai.OpenAI(base_url=f"{model.url}/v1", api_key=model.api_key, max_retries=0)
    return client.chat.completions.create(model="m", messages=MESSAGES, stream=True)


@contextmanager
def replaying(folder: Path) -> Iterator[ModelEndpoint]:
    """What was recorded, as everybody else gets it."""
    with ModelEndpoint(ModelOptions((folder,))) as model:
        yield model


def post(model: ModelEndpoint, body: Any = None, path: str = "/v1/chat/completions") -> httpx2.Response:
    body = {"model": "m", "messages": MESSAGES} if body is None else body
    return httpx2.post(f"{model.url}{path}", json=body, headers={"authorization": f"Bearer {model.api_key}"})


def wait_until_kept(model: ModelEndpoint) -> None:
    """The client has the answer a moment before the file is written."""
    wait_until(lambda: all(entry.end != "open" for entry in model.simulation.journal))


def test_every_event_is_passed_on_as_it_arrives_and_the_whole_answer_is_kept(
    recording: ModelEndpoint, httpserver: HTTPServer, tmp_path: Path
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
    assert recording.api_key not in text

    with replaying(tmp_path) as model:
        assert [chunk.choices[0].delta.content for chunk in ask(model)] == ["one", "two"]
    assert len(seen) == 1


def test_the_turns_of_a_conversation_go_into_one_file(
    recording: ModelEndpoint, httpserver: HTTPServer, tmp_path: Path
) -> None:
    httpserver.expect_request("/v1/chat/completions").respond_with_json({"choices": []})
    client: Any = openai.OpenAI(base_url=f"{recording.url}/v1", api_key=recording.api_key)
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
        "first-dd2103.yaml": 1,  # two people who record the same get the same name
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "kept"),
    [(400, True), (404, False), (401, False), (403, False), (429, False), (500, False), (503, False)],
)
def test_refusals_reach_the_client_and_errors_that_may_pass_are_not_kept(
    status: int, kept: bool, recording: ModelEndpoint, httpserver: HTTPServer, tmp_path: Path
) -> None:
    httpserver.expect_request("/v1/chat/completions").respond_with_data(
        '{"error":{"message":"no"}}', status=status, headers={"retry-after": "7"}
    )
    answer = httpx2.post(
        f"{recording.url}/v1/chat/completions",
        json={"model": "m", "messages": MESSAGES},
        headers={"authorization": f"Bearer {recording.api_key}"},
    )
    assert (answer.status_code, answer.text, answer.headers["retry-after"]) == (
        status,
        '{"error":{"message":"no"}}',
        "7",
    )
    wait_until_kept(recording)
    assert bool(list(tmp_path.iterdir())) is kept


def test_the_404_for_an_unknown_model_is_kept_and_that_of_a_wrong_path_is_explained(
    recording: ModelEndpoint, httpserver: HTTPServer, tmp_path: Path
) -> None:
    unknown = {"error": {"message": "The model `m` does not exist", "code": "model_not_found"}}
    httpserver.expect_ordered_request("/v1/chat/completions").respond_with_json(unknown, status=404)
    httpserver.expect_ordered_request("/v1/chat/completions").respond_with_data("Not Found", status=404)
    assert [post(recording).status_code for _ in range(2)] == [404, 404]
    wait_until_kept(recording)
    first, second = recording.simulation.journal
    assert first.decided_by.startswith("recorded as ")
    assert second.decided_by.startswith("not kept: a 404 for what every endpoint has: is the path in --upstream right")


def test_an_upstream_that_breaks_off_breaks_off_for_the_client_and_nothing_is_kept(
    recording: ModelEndpoint, httpserver: HTTPServer, tmp_path: Path
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


def test_an_upstream_that_cannot_be_reached_is_an_error_for_the_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    with ModelEndpoint(ModelOptions((tmp_path,), OnMiss.RECORD, "http://127.0.0.1:9/v1")) as model:
        with pytest.raises(openai.InternalServerError, match=r"The upstream does not answer: http://127\.0\.0\.1:9/v1"):
            ask(model)
        assert list(tmp_path.iterdir()) == []


def test_the_password_in_an_upstreams_address_is_in_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    options = ModelOptions((tmp_path,), OnMiss.RECORD, "http://ada:pass4w0rd-here@127.0.0.1:9/v1")
    with ModelEndpoint(options) as model:
        answer = post(model)
        assert (answer.status_code, "127.0.0.1:9" in answer.text, "pass4w0rd" in answer.text) == (502, True, False)
        assert "pass4w0rd" not in httpx2.get(f"{model.url}/__admin/timeline").text


def test_a_client_that_leaves_early_leaves_no_half_recording(
    recording: ModelEndpoint, httpserver: HTTPServer, tmp_path: Path
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
        (
            ModelOptions((), OnMiss.RECORD, "http://127.0.0.1:9"),
            "needs --upstream URL to record from and --cassettes DIR",
        ),
        (ModelOptions((Path("x"),), OnMiss.RECORD), "needs --upstream URL to record from and --cassettes DIR"),
        (ModelOptions((), OnMiss.ERROR, "http://127.0.0.1:9"), "add --on-miss record"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: ModelOptions, complaint: str) -> None:
    with pytest.raises(OptionsError, match=complaint):
        ModelEndpoint(options)


def test_a_client_is_told_when_its_answer_cannot_be_written(
    recording: ModelEndpoint, httpserver: HTTPServer, tmp_path: Path
) -> None:
    (tmp_path / "other.yaml").write_text("version: 1\ninteractions: nothing\n")
    httpserver.expect_request("/v1/chat/completions").respond_with_json({"choices": []})
    with pytest.raises(httpx2.ReadError):
        post(recording)
    wait_until_kept(recording)
    assert recording.simulation.journal[-1].decided_by.startswith("not written: ")
    assert recording.simulation.journal[-1].end == End.RESET


def test_an_image_is_recorded_whole_and_answered_again(
    recording: ModelEndpoint, httpserver: HTTPServer, tmp_path: Path
) -> None:
    httpserver.expect_request("/v1/chat/completions").respond_with_json(
        {"choices": [{"message": {"content": "A cat."}}]}
    )
    data = random.Random(1).randbytes(1 << 20)

    def asked(data: bytes) -> Any:
        url = f"data:image/png;base64,{base64.b64encode(data).decode()}"
        parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]
        return {"model": "m", "messages": [{"role": "user", "content": parts}]}

    assert post(recording, asked(data)).status_code == 200
    wait_until_kept(recording)
    (path,) = tmp_path.iterdir()
    (kept,) = cassette.load(path).interactions
    assert json.loads(kept.request.body) == asked(data)
    with replaying(tmp_path) as model:
        assert post(model, asked(data)).json()["choices"][0]["message"]["content"] == "A cat."
        miss = post(model, asked(b"!" + data[1:]))
    assert (miss.status_code, len(miss.content) < 5000) == (404, True)
    assert hashlib.sha256(data).hexdigest() in miss.text


def test_half_an_emoji_is_recorded(recording: ModelEndpoint, httpserver: HTTPServer, tmp_path: Path) -> None:
    """As JavaScript's `slice` leaves it."""
    stream = b'data: {"choices": []}\n\ndata: [DONE]\n\n'
    httpserver.expect_request("/v1/chat/completions").respond_with_data(stream, content_type="text/event-stream")
    body = b'{"model": "m", "stream": true, "messages": [{"role": "user", "content": "\\ud83d"}]}'
    key = {"authorization": f"Bearer {recording.api_key}", "content-type": "application/json"}
    assert httpx2.post(f"{recording.url}/v1/chat/completions", content=body, headers=key).content == stream
    with replaying(tmp_path) as model:
        assert httpx2.post(f"{model.url}/v1/chat/completions", content=body, headers=key).content == stream


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_an_answer_that_came_compressed_is_readable_in_its_cassette(
    encoding: str, recording: ModelEndpoint, httpserver: HTTPServer, tmp_path: Path
) -> None:
    plain = json.dumps({"choices": [], "echo": CANARIES["AWS access key"]}).encode()
    packed = gzip.compress(plain) if encoding == "gzip" else zlib.compress(plain)
    httpserver.expect_request("/v1/chat/completions").respond_with_data(
        packed, headers={"content-encoding": encoding}, content_type="application/json"
    )
    assert post(recording).content == plain
    (path,) = tmp_path.iterdir()
    assert '"echo": "REDACTED"' in path.read_text()
    with replaying(tmp_path) as model:
        assert post(model).json() == {"choices": [], "echo": "REDACTED"}


def test_what_is_compressed_in_another_way_is_passed_on_and_not_kept(
    recording: ModelEndpoint, httpserver: HTTPServer, tmp_path: Path
) -> None:
    httpserver.expect_request("/v1/chat/completions").respond_with_data(
        b"\x0b\x01\x80", headers={"content-encoding": "x"}
    )
    assert post(recording).content == b"\x0b\x01\x80"
    wait_until_kept(recording)
    assert recording.simulation.journal[-1].decided_by.startswith("not kept: it is compressed with x")
    assert list(tmp_path.iterdir()) == []


def test_what_was_just_recorded_does_not_answer_the_next_request(
    recording: ModelEndpoint, httpserver: HTTPServer, tmp_path: Path
) -> None:
    """A response in the background is asked for until it is completed; a question may be asked again on purpose."""
    for status in ("queued", "in_progress", "completed"):
        httpserver.expect_ordered_request("/v1/responses/resp_1").respond_with_json({"id": "resp_1", "status": status})
    headers = {"authorization": f"Bearer {recording.api_key}"}
    url = f"{recording.url}/v1/responses/resp_1"
    assert [httpx2.get(url, headers=headers).json()["status"] for _ in range(3)] == [
        "queued",
        "in_progress",
        "completed",
    ]
    with replaying(tmp_path) as model:
        url = f"{model.url}/v1/responses/resp_1"
        answers = [httpx2.get(url, headers=headers).json()["status"] for _ in range(4)]
    assert answers == ["queued", "in_progress", "completed", "completed"]


def test_a_response_and_what_is_asked_about_it_go_into_one_file(
    recording: ModelEndpoint, httpserver: HTTPServer, tmp_path: Path
) -> None:
    def answer(request: Request) -> Response:
        number = 2 if b"previous" in request.data else 1
        return Response(json.dumps({"id": f"resp_{number}", "object": "response"}), content_type="application/json")

    httpserver.expect_request("/v1/responses").respond_with_handler(answer)
    httpserver.expect_request("/v1/responses/resp_2").respond_with_json({"id": "resp_2", "object": "response"})
    httpserver.expect_request("/v1/embeddings").respond_with_json({"data": []})
    post(recording, {"model": "m", "input": "Where is Oslo?"}, "/v1/responses")
    post(recording, {"model": "m", "input": "And Rome?", "previous_response_id": "resp_1"}, "/v1/responses")
    httpx2.get(f"{recording.url}/v1/responses/resp_2", headers={"authorization": f"Bearer {recording.api_key}"})
    for batch in (["one", "two"], ["one", "three"], ["four"]):
        post(recording, {"model": "m", "input": batch}, "/v1/embeddings")
    wait_until_kept(recording)
    counts = {path.name: len(cassette.load(path).interactions) for path in tmp_path.iterdir()}
    assert counts.pop("where-is-oslo.yaml") == 3
    assert sorted(counts.values()) == [1, 1, 1]
    assert {"embeddings-one.yaml", "embeddings-four.yaml"} < counts.keys()


def test_an_upstream_that_says_length_and_chunked_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n"
        b'e\r\n{"choices": []\r\n1\r\n}\r\n0\r\n\r\n'
    )
    monkeypatch.delenv("CI", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=answer_once, args=(server, raw), daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        with ModelEndpoint(ModelOptions((tmp_path,), OnMiss.RECORD, url)) as model:
            assert post(model).json() == {"choices": []}


def answer_once(server: socket.socket, raw: bytes) -> None:
    """Read a request, and answer it with these bytes."""
    connection, _ = server.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(raw)


def test_a_redirect_to_the_upstream_stays_at_home(
    recording: ModelEndpoint, httpserver: HTTPServer, tmp_path: Path
) -> None:
    there = httpserver.url_for("/v1/files/1")
    httpserver.expect_request("/v1/files").respond_with_data("", status=302, headers={"location": there})
    httpserver.expect_request("/v1/responses/resp_9").respond_with_data("", status=302, headers={"location": there})
    headers = {"authorization": f"Bearer {recording.api_key}"}
    answer = httpx2.get(f"{recording.url}/v1/responses/resp_9", headers=headers)
    assert answer.headers["location"] == "/v1/files/1"
    with replaying(tmp_path) as model:
        replayed = httpx2.get(f"{model.url}/v1/responses/resp_9", headers=headers)
    assert (replayed.status_code, replayed.headers["location"]) == (302, "/v1/files/1")


def test_the_end_of_an_answer_leaves_when_it_is_on_disk(
    recording: ModelEndpoint, httpserver: HTTPServer, tmp_path: Path
) -> None:
    """The files are read the moment the client has the whole answer."""
    stream = b"".join([*EVENTS, DONE])
    vectors = json.dumps({"data": [{"index": 0, "embedding": [0.123456789] * 200_000}]}).encode()
    httpserver.expect_request("/v1/chat/completions").respond_with_data(stream, content_type="text/event-stream")
    httpserver.expect_request("/v1/embeddings").respond_with_data(vectors, content_type="application/json")
    for number in range(5):
        for path, whole in (("/v1/chat/completions", stream), ("/v1/embeddings", vectors)):
            asked = (
                {"input": str(number)} if "emb" in path else {"messages": [{"role": "user", "content": str(number)}]}
            )
            assert post(recording, {"model": "m", **asked}, path).content == whole
            assert len(list(tmp_path.iterdir())) == 2 * number + 1 + (path == "/v1/embeddings")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted(
        [f"{number}.yaml" for number in range(5)] + [f"embeddings-{number}.yaml" for number in range(5)]
    )


def test_a_recorder_removes_what_a_killed_one_left(
    httpserver: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    (tmp_path / f".a.yaml.x1{cassette.TEMPORARY}").write_text("half")
    with ModelEndpoint(ModelOptions((tmp_path,), OnMiss.RECORD, httpserver.url_for("/v1"))):
        assert list(tmp_path.iterdir()) == []


def test_the_upstreams_key_in_an_answer_is_not_written(
    recording: ModelEndpoint, httpserver: HTTPServer, tmp_path: Path
) -> None:
    httpserver.expect_request("/v1/chat/completions").respond_with_json({"choices": [], "echo": KEY})
    httpx2.post(
        f"{recording.url}/v1/chat/completions",
        json={"model": "m", "messages": MESSAGES},
        headers={"authorization": f"Bearer {recording.api_key}"},
    )
    wait_until_kept(recording)
    (path,) = tmp_path.iterdir()
    assert KEY not in path.read_text()
    assert "REDACTED" in path.read_text()


def test_only_clients_with_this_runs_token_spend_the_real_key(recording: ModelEndpoint, httpserver: HTTPServer) -> None:
    client: Any = openai.OpenAI(base_url=f"{recording.url}/v1", api_key="any", max_retries=0)
    with pytest.raises(openai.AuthenticationError, match="Send this run's token as your API key"):
        client.chat.completions.create(model="m", messages=MESSAGES)
    assert httpserver.log == []


@pytest.mark.parametrize(
    ("variables", "path", "header", "value"),
    [
        ({"AZURE_OPENAI_API_KEY": "azure-key-0123"}, "/openai/v1/chat/completions", "api-key", "azure-key-0123"),
        ({"AZURE_OPENAI_AD_TOKEN": "entra-0123"}, "/openai/v1/chat/completions", "authorization", "Bearer entra-0123"),
        ({"OPENAI_API_KEY": "openai-key-0123"}, "/v1/chat/completions", "authorization", "Bearer openai-key-0123"),
        ({}, "/v1/chat/completions", "authorization", None),
    ],
)
def test_the_upstream_sees_its_own_credentials_and_never_the_clients(
    variables: dict[str, str],
    path: str,
    header: str,
    value: str | None,
    httpserver: HTTPServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("CI", "OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_AD_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, secret in variables.items():
        monkeypatch.setenv(name, secret)
    base = "/v1" if path.startswith("/v1") else ""
    httpserver.expect_request(path).respond_with_json({"choices": []})
    with ModelEndpoint(ModelOptions((tmp_path,), OnMiss.RECORD, httpserver.url_for(base))) as model:
        headers = {"authorization": f"Bearer {model.api_key}", "x-mockserver-token": model.token, "cookie": "a=1"}
        body = {"model": "m", "messages": MESSAGES}
        assert httpx2.post(f"{model.url}{path}", json=body, headers=headers).status_code == 200
        wait_until_kept(model)
    (request, _) = httpserver.log[0]
    assert request.headers.get(header) == value
    assert model.api_key not in str(request.headers)
    assert not {"x-mockserver-token", "cookie"} & {name.lower() for name in dict(request.headers)}
    assert not any(secret in next(tmp_path.iterdir()).read_text() for secret in variables.values())


def test_ci_never_records_and_two_never_write_to_one_folder(
    recording: ModelEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ModelOptions((tmp_path,), OnMiss.RECORD, "http://127.0.0.1:9/v1")
    with pytest.raises(RecordingError, match="Another recorder writes to"):
        ModelEndpoint(options)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(RecordingError, match="CI never records"):
        ModelEndpoint(options)


@pytest.mark.parametrize("status", [429, 503])
def test_an_error_that_may_pass_is_reported_and_kept_on_request(
    status: int, httpserver: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    httpserver.expect_request("/v1/chat/completions").respond_with_data("{}", status=status)
    for keep in (False, True):
        options = ModelOptions((tmp_path,), OnMiss.RECORD, httpserver.url_for("/v1"), keep_errors=keep)
        with ModelEndpoint(options) as model:
            headers = {"authorization": f"Bearer {model.api_key}"}
            body = {"model": "m", "messages": MESSAGES}
            httpx2.post(f"{model.url}/v1/chat/completions", json=body, headers=headers)
            wait_until_kept(model)
            decided_by = model.simulation.journal[-1].decided_by
        assert decided_by == (
            "recorded as größe-sag-s-mir.yaml#1"
            if keep
            else f"not kept: a {status} is often temporary (--keep-errors keeps it)"
        )
    assert len(list(tmp_path.iterdir())) == 1


def test_a_client_that_waits_for_100_continue_gets_it(recording: ModelEndpoint, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v1/chat/completions").respond_with_json({"choices": []})
    body = json.dumps({"model": "m", "messages": MESSAGES}).encode()
    url = urlsplit(recording.url)
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=10) as sock:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {recording.api_key}\r\n"
        sock.sendall(f"{head}content-length: {len(body)}\r\nexpect: 100-continue\r\n\r\n".encode())
        assert sock.recv(1000).startswith(b"HTTP/1.1 100 Continue")
        sock.sendall(body)
        assert sock.recv(1000).startswith(b"HTTP/1.1 200")
    wait_until_kept(recording)
    assert httpserver.log[0][0].headers.get("expect") is None


STREAM = 'data: {"choices":[{"delta":{"content":"Grüße 🙂"}}]}\n\n: ping\r\n\r\ndata: é\n\ndata: [DONE]\n\n'.encode()


@pytest.mark.slow
def test_a_stream_is_passed_on_and_replayed_byte_for_byte_wherever_it_was_cut(
    recording: ModelEndpoint, httpserver: HTTPServer, tmp_path: Path
) -> None:
    cuts = iter(range(1, len(STREAM)))

    def answer(_: Request) -> Response:
        cut = next(cuts)
        return Response(iter([STREAM[:cut], STREAM[cut:]]), content_type="text/event-stream")

    httpserver.expect_request("/v1/chat/completions").respond_with_handler(answer)
    with httpx2.Client(headers={"authorization": f"Bearer {recording.api_key}"}) as client:
        for number in range(1, len(STREAM)):
            body = {"model": "m", "messages": [{"role": "user", "content": str(number)}]}
            assert client.post(f"{recording.url}/v1/chat/completions", json=body).content == STREAM
        with replaying(tmp_path) as model:
            for number in range(1, len(STREAM)):
                body = {"model": "m", "messages": [{"role": "user", "content": str(number)}]}
                assert client.post(f"{model.url}/v1/chat/completions", json=body).content == STREAM
    assert len(httpserver.log) == len(STREAM) - 1


def test_planted_secrets_are_nowhere_afterwards(
    httpserver: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of every kind: in a prompt at the start of a line, letter by letter in the answer, and in a header of it."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    def echo(request: Request) -> Response:
        text = request.get_json()["messages"][0]["content"]
        deltas = [{"choices": [{"index": 0, "delta": {"content": letter}}]} for letter in text]
        body = "".join([*(f"data: {json.dumps(delta)}\n\n" for delta in deltas), "data: [DONE]\n\n"])
        headers = {"set-cookie": repr(text), "x-ratelimit-limit-requests": repr(text)}
        return Response(body, content_type="text/event-stream", headers=headers)

    httpserver.expect_request("/v1/chat/completions").respond_with_handler(echo)
    lines: list[str] = []
    options = ModelOptions((tmp_path,), OnMiss.RECORD, httpserver.url_for("/v1"))
    with ModelEndpoint(options, report=lambda entries: lines.extend(map(console.model_line, entries))) as model:
        client: Any = openai.OpenAI(base_url=f"{model.url}/v1", api_key=model.api_key, max_retries=0)
        for secret in CANARIES.values():
            messages = [{"role": "user", "content": f"My:\n{secret}\nhere"}]
            chunks = client.chat.completions.create(model="m", messages=messages, stream=True)
            assert "".join(chunk.choices[0].delta.content for chunk in chunks) == f"My:\n{secret}\nhere"
        pages = [httpx2.get(f"{model.url}/__admin/{page}").text for page in ("journal", "timeline")]
    written = [text for path in tmp_path.rglob("*") for text in (path.name, path.read_text())]
    everywhere = "\n".join([*written, *map(html.unescape, pages), *lines, *capfd.readouterr()])
    assert model.api_key not in everywhere
    leaks = [kind for kind, core in CORES.items() if core in everywhere or json.dumps(core)[1:-1] in everywhere]
    assert (leaks, KEY in everywhere) == ([], False)
    assert [kind for kind, line in zip(CANARIES, lines, strict=True) if kind.rstrip(" 1") not in line] == []
