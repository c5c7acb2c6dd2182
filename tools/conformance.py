"""Runs the official SDK's own tests against the mock: every one passes, or is refused as the service would refuse it.

The tests come with the source distribution of `openai`, which is fetched once and checked. Which requests are refused,
and by which rule, stands in tests/conformance/refused.txt, with the answers that the SDK itself refuses though the
service has been recorded to send them.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
import venv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "conformance"
REQUIREMENTS = ROOT / "requirements" / "conformance.txt"
REFUSED = ROOT / "tests" / "conformance" / "refused.txt"
VERSION = "3.54.0"
SHA256 = "2e393e63f8a38be6452806f9ef0b6534fecd6d41ab3b2165180dfce3599249cd"
SUITE = ("chat", "test_embeddings.py", "test_models.py", "test_responses.py", "responses")
_OUTCOMES = "CONFORMANCE_OUTCOMES"
#: How the SDK says that it does not take an answer.
_STRICT, _LOOSE = "Data returned by API invalid for expected schema.", "Did not match any variants"
#: Answers that the service has been recorded to send and the SDK does not take.
NOT_TAKEN = {
    # It asks for base64 by default and decodes it afterwards; its strict mode wants numbers before that.
    "sdk-base64": (_STRICT,),
    # A compaction begins with the user's messages (recorded 2026-04); the type of its output knows no such item.
    "sdk-compaction": (_STRICT, _LOOSE),
}


def main() -> None:
    """Set up, run, compare; exit status 0 only if every test is accounted for."""
    python, tests = environment(), source()
    outcomes = run(python, tests)
    allowed = dict(refusals(REFUSED.read_text(encoding="utf-8")))
    wrong = list(unaccounted(outcomes, allowed))
    counted = Counter(each["outcome"] for each in outcomes)
    for test, rule in allowed.items():
        print(f"{rule:19} {test}")
    for line in wrong:
        print(f"WRONG               {line}")
    print(
        f"{counted['passed']} passed, {counted['refused']} requests refused, {counted['not taken']} true answers that the "
        f"SDK does not take, {len(wrong)} wrong, of {len(outcomes)}"
    )
    if wrong or not outcomes:
        sys.exit(1)


# --- what is judged --------------------------------------------------------------------------------------------------


def refusals(text: str) -> Iterator[tuple[str, str]]:
    """The tests that may be refused, each with its rule, from lines of `rule  test`."""
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            rule, test = line.split()
            yield test, rule


def unaccounted(outcomes: list[dict[str, Any]], allowed: dict[str, str]) -> Iterator[str]:
    """Every test that neither passed nor was refused by the rule it may be refused by, and every rule nothing needed."""
    from mockserver.contract.request_rules import RULES

    words = {rule.name: (rule.message,) for rule in RULES} | NOT_TAKEN
    seen = set()
    for each in outcomes:
        if each["outcome"] == "passed":
            continue
        name = test_name(each["test"])
        seen.add(name)
        if not any(said in each["message"] for said in words.get(allowed.get(name, ""), ())):
            yield f"{each['test']}: {each['outcome']}, {each['message']}"
    yield from (f"{name}: in {REFUSED.name}, but it passes" for name in allowed if name not in seen)


def test_name(test: str) -> str:
    """A test's id without its parameters: the same request for every kind of client."""
    return test.partition("[")[0].removeprefix("tests/api_resources/")


# --- what is run -----------------------------------------------------------------------------------------------------


def environment() -> Path:
    """The interpreter of an environment with the SDK and what its tests need."""
    python = CACHE / "venv" / "bin" / "python"
    stamp, state = CACHE / "venv" / ".done", hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != state:
        print("conformance: installing the SDK and what its tests need", flush=True)
        venv.create(CACHE / "venv", with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--require-hashes", "-r", str(REQUIREMENTS)], check=True)
        stamp.write_text(state)
    return python


def source() -> Path:
    """The folder of the SDK's source distribution, fetched unless it is there.

    Raises:
        SystemExit: what was fetched is not what was pinned.
    """
    folder, archive = CACHE / f"openai-{VERSION}", CACHE / f"openai-{VERSION}.tar.gz"
    if not folder.is_dir():
        print(f"conformance: fetching the source distribution of openai {VERSION}", flush=True)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--no-binary", "openai", "-d", str(CACHE), f"openai=={VERSION}"], check=True)
        if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
            sys.exit(f"{archive} is not the file that was pinned; delete it and try again")
        with tarfile.open(archive) as packed:
            packed.extractall(CACHE, filter="data")
    return folder


def run(python: Path, tests: Path) -> list[dict[str, Any]]:
    """Every test's outcome, against a model endpoint that makes up what it is asked for."""
    from mockserver.harness.model_endpoint import ModelEndpoint
    from mockserver.harness.options import ModelOptions
    from mockserver.simulation.settings import OnMiss

    outcomes = CACHE / "outcomes.jsonl"
    outcomes.write_text("")
    with ModelEndpoint(ModelOptions(on_miss=OnMiss.GENERATE, speed=1000)) as model:
        asked = {"TEST_API_BASE_URL": f"{model.url}/v1", _OUTCOMES: str(outcomes), "NO_PROXY": "127.0.0.1"}
        paths = os.pathsep.join([str(Path(__file__).parent), str(tests)])
        plugins = ["-p", "conformance", "-p", "no:cacheprovider", "-o", "addopts="]
        suite = [f"tests/api_resources/{each}" for each in SUITE]
        command = [str(python), "-m", "pytest", "-q", "--no-header", "--tb=no", "--no-summary", *plugins, *suite]
        subprocess.run(command, cwd=tests, env={**os.environ, **asked, "PYTHONPATH": paths}, check=False)
    return [json.loads(line) for line in outcomes.read_text().splitlines()]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Inside the SDK's run: write down how a test ended, and in which words it was refused."""
    report = yield
    if call.when == "call" or (call.excinfo is not None and call.when == "setup"):
        error = call.excinfo.value if call.excinfo else None
        refused, message = type(error).__name__ == "BadRequestError", str(error).partition("\n")[0]
        not_taken = type(error).__name__ == "APIResponseValidationError" or message == _LOOSE
        outcome = "refused" if refused else "not taken" if not_taken else "failed" if error else "passed"
        line = {"test": item.nodeid, "outcome": outcome, "message": message if error else ""}
        with Path(os.environ[_OUTCOMES]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    return report


if __name__ == "__main__":
    main()
