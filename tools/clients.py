"""Runs independent client libraries against the mock, as their users use them: every step must pass, or be listed.

tools/clients.py [NAME...]   run all, or those whose names begin so: js/ai, python/litellm, python
tools/clients.py --write     run all, and write the table in docs/clients.md

The libraries are pinned in tests/clients and installed beside the project, each of the Python ones in an environment of its
own. The file tests/clients/known.txt lists the steps that do not pass, with what their errors say.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CLIENTS = ROOT / "tests" / "clients"
PAGE = ROOT / "docs" / "clients.md"
CACHE = ROOT / ".cache" / "clients"
BEGIN, END = "<!-- the table of make clients begins -->", "<!-- the table of make clients ends -->"
#: Every library's script: tests/clients/js/….mjs or tests/clients/python/…_steps.py.
LIBRARIES = (
    "js/agents",
    "js/ai",
    "js/langchain",
    "js/openai",
    "python/agents",
    "python/autogen",
    "python/instructor",
    "python/langchain",
    "python/litellm",
    "python/llama_index",
    "python/pydantic_ai",
    "python/semantic_kernel",
)
DEPLOYMENTS = {"chat": "gpt-4o", "reasoner": "gpt-5-mini", "emb": "text-embedding-3-small"}
AT_ONCE = 2
LIMIT_S = 900

Step = dict[str, Any]


def main() -> None:
    """Install, run, compare; exit status 0 only if every step passed or failed as listed."""
    arguments = sys.argv[1:]
    names = [argument for argument in arguments if argument != "--write"]
    chosen = [library for library in LIBRARIES if not names or library.startswith(tuple(names))]
    if not chosen or (names and "--write" in arguments):
        sys.exit(f"choose of these, or all for --write: {', '.join(LIBRARIES)}")
    install(chosen)
    steps, broken = run(chosen)
    known = dict(expected((CLIENTS / "known.txt").read_text(encoding="utf-8")))
    problems = [*broken, *unexpected(steps, known)]
    lines = table(steps)
    print("\n".join(lines))
    if "--write" in arguments:
        write(lines)
    elif not names and written() != lines:
        problems.append("docs/clients.md has another table; to write this one: make clients ARGS=--write")
    for line in problems:
        print(f"UNEXPECTED {line}")
    if problems:
        sys.exit(1)


# --- installing ------------------------------------------------------------------------------------------------------


def install(libraries: Iterable[str]) -> None:
    """The libraries, in folders of their own, each only if its pins changed."""
    for library in libraries:
        language, name = library.split("/")
        if language == "python":
            pins = CLIENTS / "python" / f"{name}.txt"
            _once(CACHE / library, [pins], partial(_install_python, pins))
        else:
            if shutil.which("npm") is None or shutil.which("node") is None:
                sys.exit("make clients needs Node 22 or newer with npm on PATH: install it from https://nodejs.org")
            _once(CACHE / "js", [CLIENTS / "js" / "package.json", CLIENTS / "js" / "package-lock.json"], _install_js)
            shutil.copy(CLIENTS / "js" / f"{name}.mjs", CACHE / "js")
            shutil.copy(CLIENTS / "js" / "steps.mjs", CACHE / "js")


def _once(folder: Path, pins: Sequence[Path], install_in: Callable[[Path], None]) -> None:
    stamp, state = folder / ".done", hashlib.sha256(b"".join(path.read_bytes() for path in pins)).hexdigest()
    if not stamp.is_file() or stamp.read_text() != state:
        print(f"clients: installing {folder.relative_to(CACHE)}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        install_in(folder)
        stamp.write_text(state)


def _install_js(folder: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(CLIENTS / "js" / name, folder)
    subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=folder, check=True)  # noqa: S607  whichever is on PATH


def _install_python(pins: Path, folder: Path) -> None:
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(folder)], check=True)
    sync = [*uv, "pip", "sync", "--quiet", "--require-hashes", "--python", str(folder), str(pins)]
    subprocess.run(sync, check=True)


# --- running ---------------------------------------------------------------------------------------------------------


def run(libraries: Sequence[str]) -> tuple[list[Step], list[str]]:
    """Every step's outcome, against a model endpoint with generated answers; and the libraries that broke off."""
    from mockserver.harness.model_endpoint import ModelEndpoint
    from mockserver.harness.options import ModelOptions
    from mockserver.simulation.settings import OnMiss

    steps: list[Step] = []
    broken = []
    with ModelEndpoint(ModelOptions(on_miss=OnMiss.GENERATE, speed=1000, deployments=DEPLOYMENTS)) as model:
        environment = {**os.environ, "CLIENTS_URL": model.url, "NO_PROXY": "127.0.0.1"}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for library, (status, outcomes) in zip(
                libraries, pool.map(lambda library: _outcomes(library, environment), libraries), strict=True
            ):
                steps += outcomes
                if status not in (0, 1) or not outcomes:
                    log = log_of(library).relative_to(ROOT)
                    broken.append(f"{library}: ended with {status} after {len(outcomes)} steps; see {log}")
    return steps, broken


