"""Latency profiles: read from the command line, or fitted to recordings, and the waits that follow from them."""

from __future__ import annotations

import statistics

import pytest

from mockserver.answers.latency import Latency, LatencyError, fitted, parse_latency
from mockserver.exchange import Answer, Event


@pytest.mark.parametrize(
    ("text", "profile"),
    [
        ("first=600ms,p95=2s,rate=45tok/s,seed=1", Latency(600, 2000, 45, 1)),
        ("first=1.5s", Latency(1500, 1500, 45, 0)),
        ("rate=100tok/s", Latency(600, 2000, 100, 0)),
        ("p95=3s", Latency(600, 3000, 45, 0)),
        ("first=0ms", Latency(0, 0, 45, 0)),
    ],
)
def test_a_profile_is_read(text: str, profile: Latency) -> None:
    assert parse_latency(text) == profile


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("first=600", "'first=600' is not understood; write first=600ms"),
        ("first=-1ms", "is not understood"),
        ("speed=3", "'speed=3' is not understood"),
        ("rate=0tok/s", "rate must be more than 0 tok/s"),
        ("first=2s,p95=1s", "p95 must be at least first (2000 ms), got 1000 ms"),
        ("", "'' is not understood"),
        (f"seed={'9' * 400}", "is not understood"),
        (f"first={'9' * 5000}ms", "is not understood"),
        (f"rate=0.{'0' * 400}1tok/s", "is not understood"),
    ],
)
def test_an_invalid_profile_is_an_error(text: str, problem: str) -> None:
    with pytest.raises(LatencyError) as error:
        parse_latency(text)
    assert problem in str(error.value)


def test_first_tokens_wait_as_in_the_profile_and_always_the_same_for_the_same_request() -> None:
    profile = Latency(600, 2000, 50, seed=1)
    waits = sorted(profile.pace(str(number)).first_ms for number in range(4000))
    assert statistics.median(waits) == pytest.approx(600, rel=0.05)
    assert waits[int(0.95 * len(waits))] == pytest.approx(2000, rel=0.1)
    assert profile.pace("x") == profile.pace("x") != Latency(600, 2000, 50, seed=2).pace("x")
    assert profile.pace("x").each_ms == 20


def stream(head_ms: float, *events: tuple[float, str]) -> Answer:
    data = tuple(Event(wait_ms, f'data: {{"delta":{{{text}}}}}\n\n'.encode()) for wait_ms, text in events)
    return Answer(200, (("content-type", "text/event-stream"),), data, head_after_ms=head_ms)


def test_a_profile_is_fitted_to_recorded_streams() -> None:
    start, text = (30, '"role":"assistant","content":""'), '"content":"x"'
    quick = stream(70, start, (100, text), (20, text), (20, text), (0, ""))
    slow = stream(70, start, (300, text), (20, text), (20, text), (0, ""))
    assert fitted([quick, slow, Answer(200)]) == Latency(300, 390, 50)


def test_a_profile_can_only_be_fitted_to_streams_with_text() -> None:
    with pytest.raises(LatencyError, match="needs a recorded stream with text, and none is loaded"):
        fitted([Answer(200)])
