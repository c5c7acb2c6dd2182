"""Builds the wheel and checks it in environments without the source: its commands answer and its tests pass."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist" / "release"
UV = str(Path(sys.executable).with_name("uv"))
#: What the wheel does not contain: a unit test that imports it is left out.
_NOT_IN_WHEEL = {"infra", "chat_api", "function_app", *(path.stem for path in (ROOT / "tools").glob("*.py"))}
#: Unit tests that read files which the wheel does not contain.
_OF_FILES = ("test_contract", "test_schemas")
_PLUGIN_TEST = """
import openai

def test_says(mock_server):
    mock_server.say("Hello from a wheel", to="Hi")
    client = openai.OpenAI(base_url=mock_server.base_url, api_key="any")
    answer = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Hi"}])
    assert answer.choices[0].message.content == "Hello from a wheel"
"""
#: A proxy cannot reach this machine's loopback address.
_LOOPBACK = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class WheelError(Exception):
    """The wheel does not work; the message says what failed."""


def build() -> Path:
    """Build the wheel again; its path."""
    shutil.rmtree(DIST, ignore_errors=True)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(DIST)],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return next(DIST.glob("*.whl"))


def install(folder: Path, *packages: str) -> Path:
    """Create an environment with these packages, at the locked versions; the folder of its commands."""
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    commands = folder / ("Scripts" if os.name == "nt" else "bin")
    python = str(commands / "python")
    locked = ["--constraint", str(ROOT / "requirements" / "dev.txt")]
    subprocess.run(
        [
            UV,
            "pip",
            "install",
            "--quiet",
            "--compile-bytecode",
            "--no-verify-hashes",
            "--python",
            python,
            *locked,
            *packages,
        ],
        check=True,
    )
    return commands


def seconds_to_answer(command: list[str], ready: str, path: str, folder: Path) -> float:
    """Seconds until a server command of the wheel answers.

    Raises:
        WheelError: it does not start.
    """
    started_s = time.monotonic()
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            for line in process.stdout or ():
                if address := re.search(ready, line):
                    with _LOOPBACK.open(address[0] + path, timeout=20) as answer:
                        answer.read()
                    return time.monotonic() - started_s
        finally:
            process.terminate()
    raise WheelError(f"{' '.join(command[1:3])} did not start")


def check(wheel: Path) -> None:
    """Check the wheel in environments without the source, and print the figures.

    Raises:
        WheelError: something does not work.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "site").mkdir()
        (folder / "site" / "index.html").write_text("<!doctype html><title>A site</title>")
        bare = install(folder / "bare", str(wheel))
        dress_rehearsal, python = str(bare / "dress-rehearsal"), str(bare / "python")
        timing = (
            "import time; t = time.perf_counter(); import mockserver.cli; print(f'{time.perf_counter() - t:.2f} s')"
        )
        run = subprocess.run([python, "-c", timing], cwd=folder, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            raise WheelError(run.stderr)
        print(f"bare environment: the command line is imported within {run.stdout.strip()}")
        site = seconds_to_answer(
            [dress_rehearsal, "site", "--app", "site", "--port", "0"], r"http://[\d.]+:\d+", "/", folder
        )
        model = seconds_to_answer(
            [dress_rehearsal, "model", "--port", "0"], r"http://127[\d.]+:\d+", "/__admin/health", folder
        )
        print(f"bare environment: site answers after {site:.1f} s, model after {model:.1f} s")
        size = sum(path.stat().st_size for path in (folder / "bare").rglob("*") if path.is_file())
        print(f"bare environment: {size / 1e6:.0f} MB")
        write_materials(wheel, python)
        full = install(
            folder / "full",
            f"dress-rehearsal[check,generate,otel,storage] @ {wheel.as_uri()}",
            "pytest",
            "openai",
            "pytest-timeout",
            "vcrpy",
            "hypothesis",
        )
        _run_tests(full / "python", folder)


def _imported(path: Path) -> set[str]:
    """The packages and modules that a file imports, by the first part of their names."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    return {name.partition(".")[0] for name in names}


def _run_tests(python: Path, folder: Path) -> None:
    tests = folder / "tests" / "unit"
    tests.mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "__init__.py", tests.parent)
    for path in (ROOT / "tests" / "unit").glob("*.py"):
        if path.stem not in _OF_FILES and not _imported(path) & _NOT_IN_WHEEL:
            shutil.copy(path, tests)
    (folder / "tests" / "test_plugin_alone.py").write_text(_PLUGIN_TEST)
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    run = subprocess.run(
        [str(python), "-m", "pytest", "-q", "-p", "pytester", "tests"],
        cwd=folder,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode != 0:
        raise WheelError(run.stdout[-3000:])
    print(f"its tests, without the source: {run.stdout.strip().splitlines()[-1]}")


def write_materials(wheel: Path, python: str) -> None:
    """Write the bills of materials, as CycloneDX: of the environment that has the wheel and what it needs, and of the page."""
    cyclonedx = str(Path(sys.executable).with_name("cyclonedx-py"))
    to = DIST / "python.cdx.json"
    project = ["--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible"]
    subprocess.run([cyclonedx, "environment", python, *project, "--output-file", str(to)], check=True)
    to.write_text(re.sub(r'"file:[^"]*/', '"', to.read_text()))  # where the wheel lay is nobody's business
    npm = shutil.which("npm")
    if npm is None:
        raise WheelError("npm is not on PATH; it lists the components of the page")
    process = subprocess.run(
        [npm, "sbom", "--package-lock-only", "--sbom-format", "cyclonedx", "--omit", "dev"],
        cwd=ROOT / "webapp",
        capture_output=True,
        text=True,
        check=True,
    )
    (DIST / "page.cdx.json").write_text(process.stdout)
    for path in sorted(DIST.glob("*.cdx.json")):
        print(f"{path.name}  {len(json.loads(path.read_text())['components'])} components")
    print(f"{wheel.name}  {wheel.stat().st_size / 1000:.0f} kB")


def main() -> None:
    """Build the wheel, check it, list its components."""
    try:
        wheel = build()
        check(wheel)
    except WheelError as error:
        sys.exit(f"wheel: {error}")


if __name__ == "__main__":
    main()
