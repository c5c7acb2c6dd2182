"""When a timer runs next. The expected moments of NCRONTAB are those of Microsoft Learn's examples, and of NCrontab's rules."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mockserver.functions.schedule import ScheduleError, next_run_s

AT = datetime(2026, 11, 30, 10, 1, 2, tzinfo=UTC)  # a Monday


@pytest.mark.parametrize(
    ("schedule", "runs"),
    [
        ("0 */5 * * * *", "2026-11-30T10:05:00"),
        ("0 0 * * * *", "2026-11-30T11:00:00"),
        ("0 0 */2 * * *", "2026-11-30T12:00:00"),
        ("0 0 9-17 * * *", "2026-11-30T11:00:00"),
        ("0 30 9 * * *", "2026-12-01T09:30:00"),
        ("0 30 9 * * 1-5", "2026-12-01T09:30:00"),
        ("0 30 9 * Jan Mon", "2027-01-04T09:30:00"),
        ("0 0 0 15 * Mon", "2027-02-15T00:00:00"),
        ("*/15 * * * * *", "2026-11-30T10:01:15"),
        ("*/5 * * * *", "2026-11-30T10:05:00"),
        ("0 0 12 * * 0", "2026-12-06T12:00:00"),
        ("00:00:30", "2026-11-30T10:01:32"),
        ("1.00:00:00", "2026-12-01T10:01:02"),
        ("25:00:00", "2026-12-25T10:01:02"),
        ("0 0 12 * January Sunday", "2027-01-03T12:00:00"),
        ("%WHEN%", "2026-11-30T10:02:00"),
    ],
)
def test_a_timer_runs_next(monkeypatch: pytest.MonkeyPatch, schedule: str, runs: str) -> None:
    monkeypatch.setenv("WHEN", "0 * * * * *")
    assert datetime.fromtimestamp(next_run_s(schedule, AT.timestamp()), UTC).isoformat() == f"{runs}+00:00"


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ("every day", "is not a schedule: it must have six fields"),
        ("0 0 0 L * *", "is not a schedule"),
        ("0 0 12 * * 7", "is not a schedule"),
        ("60 * * * * *", "cannot be read"),
        ("0 0 0 30 2 *", "cannot be read"),
        ("00:00:00", "the interval '00:00:00' is zero"),
        ("00:99:00", "no time as hh:mm:ss"),
        ("99999999999.00:00:00", "too long"),
        ("%NOT_SET%", "the app setting NOT_SET is not set"),
        ("", "is not a schedule"),
    ],
)
def test_a_schedule_that_the_host_refuses_is_refused(schedule: str, words: str) -> None:
    with pytest.raises(ScheduleError, match=words):
        next_run_s(schedule, AT.timestamp())
