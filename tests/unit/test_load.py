"""The verdict on a load, and when a benchmark says nothing."""

from __future__ import annotations

from typing import Any

import bench
import load
import pytest

OPTIONS = load.Options(10, 0, 5, "", 1, first_event_ms=500, between_events_ms=250)


def entry(count: int = 10, failures: int = 0, p50_ms: float = 100, p99_ms: float = 200) -> dict[str, Any]:
    return {"count": count, "failures": failures, "p50_ms": p50_ms, "p95_ms": p99_ms, "p99_ms": p99_ms}


GOOD = {"the first event": entry(), "the next event": entry(), "the whole answer": entry(), "/api/me": entry()}


@pytest.mark.parametrize(
    ("changed", "broken"),
    [
        ({}, []),
        ({"the first event": entry(p50_ms=501)}, ["half of the first events, ms"]),
        ({"the next event": entry(p99_ms=251)}, ["99 of 100 gaps between events, ms"]),
        ({"the whole answer": entry(failures=1)}, ["streams lost"]),
        ({"/api/me": entry(failures=2)}, ["requests that failed"]),
        ({"the whole answer": entry(count=0)}, ["nobody was answered"]),
    ],
    ids=["all good", "late", "jerky", "lost", "failed", "silent"],
)
def test_a_verdict_names_what_was_not_kept(changed: dict[str, Any], broken: list[str]) -> None:
    judged = load.verdict({"figures": GOOD | changed, "errors": []}, OPTIONS)
    assert [name for name, check in judged["checks"].items() if not check["ok"]] == broken
    assert judged["ok"] == (broken == [])


def test_people_who_met_nothing_are_no_success() -> None:
    assert not load.verdict({"figures": {}, "errors": []}, OPTIONS)["ok"]


def test_one_round_far_away_does_not_make_a_machine_busy() -> None:
    assert bench.spread([10.0, 10.1, 9.9, 10.0, 50.0]) < 0.05
    assert bench.spread([10.0, 14.0, 9.0, 7.0, 20.0]) > 0.25
