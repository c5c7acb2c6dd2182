"""What happens, told while it happens: the events of `GET /__admin/live`."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

from mockserver.errors import UserError
from mockserver.journal.changes import Changes, rows
from mockserver.simulation.scopes import Scope
from mockserver.simulation.simulation import Simulation
from mockserver.simulation.state import state

#: Each has a thread.
MOST_LISTENERS = 16
#: Real seconds between two looks, and after which something is sent where nothing happens, so that it is seen who has left.
_LOOK_S, _QUIET_S = 0.1, 2


class ListenersError(UserError):
    """More listen than may."""


class Live:
    """Tells whoever listens what comes into the journal and what changes in the state of their scope."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._places = threading.BoundedSemaphore(MOST_LISTENERS)

    def events(self, scope: Scope) -> Iterator[str]:
        """Events as text until the server stops or the scope is closed: `exchanges` with new and changed ones, `state` whenever that changes.

        Raises:
            ListenersError: too many listen.
        """
        if not self._places.acquire(blocking=False):
            raise ListenersError(f"{MOST_LISTENERS} consoles are open already: close one")
        return self._told(scope)

    def _told(self, scope: Scope) -> Iterator[str]:
        records, changes = self._simulation.journal.records, Changes(self._simulation.journal.records)
        known: dict[str, Any] = {}
        told_s = 0.0
        try:
            while not records.stopping and (not scope.name or self._simulation.scopes.get(scope.name) is scope):
                cleared, entries = changes.next()
                now = state(self._simulation, scope)
                if cleared or entries or not known:
                    yield _event("exchanges", {"cleared": cleared, "exchanges": rows(entries, records)})
                if _without_time(now) != _without_time(known) or time.monotonic() - told_s > _QUIET_S:
                    yield _event("state", now)
                else:
                    time.sleep(_LOOK_S)
                    continue
                known, told_s = now, time.monotonic()
        finally:
            self._places.release()


def _without_time(told: dict[str, Any]) -> dict[str, Any]:
    """A state without the time of a clock that runs."""
    clock = told.get("clock", {})
    return told | {"clock": clock if clock.get("frozen") else {"frozen": False}} if told else told


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
