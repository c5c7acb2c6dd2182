"""Runs independent client libraries against the mock, as their users use them: every step must pass, or be listed.

The libraries are pinned in tests/clients and installed beside the project. The file tests/clients/known.txt lists the steps that
do not pass, with what their errors say.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CLIENTS = ROOT / "tests" / "clients"
CACHE = ROOT / ".cache" / "clients"
LIBRARIES = ("ai", "langchain", "openai")
DEPLOYMENTS = {"chat": "gpt-4o", "reasoner": "gpt-5-mini", "emb": "text-embedding-3-small"}

Step = dict[str, Any]


def main() -> None:
    """Install, run, compare; exit status 0 only if every step passed or failed as listed."""
    install()
    steps = run()
    known = dict(expected((CLIENTS / "known.txt").read_text(encoding="utf-8")))
    problems = list(unexpected(steps, known))
    counts = Counter((step["library"], step["version"], step["backend"], step["api"], step["ok"]) for step in steps)
    for library, version, backend, api in sorted({key[:4] for key in counts}):
        passed, failed = (counts[library, version, backend, api, ok] for ok in (True, False))
        print(f"{library:22} {version:9} {backend:7} {api:11} {passed:4} of {passed + failed}")
    for line in problems:
        print(f"UNEXPECTED {line}")
    if problems or not steps:
        sys.exit(1)


def install() -> None:
    """The libraries, in a folder of their own."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        sys.exit("make clients needs Node 22 or newer with npm on PATH: install it from https://nodejs.org")
    CACHE.mkdir(parents=True, exist_ok=True)
    for file in CLIENTS.iterdir():
        shutil.copy(file, CACHE)
    subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=CACHE, check=True)  # noqa: S607  whichever is on PATH


def run() -> list[Step]:
    """Every step's outcome, against a model endpoint with generated answers."""
    from mockserver.harness.model_endpoint import ModelEndpoint
    from mockserver.harness.options import ModelOptions
    from mockserver.simulation.settings import OnMiss

    steps: list[Step] = []
    with ModelEndpoint(ModelOptions(on_miss=OnMiss.GENERATE, speed=1000, deployments=DEPLOYMENTS)) as model:
        environment = {**os.environ, "CLIENTS_URL": model.url, "NO_PROXY": "127.0.0.1"}
        for library in LIBRARIES:
            command = ["node", f"{library}.mjs"]
            done = subprocess.run(command, cwd=CACHE, env=environment, stdout=subprocess.PIPE, text=True, check=False)
            steps += [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return steps


def expected(text: str) -> Iterator[tuple[str, str]]:
    """The steps that do not pass, each with a part of its error, from lines of `library backend api step | error`."""
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            step, _, error = line.partition(" | ")
            yield step.strip(), error.strip()


def unexpected(steps: Iterable[Step], known: dict[str, str]) -> Iterator[str]:
    """Every step that failed and is not listed with its error, and every listed step that passed."""
    for step in steps:
        name = f"{step['library']} {step['backend']} {step['api']} {step['step']}"
        if step["ok"] and name in known:
            yield f"{name}: in known.txt, but it passes"
        elif not step["ok"] and (name not in known or known[name] not in step["error"]):
            yield f"{name}: {step['error']}"


if __name__ == "__main__":
    main()
