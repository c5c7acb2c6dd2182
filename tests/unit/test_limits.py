"""Limits: never let too much through, and whoever waits as long as is said gets through."""

from __future__ import annotations

import json
import random

import pytest

from mockserver.contract.addresses import Backend
from mockserver.contract.throttling import Exceeded
from mockserver.exchange import Request
from mockserver.simulation.limits import (
    REQUESTS_WINDOW_S,
    TOKENS_WINDOW_S,
    Limit,
    LimitError,
    LimitWindow,
    parse_limits,
)
from mockserver.simulation.settings import OnMiss
from mockserver.simulation.simulation import Simulation
from tests.unit.examples import FakeClock, chat

LIMITS = [Limit(60), Limit(6), Limit(3), Limit(1), Limit(None, 1000), Limit(120, 5000), Limit(7, 300)]


def arrivals(seed: int) -> list[tuple[float, int]]:
    chance = random.Random(seed)
    at_s, found = 1_795_000_000.0, []
    for _ in range(400):
        at_s += chance.choice([0, 0.001, 0.3, 1, 7, chance.random() * 20])
        found.append((at_s, chance.randrange(1, 400)))
    return found


@pytest.mark.parametrize("limit", LIMITS, ids=str)
@pytest.mark.parametrize("seed", range(10))
def test_no_window_ever_lets_more_through_than_its_limit(limit: Limit, seed: int) -> None:
    window, through = LimitWindow(limit), []
    for at_s, cost in arrivals(seed):
        admission = window.admit(at_s, cost, Backend.OPENAI)
        window = admission.window
        if admission.exceeded is None:
            through.append((at_s, cost))
        minute = [each for each in through if each[0] > at_s - TOKENS_WINDOW_S]
        portion = [each for each in through if each[0] > at_s - REQUESTS_WINDOW_S]
        if limit.requests is not None:
            assert len(minute) <= limit.requests
            assert len(portion) <= max(1, limit.requests // 6)
        if limit.tokens is not None:
            assert sum(cost for _, cost in minute) <= limit.tokens
    assert through


@pytest.mark.parametrize("limit", LIMITS, ids=str)
@pytest.mark.parametrize("seed", range(10))
def test_waiting_exactly_as_long_as_is_said_always_helps(limit: Limit, seed: int) -> None:
    window = LimitWindow(limit)
    for at_s, cost in arrivals(seed):
        cost = min(cost, limit.tokens or cost)  # noqa: PLW2901  what can never get through is another case
        admission = window.admit(at_s, cost, Backend.OPENAI)
        if admission.exceeded is not None:
            assert 0 < admission.exceeded.wait_s <= TOKENS_WINDOW_S + 0.002
            later = admission.window.admit(at_s + admission.exceeded.wait_s, cost, Backend.OPENAI)
            assert later.exceeded is None
            early = admission.window.admit(at_s + admission.exceeded.wait_s - 0.003, cost, Backend.OPENAI)
            assert early.exceeded is not None
        window = admission.window


def test_what_alone_costs_more_than_a_minute_never_gets_through() -> None:
    admission = LimitWindow(Limit(None, 100)).admit(0, 101, Backend.AZURE)
    assert admission.exceeded is not None
    assert admission.exceeded.what == "tokens"


@pytest.mark.parametrize(("limit", "portion"), [(1, 1), (6, 1), (11, 1), (12, 2), (60, 10), (120, 20)])
def test_a_portion_is_what_ten_seconds_have_of_a_minute(limit: int, portion: int) -> None:
    window = LimitWindow(Limit(limit))
    for _ in range(portion):
        verdict = window.admit(100.0, 1, Backend.AZURE)
        assert verdict.exceeded is None
        window = verdict.window
    wait_s = 60.001 if limit == 1 else 10.001
    assert window.admit(100.0, 1, Backend.AZURE).exceeded == Exceeded("requests", limit, portion, 1, wait_s)


def test_a_minute_later_to_the_moment_a_request_counts_no_more() -> None:
    window = LimitWindow(Limit(1, 10)).admit(100.0, 10, Backend.AZURE).window
    assert dict(window.headers(100.0, Backend.AZURE))["x-ratelimit-remaining-requests"] == "0"
    assert window.admit(159.999, 10, Backend.AZURE).exceeded is not None
    assert window.admit(160.0, 10, Backend.AZURE).exceeded is None


def test_what_is_left_counts_down_as_each_backend_says_it() -> None:
    one = LimitWindow(Limit(60, 1000)).admit(100, 30, Backend.OPENAI)
    two = one.window.admit(100.5, 70, Backend.OPENAI)
    assert dict(two.headers) == {
        "x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "58", "x-ratelimit-reset-requests": "59.5s",
        "x-ratelimit-limit-tokens": "1000", "x-ratelimit-remaining-tokens": "900", "x-ratelimit-reset-tokens": "59.5s",
    }  # fmt: skip
    assert dict(two.window.headers(100.5, Backend.AZURE))["x-ratelimit-reset-tokens"] == "60"


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("m=6rpm", Limit(6)),
        ("m=1000tpm", Limit(None, 1000)),
        ("m=6rpm,1000tpm", Limit(6, 1000)),
        ("*=1rpm", Limit(1)),
        ("m=6rpm, 9tpm", Limit(6, 9)),
    ],
)
def test_a_limit_is_read(text: str, limit: Limit) -> None:
    assert list(parse_limits((text,)).values()) == [limit]


