"""Whether a stream reached the end of a chain as it was sent: what left the model, joined with what left each place after it."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise

from mockserver.errors import count_of
from mockserver.journal.entry import Entry

#: Fewer events, or all of them within this time, look the same whether they were held back or not.
_FEWEST, _SHORTEST_MS = 4, 50


def cannot_tell(model: Entry) -> str:
    """Why a model's answer says nothing about what held it back; empty where it does."""
    took_ms = model.sent_ms[-1] - model.sent_ms[0] if model.sent_ms else 0
    if model.events_sent >= _FEWEST and took_ms >= _SHORTEST_MS:
        return ""
    what = f"{count_of(model.events_sent, 'event')} within {took_ms:.0f} ms"
    return f'{model} sent {what}: give it a pace, as say("…", pace={{"each_ms": 20}})'


def held_back(model: Entry, place: Entry) -> tuple[float, str]:
    """The largest share of a model's events that left it while nothing left another place of the visit, and that in words."""
    if not model.sent_ms:
        return 0, ""
    emitted = [model.at_s + ms / 1000 for ms in model.sent_ms]
    # What was passed on in one piece has no moments of its own but its end.
    arrived = [place.at_s + ms / 1000 for ms in place.sent_ms or (place.took_s * 1000,)]
    # How many had left the model when something left the place: between two of those, all the others waited.
    known = [0, *(bisect_right(emitted, moment_s) for moment_s in arrived), len(emitted)]
    waited, at = max((later - before, before) for before, later in pairwise(known))
    share = waited / len(emitted)
    last_s = emitted[min(at + waited, len(emitted)) - 1]
    words = (
        f"{place.place} passed nothing on while the model sent {waited} of {len(emitted)} events "
        f"(from event {at + 1}, {(last_s - emitted[at]) * 1000:.0f} ms)"
    )
    return share, words
