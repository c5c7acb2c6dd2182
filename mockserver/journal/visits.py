"""Which exchanges belong together."""

from __future__ import annotations

from collections.abc import Sequence

from mockserver.journal.entry import Entry


def visits(ordered: Sequence[Entry]) -> list[list[Entry]]:
    """The entries of each visit, in order: those that share an id."""
    found: list[list[Entry]] = []
    by_id: dict[str, list[Entry]] = {}
    for entry in ordered:
        visit = next((by_id[visit_id] for visit_id in sorted(entry.visit_ids) if visit_id in by_id), None)
        if visit is None:
            visit = []
            found.append(visit)
        visit.append(entry)
        for visit_id in entry.visit_ids:
            by_id.setdefault(visit_id, visit)
    return found
