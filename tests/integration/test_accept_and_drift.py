"""A prompt was changed on purpose: answers are carried over, recorded again or refused; and drift of recordings."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pytest_httpserver import HTTPServer

from mockserver.cassettes import cassette
from mockserver.cli import main
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import ModelOptions
from mockserver.simulation.settings import OnMiss
from tests.unit.examples import ANSWER, recording

SYSTEM, USER = "You are brief.", "Where is Oslo?"
SUITE = """
import httpx2

def ask(server, *turns):
    roles = ["user", "assistant"] * 3
    messages = [{"role": "system", "content": "SYSTEM"}, *({"role": r, "content": t} for r, t in zip(roles, turns))]
    body, key = {"model": "m", "messages": messages}, {"authorization": "Bearer any"}
    answer = httpx2.post(f"{server.base_url}/chat/completions", json=body, headers=key)
    return answer.raise_for_status().json()["choices"][0]["message"]["content"]

def test_one(mock_server):
    assert ask(mock_server, "USER") == "In Norway."

def test_two(mock_server):
    assert ask(mock_server, "USER", "In Norway.", "Really?") == "In Norway."
"""


@pytest.fixture
def upstream(httpserver: HTTPServer) -> HTTPServer:
    httpserver.expect_request("/v1/chat/completions").respond_with_json(ANSWER)
    return httpserver


@pytest.fixture
def project(pytester: pytest.Pytester, upstream: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project whose two tests were recorded in one conversation."""
    monkeypatch.delenv("CI", raising=False)
    pytester.makeini("[pytest]\nmockserver_cassettes = cassettes\n")
    script = pytester.makepyfile(asking=RECORDING.replace("SYSTEM", SYSTEM).replace("USER", USER))
    recorded = command(
        pytester,
        "record",
        "--upstream",
        upstream.url_for("/v1"),
        "--cassettes",
        "cassettes",
        "--",
        sys.executable,
        str(script),
    )
    assert recorded.ret == 0
    recorded.stdout.fnmatch_lines(["2 recorded"])
    run_suite(pytester, SYSTEM, USER).assert_outcomes(passed=2)
    return pytester


RECORDING = """
import openai

client = openai.OpenAI(max_retries=0)
first = [{"role": "system", "content": "SYSTEM"}, {"role": "user", "content": "USER"}]
more = [{"role": "assistant", "content": "In Norway."}, {"role": "user", "content": "Really?"}]
for messages in (first, first + more):
    client.chat.completions.create(model="m", messages=messages)
"""


