"""Every command of a `console` block in the documents is typed here, or named with the test that does the same.

Blocks marked `needs-azure` are not: `make azure` and `test_recorded_azure.py` go through them, against a fake of Azure.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from tests.integration.running import ROOT, Running
from tests.unit.examples import ANSWER, recording
from tests.unit.test_docs import README, TEXTS, shown

#: Commands that another test runs, and which test.
ELSEWHERE = {
    "make mock": "tests/integration/test_command_line.py::test_up_serves_a_dev_server_and_ends_it",
    "make doctor": "tests/integration/test_set_up.py::test_the_doctor_changes_nothing",
    "make package": "tests/integration/test_package.py::test_the_app_is_packed_without_what_is_not_deployed_and_loads_with_and_without_settings",
    "make verify URL=http://127.0.0.1:4280 ARGS=--without-session": "tests/integration/test_verify.py::test_without_a_session_no_answer_is_asked_for",
    "dress-rehearsal cassette import tests/cassettes --to my-cassettes": "tests/integration/test_importers.py::test_imported_recordings_replay_as_they_were_recorded",
    "dress-rehearsal cassette check my-cassettes --unused --max-age 180": "tests/integration/test_accept_and_drift.py::test_accept_carries_old_answers_over_to_a_new_system_prompt_and_marks_them",
    "dress-rehearsal cassette check recordings --unused": "tests/integration/test_pytest_record.py::test_tests_of_several_turns_are_recorded_in_one_run",
    "dress-rehearsal cassette prune recordings": "tests/integration/test_pytest_record.py::test_once_leaves_a_cassette_as_it_is_and_missing_adds_to_it",
    "pytest --record=missing --record-upstream $UPSTREAM": "tests/integration/test_pytest_record.py::test_once_leaves_a_cassette_as_it_is_and_missing_adds_to_it",
    "pytest --record --record-upstream $UPSTREAM": "tests/integration/test_pytest_record.py::test_tests_of_several_turns_are_recorded_in_one_run",
    "dress-rehearsal cassette accept my-cassettes": "tests/integration/test_accept_and_drift.py::test_accept_carries_old_answers_over_to_a_new_system_prompt_and_marks_them",
    "dress-rehearsal record --missing --upstream $UPSTREAM --cassettes my-cassettes": "tests/integration/test_accept_and_drift.py::test_missing_recordings_are_made_after_a_question_with_their_size",
    'dress-rehearsal site --app http://localhost:5173 --run "npm run dev" --api http://127.0.0.1:7071': "tests/integration/test_command_line.py::test_site_takes_the_place_of_swa_start",
    "dress-rehearsal verdict --fault dropped --surface api": "tests/e2e/test_verdict.py::test_each_surface_is_asked_as_it_is_used",
    "dress-rehearsal init": "tests/unit/test_adoption.py::test_everything_is_shown_and_nothing_is_written_unasked",
    "dress-rehearsal replay run.har --upstream http://127.0.0.1:4281/v1": "tests/integration/test_replay.py::test_the_same_answers_are_the_same",
    "dress-rehearsal site --check": "tests/unit/test_docs.py::test_our_own_configurations_are_fine",
    "dress-rehearsal site": "tests/integration/test_command_line.py::test_site_takes_the_place_of_swa_start",
}
#: Commands that no test runs, and why.
BY_HAND = {
    "make test": "runs this test",
    "make test-slow": "takes minutes; the weekly judges run it",
    "make test-unit": "is a part of what runs this test",
    "make verdict": "takes minutes; the weekly judges run it, and a small part of it is a browser test",
    "make wheel": "the pipelines run it, after the tests",
    "make fuzz": "takes minutes; a small part of it is a unit test",
    "make conformance": "downloads the SDK's own tests",
    "make clients": "downloads the libraries",
    "make browsers": "installs Firefox and WebKit; the weekly judges run it",
    "make fuzz-gate": "takes minutes; a small part of it is an integration test",
    "make mutants": "takes an hour; a small part of it is a unit test",
    "make local-model": "downloads a model",
    "make bench": "takes a minute of a quiet machine; the weekly judges run it",
    "make load": "installs Locust and takes a minute; the weekly judges run it",
    "make load USERS=50": "as above",
    'eval "$(.venv/bin/python tools/local_model.py env)"': "belongs to the local model",
    "make fmt": "writes into the source, which lint checks",
    "make lock": "asks the package registry",
    "read -rs OPENAI_API_KEY && export OPENAI_API_KEY": "waits for a person",
}
SERVES = re.compile(r"dress-rehearsal (up|model|site|functions)\b")
FREE = {"up": "--site-port 0 --model-port 0 --functions-port 0"}

APP = """
import os, httpx2

