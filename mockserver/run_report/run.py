"""One run of pytest as its report sees it: how each test ended, and what each did, merged from all workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mockserver.run_report.facts import Facts, facts_from_json

#: Of how many tests a process keeps the facts: a few MB.
MAX_TESTS = 5_000
#: How tests end, the worst first; a later phase cannot make an earlier one better.
OUTCOMES = ("failed", "error", "xpassed", "passed", "xfailed", "skipped")


@dataclass(slots=True)
class Ended:
    """How a test ended, one of `OUTCOMES`, and the seconds of its phases together."""

    outcome: str = "passed"
    took_s: float = 0.0


@dataclass(slots=True)
class Run:
    """How tests ended, by their ids, and what each did that used the mock.

    `left_out` counts the tests whose facts were too many to keep; `silent` names the workers that ended without handing over theirs.
    """

    ended: dict[str, Ended] = field(default_factory=dict)
    facts: dict[str, Facts] = field(default_factory=dict)
    left_out: int = 0
    silent: list[str] = field(default_factory=list)

    def phase(self, test: str, when: str, outcome: str, took_s: float, *, xfail: bool = False) -> None:
        """Note how a phase of a test ended: `when` is setup, call or teardown, `outcome` passed, failed or skipped."""
        ended = self.ended.get(test)
        if ended is None or when == "setup":  # where a test is run again, the last time counts
            ended = self.ended[test] = Ended()
        ended.took_s += took_s
        if outcome == "failed":
            outcome = "failed" if when == "call" else "error"
        elif xfail:
            outcome = "xpassed" if outcome == "passed" else "xfailed"
        if when == "call" or outcome in ("error", "skipped", "xfailed"):
            ended.outcome = outcome if when == "call" else _worse(outcome, ended.outcome)

    def add(self, test: str, facts: Facts) -> None:
        """Keep what a test did, within the bound."""
        if len(self.facts) < MAX_TESTS or test in self.facts:
            self.facts[test] = facts
        else:
            self.left_out += 1

    def as_json(self) -> dict[str, Any]:
        """What a worker of pytest-xdist hands over; how tests ended, the main process is told by pytest."""
        return {"facts": {test: facts.as_json() for test, facts in self.facts.items()}, "left_out": self.left_out}

    def take(self, worker: str, handed_over: Mapping[str, Any] | None) -> None:
        """Merge what a worker hands over; None where it ended without."""
        if handed_over is None:
            self.silent.append(worker)
            return
        self.facts |= {test: facts_from_json(facts) for test, facts in handed_over["facts"].items()}
        self.left_out += handed_over["left_out"]


def _worse(one: str, other: str) -> str:
    """Of two phases' outcomes the test's own."""
    return one if other == "passed" or OUTCOMES.index(one) < OUTCOMES.index(other) else other


@dataclass(frozen=True, slots=True)
class RunSource:
    """What a run's report is made from besides the run: the project's folder and its cassettes, the names of the stubs that
    answered, each with the whole path of its file, and why it was no run of all tests; empty if it was."""

    root: Path
    cassettes: Sequence[Path] = ()
    used: Sequence[str] = ()
    partial: str = ""
