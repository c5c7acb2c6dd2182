"""The journal as one HTML page: every visit, from the gate through the Functions host to the model, event by event."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mockserver.journal.contents import Contents, contents
from mockserver.journal.entry import Entry, Place
from mockserver.matching.call import Call
from mockserver.redaction.exchanges import shown_answer, shown_request
from mockserver.redaction.redaction import clean
from mockserver.swa.routing import Action

_MAX_TICKS = 300
_MAX_PROMPT = 200
_SCRIPT = Path(__file__).with_name("timeline.js").read_text(encoding="utf-8")
#: The page's policy lets this script run and no other.
_SCRIPT_HASH = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()


@dataclass(frozen=True, slots=True)
class TimelineBar:
    """One exchange as it is drawn: where it begins and how wide it is, in percent of the whole time, with a tick for each event."""

    entry: Entry
    left: float
    width: float
    ticks: tuple[float, ...]
    contents: Contents


@dataclass(frozen=True, slots=True)
class TimelineVisit:
    """The exchanges of one visit, and what was asked in it; empty where the model was not asked."""

    bars: tuple[TimelineBar, ...]
    prompt: str

    @property
    def failed(self) -> bool:
        """Whether something went wrong in it."""
        return any(bar.entry.failed for bar in self.bars)


def timeline(title: str, entries: Sequence[Entry]) -> str:
    """A page that needs no other file, without secrets. The exchanges of one visit are grouped: first those that asked the model,
    then other requests, then files and sign-ins."""
    ordered = sorted(entries, key=lambda entry: (entry.at_s, entry.number))
    began_s = ordered[0].at_s if ordered else 0.0
    whole_s = max((entry.at_s + entry.took_s - began_s for entry in ordered), default=0.0) or 0.001
    parts: dict[str, list[TimelineVisit]] = {"Chats": [], "Other requests": [], "Files and sign-ins": []}
    for visit in visits_of(ordered):
        bars = tuple(_bar(entry, began_s, whole_s) for entry in visit)
        parts[_part(visit)].append(TimelineVisit(bars, _prompt(visit)))
    folder = Path(__file__).parent
    pages = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)
    page = pages.get_template("timeline.html").render(
        title=title, parts=parts, whole_s=whole_s, script=_SCRIPT, script_hash=_SCRIPT_HASH
    )
    return page.encode(
        "utf-8", "backslashreplace"
    ).decode()  # JSON can spell half of a surrogate pair, and no page hold it


def write_timeline(root: Path, title: str, entries: Sequence[Entry]) -> Path:
    """Write the page of a test below the project's folder, and return its path from there.

    Raises:
        OSError: it cannot be written.
    """
    name = re.sub(r"[^\w.-]+", "-", title.rpartition("/")[2]).strip("-")[:150]
    path = Path("test-results", f"{name}.html")
    page = timeline(title, entries)
    (root / path).parent.mkdir(exist_ok=True)
    (root / path).write_text(page, encoding="utf-8")
    return path


def visits_of(ordered: Sequence[Entry]) -> list[list[Entry]]:
    """The entries of each visit, in order: those that share an id."""
    visits: list[list[Entry]] = []
    by_id: dict[str, list[Entry]] = {}
    for entry in ordered:
        visit = next((by_id[visit_id] for visit_id in sorted(entry.visit_ids) if visit_id in by_id), None)
        if visit is None:
            visit = []
            visits.append(visit)
        visit.append(entry)
        for visit_id in entry.visit_ids:
            by_id.setdefault(visit_id, visit)
    return visits


def _part(visit: Sequence[Entry]) -> str:
    """The part of the page in which a visit is: what was served as it should be is not what one looks for."""
    if any(entry.place is Place.MODEL for entry in visit):
        return "Chats"
    served = all(entry.decided_by in (Action.FILE, Action.AUTH) and (entry.status or 0) < 400 for entry in visit)
    return "Files and sign-ins" if served else "Other requests"


def _prompt(visit: Sequence[Entry]) -> str:
    """What the model was asked last, without secrets."""
    asked = [entry for entry in visit if entry.place is Place.MODEL]
    prompt = Call(asked[-1].request).prompt if asked else None
    return str(clean(prompt or ""))[:_MAX_PROMPT]


def _bar(entry: Entry, began_s: float, whole_s: float) -> TimelineBar:
    left = (entry.at_s - began_s) / whole_s * 100
    ticks = tuple(ms / 10 / whole_s for ms in entry.sent_ms[:: max(1, len(entry.sent_ms) // _MAX_TICKS)])
    answer = shown_answer(entry.answer) if entry.answer else None
    shown = replace(entry, request=shown_request(entry.request), answer=answer)
    return TimelineBar(shown, left, max(entry.took_s / whole_s * 100, 0.3), ticks, contents(entry))
