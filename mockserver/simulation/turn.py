"""One call on its way through the steps, and what a step decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mockserver.contract.refusals import Refusal
from mockserver.exchange import BY_MOCK, Answer, json_answer
from mockserver.matching.call import Call
from mockserver.matching.miss import Miss
from mockserver.simulation.cassette_index import CassetteIndex
from mockserver.simulation.limits import LimitVerdict
from mockserver.simulation.scopes import Scope, Scopes
from mockserver.simulation.settings import ModelSettings
from mockserver.simulation.stub import Stub
from mockserver.stored.store import NotStoredError
from mockserver.stored.stored_call import answer_of


@dataclass(slots=True)
class Turn:
    """One call on its way through the steps.

    `verdict` is what the limits made of it, `missing` what it continues and is not there, and `faults` what will go wrong with
    its answer, once a step has found out.
    `decide` gives the outcome of another turn, `earlier_misses` the misses of this run.
    """

    call: Call
    scope: Scope
    at_s: float
    settings: ModelSettings
    index: CassetteIndex
    scopes: Scopes
    decide: Callable[[Turn], Outcome]
    earlier_misses: Callable[[], Iterable[Miss]]
    verdict: LimitVerdict | None = None
    missing: NotStoredError | None = None
    faults: tuple[Stub, ...] = ()

    @property
    def model(self) -> str:
        """The model that answers: the one behind the deployment's name, as declared or as recorded; else the name."""
        name = self.call.model
        return self.settings.deployments.get(name) or self.index.model_behind(name) or name


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step decided. `answer` None leaves it to the upstream.

    A `final` outcome is sent as it is; limit headers and faults apply to the others, and the contract to those `written`
    here rather than recorded.
    """

    answer: Answer | None
    miss: Miss | None = None
    final: bool = False
    written: bool = False


Step = Callable[[Turn], Outcome | None]


def refused(refusal: Refusal) -> Outcome:
    """A refusal as the outcome: it is sent as it is."""
    return Outcome(answer_of(refusal), final=True)


def mock_error(kind: str, message: str, **details: object) -> Answer:
    """An error of the mock's own, in the backends' envelope; a 404, because clients retry 409, 429 and 5xx."""
    error = {"message": message, "type": kind, "param": None, "code": kind, **details}
    decided_by = kind.removeprefix("mockserver_")
    return json_answer(404, {"error": error}, headers=((BY_MOCK, "error"),), decided_by=decided_by)


def fitting(turn: Turn) -> list[Stub]:
    """The stubs that mean this request and may still answer."""
    with turn.scopes.lock:
        turn.scopes.refresh_scenarios(turn.scope)
        stubs = turn.scopes.stubs(turn.scope)
        return [
            stub
            for stub in stubs
            if not (stub.fault is not None and stub.fault.at_site)
            and turn.scopes.has_left(turn.scope, stub)
            and stub.criteria.fits(turn.call)
        ]
