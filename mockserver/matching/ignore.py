"""What a project says does not count when requests are compared: `--ignore FIELD[=PATTERN]`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from mockserver.errors import UserError

_MONTH = r"(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]*\.?"
_WEEKDAY = r"(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+"
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
_TIME = r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:\s?[ap]\.?m\b)?(?:\s?(?:Z\b|UTC|GMT|CES?T|[+-]\d{2}:?\d{2}))?"
_DATES = (
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}",  # 2026-11-28
    r"\d{1,2}[-/.]\d{1,2}[-/.]\d{4}",  # 28.11.2026, 11/28/2026
    rf"{_DAY}\.?\s+(?:of\s+)?{_MONTH},?\s+\d{{4}}",  # 28 November 2026
    rf"{_MONTH}\s+{_DAY},?\s+(?:{_TIME}\s+)?\d{{4}}",  # Nov 28, 2026; Nov 28 10:30:00 2026
)
#: As programs and people write a day, with its weekday and the time where they stand there too; a time alone; seconds since 1970.
_DATE = rf"(?i:(?:{_WEEKDAY})?(?<![\d.])(?:{'|'.join(_DATES)})(?:(?:[T ]|,\s|\sat\s)+{_TIME})?|\b{_TIME}|\b1[5-9]\d{{8}}(?:\d{{3}})?\b)"
#: Contents that differ from run to run, by the name they can be ignored under.
VOLATILE = {
    "date": _DATE,
    "uuid": r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}",
    "call-id": r"call_\w+",
}


class IgnoreError(UserError):
    """Something to ignore that cannot be understood; says which and how it is written."""


@dataclass(frozen=True, slots=True)
class Ignore:
    """Something that does not count: a field (`messages[*].name`), or in a field's text whatever fits a pattern."""

    text: str
    field: str
    pattern: re.Pattern[str] | None


def parse_ignore(text: str) -> Ignore:
    """What `FIELD` or `FIELD=PATTERN` says not to count; a pattern is a regular expression or a name of `VOLATILE`.

    Raises:
        IgnoreError: no field, or no regular expression.
    """
    field, equals, pattern = text.partition("=")
    if not re.fullmatch(r"\w+(?:\.\w+|\[(?:\d+|\*)\])*", field):
        raise IgnoreError(f"{text!r}: a field is written messages[*].content, or messages[0].name")
    try:
        compiled = re.compile(VOLATILE.get(pattern, pattern)) if equals else None
    except re.error as error:
        raise IgnoreError(
            f"{text!r}: {pattern!r} is neither {', '.join(VOLATILE)} nor a regular expression: {error}"
        ) from error
    return Ignore(text, field, compiled)


def without_ignored(value: Any, ignores: tuple[Ignore, ...], field: str = "") -> Any:
    """The value, with the ignored fields gone and ignored contents as empty brackets."""
    if not ignores:
        return value
    if isinstance(value, dict):
        inner = {key: f"{field}.{key}" if field else key for key in value}
        return {
            key: without_ignored(each, ignores, inner[key])
            for key, each in value.items()
            if not _gone(inner[key], ignores)
        }
    if isinstance(value, list):
        return [without_ignored(each, ignores, f"{field}[{index}]") for index, each in enumerate(value)]
    if isinstance(value, str):
        for ignore in ignores:
            if ignore.pattern is not None and _fits(ignore.field, field):
                value = ignore.pattern.sub("[]", value)
    return value


def _gone(field: str, ignores: tuple[Ignore, ...]) -> bool:
    return any(ignore.pattern is None and _fits(ignore.field, field) for ignore in ignores)


def _fits(pattern: str, field: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\[\*\]", r"\[\d+\]"), field) is not None
