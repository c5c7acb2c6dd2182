"""Ctrl-C and SIGTERM, at whatever moment."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from mockserver.cli.explained import stoppable

NUMBERS = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Those of the test run, afterwards."""
    before = [signal.getsignal(number) for number in NUMBERS]
    yield
    for number, handler in zip(NUMBERS, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.timeout(10)
def test_a_signal_in_the_middle_of_waiting_ends_it(number: signal.Signals) -> None:
    """Whoever waits holds the event's lock at times; a handler that wants it would wait for ever."""
    with stoppable() as stopped:
        with stopped._cond:  # type: ignore[attr-defined]  # as wait() does
            signal.raise_signal(number)
        assert stopped.wait(5)


def test_without_a_signal_nothing_is_stopped() -> None:
    with stoppable() as stopped:
        assert not stopped.wait(0.01)