def command(library: str) -> list[str]:
    """What runs a library's steps."""
    language, name = library.split("/")
    if language == "js":
        return ["node", str(CACHE / "js" / f"{name}.mjs")]
    return [str(CACHE / library / "bin" / "python"), str(CLIENTS / "python" / f"{name}_steps.py")]


def log_of(library: str) -> Path:
    """Where a library's own words are."""
    return CACHE / f"{library.replace('/', '-')}.log"


def _outcomes(library: str, environment: dict[str, str]) -> tuple[int, list[Step]]:
    with log_of(library).open("w") as log:
        process = subprocess.Popen(command(library), env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            output, _ = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
    return process.returncode, [json.loads(line) for line in output.splitlines() if line.startswith("{")]


# --- comparing -------------------------------------------------------------------------------------------------------


def expected(text: str) -> Iterator[tuple[str, str]]:
    """The steps that do not pass, each with a part of its error, from lines of `library backend api step | error`.

    A step's name may have `*`; the name of a synchronous one ends with `(sync)`.
    """
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            step, _, error = line.partition(" | ")
            yield step.strip(), error.strip()


def unexpected(steps: Sequence[Step], known: dict[str, str]) -> Iterator[str]:
    """Every step that failed and is not listed with its error, every listed one that passed, and every line without steps."""
    unused = {name for name in known if any(name.split()[0] == step["library"] for step in steps)}
    for step in steps:
        name = f"{step['library']} {step['backend']} {step['api']} {step['step']}"
        if step.get("mode") == "sync":
            name += " (sync)"
        listed = [pattern for pattern in known if fnmatchcase(name, pattern)]
        unused.difference_update(listed)
        if step["ok"] and listed:
            yield f"{name}: in known.txt, but it passes"
        elif not step["ok"] and not any(known[pattern] in step["error"] for pattern in listed):
            yield f"{name}: {step['error']}"
    yield from (f"{name}: in known.txt, but there is no such step" for name in known if name in unused)


def table(steps: Iterable[Step]) -> list[str]:
    """The lines of a table in Markdown: how many steps of each library, backend and API passed, of all."""
    counts = Counter((step["library"], step["version"], step["backend"], step["api"], step["ok"]) for step in steps)
    rows = [
        (*key, f"{counts[(*key, True)]} of {counts[(*key, True)] + counts[(*key, False)]}")
        for key in sorted({key[:4] for key in counts})
    ]
    return ["| library | version | backend | API | steps passed |", "|---|---|---|---|---|"] + [
        f"| {' | '.join(row)} |" for row in rows
    ]


def written() -> list[str]:
    """The lines of the table in docs/clients.md."""
    return PAGE.read_text(encoding="utf-8").partition(f"{BEGIN}\n")[2].partition(END)[0].splitlines()


def write(lines: Sequence[str]) -> None:
    """Put the lines between the page's markers."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(f"{BEGIN}\n")
    _, _, after = rest.partition(END)
    PAGE.write_text(before + "\n".join([BEGIN, *lines, END]) + after, encoding="utf-8")


if __name__ == "__main__":
    main()