@pytest.mark.parametrize(
    "text",
    [
        "m",
        "m=",
        "m=6",
        "=6rpm",
        "m=0rpm",
        "m=6rpm,7rpm",
        "m=6rpm,x",
        "a=b=6rpm",
        "m=6 per minute",
        f"m={'9' * 5000}tpm",
    ],
)
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(LimitError, match="must be NAME=6rpm,1000tpm"):
        parse_limits((text,))


def embeddings(text: str) -> Request:
    body = json.dumps({"model": "text-embedding-3-small", "input": text}).encode()
    return Request("POST", "/v1/embeddings", "", (("authorization", "Bearer k"),), body)


def limited() -> Simulation:
    return Simulation(
        on_miss=OnMiss.GENERATE,
        limits=parse_limits(("gpt-4o=6rpm,1000tpm", "text-embedding-3-small=6rpm,1000tpm")),
        clock=FakeClock(),
    )


def test_the_longest_answer_counts_in_advance_and_a_minute_later_there_is_room() -> None:
    simulation = limited()
    assert isinstance(simulation.clock, FakeClock)
    first = simulation.answer(chat(max_tokens=900)).answer
    assert first is not None
    assert ("x-ratelimit-remaining-tokens", "91") in first.headers
    simulation.clock.now_s += 11
    refused = simulation.answer(chat(max_tokens=900))
    assert refused.answer is not None
    assert (refused.answer.status, refused.decided_by) == (429, "limit of tokens")
    assert ("retry-after", "50") in refused.answer.headers
    assert b"Limit 1000, Used 909, Requested 909" in refused.answer.body
    simulation.clock.now_s += 50
    assert simulation.answer(chat(max_tokens=900)).answer.status == 200  # type: ignore[union-attr]


def test_a_minutes_requests_come_in_portions_of_ten_seconds() -> None:
    simulation = limited()
    assert isinstance(simulation.clock, FakeClock)
    assert simulation.answer(embeddings("a")).answer.status == 200  # type: ignore[union-attr]
    refused = simulation.answer(embeddings("b"))
    assert refused.decided_by == "limit of requests"
    simulation.clock.now_s += 10
    assert simulation.answer(embeddings("b")).answer.status == 200  # type: ignore[union-attr]


def test_what_has_no_limit_and_what_costs_nothing_is_never_refused() -> None:
    simulation = limited()
    models = Request("GET", "/v1/models", "", (("authorization", "Bearer k"),))
    for _ in range(20):
        assert simulation.answer(models).answer.status == 200  # type: ignore[union-attr]
        assert simulation.answer(chat(model="other")).answer.status == 200  # type: ignore[union-attr]
    simulation.reset()
    assert simulation.answer(chat()).answer.status == 200  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("left_s", "openai", "azure"),
    [(60, "1m0s", "60"), (59.5, "59.5s", "60"), (1, "1s", "1"), (0.9994, "999ms", "1"), (0.25, "250ms", "1")],
)
def test_the_time_until_the_reset_is_written_as_the_backend_does(left_s: float, openai: str, azure: str) -> None:
    for backend, text in ((Backend.OPENAI, openai), (Backend.AZURE, azure)):
        window = LimitWindow(Limit(requests=6)).admit(1000.0, 1, backend).window
        assert dict(window.headers(1060.0 - left_s, backend))["x-ratelimit-reset-requests"] == text
    assert dict(LimitWindow(Limit(requests=6)).headers(1000.0, Backend.AZURE))["x-ratelimit-reset-requests"] == "0"
