"""`pytest --rehearsal-report`, in a pytest of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.integration.test_plugin import SWALLOWED

TESTS = """
    import pytest
    from app import ask, swallowing

    def test_hello(mock_server):
        mock_server.say("Hi")
        assert ask(mock_server) == "Hi"

    def test_missed(mock_server):
        swallowing(mock_server)

    @pytest.mark.expects_miss
    def test_missed_again(mock_server):
        swallowing(mock_server)

    @pytest.mark.parametrize("kind", ["overloaded", "dropped"])
    def test_fault(mock_server, kind):
        mock_server.say("Hi", fault=kind)
        swallowing(mock_server)

    def test_plain():
        pass
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(app=SWALLOWED.replace("headers={", "timeout=60, headers={"))  # workers start while others ask
    pytester.makepyfile(TESTS)
    return pytester


def page_of(pytester: pytest.Pytester, path: str = "test-results/rehearsal.html") -> str:
    """The report's text, without its markup and its times."""
    text = re.sub(
        r"<style>.*?</style>|<[^>]+>", " ", (pytester.path / path).read_text(encoding="utf-8"), flags=re.DOTALL
    )
    return re.sub(r"\s+", " ", re.sub(r"\d+\.\d+", "0.0", text))


@pytest.mark.parametrize("processes", ["0", "2"])
def test_one_page_tells_what_the_whole_run_did(suite: pytest.Pytester, processes: str) -> None:
    result = suite.runpytest_inprocess("-n", processes, "--rehearsal-report")
    result.assert_outcomes(failed=1, passed=5)
    result.stdout.fnmatch_lines([f"Rehearsal report: {Path('test-results', 'rehearsal.html')}"])
    page = page_of(suite)
    assert "6 tests: 1 failed , 5 passed" in page
    assert "5 of them used the mock server" in page
    assert "test_missed timeline failed 0.0 1 1" in page
    assert "2 requests for this one reason" in page
    assert "2 tests test_one_page_tells_what_the_whole_run_did.py::test_missed " in page
    assert "2 of 32 faults were tried" in page
    assert "createChatCompletion 5" in page
    assert "This was not a run of all tests to their end (1 of its tests failed)" in page
    link = re.search(r'href="([^"#]+\.html)"', (suite.path / "test-results/rehearsal.html").read_text())
    assert link is not None
    assert (suite.path / "test-results" / link[1]).exists()


@pytest.mark.slow
def test_a_worker_that_dies_is_named_and_the_others_are_told(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        "import os\n\ndef test_dies(mock_server):\n    os._exit(3)\n\ndef test_lives(mock_server):\n    pass\n"
    )
    suite.runpytest_inprocess("-n", "2", "--rehearsal-report=out.html")
    assert "worker ended without handing over" in page_of(suite, "out.html")


def test_a_suite_that_uses_no_fixture_gets_a_page_that_says_so(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it():\n    pass\n")
    pytester.runpytest_inprocess("--rehearsal-report=deep/down/report.html").assert_outcomes(passed=1)
    assert "No test used the mock server" in page_of(pytester, "deep/down/report.html")


@pytest.mark.parametrize(
    ("path", "why"),
    [("test_mine.py", "*writes a file that ends in .html, got *"), ("app.py/report.html", "*cannot write *")],
)
def test_a_path_that_cannot_be_written_stops_the_run_before_it_begins(
    suite: pytest.Pytester, path: str, why: str
) -> None:
    result = suite.runpytest_inprocess(f"--rehearsal-report={path}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: --rehearsal-report {why}"])
    result.stdout.no_fnmatch_line("*passed*")


def test_a_path_that_cannot_be_written_at_the_end_fails_the_run_in_one_line(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("from pathlib import Path\n\ndef test_it():\n    Path('out/report.html').mkdir()\n")
    result = pytester.runpytest_inprocess("--rehearsal-report=out/report.html")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(["ERROR: --rehearsal-report cannot write *report.html: *"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_without_the_option_nothing_is_written(suite: pytest.Pytester) -> None:
    suite.runpytest_inprocess("-k", "hello or plain").assert_outcomes(passed=2)
    assert not (suite.path / "test-results").exists()
