"""What the console says: one line an exchange, aligned, and the whole explanation of a miss."""

from __future__ import annotations

from collections.abc import Sequence

from mockserver.exchange import first
from mockserver.journal.entry import Entry
from mockserver.simulation.miss_report import miss_report
from mockserver.swa.routing import Action


def model_line(entry: Entry) -> str:
    """`POST /v1/chat/completions  greeting.yaml#1  200  14 events  1.9 s`."""
    request = entry.request
    return _line(f"{request.method} {request.raw_path}", *_model_part(entry))


def visit_line(visit: Entry, asked: Sequence[Entry]) -> str | None:
    """`alice  POST /api/chat/completions  rule 3 (invited)  greeting.yaml#1  200  14 events  1.9 s`.

    `asked` are the model exchanges the visit led to. None for a file that was simply served.
    """
    status = visit.status or 0
    if visit.decided_by in (Action.FILE, Action.AUTH) and status < 400:
        return None
    parts = [f"{visit.persona or 'nobody':<6}", f"{visit.request.method} {visit.request.raw_path}", visit.rule]
    if asked:
        last = asked[-1]
        parts += [last.decided_by or "upstream", str(status), _events(last.events_sent)]
    else:
        leads = first(visit.answer.headers, "location") if visit.answer else None
        parts.append(f"{status}{f' -> {leads}' if leads else ''}")
    end = "" if visit.end == "eof" else visit.end
    if asked and asked[-1].end not in ("eof", "open"):
        end = asked[-1].end
    return _line(*parts, end, f"{visit.took_s:.1f} s")


def miss_text(entry: Entry) -> str | None:
    """The explanation of a miss, None where the entry is none."""
    return miss_report(entry.miss) if entry.miss else None


def _model_part(entry: Entry) -> tuple[str, ...]:
    status = str(entry.answer.status) if entry.answer else "-"
    end = "" if entry.end == "eof" else entry.end
    return entry.decided_by, status, _events(entry.events_sent), end, f"{entry.took_s:.1f} s"


def _events(count: int) -> str:
    return f"{count} event{'s' * (count != 1)}"


def _line(*parts: str) -> str:
    return "  ".join(part for part in parts if part)
