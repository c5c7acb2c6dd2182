"""What a control route does to a simulation, as a value that can be sent to another process and done there too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mockserver.clock import SystemClock
from mockserver.errors import UserError
from mockserver.simulation.scopes import Scope
from mockserver.simulation.simulation import Simulation

_LATEST_S = 253_402_300_799 - 366 * 86400  # the end of the last year that dates have, but for what ends later than now


class ActionError(UserError):
    """An action that cannot be understood; says how it is written."""


def perform(simulation: Simulation, kind: str, given: Mapping[str, Any]) -> Any:
    """Do what an action says, by its kind: `asked` is the body of its request. What came of it, as JSON. The same actions in
    the same order have the same results.

    Raises:
        ActionError: something is missing, or has a value that makes no sense.
        ScopeError, ScenarioError: no such scope or scenario.
        StubError: an entry that is said is wrong; none is said.
    """
    return _ACTIONS[kind](simulation, given)


def _reset(simulation: Simulation, given: Mapping[str, Any]) -> None:
    del given
    simulation.reset()


def _open_scope(simulation: Simulation, given: Mapping[str, Any]) -> str:
    asked = given["asked"] or {}
    if not isinstance(asked, dict) or not isinstance(scenario := asked.get("scenario"), str | None):
        raise ActionError('send {"scenario": "NAME"}, or {} for none; and {"personal": true} for one browser')
    if not isinstance(personal := asked.get("personal", False), bool):
        raise ActionError("personal is true or false: whether only visits that name the scope belong to it")
    return simulation.scopes.open(scenario, given["name"], personal=personal).name


def _close_scope(simulation: Simulation, given: Mapping[str, Any]) -> None:
    simulation.close_scope(given["name"])


def _say(simulation: Simulation, given: Mapping[str, Any]) -> list[str]:
    entries, scope = given["asked"], _owner(simulation, given)
    if not isinstance(entries, list):
        raise ActionError("send a JSON list of stubs, as in a scenario file")
    return [stub.name for stub in simulation.scopes.say_entries(*entries, name="said", scope=scope)]


def _choose(simulation: Simulation, given: Mapping[str, Any]) -> str | None:
    asked = given["asked"]
    if not isinstance(asked, dict) or not isinstance(scenario := asked.get("chosen", 0), str | None):
        raise ActionError('send {"chosen": "NAME"}, or null for none')
    simulation.scopes.choose(scenario, _owner(simulation, given))
    return scenario


def _move_clock(simulation: Simulation, given: Mapping[str, Any]) -> dict[str, Any]:
    """Stop the clock or let it go on, move it on."""
    clock, asked = simulation.clock, given["asked"]
    if not isinstance(clock, SystemClock) or not isinstance(asked, dict) or not _is_move(asked, clock):
        raise ActionError('send {"frozen": true}, {"frozen": false} or {"advance_s": 60}')
    if (frozen := asked.get("frozen")) is not None:
        clock.freeze() if frozen else clock.resume()
    clock.advance(asked.get("advance_s", 0))
    return {"now_s": clock.now(), "frozen": clock.frozen}


def _is_move(asked: dict[str, Any], clock: SystemClock) -> bool:
    ahead_s = asked.get("advance_s", 0)
    if not asked or asked.keys() - {"advance_s", "frozen"} or asked.get("frozen") not in (None, True, False):
        return False
    is_number = isinstance(ahead_s, int | float) and not isinstance(ahead_s, bool)
    return is_number and 0 <= ahead_s <= _LATEST_S - clock.now()


def _owner(simulation: Simulation, given: Mapping[str, Any]) -> Scope:
    """The scope an action is about."""
    name = given["scope"]
    return simulation.scopes.named(name) if name else simulation.scopes.everybody


_ACTIONS: dict[str, Callable[[Simulation, Mapping[str, Any]], Any]] = {
    "reset": _reset,
    "open_scope": _open_scope,
    "close_scope": _close_scope,
    "say": _say,
    "choose": _choose,
    "move_clock": _move_clock,
}
