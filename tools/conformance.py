"""Runs the official SDK's own tests against the mock: each must pass, or be refused as the service would refuse it.

The tests are part of the source distribution of `openai`, which is downloaded once and checked. The file
tests/conformance/refused.txt lists the requests that are refused, each with its rule, and the answers that the SDK does
not accept although recordings prove that the service sends them.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from environments import environment

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "conformance"
REQUIREMENTS = ROOT / "requirements" / "conformance.txt"
REFUSED = ROOT / "tests" / "conformance" / "refused.txt"
VERSION = "3.54.0"
SHA256 = "2e393e63f8a38be6452806f9ef0b6534fecd6d41ab3b2165180dfce3599249cd"
SUITE = (
    "audio/test_speech.py",
    "audio/test_transcriptions.py",
    "audio/test_translations.py",
    "chat",
    "conversations",
    "responses",
    "vector_stores",
    "test_batches.py",
    "test_completions.py",
    "test_conversations.py",
    "test_embeddings.py",
    "test_files.py",
    "test_images.py",
    "test_models.py",
    "test_moderations.py",
    "test_responses.py",
    "test_vector_stores.py",
)
_OUTCOMES = "CONFORMANCE_OUTCOMES"
#: The SDK's messages for an answer that it does not accept.
_STRICT, _LOOSE = "Data returned by API invalid for expected schema.", "Did not match any variants"
#: What the SDK does not accept, although recordings prove that the service sends it, or although it asked nobody.
NOT_ACCEPTED = {
    # It requests base64 by default and decodes it afterwards; its strict mode expects numbers before that.
    "sdk-base64": (_STRICT,),
    # A compaction begins with the user's messages (recorded 2026-04); the SDK's type of its output has no such item.
    "sdk-compaction": (_STRICT, _LOOSE),
    # These tests bring a mock of their own, which their aiohttp client does not use.
    "sdk-own-mock": ("aiohttp client is not compatible with respx2_mock",),
}


def main() -> None:
    """Set up, run, compare; exit status 0 only if every test passed or failed as listed."""
    python, tests = environment(CACHE / "venv", REQUIREMENTS, "conformance"), source()
    outcomes = run(python, tests)
    allowed = dict(refusals(REFUSED.read_text(encoding="utf-8")))
    problems = list(unexpected(outcomes, allowed))
    counts = Counter(outcome["outcome"] for outcome in outcomes)
    for test, rule in allowed.items():
        print(f"{rule:19} {test}")
    for line in problems:
        print(f"UNEXPECTED          {line}")
    print(
        f"{counts['passed']} passed, {counts['refused']} requests refused, {counts['not accepted']} true answers not accepted by "
        f"the SDK, {len(problems)} unexpected, {len(outcomes)} in all"
    )
    if problems or not outcomes:
        sys.exit(1)


# --- comparing -------------------------------------------------------------------------------------------------------


def refusals(text: str) -> Iterator[tuple[str, str]]:
    """The tests that may be refused, each with its rule, from lines of `rule  test`."""
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            rule, test = line.split()
            yield test, rule


def unexpected(outcomes: list[dict[str, Any]], allowed: dict[str, str]) -> Iterator[str]:
    """Every test that neither passed nor was refused by its allowed rule, and every allowed refusal that did not happen."""
    refused = set()
    for outcome in outcomes:
        if outcome["outcome"] == "passed":
            continue
        name = test_name(outcome["test"])
        refused.add(name)
        rule = allowed.get(name, "")
        if rule != outcome.get("rule") and not any(part in outcome["message"] for part in NOT_ACCEPTED.get(rule, ())):
            yield f"{outcome['test']}: {outcome['outcome']}, {outcome['message']}"
    yield from (f"{name}: in {REFUSED.name}, but it passes" for name in allowed if name not in refused)


def test_name(test: str) -> str:
    """A test's id without its parameters: every kind of client sends the same request."""
    return test.partition("[")[0].removeprefix("tests/api_resources/")


# --- running ---------------------------------------------------------------------------------------------------------


def source() -> Path:
    """The folder of the SDK's source distribution, downloaded once.

    Raises:
        SystemExit: the downloaded file does not have the pinned hash.
    """
    folder, archive = CACHE / f"openai-{VERSION}", CACHE / f"openai-{VERSION}.tar.gz"
    if not folder.is_dir():
        print(f"conformance: downloading the source distribution of openai {VERSION}", flush=True)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--no-binary", "openai", "-d", str(CACHE), f"openai=={VERSION}"], check=True)
        if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
            sys.exit(f"{archive} does not have the pinned SHA-256; delete it and try again")
        with tarfile.open(archive) as packed:
            packed.extractall(CACHE, filter="data")
    return folder


def run(python: Path, tests: Path) -> list[dict[str, Any]]:
    """Every test's outcome, against a model endpoint with generated answers."""
    from mockserver.harness.model_endpoint import ModelEndpoint
    from mockserver.harness.options import ModelOptions
    from mockserver.simulation.settings import OnMiss

    outcomes = CACHE / "outcomes.jsonl"
    outcomes.write_text("")
    with ModelEndpoint(ModelOptions(on_miss=OnMiss.GENERATE, speed=1000)) as model:
        variables = {"TEST_API_BASE_URL": f"{model.url}/v1", _OUTCOMES: str(outcomes), "NO_PROXY": "127.0.0.1"}
        paths = os.pathsep.join([str(Path(__file__).parent), str(tests)])
        plugins = ["-p", "conformance", "-p", "no:cacheprovider", "-o", "addopts="]
        suite = [f"tests/api_resources/{name}" for name in SUITE]
        command = [str(python), "-m", "pytest", "-q", "--no-header", "--tb=no", "--no-summary", *plugins, *suite]
        subprocess.run(command, cwd=tests, env={**os.environ, **variables, "PYTHONPATH": paths}, check=False)
    return [json.loads(line) for line in outcomes.read_text().splitlines()]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """As a plugin of the SDK's test run: record each test's outcome, and the error message."""
    report = yield
    if call.when == "call" or (call.excinfo is not None and call.when == "setup"):
        error = call.excinfo.value if call.excinfo else None
        message = "" if error is None else str(error).partition("\n")[0]
        rule = getattr(getattr(error, "response", None), "headers", {}).get("x-mockserver-rule")
        line = {"test": item.nodeid, "outcome": _outcome(error, message), "message": message, "rule": rule}
        with Path(os.environ[_OUTCOMES]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    return report


def _outcome(error: BaseException | None, message: str) -> str:
    if error is None:
        return "passed"
    if type(error).__name__ in ("BadRequestError", "NotFoundError", "PermissionDeniedError"):
        return "refused"
    not_accepted = type(error).__name__ == "APIResponseValidationError" or message == _LOOSE
    return "not accepted" if not_accepted else "failed"


if __name__ == "__main__":
    main()
