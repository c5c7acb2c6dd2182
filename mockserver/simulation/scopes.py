"""Scopes: whose request is it? Each scope has its own stubs, scenario, counts and limits.

A request is never answered from another scope than its own.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mockserver.errors import UserError
from mockserver.matching.call import Call
from mockserver.simulation.counts import Counts, OwnCounts
from mockserver.simulation.limits import Limit
from mockserver.simulation.scenarios import Scenarios
from mockserver.simulation.stub import Stub, parse_stub
from mockserver.stored.store import Store

#: Names a request's scope, at the site and at the model; never forwarded to an API.
SCOPE_HEADER = "x-mockserver-scope"
#: Names the scope of all visits of a browser, at the site; one that is not open counts for nothing.
SCOPE_COOKIE = "mockserver-scope"
#: How many request ids and traces are remembered; the oldest are forgotten first.
MAX_VISITS = 10_000
MAX_SCOPES = 10_000


class ScopeError(UserError):
    """A request that cannot be attributed to one scope, or a scope that is not open; says why, and what would help."""


@dataclass(slots=True)
class Scope:
    """What a test, or a persona, is answered by besides what everybody is; `name` is empty for everybody's.

    `scenario` None means everybody's; `chosen` is whether somebody chose it. A `personal` scope answers the visits of its person, and nothing that comes without a
    visit. `store` keeps what clients made.
    """

    name: str = ""
    scenario: str | None = None
    chosen: bool = False
    personal: bool = False
    stubs: tuple[Stub, ...] = ()
    limits: dict[str, Limit] = field(default_factory=dict)
    store: Store = field(default_factory=Store)


class Scopes:
    """Everybody's scope, the ones open beside it, and which request ids and traces belong to which. Thread-safe.

    Whoever reads a scope and then changes it holds `lock` meanwhile. `counts` has what is counted in each scope. `ever_used`
    names all stubs that have answered here, whatever was reset since.
    """

    def __init__(
        self, scenarios: Scenarios, *, scenario: str | None = None, limits: Mapping[str, Limit] | None = None
    ) -> None:
        """Open everybody's scope, with the scenario and limits that `reset` restores.

        Raises:
            ScenarioError: no scenario of that name.
        """
        self.lock = threading.RLock()
        self.everybody = Scope()
        self.counts: Counts = OwnCounts()
        self._reads_again = True
        self.ever_used: set[str] = set()
        self._scenarios = scenarios
        self._initial = (scenario, dict(limits or {}))
        self._open: dict[str, Scope] = {}
        self._said = 0  # so that no two stubs share a name, and with it a count
        self._visits: OrderedDict[str, str] = OrderedDict()  # scope names by request id or trace
        self.choose(scenario)
        self.reset()

    def share(self, counts: Counts) -> None:
        """Be one process of several: with their counts, and with scenario files as they were at the start, as each process would
        find them changed at another moment."""
        with self.lock:
            self.counts, self._reads_again = counts, False

    def reset(self) -> None:
        """Close all scopes, and set everybody's back to how it started."""
        scenario, limits = self._initial
        with self.lock:
            everybody = self.everybody  # the same object: callers may hold it
            everybody.scenario, everybody.limits, everybody.stubs = scenario, dict(limits), ()
            everybody.store.clear()
            self.counts.clear()
            self._open.clear()
            self._visits.clear()
            self._said = 0

    # --- administration: what tests, personas and control routes call ---

    def open(self, scenario: str | None = None, name: str | None = None, *, personal: bool = False) -> Scope:
        """A new scope with a scenario of its own, or the open one of that name.

        Raises:
            ScenarioError: no scenario of that name.
            ScopeError: too many are open.
        """
        if scenario is not None:
            self._scenarios.chosen(scenario)
        with self.lock:
            if len(self._open) >= MAX_SCOPES and name not in self._open:
                raise ScopeError(f"{MAX_SCOPES} scopes are open: close each with its test, or reset")
            name = name or secrets.token_urlsafe(9)
            return self._open.setdefault(name, Scope(name, scenario, personal=personal))

    @property
    def count(self) -> int:
        """How many are open, besides everybody's."""
        with self.lock:
            return len(self._open)

    def get(self, name: str) -> Scope | None:
        """The open scope of that name; None where there is none."""
        with self.lock:
            return self._open.get(name)

    def named(self, name: str) -> Scope:
        """The open scope of that name.

        Raises:
            ScopeError: it does not exist.
        """
        with self.lock:
            if name not in self._open:
                raise ScopeError(
                    f"{SCOPE_HEADER}: no open scope {name!r}; it was closed, or removed by a reset. "
                    "Open one: POST /__admin/scopes, or mock_server.scope() in a test."
                )
            return self._open[name]

    def close(self, name: str) -> None:
        """Close a scope and forget its visits.

        Raises:
            ScopeError: none of that name is open.
        """
        with self.lock:
            del self._open[self.named(name).name]
            self.counts.forget(name)
            for visit_id in [visit_id for visit_id, owner in self._visits.items() if owner == name]:
                del self._visits[visit_id]

    def choose(self, scenario: str | None, scope: Scope | None = None) -> None:
        """Lay a scenario over the cassettes, below what was said, in place of the one before; None removes it.

        Raises:
            ScenarioError: no scenario of that name.
        """
        if scenario is not None:
            self._scenarios.chosen(scenario)
        scope = scope or self.everybody
        scope.scenario, scope.chosen = scenario, scenario is not None

    def say(self, *stubs: Stub, scope: Scope | None = None) -> None:
        """Add stubs: they go before everything loaded, in the order they were said."""
        with self.lock:
            (scope or self.everybody).stubs += stubs

    def say_entries(self, *entries: object, name: str, scope: Scope | None = None) -> tuple[Stub, ...]:
        """Add the stubs that entries of a scenario describe, named `name#1`, `name#2`, … over all scopes since the reset.

        Raises:
            StubError: an entry is wrong; none is added.
        """
        with self.lock:
            stubs = tuple(parse_stub(entry, f"{name}#{number}") for number, entry in enumerate(entries, self._said + 1))
            self._said += len(stubs)
            self.say(*stubs, scope=scope)
            return stubs

    def attribute(self, visit_ids: Iterable[str], name: str) -> None:
        """Let requests with these ids or traces belong to a scope from now on, and to everybody's where `name` is empty and they
        belong to none.

        Raises:
            ScopeError: no such scope, or another one has sent one of the ids.
        """
        with self.lock:
            if name:
                self.named(name)
            for visit_id in visit_ids:
                owner = self._visits.setdefault(visit_id, name)
                if name and owner and owner != name:
                    raise ScopeError(
                        f"cannot attribute: another scope has sent the request id or trace {visit_id} too. "
                        "Give each request an x-request-id and a traceparent of its own, or none."
                    )
                self._visits[visit_id] = owner or name
                self._visits.move_to_end(visit_id)
            while len(self._visits) > MAX_VISITS:
                self._visits.popitem(last=False)

    # --- reading: what the steps of an answer call ---

    def of(self, call: Call) -> Scope:
        """The scope of a request: by its scope header, its request id or trace, else the only open one that is not personal,
        else everybody's.

        Raises:
            ScopeError: several are open and the request names none, or names one that is not open.
        """
        if (name := call.request.header(SCOPE_HEADER)) is not None:
            return self.named(name)
        with self.lock:
            owners = {self._visits[visit_id] for visit_id in call.visit_ids if visit_id in self._visits}
            if len(named := owners - {""}) > 1:
                raise ScopeError(
                    "cannot attribute: its request id belongs to one scope, and its trace to another. "
                    "Send both of the same visit, or one of them."
                )
            if owners:
                return self._open[named.pop()] if named else self.everybody
            shared = [scope for scope in self._open.values() if not scope.personal]
            if len(shared) > 1:
                raise ScopeError(
                    f"cannot attribute: {len(shared)} scopes are open, and the request has neither x-request-id nor "
                    f"traceparent of a visit, nor {SCOPE_HEADER}. Let the API pass one of the first two on to the model, or send "
                    f"the last, or close scopes: DELETE /__admin/scopes/NAME."
                )
            return next(iter(shared), self.everybody)

    def stubs(self, scope: Scope) -> tuple[Stub, ...]:
        """What a scope is answered by before the cassettes: its own stubs, everybody's, its scenario, scenarios that
        always apply."""
        said = scope.stubs if scope is self.everybody else (*scope.stubs, *self.everybody.stubs)
        scenario = scope.scenario or self.everybody.scenario
        chosen = self._scenarios.chosen(scenario) if scenario is not None else ()
        return (*said, *chosen, *self._scenarios.always)

    def has_limits(self, scope: Scope) -> bool:
        """Whether anything is limited."""
        return bool(self.everybody.limits or scope.limits)

    def limit(self, scope: Scope, model: str) -> Limit | None:
        """The limit of a model or deployment; None if it has none."""
        limits = self.everybody.limits | scope.limits
        return limits.get(model, limits.get("*"))

    def has_left(self, scope: Scope, stub: Stub) -> bool:
        """Whether a stub may still answer in a scope, as far as is known here; `take` says whether it may."""
        return stub.times is None or self.counts.has_left(scope.name, stub.name, stub.times)

    def take(self, scope: Scope, stubs: Sequence[Stub]) -> bool:
        """Note that stubs answer now; False, and nothing is noted, where one of them may not any more.

        Raises:
            SharingError: that cannot be told.
        """
        wanted = {stub.name: stub.times for stub in stubs if stub.times is not None}
        if wanted and self.counts.take(scope.name, wanted):
            return False
        self.ever_used.update(stub.name for stub in stubs)
        return True

    def refresh_scenarios(self, scope: Scope) -> None:
        """Read the scenario files of a scope that have changed; their stubs start counting again, everywhere."""
        if not self._reads_again:
            return
        for name in self._scenarios.refresh(scope.scenario or self.everybody.scenario):
            for each in (self.everybody, *self._open.values()):
                self.counts.forget(each.name, f"{name}#")
