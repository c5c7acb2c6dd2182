"""How setup finds an interpreter, and that the doctor changes nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import setup_environment as untyped

#: It runs on any Python 3, so it has no types.
setup_environment: Any = untyped
TOOLS = Path(untyped.__file__).parent


def test_a_version_resolves_to_an_interpreter_and_a_path_to_itself() -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    path = setup_environment.resolve(version)
    assert setup_environment.version_of(path) == sys.version_info[:2]
    assert setup_environment.resolve("/usr/bin/python3") == "/usr/bin/python3"


def test_the_error_names_a_version_that_is_not_installed() -> None:
    with pytest.raises(setup_environment.SetUpError, match=r"Python 3\.99 is not installed on this machine"):
        setup_environment.resolve("3.99")


def test_the_doctor_changes_nothing(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("doctor.py", "setup_environment.py", "browser.py", "debian.py"):
        shutil.copy(TOOLS / name, tools)
    before = sorted(tmp_path.rglob("*.py"))
    process = subprocess.run(
        [sys.executable, "-B", "tools/doctor.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert process.stderr == ""
    assert process.stdout.startswith("ok Python")
    assert sorted(tmp_path.rglob("*")) == sorted([tools, *before])
