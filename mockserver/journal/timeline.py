"""The journal as one HTML page: every visit, from the gate through the Functions host to the model, event by event."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mockserver.exchange import Headers, shortened
from mockserver.journal.entry import Entry
from mockserver.redaction.exchanges import shown_answer, shown_request
from mockserver.redaction.redaction import clean
from mockserver.wire.play import schedule

_MAX_BYTES = 20_000
_MAX_TICKS = 300


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """One event as it is shown: when it was sent, None if never; when it was due; and its text."""

    sent_ms: float | None
    due_ms: float
    text: str


@dataclass(frozen=True, slots=True)
class TimelineBar:
    """One exchange as it is drawn: where it begins and how wide it is, in percent of the whole time, with a tick for each event."""

    entry: Entry
    left: float
    width: float
    ticks: tuple[float, ...]
    request_body: str
    events: tuple[TimelineEvent, ...]
    request_headers: Headers
    answer_headers: Headers


def timeline(title: str, entries: Sequence[Entry]) -> str:
    """A page that needs no other file, without secrets. The exchanges of one visit are grouped."""
    ordered = sorted(entries, key=lambda entry: (entry.at_s, entry.number))
    began_s = ordered[0].at_s if ordered else 0.0
    whole_s = max((entry.at_s + entry.took_s - began_s for entry in ordered), default=0.0) or 0.001
    visits: list[list[Entry]] = []
    for entry in ordered:
        joined = (visit for visit in visits if any(entry.visit_ids & other.visit_ids for other in visit))
        if (visit := next(joined, None)) is not None:
            visit.append(entry)
        else:
            visits.append([entry])
    bars = [[_bar(entry, began_s, whole_s) for entry in visit] for visit in visits]
    folder = Path(__file__).parent
    pages = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)
    page = pages.get_template("timeline.html").render(title=title, visits=bars, whole_s=whole_s)
    return page.encode(
        "utf-8", "backslashreplace"
    ).decode()  # JSON can spell half of a surrogate pair, and no page hold it


def _bar(entry: Entry, began_s: float, whole_s: float) -> TimelineBar:
    left = (entry.at_s - began_s) / whole_s * 100
    answer, request = shown_answer(entry.answer) if entry.answer else None, shown_request(entry.request)
    entry = replace(entry, request=request, answer=answer)
    due = list(schedule(answer)) if answer else []
    sent: list[float | None] = [*entry.sent_ms, *([None] * max(0, len(due) - len(entry.sent_ms)))]
    left_bytes, events = _MAX_BYTES, []
    for (due_s, data), sent_ms in zip(due, sent, strict=False):
        events.append(TimelineEvent(sent_ms, due_s * 1000, _text(data[:left_bytes])))
        left_bytes -= min(left_bytes, len(data))
    ticks = tuple(ms / 10 / whole_s for ms in entry.sent_ms[:: max(1, len(entry.sent_ms) // _MAX_TICKS)])
    return TimelineBar(
        entry,
        left,
        max(entry.took_s / whole_s * 100, 0.3),
        ticks,
        _text(request.body)[:_MAX_BYTES],
        tuple(events),
        request.headers,
        answer.headers if answer else (),
    )


def _text(data: bytes) -> str:
    """The data as text, indented if it is JSON, without secrets."""
    text = data.decode("utf-8", "replace")
    try:
        return json.dumps(clean(shortened(json.loads(text))), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return str(clean(text))
