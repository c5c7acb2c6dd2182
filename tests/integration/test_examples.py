"""The examples that need no browser, run like a user would run them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx2

from tests.integration.running import ROOT, Running

ADDRESS = r"http://[\w.]+:\d+"


def test_the_node_example_passes(run: Callable[..., Running], tmp_path: Path) -> None:
    model = run("model", "--port", "0", XDG_STATE_HOME=str(tmp_path)).read_until(ADDRESS)[0]
    token = next((tmp_path / "dress-rehearsal").glob("token-*")).read_text()
    process = subprocess.run(
        [shutil.which("npm") or "npm", "--prefix", "examples/node", "test"],
        cwd=ROOT,
        env={**os.environ, "MODEL_URL": model, "MODEL_TOKEN": token},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert "pass 3" in process.stdout


def test_the_static_web_app_example_runs_behind_the_gate_with_its_api(run: Callable[..., Running]) -> None:
    app = Path("examples/static-web-app")
    api = run("functions", "--app", str(app / "api"), "--port", "0").read_until(ADDRESS)[0]
    options = ("--app", str(app), "--api", api, "--personas", str(app / "personas.yaml"))
    site = run("site", *options, "--port", "0").read_until(ADDRESS)[0]
    with httpx2.Client(base_url=site, trust_env=False) as browser:
        assert "Open to everyone" in browser.get("/").text
        assert browser.get("/members/").headers["location"].startswith("/.auth/login/github")
        browser.get("/.auth/login/github?persona=theo")
        assert browser.get("/members/").status_code == 403
        assert browser.get("/api/who").json() == {"hello": "theo@example.com"}
        browser.get("/.auth/login/github?persona=mia")
        assert "For members" in browser.get("/members/").text
