"""Every fault against every surface, one after another: the question, what was seen, and what the journal has of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.journal.entry import Entry, Place
from mockserver.journal.records import Records
from mockserver.verdict.checks import Trial
from mockserver.verdict.expectations import DETAILS, EXPECTATIONS, LEAVES
from mockserver.verdict.surfaces import Surface

#: No word of the answer stands in the question, and none twice.
QUESTION = "Which bird nests on the cliff?"
ANSWER = "Kittiwakes breed there in thousands; gannets, razorbills, guillemots join them every single spring, loudly."
_SETTLES_S = 5
#: Shorter ones are words that anybody may use.
_FEWEST_LETTERS = 20


def trials(
    model: ModelEndpoint, surfaces: Sequence[Surface], faults: Iterable[str], *, limit_s: float, path: str
) -> Iterator[Trial]:
    """A trial of each fault at each surface that can meet it; `path` is where the API is asked, for faults of the site."""
    for fault in faults:
        for surface in surfaces:
            if EXPECTATIONS[fault].at_site and not surface.passes_site:
                continue
            yield _trial(model, surface, fault, limit_s, path)


@dataclass(frozen=True, slots=True)
class _Answering:
    """What the model does, as its journal has it."""

    records: Records

    def begins(self, within_s: float) -> bool:
        """Wait until it answers; whether it does."""
        return bool(self.records.wait(self.goes_on, within_s))

    def goes_on(self) -> bool:
        """Whether it answers at this moment."""
        return any(entry.place is Place.MODEL and entry.end == "open" for entry in self.records.entries())


def _trial(model: ModelEndpoint, surface: Surface, fault: str, limit_s: float, path: str) -> Trial:
    simulation = model.simulation
    simulation.reset()
    entries = _says(fault, path)
    simulation.scopes.say_entries(*entries, name="verdict")
    records = simulation.journal.records
    seen = surface.ask(QUESTION, limit_s, leaves=_Answering(records) if fault == LEAVES else None)
    records.wait(lambda: all(entry.end != "open" for entry in records.entries()), _SETTLES_S)
    happened = tuple(records.entries())
    return Trial(
        surface.name,
        fault,
        ANSWER,
        seen,
        happened,
        secrets=(model.api_key, model.url.partition("//")[2]),
        words=tuple(_own_words(happened)),
    )


def _says(fault: str, path: str) -> list[dict[str, object]]:
    """What the model says, and what goes wrong with it."""
    if fault == LEAVES:
        return [{"say": ANSWER, "pace": {"each_ms": 400}}]
    broken: dict[str, object] = {"fault": fault, **DETAILS.get(fault, {})}
    if EXPECTATIONS[fault].at_site:
        return [{**broken, "when": {"path": path}}, {"say": ANSWER}]
    return [broken, {"say": ANSWER, "pace": {"each_ms": 15}}]


def _own_words(entries: Iterable[Entry]) -> Iterator[str]:
    """What the service itself said of a fault."""
    for entry in entries:
        if entry.place is not Place.MODEL or entry.answer is None or (entry.status or 0) < 400:
            continue
        try:
            body = json.loads(entry.answer.body)
        except ValueError:
            continue
        error = body.get("error", body) if isinstance(body, dict) else {}
        message = error.get("message") if isinstance(error, dict) else None
        if isinstance(message, str) and len(message) >= _FEWEST_LETTERS:
            yield message
