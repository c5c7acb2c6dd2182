"""`dress-rehearsal replay`: the calls of a HAR asked again of a running mock.

Outside this repository, Chromium driven by Playwright saved the HAR of a page with a cookie and a key that asked an
OpenAI-compatible endpoint for streams, answers, embeddings and a refusal: `replay` found all of them, the same, and sent neither.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from click.testing import CliRunner, Result

from mockserver.cli import main
from mockserver.harness.mock_server import MockServer
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import ModelOptions
from mockserver.simulation.settings import OnMiss


@pytest.fixture
def mock(monkeypatch: pytest.MonkeyPatch) -> Iterator[MockServer]:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with ModelEndpoint(ModelOptions(on_miss=OnMiss.GENERATE)) as model:
        yield MockServer(model, model.simulation.scopes.everybody)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["replay", *map(str, arguments)])


@pytest.fixture
def saved(mock: MockServer, tmp_path: Path) -> Path:
    """The HAR of a stream, an answer, embeddings and a refusal."""
    mock.say("Tall.", to="Lighthouses?")
    client = openai.OpenAI(base_url=mock.base_url, api_key="any", max_retries=0)
    for streams in (True, False):
        answer = client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "Lighthouses?"}], stream=streams
        )
        if isinstance(answer, openai.Stream):
            list(answer)
    client.embeddings.create(model="text-embedding-3-small", input="x")
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="gpt-4o", messages=[])
    path = tmp_path / "run.har"
    path.write_text(json.dumps(mock.journal.har()), encoding="utf-8")
    mock.model.simulation.reset()
    return path


def test_the_same_answers_are_the_same(mock: MockServer, saved: Path) -> None:
    mock.say("Tall.", to="Lighthouses?")
    result = run(saved, "--upstream", mock.base_url, "--yes")
    assert (result.exit_code, result.stdout.splitlines()) == (
        0,
        [
            "same          #1 createChatCompletion, gpt-4o",
            "same          #2 createChatCompletion, gpt-4o",
            "same          #3 createEmbedding, text-embedding-3-small",
            "same          #4 createChatCompletion, gpt-4o",
            "4 same, 0 differs, 0 not compared",
        ],
    )
    assert "4 requests, about " in result.stderr
    assert len(mock.journal) == 4


def test_another_answer_is_shown_line_by_line(mock: MockServer, saved: Path) -> None:
    mock.say("Small.", to="Lighthouses?")
    result = run(saved, "--upstream", mock.base_url, "--yes")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (1, "2 same, 2 differs, 0 not compared")
    assert result.stdout.splitlines()[:7] == [
        "differs       #1 createChatCompletion, gpt-4o",
        "  text:",
        "    --- in the file",
        "    +++ now",
        "    @@ -1 +1 @@",
        "    -Tall.",
        "    +Small.",
    ]


def test_nothing_is_sent_unless_somebody_says_so(mock: MockServer, saved: Path) -> None:
    result = CliRunner().invoke(main, ["replay", str(saved), "--upstream", mock.base_url], input="n\n")
    assert (result.exit_code, "Send to the model?" in result.output, len(mock.journal)) == (1, True, 0)


def test_ci_asks_no_real_endpoint_and_gives_it_no_key(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-some-key")
    result = run(saved, "--upstream", "https://api.openai.com/v1", "--yes")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Error: CI does not ask https://api.openai.com/v1 again" in result.stderr


def test_an_upstream_that_does_not_answer_is_not_compared(saved: Path) -> None:
    result = run(saved, "--upstream", "http://127.0.0.1:9/v1", "--yes")
    assert (result.exit_code, "0 same, 0 differs, 4 not compared" in result.stdout) == (3, True)


def test_what_broke_off_is_not_sent_again(mock: MockServer, saved: Path) -> None:
    document = json.loads(saved.read_text())
    document["log"]["entries"] = [{**entry, "_end": "reset"} for entry in document["log"]["entries"][:1]]
    saved.write_text(json.dumps(document))
    result = run(saved, "--upstream", mock.base_url)
    assert (result.exit_code, len(mock.journal)) == (3, 0)
    assert result.stdout.startswith("not compared  #1 createChatCompletion, gpt-4o: its answer ended early: reset\n")


def test_what_deletes_something_is_named_before_it_is_sent(mock: MockServer, tmp_path: Path) -> None:
    path = tmp_path / "x.har"
    request = {"method": "DELETE", "url": "https://api.openai.com/v1/files/file-1"}
    path.write_text(json.dumps({"log": {"entries": [{"request": request, "response": {"status": 204}}]}}))
    result = run(path, "--upstream", mock.base_url, "--yes")
    assert (result.exit_code, result.stderr.splitlines()[0]) == (1, "deletes: /v1/files/file-1")
    assert "status: 204 -> 200" in result.stdout


@pytest.mark.parametrize(
    ("text", "status", "message"),
    [
        ('{"log": {"entries": []}}', 3, "No call of a model in "),
        ("x", 1, "is no HAR, which is JSON with log.entries"),
        (None, 1, "No such file"),
    ],
)
def test_a_file_without_calls_is_said(tmp_path: Path, text: str | None, status: int, message: str) -> None:
    path = tmp_path / "x.har"
    if text is not None:
        path.write_text(text)
    result = run(path, "--upstream", "http://127.0.0.1:9/v1", "--yes")
    assert (result.exit_code, message in result.stderr) == (status, True)


def test_an_upstream_is_needed(saved: Path) -> None:
    assert run(saved).exit_code == 2
