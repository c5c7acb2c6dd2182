"""`pytest --record`: whole tests are recorded in one go, each into a cassette of its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from mockserver.cassettes import cassette

SUITE = """
import httpx2
import pytest

def ask(server, *turns):
    roles = ["user", "assistant"] * 3
    messages = [{"role": role, "content": turn} for role, turn in zip(roles, turns)]
    body = {"model": "m", "messages": [{"role": "system", "content": "You are brief."}, *messages]}
    answer = httpx2.post(f"{server.base_url}/chat/completions", json=body, headers={"authorization": "Bearer any"})
    return answer.raise_for_status().json()["choices"][0]["message"]["content"]

@pytest.mark.cassette
class TestA:
    def test_talks(self, mock_server):
        first = ask(mock_server, "Hello!")
        assert ask(mock_server, "Hello!", first, "And then?") == "And then? 2"

@pytest.mark.cassette
class TestB:
    def test_talks(self, mock_server):
        assert ask(mock_server, "Hello!") == "Hello! 1"

@pytest.mark.cassette
@pytest.mark.parametrize("text", ["a b", "a/b"])
def test_greets(mock_server, text):
    assert ask(mock_server, text) == f"{text} 1"
"""


@pytest.fixture
def upstream(httpserver: HTTPServer) -> HTTPServer:
    """It says the last prompt, and which user message of the conversation that was."""

    def answer(request: Request) -> Response:
        turns = [each["content"] for each in request.get_json()["messages"] if each["role"] == "user"]
        message = {"role": "assistant", "content": f"{turns[-1]} {len(turns)}", "refusal": None}
        choice = {"index": 0, "finish_reason": "stop", "logprobs": None, "message": message}
        whole = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
        return Response(json.dumps(whole), content_type="application/json")

    httpserver.expect_request("/v1/chat/completions").respond_with_handler(answer)
    return httpserver


@pytest.fixture
def suite(pytester: pytest.Pytester, upstream: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("UPSTREAM", upstream.url_for("/v1"))
    pytester.makepyfile(test_it=SUITE)
    return pytester


def names(suite: pytest.Pytester) -> list[str]:
    return sorted(path.name for path in (suite.path / "recordings" / "test_it").iterdir())


def command(suite: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return suite.run(sys.executable, "-m", "mockserver", *arguments)


@pytest.mark.slow
def test_tests_of_several_turns_are_recorded_in_one_run(suite: pytest.Pytester, upstream: HTTPServer) -> None:
    recorded = suite.runpytest_inprocess("--record")
    recorded.assert_outcomes(passed=4)
    recorded.stdout.fnmatch_lines(["*recorded*", "   2  recordings/test_it/TestA.test_talks.yaml"])
    assert names(suite) == [
        "TestA.test_talks.yaml",
        "TestB.test_talks.yaml",
        "test_greets[[]a%20b].yaml".replace("[[]", "["),
        "test_greets[a%2Fb].yaml",
    ]
    asked = len(upstream.log)
    suite.runpytest_inprocess().assert_outcomes(passed=4)
    suite.runpytest_inprocess("--record").assert_outcomes(passed=4)
    assert len(upstream.log) == asked == 5
    checked = command(suite, "cassette", "check", "recordings", "--unused")
    assert (checked.ret, checked.outlines[-1]) == (0, "0 errors, 0 warnings")


@pytest.mark.slow
def test_once_leaves_a_cassette_as_it_is_and_missing_adds_to_it(suite: pytest.Pytester, upstream: HTTPServer) -> None:
    suite.runpytest_inprocess("--record").assert_outcomes(passed=4)
    suite.makepyfile(test_it=SUITE.replace('"And then?") == "And then? 2"', '"Really?") == "Really? 2"'))
    once = suite.runpytest_inprocess("--record=once")
    once.assert_outcomes(passed=3, failed=1)
    once.stdout.fnmatch_lines(["*No recording fits POST /v1/chat/completions*"])
    suite.runpytest_inprocess("--record=missing").assert_outcomes(passed=4)
    assert len(upstream.log) == 6
    path = suite.path / "recordings" / "test_it" / "TestA.test_talks.yaml"
    assert len(cassette.load(path).interactions) == 3
    fresh = command(suite, "cassette", "check", "recordings", "--unused")
    assert fresh.outlines[0] == "test_it/TestA.test_talks.yaml#2: unused: answered no request in the last run"
    suite.runpytest_inprocess().assert_outcomes(passed=4)
    unused = command(suite, "cassette", "check", "recordings", "--unused")
    assert unused.outlines[0] == "test_it/TestA.test_talks.yaml#2: unused: answered no request in the last run"
    pruned = command(suite, "cassette", "prune", "recordings", "--yes")
    assert pruned.outlines == ["test_it/TestA.test_talks.yaml: 1 of 3 removed", "1 removed"]
    assert len(cassette.load(path).interactions) == 2
    suite.runpytest_inprocess().assert_outcomes(passed=4)


def test_refresh_replaces_what_passes_and_keeps_what_fails(suite: pytest.Pytester, upstream: HTTPServer) -> None:
    suite.runpytest_inprocess("--record").assert_outcomes(passed=4)
    folder = suite.path / "recordings" / "test_it"
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    suite.makepyfile(
        test_it=SUITE.replace(
            'assert ask(mock_server, "Hello!") == "Hello! 1"', 'assert ask(mock_server, "Hello!") == "x"'
        )
    )
    suite.runpytest_inprocess("--record=refresh").assert_outcomes(passed=3, failed=1)
    same = [path.name for path in folder.iterdir() if path.stat().st_mtime_ns == before[path.name]]
    assert same == ["TestB.test_talks.yaml"]
    assert len(upstream.log) == 10


@pytest.mark.parametrize(
    ("variables", "arguments", "complaint"),
    [
        ({"CI": "1"}, [], "CI never records"),
        ({"UPSTREAM": ""}, [], "--record needs --record-upstream URL, or the variable UPSTREAM"),
        ({}, ["-n", "2"], "--record works with one process: add -n 0"),
    ],
    ids=["CI", "no upstream", "several processes"],
)
def test_what_cannot_record_says_why(
    suite: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    arguments: list[str],
    complaint: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    result = suite.runpytest_inprocess("--record", *arguments)
    assert result.ret != 0
    assert complaint in result.stderr.str() + result.stdout.str()
    assert not (suite.path / "recordings").exists()


def test_two_tests_with_one_question_get_a_file_each_from_missing(suite: pytest.Pytester, upstream: HTTPServer) -> None:
    suite.makepyfile(
        test_it=SUITE.replace("first = ask(", "first = ask(").replace(
            'assert ask(mock_server, "Hello!", first', 'return\n        assert ask(mock_server, "Hello!", first'
        )
    )
    suite.runpytest_inprocess("-k", "talks").assert_outcomes(failed=2)
    record = ("record", "--missing", "--yes", "--cassettes", "elsewhere", "--upstream", upstream.url_for("/v1"))
    assert command(suite, *record).ret == 0
    assert names(suite) == ["TestA.test_talks.yaml", "TestB.test_talks.yaml"]
    suite.runpytest_inprocess("-k", "talks").assert_outcomes(passed=2)


def test_accept_takes_the_command_that_the_miss_names(suite: pytest.Pytester) -> None:
    suite.runpytest_inprocess("--record").assert_outcomes(passed=4)
    suite.makepyfile(test_it=SUITE.replace("You are brief.", "You are very brief."))
    failed = suite.runpytest_inprocess("-k", "TestB")
    (line,) = [line for line in failed.outlines if "cassette accept" in line]
    assert "dress-rehearsal cassette accept recordings/test_it/TestB.test_talks.yaml  " in line


def test_projects_own_folder_takes_what_is_missing(suite: pytest.Pytester, upstream: HTTPServer) -> None:
    suite.makeini("[pytest]\nmockserver_cassettes = cassettes\n")
    (suite.path / "cassettes").mkdir()
    suite.makepyfile(test_it=SUITE.replace("@pytest.mark.cassette\n", ""))
    suite.runpytest_inprocess("--record=missing", "-k", "TestA").assert_outcomes(passed=1)
    assert [path.name for path in Path(suite.path / "cassettes").iterdir()] == ["hello.yaml"]
    suite.runpytest_inprocess("-k", "TestA").assert_outcomes(passed=1)
    assert len(upstream.log) == 2


def test_accept_of_a_folder_carries_over_what_tests_missed(suite: pytest.Pytester) -> None:
    suite.runpytest_inprocess("--record").assert_outcomes(passed=4)
    suite.makepyfile(test_it=SUITE.replace("You are brief.", "You are very brief."))
    suite.runpytest_inprocess("-k", "TestB").assert_outcomes(failed=1)
    accepted = command(suite, "cassette", "accept", "recordings")
    assert accepted.outlines[-1] == "1 carried over, 0 not"
    suite.runpytest_inprocess("-k", "TestB").assert_outcomes(passed=1)


def test_what_was_just_recorded_counts_as_used(suite: pytest.Pytester) -> None:
    recorded = suite.runpytest_inprocess("--record=refresh")
    recorded.assert_outcomes(passed=4)
    recorded.stdout.fnmatch_lines(["   2  recordings/test_it/TestA.test_talks.yaml"])
    pruned = command(suite, "cassette", "prune", "recordings", "--yes")
    assert pruned.outlines == ["Everything answered a request."]


def test_nothing_is_pruned_after_a_run_of_some_tests(suite: pytest.Pytester) -> None:
    suite.runpytest_inprocess("--record").assert_outcomes(passed=4)
    suite.runpytest_inprocess("-k", "TestB").assert_outcomes(passed=1)
    pruned = command(suite, "cassette", "prune", "recordings", "--yes")
    assert pruned.ret == 1
    pruned.stderr.fnmatch_lines(["Error: The last run was not of all tests (3 tests were deselected)*"])
    assert len(names(suite)) == 4


def test_a_test_that_fails_half_way_leaves_no_cassette_and_is_recorded_when_it_passes(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        test_it=SUITE.replace(
            '        assert ask(mock_server, "Hello!", first',
            '        assert 0\n        assert ask(mock_server, "Hello!", first',
        )
    )
    failed = suite.runpytest_inprocess("--record", "-k", "TestA")
    failed.stdout.fnmatch_lines(["not kept, the test failed:  recordings/test_it/TestA.test_talks.yaml"])
    assert names(suite) == []
    suite.makepyfile(test_it=SUITE)
    suite.runpytest_inprocess("--record", "-k", "TestA").assert_outcomes(passed=1)
    assert names(suite) == ["TestA.test_talks.yaml"]


def test_what_a_killed_run_left_of_a_test_is_not_added_to(suite: pytest.Pytester) -> None:
    suite.runpytest_inprocess("--record", "-k", "TestB").assert_outcomes(passed=1)
    path = suite.path / "recordings" / "test_it" / "TestB.test_talks.yaml"
    path.rename(path.with_name(f".{path.name}{cassette.TEMPORARY}"))
    suite.runpytest_inprocess("--record", "-k", "TestB").assert_outcomes(passed=1)
    assert len(cassette.load(path).interactions) == 1
    assert names(suite) == [path.name]
