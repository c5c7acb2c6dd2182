"""The examples that want no browser, run as their users would."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

ROOT = Path(__file__).parents[2]


class Commands:
    """Commands of ours that run until the test ends."""

    def __init__(self, state: Path) -> None:
        self.environment = {**os.environ, "XDG_STATE_HOME": str(state)}
        self._running: list[subprocess.Popen[str]] = []

    def start(self, *words: str, ready: str = r"http://[\w.]+:\d+") -> str:
        """Start one; the first address it names."""
        command = [sys.executable, "-m", "mockserver", *words]
        process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, text=True)
        self._running.append(process)
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(ready, line):
                return found[0]
        raise AssertionError(f"{words} ended")

    def stop(self) -> None:
        for process in self._running:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=20)


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    made = Commands(tmp_path)
    yield made
    made.stop()


def test_the_example_in_node_passes(commands: Commands, tmp_path: Path) -> None:
    model = commands.start("model", "--port", "0")
    token = next((tmp_path / "dress-rehearsal").glob("token-*")).read_text()
    run = subprocess.run(
        [shutil.which("npm") or "npm", "--prefix", "examples/node", "test"],
        cwd=ROOT,
        env={**commands.environment, "MODEL_URL": model, "MODEL_TOKEN": token},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "pass 3" in run.stdout


def test_another_static_web_app_stands_behind_the_gate_with_its_api(commands: Commands) -> None:
    app = Path("examples/static-web-app")
    api = commands.start("functions", "--app", str(app / "api"), "--port", "0")
    words = ("--app", str(app), "--api", api, "--personas", str(app / "personas.yaml"))
    site = commands.start("site", *words, "--port", "0")
    with httpx2.Client(base_url=site, trust_env=False) as browser:
        assert "Open to everybody" in browser.get("/").text
        assert browser.get("/members/").headers["location"].startswith("/.auth/login/github")
        browser.get("/.auth/login/github?persona=theo")
        assert browser.get("/members/").status_code == 403
        assert browser.get("/api/who").json() == {"hello": "theo@example.com"}
        browser.get("/.auth/login/github?persona=mia")
        assert "For members" in browser.get("/members/").text
