"""Each walk with the real `az`: its recording is compared, or kept."""

from __future__ import annotations

import pytest

from tests.azure.machine import Machine
from tests.azure.test_azures_tools import compare
from tests.azure.walks import RECORDINGS, WALKS


@pytest.mark.parametrize("name", WALKS)
def test_a_walk_with_the_real_az(azure: Machine, name: str) -> None:
    for step in WALKS[name]:
        step.before(azure)
        step.take(azure)
    compare(RECORDINGS / f"{name}.json", azure.exchanges)
