"""The pace of made-up answers: stated, drawn, fitted."""

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
        ("rate=0tok/s", "no answer ends"),
        ("first=2s,p95=1s", "the 95th percentile (1000 ms) is below the middle (2000 ms)"),
        ("", "'' is not understood"),
    ],
)
def test_what_is_no_profile_is_refused(text: str, problem: str) -> None:
    with pytest.raises(LatencyError) as error:
        parse_latency(text)
    assert problem in str(error.value)


def test_the_first_tokens_wait_as_the_profile_says_and_the_same_question_always_as_long() -> None:
    profile = Latency(600, 2000, 50, seed=1)
    waits = sorted(profile.pace(str(number)).first_ms for number in range(4000))
    assert statistics.median(waits) == pytest.approx(600, rel=0.05)
    assert waits[int(0.95 * len(waits))] == pytest.approx(2000, rel=0.1)
    assert profile.pace("x") == profile.pace("x") != Latency(600, 2000, 50, seed=2).pace("x")
    assert profile.pace("x").each_ms == 20


def stream(head_ms: float, *events: tuple[float, str]) -> Answer:
    data = tuple(Event(wait, f'data: {{"delta":{{{text}}}}}\n\n'.encode()) for wait, text in events)
    return Answer(200, (("content-type", "text/event-stream"),), data, head_after_ms=head_ms)


def test_a_profile_is_fitted_to_what_was_recorded() -> None:
    begin, text = (30, '"role":"assistant","content":""'), '"content":"x"'
    quick = stream(70, begin, (100, text), (20, text), (20, text), (0, ""))
    slow = stream(70, begin, (300, text), (20, text), (20, text), (0, ""))
    assert fitted([quick, slow, Answer(200)]) == Latency(300, 390, 50)


def test_there_must_be_something_to_fit_a_profile_to() -> None:
    with pytest.raises(LatencyError, match="no stream with text is loaded"):
        fitted([Answer(200)])
