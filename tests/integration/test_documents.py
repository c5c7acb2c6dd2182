"""What the documents have people type: every command of a `console` block is typed here, or named with the test that does the same.

Blocks marked `needs-azure` are not; with stand-ins for Azure's tools, `test_deploying.py` goes through them.
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
from tests.unit.test_docs import DOCUMENTS, shown

#: What some other test does, and which.
ELSEWHERE = {
    "make mock": "tests/integration/test_command_line.py::test_up_stands_before_a_dev_server_and_ends_it",
    "make doctor": "tests/integration/test_set_up.py::test_the_doctor_changes_nothing",
    "make package": "tests/integration/test_package.py::test_the_app_is_packed_without_what_is_not_deployed_and_loads_with_and_without_settings",
    "make verify URL=http://127.0.0.1:4280 ARGS=--without-session": "tests/integration/test_deploying.py::test_without_a_session_no_answer_is_asked_for",
    "dress-rehearsal cassette import tests/cassettes --to my-cassettes": "tests/integration/test_imported.py::test_what_was_imported_replays_as_it_was_recorded",
    "dress-rehearsal cassette check my-cassettes --unused --max-age 180": "tests/integration/test_prompt_changes.py::test_old_answers_are_carried_over_to_a_new_system_prompt_and_marked",
    "dress-rehearsal cassette accept my-cassettes": "tests/integration/test_prompt_changes.py::test_old_answers_are_carried_over_to_a_new_system_prompt_and_marked",
    "dress-rehearsal record --missing --upstream $UPSTREAM --cassettes my-cassettes": "tests/integration/test_prompt_changes.py::test_what_is_missing_is_asked_of_the_model_after_saying_how_much",
    'dress-rehearsal site --app http://localhost:5173 --run "npm run dev" --api http://127.0.0.1:7071': "tests/integration/test_command_line.py::test_site_takes_the_place_of_swa_start",
    "dress-rehearsal site": "tests/integration/test_command_line.py::test_site_takes_the_place_of_swa_start",
}
#: What no test does, and why.
BY_HAND = {
    "make test": "it runs this",
    "make test-unit": "it is part of what runs this",
    "make wheel": "the pipelines do, after the tests",
    "make conformance": "fetches the SDK's own tests",
    "make local-model": "fetches a model",
    'eval "$(.venv/bin/python tools/local_model.py env)"': "goes with it",
    "make fmt": "writes into the source, which lint looks at",
    "make lock": "asks the package registry",
    "read -rs OPENAI_API_KEY && export OPENAI_API_KEY": "waits for a person",
}
SERVES = re.compile(r"dress-rehearsal (up|model|site|functions)\b")
NAMED_ALONE = re.compile(r"dress-rehearsal [a-z ]+$")
FREE = {"up": "--site-port 0 --model-port 0 --functions-port 0"}

APP = """
import os, httpx2

body = {"model": "m", "messages": [{"role": "user", "content": "Where is Bergen?"}]}
key = {"authorization": "Bearer " + os.environ["OPENAI_API_KEY"]}
httpx2.post(os.environ["OPENAI_BASE_URL"] + "/chat/completions", json=body, headers=key).raise_for_status()
"""


def typed() -> Iterator[str]:
    """Each command that stands in a document, without its comment."""
    for path in DOCUMENTS:
        for line in shown(path.read_text(encoding="utf-8")):
            yield re.sub(r"\s+#.*", "", line)


COMMANDS = dict.fromkeys(command for command in typed() if command not in ELSEWHERE | BY_HAND)
SERVERS = [command for command in COMMANDS if SERVES.match(command)]
OTHERS = [command for command in COMMANDS if command not in SERVERS]


def test_what_runs_elsewhere_does_and_nothing_is_named_in_vain() -> None:
    assert ELSEWHERE.keys() | BY_HAND.keys() <= set(typed())
    for where in set(ELSEWHERE.values()):
        file, _, name = where.partition("::")
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), where


@pytest.mark.parametrize("command", SERVERS)
def test_a_server_comes_up_and_ends_with_ctrl_c(command: str, run: Callable[..., Running], tmp_path: Path) -> None:
    """As written, but for its port."""
    which, *words = command.split()[1:]
    folder = ROOT
    if "--app dist" in command:
        folder = tmp_path
        (tmp_path / "dist").mkdir()
        (tmp_path / "dist" / "index.html").write_text("<p>built</p>")
    server = run(which, *words, *FREE.get(which, "--port 0").split(), folder=folder)
    server.read_until(r"http://127\.0\.0\.1:\d+")
    server.process.send_signal(signal.SIGINT)
    assert server.ended() == 0


@pytest.fixture(autouse=True)
def path(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in an environment that is active."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def project(tmp_path: Path, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an app of the reader's and a recording; a model answers at UPSTREAM."""
    httpserver.expect_request("/v1/chat/completions").respond_with_json(ANSWER)
    monkeypatch.setenv("UPSTREAM", httpserver.url_for("/v1"))
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    for name in ("CI", "GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "my_app.py").write_text(APP)
    for folder in ("my-cassettes", "before"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "where-is-oslo.yaml").write_text(recording("Where is Oslo?"))
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.parametrize("command", OTHERS)
def test_a_command_does_what_it_should(command: str, request: pytest.FixtureRequest) -> None:
    """As written, but that no real endpoint is asked, and the question whether to ask is answered."""
    line = command.replace("https://api.openai.com/v1", "$UPSTREAM")
    folder = ROOT
    if NAMED_ALONE.match(line):
        line += " --help"
    elif not command.startswith(("make", ".venv")):
        folder = request.getfixturevalue("project")
    done = subprocess.run(["bash", "-c", line], cwd=folder, input="y\n", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    if "-- python" in line:
        assert "1 recorded" in done.stdout
