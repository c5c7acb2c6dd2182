"""What Static Web Apps does, case by case: requests, the expected answers, and what the API must have received.

`tests/swa/cases.json` names the source of each case. The runner there works with any emulator.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

CASES = Path(__file__).parents[1] / "swa"
LAUNCH = f"{sys.executable} -m mockserver site --app {{site}} --port {{port}} --api {{api}}"
#: Cases that are answered differently, and why.
DIFFERENT = {
    "api-path-kept": "the API gets the path that the gate decided on, in which an encoded slash is already decoded. Passed on unchanged, "
    "it could reach a function that another rule guards. The case is the CLI's behaviour, not documented",
    "fallback-blocked-login": "the case's own note allows both: a blocked sign-in is a 404 here, as in the official CLI",
}


ALL_CASES = json.loads((CASES / "cases.json").read_text("utf-8"))["cases"]
CHECKED = [case for case in ALL_CASES if "slow" not in case.get("tags", ())]


@pytest.mark.parametrize("config", sorted({case["config"] for case in CHECKED}))
def test_every_case_is_answered_as_expected_except_the_listed_ones(config: str) -> None:
    process = subprocess.run(
        [sys.executable, "run_cases.py", "--launch", LAUNCH, "--login", "form", "--config", config, "-q"],
        cwd=CASES,
        capture_output=True,
        text=True,
        check=False,
    )
    ids = [case["id"] for case in CHECKED if case["config"] == config]
    different = [id_ for id_ in ids if id_ in DIFFERENT]
    assert sorted(re.findall(r"^FAIL (\S+) \[", process.stdout, re.MULTILINE)) == sorted(different), process.stdout
    assert f"{len(ids) - len(different)} passed" in process.stdout, process.stdout + process.stderr


def test_all_cases_are_present_and_every_listed_exception_is_one_of_them() -> None:
    assert len(CHECKED) == 247
    assert DIFFERENT.keys() <= {case["id"] for case in CHECKED}
