"""What somebody is answered from at this moment: scenario, what was said and is left, limits, what is held, the clock."""

from __future__ import annotations

from typing import Any

from mockserver.clock import SystemClock
from mockserver.redaction.redaction import clean
from mockserver.simulation.counts import OwnCounts
from mockserver.simulation.limits import LimitWindow
from mockserver.simulation.scopes import Scope
from mockserver.simulation.simulation import Simulation
from mockserver.simulation.stub import Stub

_MAX_LETTERS = 80


def state(simulation: Simulation, scope: Scope) -> dict[str, Any]:
    """The state of a scope as JSON, and of what everybody shares; times in seconds of the clock."""
    scopes, clock = simulation.scopes, simulation.clock
    everybody = scopes.everybody
    with scopes.lock:
        said = scope.stubs if scope is everybody else (*scope.stubs, *everybody.stubs)
        counts = scopes.counts
        taken = counts.taken(scope.name) if isinstance(counts, OwnCounts) else {}
        windows = counts.windows(scope.name) if isinstance(counts, OwnCounts) else {}
        limits = everybody.limits | scope.limits
    now_s = clock.now()
    return {
        "scope": scope.name,
        "scenario": scope.scenario or everybody.scenario,
        "said": [_said(stub, taken.get(stub.name, 0)) for stub in said if _has_left(stub, taken.get(stub.name, 0))],
        "limits": [
            {"name": name, **_limit(windows.get(name, LimitWindow(limit)), now_s)}
            for name, limit in ({name: windows[name].limit for name in windows} | limits).items()
        ],
        "holds": [hold.state for hold in simulation.holds.all() if hold.scope in ("", scope.name)],
        "clock": {"now_s": now_s, "frozen": isinstance(clock, SystemClock) and clock.frozen},
        "crashes": simulation.journal.records.crash_count,
    }


def _has_left(stub: Stub, taken: int) -> bool:
    return stub.times is None or taken < stub.times


def _said(stub: Stub, taken: int) -> dict[str, Any]:
    """A stub that was said, in a few words, and how often it answers yet; None for ever."""
    left = None if stub.times is None else stub.times - taken
    return {"name": stub.name, "words": str(clean(stub.words))[:_MAX_LETTERS], "left": left}


def _limit(window: LimitWindow, now_s: float) -> dict[str, Any]:
    """What of a limit is left; None where there is none."""
    requests, tokens = window.left(now_s)
    return {
        "requests": window.limit.requests,
        "requests_left": requests,
        "tokens": window.limit.tokens,
        "tokens_left": tokens,
    }
