"""What the console prints: one aligned line for each exchange, and the full report of a miss."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence

from mockserver.errors import count_of, printable
from mockserver.exchange import first
from mockserver.journal.entry import Entry
from mockserver.redaction.exchanges import shown_path
from mockserver.redaction.known import known
from mockserver.redaction.redaction import clean
from mockserver.simulation.miss_report import miss_report
from mockserver.swa.routing import Action


def model_line(entry: Entry) -> str:
    """`POST /v1/chat/completions  greeting.yaml#1  200  14 events  1.9 s`."""
    return _line(f"{entry.request.method} {shown_path(entry.request.raw_path)}", *_model_part(entry))


def visit_line(visit: Entry, model_entries: Sequence[Entry]) -> str | None:
    """`alice  POST /api/chat/completions  rule 3 (invited)  greeting.yaml#1  200  14 events  1.9 s`.

    `model_entries` are the exchanges with the model that the visit caused. None for a file that was served.
    """
    status = visit.status or 0
    if visit.decided_by in (Action.FILE, Action.AUTH) and status < 400:
        return None
    parts = [
        f"{visit.persona or 'nobody':<6}",
        f"{visit.request.method} {shown_path(visit.request.raw_path)}",
        visit.rule,
    ]
    end = "" if visit.end == "eof" else visit.end
    if model_entries:
        last = model_entries[-1]
        parts += [last.decided_by or "upstream", str(status), count_of(last.events_sent, "event")]
        if last.end not in ("eof", "open"):
            end = last.end
    else:
        location = first(visit.answer.headers, "location") if visit.answer else None
        parts.append(f"{status}{f' -> {location}' if location else ''}")
    return _line(*parts, end, f"{visit.took_s:.1f} s")


def say(*lines: str) -> None:
    """Print lines about requests, at once. click would ask for each whether this is a terminal."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def miss_text(entry: Entry) -> str | None:
    """The report of a miss; None if the entry is not a miss."""
    return printable(miss_report(entry.miss)) if entry.miss else None


def _model_part(entry: Entry) -> tuple[str, ...]:
    status = str(entry.answer.status) if entry.answer else "-"
    end = "" if entry.end == "eof" else entry.end
    return entry.decided_by, status, count_of(entry.events_sent, "event"), end, f"{entry.took_s:.1f} s"


def _line(*parts: str) -> str:
    secrets = known()
    return "  ".join(_shown(part, secrets) for part in parts if part)


@functools.lru_cache(1000)  # most parts of a line are those of an earlier one
def _shown(part: str, _secrets: tuple[str, ...]) -> str:
    return printable(str(clean(part))).replace("\n", "\\n").replace("\t", "\\t")
