"""The model endpoint as one function: a request goes in, the answer it gets comes out, and the journal knows why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from mockserver.answers.latency import Latency
from mockserver.clock import Clock, SystemClock
from mockserver.exchange import Request
from mockserver.journal.entry import Entry
from mockserver.journal.journal import Journal
from mockserver.matching.call import Call, Calls
from mockserver.matching.miss import Miss
from mockserver.simulation.cassette_index import CassetteIndex
from mockserver.simulation.counts import Counts, SharingError
from mockserver.simulation.fault import Fault
from mockserver.simulation.holds import Hold, Holds
from mockserver.simulation.limits import Limit
from mockserver.simulation.refusal_steps import check_key, check_operation
from mockserver.simulation.scopes import ScopeError, Scopes
from mockserver.simulation.settings import ModelSettings, OnMiss
from mockserver.simulation.steps import decide
from mockserver.simulation.turn import Turn, mock_error


class Simulation:
    """What is loaded, what tests have said, the clock and the journal of one model endpoint. Thread-safe."""

    def __init__(
        self,
        index: CassetteIndex | None = None,
        *,
        on_miss: OnMiss = OnMiss.ERROR,
        api_key: str | None = None,
        deployments: Mapping[str, str] | None = None,
        latency: Latency | None = None,
        limits: Mapping[str, Limit] | None = None,
        scenario: str | None = None,
        clock: Clock | None = None,
        other_upstreams: tuple[str, ...] = (),
        pass_token: bool = False,
        lenient: frozenset[str] = frozenset(),
        tls: bool = False,
    ) -> None:
        """Answer from an index of cassettes, an empty one where it is None.

        Raises:
            ScenarioError: no scenario of that name.
        """
        self.index = CassetteIndex() if index is None else index
        self.settings = ModelSettings(
            on_miss, api_key, dict(deployments or {}), latency or Latency(), other_upstreams, pass_token, lenient, tls
        )
        self.clock = clock or SystemClock()
        self.journal = Journal()
        self._calls = Calls()
        self.holds = Holds()
        self.scopes = Scopes(self.index.scenarios, scenario=scenario, limits=limits)

    def answer(self, request: Request) -> Entry:
        """The journal's entry for the request, with the answer to play.

        The entry has no answer where no stub fits and `on_miss` is record: the upstream is to be asked.
        """
        call, at_s = self._calls.call(request, self.index.ignores), self.clock.now()
        try:
            scope = self.scopes.of(call)
        except ScopeError as error:
            reason = str(error)
            refusal = mock_error("mockserver_cannot_attribute", reason)
            return self.journal.records.open(at_s, call, refusal, Miss(call, reason=reason))
        turn = Turn(call, scope, at_s, self.settings, self.index, self.scopes, decide, self._misses)
        try:
            outcome = decide(turn)
        except SharingError as error:
            reason = str(error)
            refusal = mock_error("mockserver_not_shared", reason)
            return self.journal.records.open(at_s, call, refusal, Miss(call, reason=reason), scope=scope.name)
        entry = self.journal.records.open(at_s, call, outcome.answer, outcome.miss, scope=scope.name)
        self._calls.keep(call)
        return entry

    def hold_of(self, entry: Entry) -> tuple[Hold, Call] | None:
        """What holds the answer of an entry, with its call; None where nobody does."""
        if not self.holds.waiting:
            return None
        call = self._calls.call(entry.request, self.index.ignores)
        hold = self.holds.take(call, entry.scope)
        return None if hold is None else (hold, call)

    def close_scope(self, name: str) -> None:
        """Close a scope, and let go on what is held in it.

        Raises:
            ScopeError: none of that name is open.
        """
        self.scopes.close(name)
        self.holds.release(name)

    def refusal_of_handshake(self, handshake: Request) -> Entry | None:
        """The journal's entry for a WebSocket that is not accepted: for its path or its key; None where it is."""
        call, at_s = Call(handshake, self.index.ignores), self.clock.now()
        turn = Turn(call, self.scopes.everybody, at_s, self.settings, self.index, self.scopes, decide, self._misses)
        outcome = check_key(turn) or check_operation(turn)
        if outcome is None:
            return None
        return self.journal.records.open(at_s, call, outcome.answer, outcome.miss)

    def site_fault(self, call: Call) -> Fault | None:
        """What goes wrong with a visit at the gate or the host; None for nothing.

        Raises:
            ScopeError: its scope cannot be told.
        """
        with self.scopes.lock:
            scope = self.scopes.of(call)
            self.scopes.refresh_scenarios(scope)
            for stub in self.scopes.stubs(scope):
                at_site = stub.fault is not None and stub.fault.at_site
                if (
                    at_site
                    and self.scopes.has_left(scope, stub)
                    and stub.criteria.fits(call)
                    and self.scopes.take(scope, (stub,))
                ):
                    return stub.fault
        return None

    @contextmanager
    def answering_from(self, index: CassetteIndex, *, on_miss: OnMiss) -> Iterator[None]:
        """Answer from other recordings meanwhile; scenarios stay."""
        before = self.index, self.settings
        self.index, self.settings = index, replace(self.settings, on_miss=on_miss)
        try:
            yield
        finally:
            self.index, self.settings = before

    def share(self, counts: Counts, worker: str) -> None:
        """Be one process of several, with their counts, and a name that makes ids differ from theirs."""
        self.scopes.share(counts)
        self.settings = replace(self.settings, worker=worker)

    def reset(self) -> None:
        """Forget what was said, how often stubs answered, what counts towards limits, every scope, the journal, and requests; let
        go on what is held."""
        self.holds.release()
        self.scopes.reset()
        self.journal.clear()
        self._calls.clear()

    def _misses(self) -> Iterator[Miss]:
        return (entry.miss for entry in self.journal.misses() if entry.miss is not None)
