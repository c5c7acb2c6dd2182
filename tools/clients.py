"""Runs independent client libraries against the mock and the chat API, as their users use them: every step must pass, or be
listed.

tools/clients.py [NAME...]   run all, or those whose names begin so: js/ai, python/litellm, python
tools/clients.py --write     run all, and write the table in docs/clients.md

The libraries are pinned in tests/clients and installed beside the project, each of the Python ones in an environment of its
own. The file tests/clients/known.txt lists the steps that do not pass, with what their errors say.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatchcase
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mockserver.harness.model_endpoint import ModelEndpoint

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
#: What is asked, and the steps that fit it: all of them for the mock, for the app those of its one operation.
ASKED = {"model": (), "app": ("openai chat",)}
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
    """Every step's outcome, against a model endpoint with generated answers and the app before it; and the libraries that broke
    off."""
    from mockserver.harness.model_endpoint import ModelEndpoint
    from mockserver.harness.options import ModelOptions
    from mockserver.simulation.settings import OnMiss

    steps: list[Step] = []
    broken = []
    options = ModelOptions(on_miss=OnMiss.GENERATE, latency="first=0ms,rate=9999tok/s", deployments=DEPLOYMENTS)
    with ModelEndpoint(options) as model, app_before(model) as app_url:
        urls = {"model": model.url, "app": app_url}
        runs = list(product(libraries, ASKED))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            ended = pool.map(lambda each: _outcomes(*each, url=urls[each[1]]), runs)
            for (library, asked), (status, outcomes) in zip(runs, ended, strict=True):
                steps += outcomes if asked == "model" else [outcome | {"backend": asked} for outcome in outcomes]
                if status not in (0, 1) or not outcomes:
                    log = log_of(library, asked).relative_to(ROOT)
                    broken.append(f"{library}: ended with {status} after {len(outcomes)} steps; see {log}")
    return steps, broken


@contextmanager
def app_before(model: ModelEndpoint) -> Iterator[str]:
    """The whole app, with gate and Functions host: an address at which `/v1` is its `/api`, for somebody who is signed in and may
    send a system prompt."""
    from werkzeug.exceptions import NotFound
    from werkzeug.middleware.http_proxy import ProxyMiddleware
    from werkzeug.serving import make_server

    from mockserver.contract.addresses import Backend
    from mockserver.functions.process import FunctionsProcess
    from mockserver.harness.external_api import ExternalApi
    from mockserver.harness.function_app import api_environment
    from mockserver.harness.options import SiteOptions
    from mockserver.harness.whole_app import WholeApp
    from mockserver.swa.personas import load_personas

    models = ",".join([DEPLOYMENTS["chat"], DEPLOYMENTS["reasoner"]])
    settings = {
        "OPENAI_MODEL": models,
        "SYSTEM_PROMPT_ROLE": "invited",
        "AzureFunctionsJobHost__logging__logLevel__default": "Warning",
    }
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with ExitStack() as stack:
        environment = {**api_environment(model, Backend.OPENAI), **settings}
        functions = FunctionsProcess(ROOT / "api", port=0, environment=environment)
        stack.callback(functions.stop)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "index.html").touch()
        shutil.copy(ROOT / "webapp" / "staticwebapp.config.json", folder)
        api = ExternalApi(functions.wait_until_ready())
        app = stack.enter_context(WholeApp(model, api, SiteOptions(folder, load_personas())))
        to_api = {"target": f"{app.url}/api/", "remove_prefix": True, "headers": app.headers("alice")}
        proxy = ProxyMiddleware(NotFound(), {"/v1/": to_api}, timeout=60)
        server = make_server("127.0.0.1", 0, proxy, threaded=True)
        stack.callback(server.server_close)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        stack.callback(server.shutdown)
        yield f"http://127.0.0.1:{server.server_port}"


def command(library: str) -> list[str]:
    """What runs a library's steps."""
    language, name = library.split("/")
    if language == "js":
        return ["node", str(CACHE / "js" / f"{name}.mjs")]
    return [str(CACHE / library / "bin" / "python"), str(CLIENTS / "python" / f"{name}_steps.py")]


def log_of(library: str, asked: str) -> Path:
    """Where a library's own words are."""
    return CACHE / f"{library.replace('/', '-')}-{asked}.log"


def _outcomes(library: str, asked: str, *, url: str) -> tuple[int, list[Step]]:
    environment = {**os.environ, "CLIENTS_URL": url, "NO_PROXY": "127.0.0.1"}
    parts = [*command(library), *ASKED[asked]]
    with log_of(library, asked).open("w") as log:
        process = subprocess.Popen(parts, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
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
