"""What has come into the journal since somebody last looked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mockserver.journal.entry import Entry, Place
from mockserver.journal.records import Records
from mockserver.matching.call import Call
from mockserver.redaction.exchanges import shown_request
from mockserver.redaction.redaction import clean

#: How many exchanges are told at once; of more, only the newest.
MOST = 500
_MAX_PROMPT = 200


class Changes:
    """The exchanges that began or ended since the last look. Not thread-safe: each who looks has their own."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._seen = self._cleared = 0
        self._open: set[int] = set()

    def next(self) -> tuple[bool, list[Entry]]:
        """Whether the journal was emptied meanwhile, and the exchanges that began or ended, oldest first."""
        cleared = self._records.cleared != self._cleared
        self._cleared = self._records.cleared
        if cleared:
            self._open.clear()
        changed = [entry for entry in self._records.numbered(self._open) if entry.end != "open"]
        self._open -= {entry.number for entry in changed}
        new = self._records.since(self._seen, MOST)
        self._seen = new[-1].number if new else self._seen
        self._open |= {entry.number for entry in new if entry.end == "open"}
        return cleared, [*changed, *new]


def rows(entries: Iterable[Entry], records: Records) -> list[dict[str, Any]]:
    """What a list of exchanges shows of each, as JSON without secrets: `visit` is the number of the first one of its visit."""
    return [_row(entry, records.visit_of(entry)) for entry in entries]


def _row(entry: Entry, visit: int) -> dict[str, Any]:
    prompt = Call(entry.request).prompt if entry.place is Place.MODEL else None
    return {
        "number": entry.number,
        "visit": visit,
        "place": entry.place,
        "at_s": entry.at_s,
        "took_ms": round(entry.took_s * 1000, 1),
        "scope": entry.scope,
        "persona": entry.persona,
        "method": entry.request.method,
        "target": shown_request(entry.request).target,
        "prompt": str(clean(prompt or ""))[:_MAX_PROMPT],
        "rule": clean(entry.rule),
        "decided_by": clean(entry.decided_by),
        "status": entry.status,
        "end": entry.end,
        "attempt": entry.attempt,
        "events": entry.events_sent,
        "failed": entry.failed,
        "miss": entry.miss is not None,
    }
