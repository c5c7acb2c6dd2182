"""Apps that ask for more than chats: everything is recorded, and replayed without a key."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from click.testing import CliRunner
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from mockserver.cassettes import cassette
from mockserver.cli import main
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import ModelOptions, OptionsError
from mockserver.simulation.settings import OnMiss

KEY, SEARCH_KEY = "sk-upstream-0123456789", "search-key-0123456789"
SOUND = b"ID3\x04" + bytes(range(256)) * 200
IMAGE = {"created": 1, "data": [{"b64_json": "iVBORw0KGgoAAAANSUhEUg=="}]}


@pytest.fixture
def upstream(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> HTTPServer:
    """A model's service with operations that we have no contract for, and a search index on the same server."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    def transcribe(request: Request) -> Response:
        return Response(
            json.dumps({"text": f"{len(request.files['file'].read())} bytes"}), content_type="application/json"
        )

    def upload(request: Request) -> Response:
        return Response(json.dumps({"id": "file-1", "object": "file", "filename": request.files["file"].filename}))

    httpserver.expect_request("/v1/audio/speech").respond_with_data(SOUND, content_type="audio/mpeg")
    httpserver.expect_request("/v1/audio/transcriptions").respond_with_handler(transcribe)
    httpserver.expect_request("/v1/images/generations").respond_with_json(IMAGE)
    httpserver.expect_request("/v1/moderations").respond_with_json({"id": "modr-1", "results": [{"flagged": False}]})
    httpserver.expect_request("/v1/completions").respond_with_json(
        {"id": "cmpl-1", "choices": [{"text": "In Norway."}]}
    )
    httpserver.expect_request("/v1/files", method="POST").respond_with_handler(upload)
    httpserver.expect_request("/v1/files/file-1/content").respond_with_data(
        b'{"a": 1}\n', content_type="application/jsonl"
    )
    httpserver.expect_request("/v1/conversations").respond_with_json({"id": "conv_1", "object": "conversation"})
    httpserver.expect_request("/indexes/docs/docs/search", headers={"api-key": SEARCH_KEY}).respond_with_json(
        {"value": [{"title": "Lighthouses"}]}
    )
    return httpserver


def recording(upstream: HTTPServer, folder: Path) -> ModelOptions:
    others = {"AZURE_SEARCH_ENDPOINT": upstream.url_for("")}
    return ModelOptions((folder,), OnMiss.RECORD, upstream.url_for("/v1"), other_upstreams=others)


def use_everything(model: ModelEndpoint) -> Iterator[Any]:
    """What an app asks for in one run, through the official client, with the answers it got."""
    client = openai.OpenAI(base_url=f"{model.url}/v1", api_key=model.api_key, max_retries=0)
    yield client.audio.speech.create(model="tts-1", voice="alloy", input="Hello!").content
    sound = io.BytesIO(SOUND)
    sound.name = "a.mp3"
    yield client.audio.transcriptions.create(model="whisper-1", file=sound).text
    yield client.images.generate(model="gpt-image-1", prompt="A lighthouse").data
    yield client.moderations.create(input="Hello!").results
    yield client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Where is Oslo?").choices[0].text
    yield client.files.create(file=("a.jsonl", b'{"a": 1}\n'), purpose="batch").id
    yield client.files.content("file-1").text
    yield client.conversations.create().id
    search = f"{model.url}/azure_search_endpoint/indexes/docs/docs/search?api-version=2024-07-01"
    yield httpx2.post(search, json={"search": "light"}, headers={"api-key": SEARCH_KEY}).json()


def test_a_mixed_app_is_recorded_and_replayed(upstream: HTTPServer, tmp_path: Path) -> None:
    with ModelEndpoint(recording(upstream, tmp_path)) as model:
        recorded = list(use_everything(model))
        assert [entry.decided_by[:11] for entry in model.simulation.journal] == ["recorded as"] * 9
    assert recorded[:2] == [SOUND, f"{len(SOUND)} bytes"]
    written = "".join(path.read_text() for path in tmp_path.iterdir())
    assert (KEY in written, SEARCH_KEY in written) == (False, False)
    assert SEARCH_KEY not in str(dict(upstream.log[0][0].headers))
    asked = len(upstream.log)
    with ModelEndpoint(ModelOptions((tmp_path,))) as model:
        assert list(use_everything(model)) == recorded
        search = f"{model.url}/azure_search_endpoint/indexes/docs/docs/search?api-version=2024-07-01"
        other = httpx2.post(search, json={"search": "dark"}, headers={"api-key": SEARCH_KEY})
        changed = httpx2.post(
            f"{model.url}/v1/moderations", json={"input": "Bye!"}, headers={"authorization": "Bearer x"}
        )
    assert len(upstream.log) == asked
    assert 'search   wanted "light"   got "dark"' in other.json()["error"]["message"]
    assert "cassette accept" not in other.json()["error"]["message"]
    shown = CliRunner().invoke(main, ["cassette", "show", str(tmp_path)]).output
    assert f"({len(SOUND):,} bytes)" in shown
    assert "\x04" not in shown
    assert changed.status_code == 404
    assert 'input   wanted "Hello!"   got "Bye!"' in changed.json()["error"]["message"]