body = {"model": "m", "messages": [{"role": "user", "content": "Where is Bergen?"}]}
key = {"authorization": "Bearer " + os.environ["OPENAI_API_KEY"]}
httpx2.post(os.environ["OPENAI_BASE_URL"] + "/chat/completions", json=body, headers=key).raise_for_status()
"""


def typed() -> Iterator[str]:
    """Each command that stands in a document, without its comment."""
    for text in TEXTS.values():
        for line in shown(text):
            yield re.sub(r"\s+#.*", "", line)


COMMANDS = dict.fromkeys(command for command in typed() if command not in ELSEWHERE | BY_HAND)
SERVERS = [command for command in COMMANDS if SERVES.match(command)]
OTHERS = [command for command in COMMANDS if command not in SERVERS]


def test_every_exception_is_a_command_of_a_document_and_names_a_test_that_exists() -> None:
    assert ELSEWHERE.keys() | BY_HAND.keys() <= set(typed())
    for test in set(ELSEWHERE.values()):
        file, _, name = test.partition("::")
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), test


@pytest.mark.parametrize("command", SERVERS)
def test_a_server_comes_up_and_ends_with_ctrl_c(command: str, run: Callable[..., Running], tmp_path: Path) -> None:
    """As written, except for its port."""
    name, *words = command.split()[1:]
    folder = ROOT
    if "--app dist" in command:
        folder = tmp_path
        (tmp_path / "dist").mkdir()
        (tmp_path / "dist" / "index.html").write_text("<p>built</p>")
    server = run(name, *words, *FREE.get(name, "--port 0").split(), folder=folder)
    server.read_until(r"http://127\.0\.0\.1:\d+")
    server.process.send_signal(signal.SIGINT)
    assert server.exit_status() == 0


def test_the_readme_shows_what_the_start_prints(run: Callable[..., Running]) -> None:
    """`make mock` is `up` with these options and a dev server; numbers and folders differ from machine to machine."""
    printed = README.partition("$ make mock\n")[2].partition("```")[0].splitlines()
    server = run("up", "--on-miss", "generate", *FREE["up"].split())
    server.read_until(r"^http://127\.0\.0\.1:\d+$")
    shown_lines, printed_lines = (
        [comparable(line) for line in lines if not line.startswith("config ")] for lines in (printed, server.lines)
    )
    assert printed_lines == shown_lines


def test_the_readme_shows_what_a_miss_prints(project: Path) -> None:
    test = project / "test_lighthouses.py"
    start, question, end = test.read_text(encoding="utf-8").rpartition("Tell me about lighthouses")
    test.write_text(f"{start}{question.removesuffix('s')}{end}", encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", test], cwd=project, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    message = README.partition("```\nNo recording")[2].partition("```")[0]
    assert [line for line in message.splitlines() if line not in run.stdout] == []


def comparable(line: str) -> str:
    line = re.sub(r"^(functions  \d+ on|site      ) .*?(?=   |$)|(?<=token in ).*(?=token-)", r"\1", line)
    return re.sub(r"\d+", "N", line)


@pytest.fixture(autouse=True)
def path(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in an activated environment."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def project(tmp_path: Path, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A reader's folder: an app, a recording, and the README's test; a model answers at UPSTREAM."""
    httpserver.expect_request("/v1/chat/completions").respond_with_json(ANSWER)
    monkeypatch.setenv("UPSTREAM", httpserver.url_for("/v1"))
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    for name in ("CI", "GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "my_app.py").write_text(APP)
    (tmp_path / "test_lighthouses.py").write_text(README.partition("```python\n")[2].partition("```")[0])
    for folder in ("my-cassettes", "before"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "where-is-oslo.yaml").write_text(recording("Where is Oslo?"))
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.parametrize("command", OTHERS)
def test_a_command_does_what_it_should(command: str, request: pytest.FixtureRequest) -> None:
    """As written, except that the upstream is on this machine, and that the question whether to ask it is answered."""
    line = command.replace("https://api.openai.com/v1", "$UPSTREAM")
    folder = ROOT
    if not command.startswith(("make", ".venv")):
        folder = request.getfixturevalue("project")
    done = subprocess.run(["bash", "-c", line], cwd=folder, input="y\n", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    if "-- python" in line:
        assert "1 recorded" in done.stdout
