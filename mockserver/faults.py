"""What can go wrong with an answer: a closed table of pure functions from answer to answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from mockserver.exchange import Answer, End


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault to apply. `after` counts the events that still arrive; None leaves the choice to the fault."""

    kind: str
    after: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in FAULTS:
            raise ValueError(f"unknown fault {self.kind!r}; there are: {', '.join(FAULTS)}")
        if self.after is not None and self.after < 0:
            raise ValueError(f"after: {self.after} is no number of events; 0 or more is")


def apply(fault: Fault, answer: Answer) -> Answer:
    """The answer with the fault in it."""
    return FAULTS[fault.kind](fault, answer)


def _dropped(fault: Fault, answer: Answer) -> Answer:
    """The connection is reset after `after` events; half of them where no number is given."""
    after = len(answer.events) // 2 if fault.after is None else fault.after
    return replace(answer, events=answer.events[:after], end=End.RESET)


FAULTS: dict[str, Callable[[Fault, Answer], Answer]] = {"dropped": _dropped}
