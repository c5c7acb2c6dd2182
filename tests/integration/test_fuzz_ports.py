"""Odd input at everything that takes bytes, for some seconds here; `make fuzz` goes on for longer."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz_ports import BORDERS

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_no_odd_input_stops_the_mock() -> None:
    command = [sys.executable, str(ROOT / "tools" / "fuzz_ports.py"), "200", "7"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.findall(r"(?m)^(.+?)  +\d+ +0 +0$", run.stdout) == [border.name for border in BORDERS]
