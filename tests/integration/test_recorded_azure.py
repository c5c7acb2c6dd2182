"""Ours against what the real `az` said in `make azure`: each command of a recording is asked as it was, in its order."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.azure.walks import RECORDINGS, WALKS, exchanges_of

ROOT = Path(__file__).parents[2]
KEY = "sk-a-very-secret-key"
#: Answers the next command of the recording; another one is refused. What builds and uploads only succeeds.
_STAND_IN = """#!{python} -SE
import json, os, pathlib, re, signal, sys, time
name, words = pathlib.Path(sys.argv[0]).name, sys.argv[1:]
if name == "uv":
    pathlib.Path(words[words.index("--target") + 1]).mkdir(parents=True)
if name != "az":
    sys.exit(0)
log = pathlib.Path({log!r})
asked = log.read_text().splitlines() if log.exists() else []
recorded = json.loads(pathlib.Path({recording!r}).read_text())
recorded = recorded[len(asked)] if len(asked) < len(recorded) else {{"arguments": ["nothing more"]}}
words = [re.sub(r"/tmp/tmp\\w+", "TEMPORARY", word.replace({root!r}, "ROOT")) for word in words]
if words != recorded["arguments"]:
    sys.exit("not recorded: " + " ".join(words) + "; recorded: " + " ".join(recorded["arguments"]))
log.write_text("\\n".join([*asked, " ".join(words)]))
if recorded["status"] == -2:
    os.kill(os.getppid(), signal.SIGINT)
    time.sleep(60)
sys.stdout.write(recorded["output"])
sys.stderr.write(recorded["error"])
sys.exit(recorded["status"])
"""


class RecordedMachine:
    """A machine whose `az` answers as recorded, and which reaches no other."""

    def __init__(self, folder: Path, recording: Path) -> None:
        self._folder, self._log = folder / "tools", folder / "log"
        self._folder.mkdir()
        script = _STAND_IN.format(python=sys.executable, log=str(self._log), recording=str(recording), root=str(ROOT))
        for name in ("az", "npm", "npx", "uv"):
            (self._folder / name).write_text(script, encoding="utf-8")
            (self._folder / name).chmod(0o755)
        self.recorded = exchanges_of(recording)

    def infra(self, *words: str, typed: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-m", "infra", *words, typed=typed, **environment)

    def run(self, *command: str, typed: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "PATH": f"{self._folder}{os.pathsep}{os.environ['PATH']}",
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "TMPDIR": "/tmp",
            **more,
        }
        return subprocess.run(
            command, cwd=ROOT, env=environment, input=typed, capture_output=True, text=True, check=False
        )

    @property
    def asked(self) -> int:
        return len(self._log.read_text().splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("name", WALKS)
def test_a_walk_says_what_it_said_with_the_real_az(tmp_path: Path, name: str) -> None:
    machine = RecordedMachine(tmp_path, RECORDINGS / f"{name}.json")
    for step in WALKS[name]:
        step.take(machine)
    assert machine.asked == len(machine.recorded)


@pytest.mark.parametrize(
    ("topology", "backend", "secrets"),
    [("managed", "newAzureOpenAI", {}), ("linked", "openAI", {"OPENAI_API_KEY": KEY})],
)
def test_every_command_is_asked_as_it_was_of_the_real_az(
    tmp_path: Path, topology: str, backend: str, secrets: dict[str, str]
) -> None:
    machine = RecordedMachine(tmp_path, RECORDINGS / f"{topology}-{backend}.json")
    words = ["--topology", topology, "--backend", backend, "--name", "chat-x"]
    runs = [
        machine.infra("preflight", *words, **secrets),
        machine.infra("deploy", *words, "--yes", "--wait", "0", **secrets),
    ]
    invitation = machine.recorded[machine.asked]["arguments"]
    assert invitation[:3] == ["staticwebapp", "users", "invite"]
    runs.append(machine.run("az", *invitation))
    runs.append(machine.infra("deploy", *words, "--yes", "--wait", "0", **secrets))
    runs.append(machine.infra("preview", "--as", "pr12"))
    if topology == "managed":
        runs.append(machine.infra("preview", "--as", "pr12", "--remove"))
    runs.append(machine.infra("destroy", typed="chat-test\n"))
    said = [run.stdout + run.stderr for run in runs]
    assert [text for text in said if "not recorded" in text] == []
    assert machine.asked == len(machine.recorded)
    assert "0 errors" in said[0]
    assert "all resources are new" in said[1]
    assert "chat-test is deleted" in said[-1]
    assert KEY not in "".join(said)
    assert KEY not in json.dumps(machine.recorded)  # nor on a command line, nor in what `az` says


#: What is refused before `az` is asked for anything that counts: there is none here.
MISTAKES: list[tuple[tuple[str, ...], str]] = [
    (("preview", "--as", "pr 12"), "the name of a preview must have only letters and digits, got 'pr 12'"),
    (("deploy", "--topology", "lincked"), "'lincked' is not one of 'managed', 'linked', 'direct'"),
    (("deploy", "--set", "colour=blue"), "unknown parameter 'colour'"),
    (("deploy", "--set", "modelCapacity=many"), "modelCapacity must be JSON of the type int, got 'many'"),
    (("deploy", "--name", "x"), "the name must have 3 to 21 lower-case letters, digits and single hyphens"),
    (("deploy", "--set", "openAIKey=sk-1"), "openAIKey is a secret"),
    (("deploy", "--set", "siteIpRanges=203.0.113"), "must be IPv4 ranges such as 203.0.113.0/24, got '203.0.113'"),
    (("deploy", "--set", "siteIpRanges=203.0.113.7"), "203.0.113.7 needs its length: 203.0.113.7/32"),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES)
def test_the_error_explains_a_typing_mistake(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "infra", *words],
        cwd=ROOT,
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (process.returncode != 0, message in process.stderr) == (True, True), process.stderr