def test_files_are_named_after_what_was_asked(upstream: HTTPServer, tmp_path: Path) -> None:
    with ModelEndpoint(recording(upstream, tmp_path)) as model:
        list(use_everything(model))
    assert sorted(path.stem for path in tmp_path.iterdir()) == [
        "audio-speech-hello",
        "audio-transcriptions",
        "azure_search_endpoint-indexes-docs-docs-search-l",
        "completions-where-is-oslo",
        "conversations",
        "files",
        "images-generations-a-lighthouse",
        "moderations-hello",
    ]
    assert cassette.load(tmp_path / "files.yaml").interactions[1].request.raw_path == "/v1/files/file-1/content"


def test_a_command_finds_every_upstream_in_a_variable(upstream: HTTPServer, tmp_path: Path) -> None:
    script = tmp_path / "app.py"
    script.write_text(
        "import os, httpx2\n"
        "url = os.environ['AZURE_SEARCH_ENDPOINT'] + '/indexes/docs/docs/search'\n"
        f"print(httpx2.post(url, json={{'search': 'x'}}, headers={{'api-key': '{SEARCH_KEY}'}}, trust_env=False).json())\n"
    )
    arguments = ["record", "--upstream", upstream.url_for("/v1"), "--cassettes", str(tmp_path / "new")]
    named = ["--upstream", f"AZURE_SEARCH_ENDPOINT={upstream.url_for('')}"]
    result = CliRunner().invoke(main, [*arguments, *named, "--", sys.executable, str(script)])
    assert (result.exit_code, result.output.splitlines()[-1]) == (0, "1 recorded")
    assert "Lighthouses" in next((tmp_path / "new").iterdir()).read_text()
    wrong = CliRunner().invoke(main, [*arguments, *arguments[1:3], "--", "true"])
    assert (wrong.exit_code, "--upstream must be given once without a name, for the model, got 2" in wrong.output) == (
        1,
        True,
    )


def test_the_apps_own_entra_token_goes_to_azure_if_that_is_said(
    httpserver: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    httpserver.expect_request("/openai/v1/chat/completions").respond_with_json({"choices": []})
    token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
    body = {"model": "chat", "messages": [{"role": "user", "content": f"Hello!\n{token}"}]}
    for pass_token, status in ((True, 200), (False, 401)):
        options = ModelOptions((tmp_path,), OnMiss.RECORD, httpserver.url_for(""), pass_token=pass_token)
        with ModelEndpoint(options) as model:
            url, headers = f"{model.url}/openai/v1/chat/completions", {"authorization": f"Bearer {token}"}
            assert httpx2.post(url, json=body, headers=headers).status_code == status
    assert len(httpserver.log) == 1
    assert httpserver.log[0][0].headers["authorization"] == f"Bearer {token}"
    assert token not in next(tmp_path.iterdir()).read_text()


@pytest.mark.parametrize(
    "options",
    [{"other_upstreams": {"A": "http://127.0.0.1:9"}}, {"pass_token": True}, {"allowed": ("a@b.com",)}],
    ids=["upstream", "token", "allow"],
)
def test_options_of_recording_are_refused_where_nothing_is_recorded(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(OptionsError, match="is used only while recording: add --on-miss record"):
        ModelEndpoint(ModelOptions((tmp_path,), **options))


def test_a_rule_cannot_be_turned_off_for_an_upstream(tmp_path: Path) -> None:
    options = ModelOptions((tmp_path,), OnMiss.RECORD, "http://127.0.0.1:9", lenient=("model-context",))
    with pytest.raises(OptionsError, match="--lenient has no effect while recording"):
        ModelEndpoint(options)
    with pytest.raises(OptionsError, match=r"unknown rule 'model-contex' in --lenient \(did you mean 'model-context'"):
        ModelEndpoint(ModelOptions((tmp_path,), lenient=("model-contex",)))
