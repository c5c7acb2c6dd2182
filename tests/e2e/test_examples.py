"""The examples, run as their users would."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def test_the_example_for_playwright_from_node_passes(tmp_path: Path, browser_type_launch_args: dict[str, Any]) -> None:
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path)}
    up = [sys.executable, "-m", "mockserver", "up", "--site-port", "0", "--model-port", "0", "--functions-port", "0"]
    app = subprocess.Popen(up, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        said = ""
        assert app.stdout is not None
        while not (site := re.search(r"^http://\S+$", said, re.MULTILINE)):
            line = app.stdout.readline()
            assert line, f"up ended: {said}"
            said += line
        model = re.search(r"http://127\.0\.0\.1:\d+", said)
        assert model is not None
        urls = {"SITE_URL": site[0], "MODEL_URL": model[0], "BROWSER_PATH": browser_type_launch_args["executable_path"]}
        npm = shutil.which("npm") or "npm"
        run = subprocess.run(
            [npm, "--prefix", "examples/playwright", "test"],
            cwd=ROOT,
            env={**environment, **urls},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stdout + run.stderr
        assert "7 passed" in run.stdout
    finally:
        app.send_signal(signal.SIGINT)
        app.communicate(timeout=20)
