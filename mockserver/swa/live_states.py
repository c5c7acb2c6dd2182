"""States of the page that are open live: each for the browser that opened it, until its session ends or somebody closes it."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, replace
from typing import Protocol

from mockserver.clock import Clock
from mockserver.swa.principal import ClientPrincipal
from mockserver.swa.states import LIVE_S, State

_MOST = 100
#: The claim that says which opening of a state a session belongs to. An API never gets claims.
_CLAIM = "mockserver-scope"


class PersonalScopes(Protocol):
    """The scopes that live states are answered from."""

    def open(self, scenario: str | None = None, name: str | None = None, *, personal: bool = False) -> object:
        """Open a scope of that name with a scenario of its own."""
        ...

    def close(self, name: str) -> None:
        """Close the scope of that name, which is open."""
        ...

    def get(self, name: str) -> object | None:
        """The open scope of that name; None where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class LiveState:
    """A state that a browser has opened, the name of its scope, and when it was opened, in seconds of the clock."""

    state: State
    scope: str
    since_s: float


class LiveStates:
    """The states that are open live, at most a hundred: the oldest ends first. Thread-safe."""

    def __init__(self, scopes: PersonalScopes, clock: Clock, *, backend: str, apart: bool) -> None:
        """`backend` is the one that answers. `apart` is whether each state may have a host of its own."""
        self._scopes, self._clock = scopes, clock
        self.backend, self.apart = backend, apart
        self._lock = threading.Lock()
        self._live: dict[str, LiveState] = {}

    def open(self, state: State, principal: ClientPrincipal) -> ClientPrincipal:
        """The principal with whom a session of this state begins: what it asks is answered by the state's scenario."""
        live = LiveState(state, f"state {state.slug} {secrets.token_urlsafe(9)}", self._clock.now())
        with self._lock:
            self._end_old(_MOST - 1)
            self._scopes.open(state.scenario, live.scope, personal=True)
            self._live[live.scope] = live
        return replace(principal, claims=(*principal.claims, (_CLAIM, live.scope)))

    def all(self) -> tuple[LiveState, ...]:
        """Those that are open, oldest first."""
        with self._lock:
            self._end_old(_MOST)
            return tuple(self._live.values())

    def close(self, scope: str) -> None:
        """End the live state with that scope, if there is one: its session ends too."""
        with self._lock:
            if self._live.pop(scope, None) is not None and self._scopes.get(scope) is not None:
                self._scopes.close(scope)

    def has_ended(self, principal: ClientPrincipal) -> bool:
        """Whether a session was a live state's, and that has ended."""
        return (scope := scope_of(principal)) is not None and scope not in {live.scope for live in self.all()}

    def _end_old(self, most: int) -> None:
        """End those that last too long and those that are too many, and forget those whose scope somebody else has closed."""
        now_s = self._clock.now()
        for number, live in enumerate(reversed(list(self._live.values()))):
            is_open = self._scopes.get(live.scope) is not None
            if number >= most or not is_open or live.since_s + LIVE_S <= now_s:
                del self._live[live.scope]
                if is_open:
                    self._scopes.close(live.scope)


def scope_of(principal: ClientPrincipal | None) -> str | None:
    """The scope of the live state that a session belongs to; None for any other session."""
    return dict(principal.claims).get(_CLAIM) if principal is not None else None
