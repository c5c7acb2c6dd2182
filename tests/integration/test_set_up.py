"""What set-up finds, and that only asking for it does anything."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import setup_environment as untyped

#: For any Python 3, so without types.
setup_environment: Any = untyped
TOOLS = Path(untyped.__file__).parent


def test_a_version_is_the_interpreter_of_that_version_and_a_path_is_itself() -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = setup_environment.named(version)
    assert setup_environment.version_of(found) == sys.version_info[:2]
    assert setup_environment.named("/usr/bin/python3") == "/usr/bin/python3"


def test_a_version_that_is_not_here_is_named() -> None:
    with pytest.raises(setup_environment.SetUpError, match=r"there is no Python 3\.99 on this machine"):
        setup_environment.named("3.99")


def test_the_doctor_changes_nothing(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("doctor.py", "setup_environment.py", "browser.py"):
        shutil.copy(TOOLS / name, tools)
    before = sorted(tmp_path.rglob("*.py"))
    done = subprocess.run(
        [sys.executable, "-B", "tools/doctor.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout.startswith("ok Python")
    assert sorted(tmp_path.rglob("*")) == sorted([tools, *before])
