"""The journal over the wire: criteria from a query, and an entry as JSON without secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from mockserver.exchange import shortened, whole_number
from mockserver.journal.criteria import JournalCriteria, JournalError
from mockserver.journal.entry import Entry
from mockserver.matching.call import Call
from mockserver.redaction.exchanges import shown_request
from mockserver.redaction.redaction import clean

_TRUTH = {"true": True, "false": False}
_NUMBERS = {"status", "events_sent", "attempt", "number", "after", "turn"}


def criteria_from(given: Mapping[str, str]) -> JournalCriteria:
    """What to look up: numbers as such, `500-599` as a range.

    Raises:
        JournalError: not a number, or not true or false, where one is needed.
    """
    criteria: dict[str, Any] = dict(given)
    if "images" in criteria:
        criteria["images"] = _TRUTH.get(criteria["images"], criteria["images"])  # anything else is refused as it is
    for name in _NUMBERS & criteria.keys():
        low, dash, high = criteria[name].partition("-")
        first, last = whole_number(low), whole_number(high if dash else low)
        if first is None or last is None:
            raise JournalError(f"{name} must be a number or a range as 500-599, got {criteria[name]!r}")
        criteria[name] = range(first, last + 1) if dash else first
    return cast(JournalCriteria, criteria)


def shown(entry: Entry) -> dict[str, Any]:
    """An entry as JSON, with short forms of the images in its request."""
    body = entry.request.body.decode("utf-8", "replace")
    return {
        "number": entry.number,
        "place": entry.place,
        "scope": entry.scope,
        "persona": entry.persona,
        "rule": entry.rule,
        "attempt": entry.attempt,
        "ids": sorted(entry.visit_ids),
        "method": entry.request.method,
        "target": shown_request(entry.request).target,
        "body": clean(shortened(Call(entry.request).body) or body),
        "status": entry.answer.status if entry.answer else None,
        "decided_by": clean(entry.decided_by),
        "end": entry.end,
        "events_sent": entry.events_sent,
        "took_ms": round(entry.took_s * 1000),
    }
