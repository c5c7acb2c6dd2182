"""The pytest plugin, in a pytest of its own."""

from __future__ import annotations

import json
import re
import sys

import pytest
from click.testing import CliRunner

from mockserver.cli import main
from mockserver.simulation.cassette_index import BUNDLED_CASSETTES
from mockserver.simulation.simulation import Simulation
from mockserver.simulation.stub import parse_stub
from tests.integration.conftest import Serve
from tests.unit.test_docs import ROOT, TEXTS

#: Without the SDK, which takes a second to import; the tests of the documents import it.
SWALLOWED = """
import httpx2


def ask(server, prompt="Something nobody recorded"):
    body = {"model": "m", "messages": [{"role": "user", "content": prompt}]}
    answer = httpx2.post(f"{server.base_url}/chat/completions", json=body, headers={"authorization": "Bearer any"})
    return answer.raise_for_status().json()["choices"][0]["message"]["content"]


def swallowing(server):
    try:
        ask(server)
    except Exception:
        pass
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(app=SWALLOWED)
    return pytester


def test_a_miss_that_the_app_swallowed_fails_the_test_in_its_call_phase(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        "from app import swallowing\n\ndef test_it(mock_server):\n    swallowing(mock_server)\n    swallowing(mock_server)\n"
    )
    result = suite.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*No recording fits POST /v1/chat/completions (m, 1 message).", "*Nearest: *"])


def test_a_test_that_fails_by_itself_shows_its_miss_too(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        "from app import swallowing\n\ndef test_it(mock_server):\n    swallowing(mock_server)\n    assert 1 == 2\n"
    )
    result = suite.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*assert 1 == 2", "*No recording fits POST /v1/chat/completions*"])


CRASHING = """
    import pytest
    from app import ask, swallowing
    from mockserver.simulation import simulation

    def broken(turn):
        raise ZeroDivisionError("a fault of the mock")

"""


def test_a_crash_of_the_mock_that_the_app_swallowed_fails_its_test_in_its_call_phase(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        CRASHING
        + """
    def test_it(mock_server, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(simulation, "decide", broken)
            swallowing(mock_server)
        mock_server.model.simulation.reset()

    def test_after(mock_server):
        mock_server.say("Hi")
        assert ask(mock_server) == "Hi"
"""
    )
    result = suite.runpytest_inprocess()
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(
        [
            "The mock failed on POST /v1/chat/completions: ZeroDivisionError: a fault of the mock*",
            '*"Something nobody recorded"*',
            "Traceback*",
        ]
    )


def test_a_crash_after_the_call_is_an_error_of_its_test(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        CRASHING
        + """
    @pytest.fixture
    def late(mock_server):
        yield
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(simulation, "decide", broken)
            swallowing(mock_server)

    def test_it(late):
        pass
"""
    )
    suite.runpytest_inprocess().assert_outcomes(passed=1, errors=1)


def test_a_miss_is_charged_to_its_own_test_and_to_no_other(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import pytest
        from app import ask, swallowing

        def test_before(mock_server):
            mock_server.say("Hi")
            assert ask(mock_server) == "Hi"
            assert mock_server.journal[-1].decided_by == "said in the test#1"

        @pytest.mark.expects_miss
        def test_that_wants_one(mock_server):
            swallowing(mock_server)
            assert len(mock_server.journal.misses()) == 1

        def test_after(mock_server):
            assert list(mock_server.journal) == []
        """
    )
    suite.runpytest_inprocess().assert_outcomes(passed=3)


def test_a_test_that_wants_a_miss_and_gets_none_fails(suite: pytest.Pytester) -> None:
    suite.makepyfile("import pytest\n\n@pytest.mark.expects_miss\ndef test_it(mock_server):\n    pass\n")
    result = suite.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*marked expects_miss, but every request was answered*"])


def test_a_suite_that_does_not_use_it_does_not_pay_for_it(suite: pytest.Pytester) -> None:
    suite.makepyfile("import sys\n\ndef test_it():\n    assert 'mockserver.simulation' not in sys.modules\n")
    suite.runpytest_subprocess().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("mark", "fixture", "complaint"),
    [
        ("scenario('busy')", "", "mark.scenario has no effect without a fixture of the mock server"),
        ("scenario('a', 'b')", "mock_server", "must have one scenario's name"),
        ("scenario", "mock_server", "must have one scenario's name"),
        ("cassette('x.yaml')", "mock_server", "mark.cassette takes no argument"),
    ],
)
def test_a_mark_that_would_do_nothing_is_an_error(
    suite: pytest.Pytester, mark: str, fixture: str, complaint: str
) -> None:
    suite.makepyfile(f"import pytest\n\n@pytest.mark.{mark}\ndef test_it({fixture}):\n    pass\n")
    result = suite.runpytest_inprocess()
    assert result.ret != 0
    assert complaint in result.stdout.str()


def test_a_wrong_word_in_say_is_an_error_at_once(suite: pytest.Pytester) -> None:
    suite.makepyfile("def test_it(mock_server):\n    mock_server.say('x', fualt='dropped')\n")
    result = suite.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*unexpected keyword argument 'fualt'*"])


def test_the_tests_in_the_documents_pass(pytester: pytest.Pytester) -> None:
    """Every Python block of a document is a whole test file."""
    blocks = {
        f"test_{re.sub(r'[^a-z]', '_', path.relative_to(ROOT).as_posix().lower())}_{number}": block
        for path, text in TEXTS.items()
        for number, block in enumerate(re.findall(r"```python\n(.*?)```", text, re.DOTALL), 1)
    }
    assert len(blocks) >= 2
    assert [name for name, block in blocks.items() if not re.search("^def test_", block, re.MULTILINE)] == []
    pytester.makepyfile(**blocks)
    pytester.makeini(f"[pytest]\nmockserver_api = {ROOT / 'api'}\nmockserver_webapp = {ROOT / 'webapp' / 'dist'}\n")
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=len(re.findall("^def test_", "".join(blocks.values()), re.MULTILINE)))


