"""Runs the HTTP tests of Microsoft's own Python worker against the Functions host: each must pass, or be listed with its reason.

    python tools/worker_tests.py CHECKOUT [--worker microsoft|inprocess|both] [pytest's own options]

CHECKOUT is a checkout of Azure/azure-functions-python-worker. Its tests start Azure's host; as a plugin of their run, this file
starts ours in its place. tests/conformance/worker_tests.txt lists the tests that fail, and the files that are left out.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import socket
import subprocess
import sys
import sysconfig
import time
import types
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from environments import environment

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "worker-tests"
REQUIREMENTS = ROOT / "requirements" / "worker-tests.txt"
LISTED = ROOT / "tests" / "conformance" / "worker_tests.txt"
WORKERS = ("microsoft", "inprocess")
#: What a test has that needs a host; others try the worker's inner code.
_NEEDS_HOST = "WebHostTestCase)"
_WORKER, _OUTCOMES = "WORKER_TESTS_WORKER", "WORKER_TESTS_OUTCOMES"
_START_S = 30


def main() -> None:
    """Run, compare; exit status 0 only if every test passed or failed as listed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("checkout", type=Path, help="a checkout of Azure/azure-functions-python-worker")
    parser.add_argument("--worker", choices=[*WORKERS, "both"], default="both")
    own, options = parser.parse_known_args()
    checkout = own.checkout.resolve()
    if not (checkout / "tests" / "utils" / "testutils.py").is_file():
        parser.error(f"{checkout}: no checkout of Azure/azure-functions-python-worker")
    environment(CACHE / "venv", REQUIREMENTS, "worker tests")
    failed = False
    for worker in WORKERS if own.worker == "both" else (own.worker,):
        allowed = listed(LISTED.read_text(encoding="utf-8"), worker)
        outcomes = run(checkout, worker, allowed, options)
        problems = list(unexpected(outcomes, allowed, whole=not options))
        report(worker, outcomes, problems)
        failed |= bool(problems) or not outcomes
    sys.exit(failed)


# --- comparing -------------------------------------------------------------------------------------------------------


def listed(text: str, worker: str) -> dict[str, str]:
    """The reason of each test, class or file that is listed for a worker: a reason, then what it is the reason of, indented;
    before that the worker, where the other one is not meant."""
    reasons, reason = dict[str, str](), ""
    for line in text.splitlines():
        *only, name = line.split() or [""]
        if line.startswith(" ") and (not only or worker in only):
            reasons[name] = reason
        elif line and not line.startswith((" ", "#")):
            reason = line
    return reasons


def unexpected(outcomes: Mapping[str, str], allowed: Mapping[str, str], *, whole: bool) -> Iterator[str]:
    """Every test that has failed and is not listed, every one that is listed and has not failed, and after a `whole` run each
    entry that fits none."""
    fitting = set[str]()
    for test, outcome in outcomes.items():
        entry = next((name for name in (test, test.rpartition("::")[0]) if name in allowed), None)
        fitting |= {entry} if entry else set()
        if outcome == "failed" and not entry:
            yield f"{test}: has failed"
        elif outcome == "passed" and entry:
            yield f"{test}: is listed, but passes"
    if whole:
        yield from (f"{name}: is listed, but there is none" for name in allowed if "::" in name and name not in fitting)


def report(worker: str, outcomes: Mapping[str, str], problems: Sequence[str]) -> None:
    """Print how many tests of each class have passed, failed and been skipped, and what was not expected."""
    counts: dict[str, Counter[str]] = {}
    for test, outcome in outcomes.items():
        counts.setdefault(test.rpartition("::")[0], Counter())[outcome] += 1
    print(f"{'passed':>6} {'failed':>6} {'skipped':>7}  on {worker}")
    for name, count in [*sorted(counts.items()), ("in all", sum(counts.values(), Counter()))]:
        print(f"{count['passed']:6} {count['failed']:6} {count['skipped']:7}  {name}")
    for line in problems:
        print(f"UNEXPECTED on {worker}: {line}", flush=True)


# --- running ---------------------------------------------------------------------------------------------------------


