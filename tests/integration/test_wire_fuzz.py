"""The gate under odd bytes, for two seconds here; `make fuzz-gate` goes on for longer."""

from __future__ import annotations

import asyncio

import pytest
from wire_fuzz import fuzz


@pytest.mark.parametrize("seed", [7, 2026])
def test_nothing_gets_past_the_gate(seed: int) -> None:
    assert asyncio.run(fuzz(1500, seed)) == []
