"""Ours against what the real `az` said in `make azure`: each command of a recording is asked as it was, in its order."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
RECORDINGS = ROOT / "tests" / "azure" / "recorded"
KEY = "sk-a-very-secret-key"
#: Answers the next command of the recording; another one is refused. What builds and uploads only succeeds.
_STAND_IN = """#!{python}
import json, pathlib, re, sys
name, words = pathlib.Path(sys.argv[0]).name, sys.argv[1:]
if name == "uv":
    pathlib.Path(words[words.index("--target") + 1]).mkdir(parents=True)
if name != "az":
    sys.exit(0)
log = pathlib.Path({log!r})
asked = log.read_text().splitlines() if log.exists() else []
recorded = json.loads(pathlib.Path({recording!r}).read_text())[len(asked)]
words = [re.sub(r"/tmp/tmp\\w+", "TEMPORARY", word.replace({root!r}, "ROOT")) for word in words]
if words != recorded["arguments"]:
    sys.exit("not recorded: " + " ".join(words) + "; recorded: " + " ".join(recorded["arguments"]))
log.write_text("\\n".join([*asked, " ".join(words)]))
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
        self.recorded: list[dict[str, Any]] = json.loads(recording.read_text(encoding="utf-8"))

    def run(self, *words: str, typed: str = "", **secrets: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "PATH": f"{self._folder}{os.pathsep}{os.environ['PATH']}",
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "TMPDIR": "/tmp",
            **secrets,
        }
        command = words if words[0] == "az" else (sys.executable, "-m", "infra", *words)
        return subprocess.run(
            command, cwd=ROOT, env=environment, input=typed, capture_output=True, text=True, check=False
        )

    @property
    def asked(self) -> int:
        return len(self._log.read_text().splitlines())


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
        machine.run("preflight", *words, **secrets),
        machine.run("deploy", *words, "--yes", "--wait", "0", **secrets),
    ]
    invitation = machine.recorded[machine.asked]["arguments"]
    assert invitation[:3] == ["staticwebapp", "users", "invite"]
    runs.append(machine.run("az", *invitation))
    runs.append(machine.run("deploy", *words, "--yes", "--wait", "0", **secrets))
    runs.append(machine.run("preview", "--as", "pr12"))
    if topology == "managed":
        runs.append(machine.run("preview", "--as", "pr12", "--remove"))
    runs.append(machine.run("destroy", typed="chat-test\n"))
    said = [run.stdout + run.stderr for run in runs]
    assert [text for text in said if "not recorded" in text] == []
    assert machine.asked == len(machine.recorded)
    assert "0 errors" in said[0]
    assert "all resources are new" in said[1]
    assert "chat-test is deleted" in said[-1]
    assert KEY not in "".join(said)