def command(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.run(sys.executable, "-m", "mockserver", *arguments)


def run_suite(project: pytest.Pytester, system: str, user: str) -> pytest.RunResult:
    project.makepyfile(test_it=SUITE.replace("SYSTEM", system).replace("USER", user))
    return project.runpytest_inprocess()


def only_cassette(project: pytest.Pytester) -> Path:
    (path,) = (project.path / "cassettes").iterdir()
    return path


def test_accept_carries_old_answers_over_to_a_new_system_prompt_and_marks_them(project: pytest.Pytester) -> None:
    run_suite(project, "You are very brief.", USER).assert_outcomes(failed=2)
    accepted = command(project, "cassette", "accept", "cassettes")
    accepted.stdout.fnmatch_lines(["where-is-oslo.yaml#1: answers the new messages?0?.content; carried over"])
    assert accepted.ret == 0
    loaded = cassette.load(only_cassette(project))
    assert (loaded.source, len(loaded.interactions)) == (cassette.Source.CARRIED, 2)
    assert {json.loads(interaction.request.body)["messages"][0]["content"] for interaction in loaded.interactions} == {
        "You are very brief."
    }
    project.runpytest_inprocess().assert_outcomes(passed=2)
    checked = command(project, "cassette", "check", "cassettes", "--max-age", "0", "--unused")
    assert checked.ret == 0


def test_accept_refuses_another_user_message(project: pytest.Pytester) -> None:
    before = only_cassette(project).read_bytes()
    run_suite(project, SYSTEM, "Where is Bergen?").assert_outcomes(failed=2)
    refused = command(project, "cassette", "accept", "cassettes")
    assert refused.ret == 1
    refused.stderr.fnmatch_lines(["not carried over: *a message of the user asks something else*record --missing"])
    assert only_cassette(project).read_bytes() == before


@pytest.mark.slow
def test_missing_recordings_are_made_after_a_question_with_their_size(
    project: pytest.Pytester, upstream: HTTPServer
) -> None:
    run_suite(project, SYSTEM, "Where is Bergen?").assert_outcomes(failed=2)
    arguments = ("record", "--upstream", upstream.url_for("/v1"), "--cassettes", "cassettes", "--missing")
    stopped = command(project, *arguments)
    stopped.stderr.fnmatch_lines(["2 requests, about * tokens to read, to http://localhost:*/v1"])
    assert (stopped.ret, len(upstream.log)) == (1, 2)
    recorded = command(project, *arguments, "--yes")
    recorded.stdout.fnmatch_lines(["recorded as where-is-bergen.yaml#1"])
    assert (recorded.ret, len(upstream.log)) == (0, 4)
    project.runpytest_inprocess().assert_outcomes(passed=2)


# --- without a run of tests ---


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two recordings of one conversation."""
    for name in ("CI", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "cassettes").mkdir()
    (tmp_path / "cassettes" / "where-is-oslo.yaml").write_text(recording("Where is Oslo?", "And Bergen?"))
    return tmp_path / "cassettes"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_refresh_records_everything_again(folder: Path, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v1/chat/completions").respond_with_json({**ANSWER, "model": "m-2"})
    arguments = ("record", "--upstream", httpserver.url_for("/v1"), "--cassettes", folder, "--refresh", "--yes")
    assert "where-is-oslo.yaml: 2 recorded again" in run(*arguments).output
    path = folder / "where-is-oslo.yaml"
    assert {json.loads(interaction.answer.body)["model"] for interaction in cassette.load(path).interactions} == {"m-2"}
    before = path.read_bytes()
    for status in (500, 401, 404):
        httpserver.clear()
        httpserver.expect_request("/v1/chat/completions").respond_with_json({}, status=status)
        failed = run(*arguments)
        assert f"where-is-oslo.yaml: unchanged: the upstream answered {status}" in failed.output
        assert (failed.exit_code, path.read_bytes()) == (1, before)


def test_refresh_keeps_what_the_cassette_allows_and_notes_it(folder: Path, httpserver: HTTPServer) -> None:
    path = folder / "where-is-oslo.yaml"
    path.write_text(
        recording("Mail info@corp-x.com").replace("  source: recorded", "  source: recorded\n  allowed: [info@*]")
    )
    httpserver.expect_request("/v1/chat/completions").respond_with_json({**ANSWER, "model": "ada@corp-x.com"})
    arguments = ("record", "--upstream", httpserver.url_for("/v1"), "--cassettes", folder, "--refresh", "--yes")
    assert run(*arguments).exit_code == 0
    assert cassette.load(path).allowed == ("info@*",)
    assert ("info@corp-x.com" in path.read_text(), "ada@" in path.read_text()) == (True, False)
    refused = run(*arguments, "--pass-token")
    assert (refused.exit_code, "--pass-token and --ignore are about the requests of a COMMAND" in refused.output) == (
        2,
        True,
    )


@pytest.mark.parametrize(
    ("answer", "status", "exit_code", "line"),
    [
        (ANSWER, 200, 0, "# Drift: 2 ok, 0 drifted, 0 not checked"),
        ({**ANSWER, "created": "1"}, 200, 1, "| retyped | `created` | number | string |"),
        ({**ANSWER, "new": 1}, 200, 1, "| added | `new` | absent | number |"),
        ({}, 404, 1, "| status | `status` | 200 | 404 |"),
        ({}, 429, 3, "- where-is-oslo.yaml#1: the upstream answered 429"),
    ],
)
def test_drift_compares_shapes_and_counts_what_was_not_checked(
    folder: Path, httpserver: HTTPServer, answer: dict[str, object], status: int, exit_code: int, line: str
) -> None:
    httpserver.expect_request("/v1/chat/completions").respond_with_json(answer, status=status)
    arguments = ("drift", "--upstream", httpserver.url_for("/v1"), "--yes", folder)
    result = run(*arguments)
    assert result.exit_code == exit_code
    assert line in result.output.splitlines()
    assert len(json.loads(run(*arguments, "--json").stdout)) == 2


def test_drift_does_not_check_what_it_cannot_reach(folder: Path) -> None:
    result = run("drift", "--upstream", "http://127.0.0.1:9/v1", "--yes", folder)
    assert (result.exit_code, "0 ok, 0 drifted, 2 not checked" in result.output) == (3, True), result.output


def test_drift_needs_recordings(tmp_path: Path) -> None:
    result = run("drift", "--upstream", "http://127.0.0.1:9/v1", "--yes", tmp_path)
    assert (result.exit_code, result.output) == (3, f"No recording of a model in {tmp_path}.\n")


@pytest.mark.parametrize("on_miss", [OnMiss.GENERATE, OnMiss.ERROR])
def test_a_mocks_own_answer_is_never_kept_as_a_recording(
    folder: Path, monkeypatch: pytest.MonkeyPatch, on_miss: OnMiss
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with ModelEndpoint(ModelOptions((), on_miss)) as mock:
        arguments = ("record", "--upstream", f"{mock.url}/v1", "--cassettes", folder, "--keep-errors")
        refreshed = run(*arguments, "--refresh", "--yes")
        reason = "a mock answered, not a model" if on_miss is OnMiss.GENERATE else "the upstream answered 404"
        assert f"unchanged: {reason}" in refreshed.output
        script = folder.parent / "asking.py"
        script.write_text(RECORDING.replace("SYSTEM", "Another").replace("USER", "Who?"))
        result = run(*arguments, "--", sys.executable, script)
    assert "not kept: a mock answered, not a model" in result.output
    assert result.stdout in ("2 not kept\n", "1 not kept\n")
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_record_says_why_it_cannot_record(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    to = ("--cassettes", folder)
    local = ("record", "--upstream", "http://127.0.0.1:9/v1", *to)
    assert "Say what to record: -- COMMAND, --missing or --refresh." in run(*local).output
    assert (
        "needs a key, but OPENAI_API_KEY is not set"
        in run("record", "--upstream", "https://api.openai.com/v1", *to, "--", "true").output
    )
    azure = "https://x.openai.azure.com"
    assert (
        "AZURE_OPENAI_API_KEY or AZURE_OPENAI_AD_TOKEN is not set"
        in run("record", "--upstream", azure, *to, "--", "true").output
    )
    assert run(*local, "--", sys.executable, "-c", "raise SystemExit(7)").exit_code == 7
    monkeypatch.setenv("CI", "1")
    assert "CI never records" in run(*local, "--", "true").output


def test_an_error_that_may_pass_is_not_kept_but_counted(folder: Path, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v1/chat/completions").respond_with_json({"error": {"message": "busy"}}, status=503)
    script = folder.parent / "asking.py"
    script.write_text(RECORDING)
    result = run("record", "--upstream", httpserver.url_for("/v1"), "--cassettes", folder, "--", sys.executable, script)
    assert "not kept: a 503 is often temporary (--keep-errors keeps it)" in result.output
    assert (result.exit_code, result.stdout) == (1, "1 not kept\n")
