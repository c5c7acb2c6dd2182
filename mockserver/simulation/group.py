"""The processes that answer as one model endpoint: what changes one changes all, and what they saw is shown together."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, Protocol, Self

from mockserver.journal.query import criteria_from, shown
from mockserver.journal.timeline import timeline
from mockserver.simulation.actions import perform
from mockserver.simulation.counts import ApartCounts, SharingError, not_shared
from mockserver.simulation.simulation import Simulation

#: Says whether a process should be sent requests; open to a balancer on another machine, which has no token.
READY_PATH = "/__admin/ready"


class Group(Protocol):
    """What the control routes ask for; the process is a part of it inside `with`."""

    def __enter__(self) -> object: ...

    def __exit__(self, *_: object) -> None: ...

    @property
    def trouble(self) -> str:
        """Why this process should be sent no requests for now; empty where it should."""
        ...

    def perform(self, kind: str, given: Mapping[str, Any]) -> Any:
        """Do an action in every process, and return once each has done it; what came of it, as JSON.

        Raises:
            SharingError: not every process has done it.
            UserError: as `actions.perform`.
        """
        ...

    def entries(self, asked: Mapping[str, str]) -> list[dict[str, Any]]:
        """What happened in all processes, as JSON; `asked` are criteria.

        Raises:
            JournalError: a criterion that is unknown, or that no exchange can fit.
            SharingError: not every process has told.
        """
        ...

    def verify(self, times: int, within_s: float, asked: Mapping[str, str]) -> None:
        """Check that exactly `times` exchanges fit. Where there are too few, wait for more.

        Raises:
            ExpectationError: there were more or fewer; says what came.
            JournalError, SharingError: as `entries`.
        """
        ...

    def timeline(self, asked: Mapping[str, str]) -> str:
        """A page of what happened.

        Raises:
            JournalError, SharingError: as `entries`.
        """
        ...

    def har(self, asked: Mapping[str, str]) -> dict[str, Any]:
        """What happened as a HAR 1.2 document.

        Raises:
            JournalError, SharingError: as `entries`.
        """
        ...


class Alone(nullcontext[None]):
    """One process."""

    trouble = ""

    def __init__(self, simulation: Simulation) -> None:
        super().__init__()
        self._simulation = simulation

    def perform(self, kind: str, given: Mapping[str, Any]) -> Any:
        """Do it here."""
        return perform(self._simulation, kind, given)

    def entries(self, asked: Mapping[str, str]) -> list[dict[str, Any]]:
        """What happened here."""
        return [shown(entry) for entry in self._simulation.journal.only(**criteria_from(asked))]

    def verify(self, times: int, within_s: float, asked: Mapping[str, str]) -> None:
        """Look at what happened here."""
        self._simulation.journal.verify(times, within_s=within_s, **criteria_from(asked))

    def timeline(self, asked: Mapping[str, str]) -> str:
        """A page of what happened here."""
        return timeline("Since the last reset", list(self._simulation.journal.only(**criteria_from(asked))))

    def har(self, asked: Mapping[str, str]) -> dict[str, Any]:
        """What happened here as HAR."""
        return self._simulation.journal.only(**criteria_from(asked)).har(tls=self._simulation.settings.tls)


class Apart:
    """Several processes that share nothing: each only answers."""

    trouble = ""

    def __init__(self, simulation: Simulation, workers: int) -> None:
        self._simulation, self._workers = simulation, workers

    def __enter__(self) -> Self:
        self._simulation.share(ApartCounts(self._workers), f"process {os.getpid()}")
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def perform(self, kind: str, given: Mapping[str, Any]) -> Any:
        """Raises:
        SharingError: always.
        """
        del kind, given
        raise SharingError(
            f"{self._workers} workers share nothing, so this would change only one of them: use --redis URL, or one worker"
        )

    def entries(self, asked: Mapping[str, str]) -> list[dict[str, Any]]:
        """Raises:
        SharingError: always.
        """
        del asked
        raise not_shared("what the others have answered", self._workers)

    def verify(self, times: int, within_s: float, asked: Mapping[str, str]) -> None:
        """Raises:
        SharingError: always.
        """
        del times, within_s
        self.entries(asked)

    def timeline(self, asked: Mapping[str, str]) -> str:
        """Raises:
        SharingError: always.
        """
        return str(self.entries(asked))

    def har(self, asked: Mapping[str, str]) -> dict[str, Any]:
        """Raises:
        SharingError: always.
        """
        self.entries(asked)
        return {}