def test_what_answered_in_a_run_is_kept_for_the_check_of_what_did_not(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import openai

        HELLO = [{"role": "system", "content": "You are a helpful assistant."}, {"role": "user", "content": "Hello!"}]

        def test_it(mock_server):
            client = openai.OpenAI(base_url=mock_server.base_url, api_key="any", max_retries=0)
            asked = {"model": "smollm2-135m-instruct", "messages": HELLO}
            list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
        """
    )
    suite.runpytest_inprocess().assert_outcomes(passed=1)
    check = [sys.executable, "-m", "mockserver", "cassette", "check", str(BUNDLED_CASSETTES), "--unused"]
    result = suite.run(*check)
    assert result.ret == 1
    lines = result.outlines
    assert "hello.yaml#1: unused: answered no request in the last run" not in lines
    assert "fruits.yaml#1: unused: answered no request in the last run" in lines


def test_a_run_without_a_cache_leaves_nothing_and_passes(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        "from app import ask\n\ndef test_it(mock_server):\n    mock_server.say('x')\n    ask(mock_server)\n"
    )
    suite.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_a_failed_test_leaves_its_timeline_named_after_it_without_secrets(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        from app import ask

        def test_it(mock_server):
            mock_server.say("Hi there")
            ask(mock_server, "My key is sk-proj-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1")
            assert 1 == 2
        """
    )
    result = suite.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    (page,) = (suite.path / "test-results").glob("*.html")
    result.stdout.fnmatch_lines([f"*What happened: test-results/{page.name}, and beside it as .har"])
    text, archive = page.read_text(), page.with_suffix(".har").read_text()
    assert "test_it" in page.name
    assert "Hi there" in text
    assert "said in the test#1" in text
    assert "sk-proj-" not in text + archive
    (entry,) = json.loads(archive)["log"]["entries"]
    assert (entry["_decidedBy"], "Hi there" in entry["response"]["content"]["text"]) == ("said in the test#1", True)


def test_what_was_expected_in_vain_fails_the_test_in_its_call_phase(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        from app import ask

        def test_it(mock_server, journal):
            journal.expect(2, prompt="Hello", place="model")
            mock_server.say("Hi")
            ask(mock_server, "Hello")
        """
    )
    result = suite.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*Expected exactly 2 requests with prompt=Hello, place=model, got 1. All requests:", "*POST /v1/chat*"]
    )


RECORDED = """
import openai
import pytest
from click.testing import CliRunner

@pytest.mark.cassette
def test_greets(mock_server):
    client = openai.OpenAI(base_url=mock_server.base_url, api_key="any", max_retries=0)
    hello = [{"role": "user", "content": "Hello"}]
    answer = client.chat.completions.create(model="m", messages=hello)
    assert answer.choices[0].message.content == "From upstream"
"""


def test_a_cassette_of_its_own_is_filled_by_what_the_last_run_missed(
    suite: pytest.Pytester, serve_front: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    upstream = Simulation()
    upstream.scopes.say(parse_stub({"say": "From upstream"}, "said#1"))
    suite.makepyfile(test_mine=RECORDED)
    suite.runpytest_inprocess().assert_outcomes(failed=1)
    record = [sys.executable, "-m", "mockserver", "record", "--missing", "--yes", "--cassettes", "elsewhere"]
    monkeypatch.setenv("OPENAI_API_KEY", "sk-some-key")
    assert suite.run(*record, "--upstream", f"{serve_front(upstream)}/v1").ret == 0
    assert (suite.path / "recordings" / "test_mine" / "test_greets.yaml").exists()
    suite.runpytest_inprocess().assert_outcomes(passed=1)


@pytest.mark.slow
def test_every_worker_of_xdist_has_servers_of_its_own_and_hands_over_what_answered(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import os
        import pytest
        from app import ask

        @pytest.mark.parametrize("number", range(8))
        def test_it(mock_server, number):
            mock_server.say(f"{number}")
            assert [ask(mock_server) for _ in range(5)] == [f"{number}"] * 5
            assert len(mock_server.journal) == 5
        """
    )
    suite.runpytest_inprocess("-n", "2").assert_outcomes(passed=8)
    assert "said in the test#1" in (suite.path / ".pytest_cache/v/mockserver/used").read_text()


def test_a_project_may_have_a_contracts_package_of_its_own(suite: pytest.Pytester) -> None:
    suite.mkpydir("contracts").joinpath("orders.py").write_text("TOTAL = 3\n")
    suite.makepyfile(
        """
        import openai
        from contracts.orders import TOTAL

        def test_it(mock_server):
            mock_server.say(str(TOTAL))
            client = openai.OpenAI(base_url=mock_server.base_url, api_key="any")
            answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
            assert answer.choices[0].message.content == "3"
        """
    )
    suite.runpytest_subprocess().assert_outcomes(passed=1)
    assert suite.run(sys.executable, "-m", "mockserver", "schema", "cassette").ret == 0
    assert suite.run(sys.executable, "-m", "mockserver", "model", "--help").ret == 0


def test_what_init_writes_passes_at_once(pytester: pytest.Pytester) -> None:
    CliRunner().invoke(main, ["init", str(pytester.path), "--yes"], catch_exceptions=False)
    pytester.runpytest_inprocess().assert_outcomes(passed=2)
