"""One trial, a fault against a surface, looked at: what the surface showed, beside what the journal saw."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from mockserver.journal.entry import Entry, Place
from mockserver.verdict.expectations import EXPECTATIONS, Ending, Expectation

#: Words that are the model's own, and mean nothing to whoever asked; and what shows the inside of a program.
_INSIDE = re.compile(
    r"Traceback \(most recent call last\)|\bat [\w.<>]+ \([^)\n]*:\d+:\d+\)|openai\.\w*Error|\bNone\b is not|site-packages|node_modules"
)
#: How much sooner than it was told a client may come back: its clock and ours are not read at the same moment.
_EARLY_S = 0.05


@dataclass(frozen=True, slots=True)
class Shown:
    """What a surface showed: its whole `text`, whether it said that something went wrong, whether it ended, in how many seconds, and whether
    whoever asked left it while the model answered."""

    text: str
    said_failed: bool
    ended: bool
    took_s: float
    left: bool = False


@dataclass(frozen=True, slots=True)
class Trial:
    """A question under a fault: what the model was to answer, what was seen, and what the journal has of it. `secrets` must not be
    shown to anybody; `words` are the service's own about the fault."""

    surface: str
    fault: str
    answer: str
    seen: Shown
    entries: tuple[Entry, ...]
    secrets: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def asked(self) -> tuple[Entry, ...]:
        """What the model was asked, in order."""
        return tuple(entry for entry in self.entries if entry.place is Place.MODEL)

    @property
    def expected(self) -> Expectation:
        """What should happen."""
        return EXPECTATIONS[self.fault]


@dataclass(frozen=True, slots=True)
class Flaw:
    """What a check found wrong, in words."""

    check: str
    words: str


Check = Callable[[Trial], str | None]


def _asks(trial: Trial) -> str | None:
    """It asks the model; one that does not has met nothing, and its failure says nothing."""
    return None if trial.asked or trial.expected.at_site else "it did not ask the model"


def _ends(trial: Trial) -> str | None:
    """It ends within its limit."""
    return None if trial.seen.ended else f"it had not ended after {trial.seen.took_s:.0f} s"


def _no_retry(trial: Trial) -> str | None:
    """Nothing is asked again that another attempt cannot change."""
    if trial.expected.asks_again or len(trial.asked) <= 1:
        return None
    return f"it asked {len(trial.asked)} times, although {trial.fault} does not pass by itself"


def _retry_after(trial: Trial) -> str | None:
    """Whoever is told when to come back does not come before."""
    for before, after in zip(trial.asked, trial.asked[1:], strict=False):
        gap_s, wait_s = after.at_s - before.at_s, trial.expected.retry_after_s
        if before.status == 429 and gap_s < wait_s - _EARLY_S:
            return f"it came back after {gap_s:.2f} s, and was told to wait {wait_s:g} s"
    return None


def _one_turn(trial: Trial) -> str | None:
    """A question is answered once: what has begun to be answered is not asked again."""
    begun = [entry for entry in trial.asked if entry.status == 200 and entry.events_sent > 1]
    if len(begun) > 1:
        return f"{len(begun)} answers had begun to the same question: whoever asked pays for each"
    shown = trial.seen.text.count(trial.answer)
    return f"the answer is shown {shown} times" if shown > 1 else None


def _outcome(trial: Trial) -> str | None:
    """Whoever asked has the answer, or word that there is none."""
    whole, said = _letters(trial.answer) in _letters(trial.seen.text), trial.seen.said_failed
    match trial.expected.outcome:
        case Ending.WHOLE:
            return None if whole and not said else "it failed" if said else "the answer is not there"
        case Ending.WHOLE_OR_SAID:
            return None if whole or said else "there is no answer, and no word that it failed"
        case Ending.SAID:
            return None if said else "no word that it failed"
        case Ending.PARTIAL:
            return None if whole or said else "a part of the answer passes for the whole"
        case Ending.ANY:
            return None


def _keeps(trial: Trial) -> str | None:
    """What had come of an answer stays."""
    if (
        trial.expected.outcome is not Ending.PARTIAL
        or not trial.seen.ended
        or not trial.asked
        or trial.fault == "rate_limited_in_stream"
    ):
        return None
    begun = _letters(trial.answer)[:8]
    return None if begun in _letters(trial.seen.text) else "what had come of the answer is gone"


def _safe_text(trial: Trial) -> str | None:
    """Nobody reads the service's own words about a fault, or the inside of a program."""
    if inside := _INSIDE.search(trial.seen.text):
        return f"it shows the inside of the program: {inside[0]}"
    shown = [words for words in trial.words if words in trial.seen.text]
    return f"it passes on the service's own words: {shown[0][:80]!r}" if shown else None


def _no_secret(trial: Trial) -> str | None:
    """No key, token or address of the model is shown."""
    return "it shows a key or the model's address" if any(each in trial.seen.text for each in trial.secrets) else None


def _cancels(trial: Trial) -> str | None:
    """Who leaves in the middle of an answer lets the model stop."""
    if not trial.seen.left or not trial.asked:
        return None
    end = trial.asked[-1].end
    return None if end == "client left" else f"whoever asked had left, and the model went on to its end ({end})"


CHECKS: dict[str, Check] = {
    "asks the model": _asks,
    "ends in time": _ends,
    "no retry where none helps": _no_retry,
    "waits as told": _retry_after,
    "one question, one answer": _one_turn,
    "answer or word of failure": _outcome,
    "keeps what had come": _keeps,
    "safe words": _safe_text,
    "nothing secret": _no_secret,
    "stops the model": _cancels,
}


def findings(trial: Trial) -> tuple[Flaw, ...]:
    """What is wrong with a trial; nothing where all is well."""
    found = ((name, check(trial)) for name, check in CHECKS.items())
    return tuple(Flaw(name, words) for name, words in found if words is not None)


def _letters(text: str) -> str:
    """A text without what a page or a terminal does to its spaces."""
    return "".join(text.split())
