"""The machine with Azure's tools, one for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from azure_tools import AZ, SWA

from tests.azure.machine import Machine, machine


@pytest.fixture
def azure(tmp_path: Path) -> Iterator[Machine]:
    if not (AZ.exists() and SWA.exists()):
        pytest.skip("Azure's tools are not installed: make azure installs them")
    with machine(tmp_path, AZ, SWA) as found:
        yield found
