"""When a timer's function runs next: NCRONTAB, as the Functions host reads it."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime

#: An interval in place of a schedule: `[d.]hh:mm:ss`. Source: .NET's TimeSpan, which the timer trigger takes too.
_INTERVAL = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2})")
#: NCrontab has no L, W or #, and its days of the week are 0 to 6, or names.
_FIELD = re.compile(r"(?:\d+|\*|[A-Za-z]{3,9})(?:[-/,](?:\d+|\*|[A-Za-z]{3,9}))*")
_NAME = re.compile(r"[A-Za-z]+")
_SETTING = re.compile(r"%([^%]+)%")


class ScheduleError(ValueError):
    """A schedule that the host refuses; says why."""


def next_run_s(schedule: str, after_s: float) -> float:
    """The first moment after another at which a timer runs, both in seconds since the epoch; schedules are in UTC.

    `schedule` has six fields, seconds first, or five without seconds; or it is an interval. `%NAME%` is an app setting.
    Source: NCrontab, which asks for the day of the month and the day of the week both; Microsoft Learn, timer trigger.

    Raises:
        ScheduleError: it cannot be read, or never comes.
    """
    from croniter import croniter

    text = resolved(schedule)
    if interval := _INTERVAL.fullmatch(text):
        return after_s + _length_s(text, *(int(part or 0) for part in interval.groups()))
    fields = text.split()
    if (
        len(fields) not in (5, 6)
        or not all(map(_FIELD.fullmatch, fields))
        or "7" in re.findall(r"(?<!/)\d+", fields[-1])
    ):
        raise ScheduleError(
            f"{text!r} is not a schedule: it must have six fields, {{second}} {{minute}} {{hour}} {{day}} {{month}} {{weekday}}, or be as 00:05:00"
        )
    try:
        runs = croniter(
            _NAME.sub(lambda name: name[0][:3], text),
            datetime.fromtimestamp(after_s, UTC),
            second_at_beginning=True,
            day_or=False,
        )
        return float(runs.get_next(float))
    except (ValueError, KeyError, OverflowError) as error:  # its own errors are ValueErrors
        raise ScheduleError(f"{text!r} cannot be read: {error}") from error


def _length_s(text: str, days: int, hours: int, minutes: int, seconds: int) -> float:
    """The seconds of an interval. Source: TimeSpan.Parse, which reads 24 hours and more as days."""
    if hours >= 24 and not days:
        days, hours, minutes, seconds = hours, minutes, seconds, 0
    length = days * 86400 + hours * 3600 + minutes * 60 + seconds
    if hours > 23 or minutes > 59 or seconds > 59 or not 0 < length < 1e10:
        raise ScheduleError(f"the interval {text!r} is zero, too long, or no time as hh:mm:ss")
    return length


def resolved(schedule: str) -> str:
    """A schedule with the app settings that it names as `%NAME%`.

    Raises:
        ScheduleError: one is not set.
    """
    return _SETTING.sub(lambda match: _setting(match[1]), schedule).strip()


def _setting(name: str) -> str:
    if name not in os.environ:
        raise ScheduleError(f"the app setting {name} is not set")
    return os.environ[name]