def run(checkout: Path, worker: str, allowed: Mapping[str, str], options: Sequence[str]) -> dict[str, str]:
    """Every test's outcome: passed, failed or skipped."""
    tests = checkout / "tests"
    files = sorted(path for path in tests.rglob("test_*.py") if _NEEDS_HOST in path.read_text(encoding="utf-8"))
    names = [str(path.relative_to(tests).as_posix()) for path in files]
    outcomes = CACHE / f"{worker}.jsonl"
    outcomes.write_text("")
    paths = os.pathsep.join([str(Path(__file__).parent), str(checkout)])
    variables = {_WORKER: worker, _OUTCOMES: str(outcomes), "PYTHONPATH": paths}
    quiet = ["-q", "--no-header", "-rN", "--tb=no"]
    plugin = ["-pworker_tests", "-pno:cacheprovider", "-pno:dress_rehearsal", "-oaddopts=", "--import-mode=importlib"]
    suite = [f"tests/{name}" for name in names if name not in allowed]
    command = [sys.executable, "-m", "pytest", *quiet, *plugin, *options, *suite]
    run = subprocess.run(command, cwd=checkout, env={**os.environ, **variables}, check=False)
    if run.returncode not in (0, 1):  # all have passed, or some have failed: anything else is no result
        sys.exit(f"worker tests: pytest ended with {run.returncode} before all tests had run")
    return {line["test"]: line["outcome"] for line in map(json.loads, outcomes.read_text().splitlines())}


# --- as a plugin of their run ----------------------------------------------------------------------------------------

#: Modules that only a build of the worker has; a host outside needs none of their classes.
_OWN = "azure_functions_worker"
_SHARED_MEMORY = "bindings.shared_memory_data_transfer"
_NOT_BUILT = ("grpc", *(f"{_OWN}.{name}" for name in ("protos", "dispatcher", "bindings", _SHARED_MEMORY)))


class _NotBuilt(types.ModuleType):
    """A module with a class of any name."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def pytest_configure() -> None:
    """Start our host where the tests start Azure's, and let them read its console as they read Azure's."""
    for name in _NOT_BUILT:
        sys.modules[name] = _NotBuilt(name)
    testutils: Any = importlib.import_module("tests.utils.testutils")

    def start(*, script_dir: Path, stdout: Any) -> Any:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        folder = testutils.TESTS_ROOT / script_dir
        return testutils._WebHostProxy(_started(folder, port, stdout), f"http://127.0.0.1:{port}")

    def run_test(self: Any, test: Any, **given: Any) -> None:
        if lines := given.get("host_out"):
            given["host_out"] = [_LOG_LINE.sub(r"\1", line) for line in lines]
        original(self, test, **given)

    testutils.start_webhost = start
    original, testutils.WebHostTestCase._run_test = testutils.WebHostTestCase._run_test, run_test


#: A line of the app's log on our console, and the words in it, which are all that Azure's console shows of it.
_LOG_LINE = re.compile(r"^log {8}\w+  (.*?)(?:   \([^()]+\))?$")


def _started(folder: Path, port: int, stdout: Any) -> subprocess.Popen[bytes]:
    """Our host, once it takes connections.

    Raises:
        RuntimeError: it does not.
    """
    # An app that asks another site must not reach one.
    offline = {"http_proxy": "http://127.0.0.1:9", "no_proxy": "127.0.0.1,localhost"}
    packages = sysconfig.get_path("purelib", "venv", {"base": str(CACHE / "venv")})
    paths = os.pathsep.join([str(ROOT), packages])
    options = ["--app", str(folder), "--port", str(port), "--worker", os.environ[_WORKER]]
    process = subprocess.Popen(
        [sys.executable, "-m", "mockserver", "functions", *options],
        env={**os.environ, **offline, "PYTHONPATH": paths},
        stdout=stdout,
        stderr=subprocess.STDOUT,
    )
    end_s = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < end_s:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return process
        except OSError:
            time.sleep(0.05)
    process.kill()
    raise RuntimeError("the host has not started")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Record each test's outcome."""
    result: pytest.TestReport = yield
    if call.when == "call" or result.outcome != "passed":
        line = {"test": item.nodeid.removeprefix("tests/"), "outcome": result.outcome}
        with Path(os.environ[_OUTCOMES]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    return result


if __name__ == "__main__":
    main()
