"""The model endpoint as one function: a request goes in, the answer it gets comes out, and the journal knows why."""

from __future__ import annotations

import hmac
import math
import threading
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum

from contracts import errors
from contracts.errors import Refusal
from contracts.limits import rate_limited
from contracts.operations import Address, Backend, address_of
from contracts.violations import request_violations
from mockserver import faults, matching, tokens
from mockserver.clock import Clock, SystemClock
from mockserver.exchange import BY_MOCK, Answer, Event, Request, json_answer
from mockserver.explain import explain, same_reason
from mockserver.faults import SITE_FAULTS, Fault
from mockserver.generate import generate
from mockserver.journal import Entry, Journal
from mockserver.judge import violations
from mockserver.latency import Latency
from mockserver.library import Library
from mockserver.limits import Admission, Limit, Window
from mockserver.matching import Miss
from mockserver.question import Question, question_of
from mockserver.redact import clean
from mockserver.say import SAYABLE, Said, expand
from mockserver.scopes import Scope, ScopeError, Scopes
from mockserver.stub import Stub
from mockserver.when import ids

#: Said while recording to whoever does not know this run's token.
_NOT_YOURS = Refusal(
    401,
    (("content-type", "application/json"), (BY_MOCK, "error")),
    b'{"error":{"message":"This port records from a real endpoint, with a real key. Send this run\'s token as your API '
    b'key; it is in the file that was named at the start.","type":"mockserver_token","param":null,"code":"mockserver_token"}}',
    "not this run's token",
)


class OnMiss(StrEnum):
    """What to do with a request no stub fits."""

    ERROR = "error"
    GENERATE = "generate"
    RECORD = "record"


class Simulation:
    """The stubs, the clock and the journal of one model endpoint. Safe to use from any thread."""

    def __init__(
        self,
        library: Library | None = None,
        *,
        on_miss: OnMiss = OnMiss.ERROR,
        api_key: str | None = None,
        deployments: Mapping[str, str] | None = None,
        latency: Latency | None = None,
        limits: Mapping[str, Limit] | None = None,
        scenario: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.library = Library() if library is None else library
        self.deployments = dict(deployments or {})
        self.on_miss = on_miss
        self.latency = latency or Latency()
        self.clock = clock or SystemClock()
        self.journal = Journal()
        self._api_key = api_key
        self._scopes = Scopes(scenario=scenario, limits=limits)
        self.choose(scenario)
        self.used: set[str] = set()  # names of the stubs that have answered; `reset` does not forget them
        self._lock = threading.Lock()

    def answer(self, request: Request) -> Entry:
        """The journal's entry for the request, with the answer to play.

        The entry has no answer where no stub fits and `on_miss` is record: the upstream is to be asked.
        """
        address = address_of(request.method, request.raw_path, request.query)
        at_s = self.clock.now()
        question = question_of(request, self.library.ignores)
        try:
            with self._lock:
                scope = self._scopes.of(request)
        except ScopeError as error:
            miss = Miss(request, question, None, (), reason=str(error))
            return self.journal.records.open(at_s, request, _error("mockserver_cannot_attribute", str(error)), miss)
        return self._answer(address, request, question, scope, at_s)

    def _answer(self, address: Address, request: Request, question: Question, scope: Scope, at_s: float) -> Entry:
        def opened(answer: Answer | None, miss: Miss | None = None) -> Entry:
            return self.journal.records.open(at_s, request, answer, miss, scope=scope.name)

        if refusal := self._refusal(request, address, question):
            miss = Miss(request, question, None, ()) if refusal.because == "unknown path" else None
            return opened(_answer(refusal), miss)
        with self._lock:
            admission = self._admit(address, request, question, scope, at_s)
        if admission is not None and admission.exceeded is not None:
            return opened(self._limited(address, question, admission))
        with self._lock:
            stub, strikes = self._take(request, question, scope)
            self.used |= {each.name for each in (*strikes, *([stub] if stub else []))}
        if stub is not None:
            answer: Answer | None = self._expanded(stub, request, question)
        elif self.on_miss is OnMiss.RECORD:
            answer = None
        elif models := self._models(address):
            answer = models
        elif self.on_miss is OnMiss.GENERATE:
            model = self._model(question.content["model"])
            answer = generate(request, question, model, at_s=at_s, latency=self.latency)
        else:
            stubs = self._stubs(scope)
            said = ((each.name, each.when.prompt) for each in stubs if each.when.prompt is not None)
            miss = Miss(request, question, *matching.nearest(question, self.library.questions(), said), self.ignored)
            known, name = self.models(address.backend), question.content["model"]
            unknown = name and known and name not in known and not stubs
            missed = _answer(errors.unknown_model(address, name)) if unknown else self._missed(miss)
            return opened(missed, miss)
        if answer is not None and admission is not None:
            kept = tuple(each for each in answer.headers if not each[0].startswith("x-ratelimit-"))
            answer = replace(answer, headers=(*kept, *admission.headers))
        made = stub is None or isinstance(stub.answer, Said)
        if answer is not None and made and (broken := violations(request, answer)):
            reason = f"{answer.decided_by} does not answer this request as any model could: {broken[0]}"
            miss = Miss(request, question, None, (), reason=reason)
            return opened(_error("mockserver_violation", reason), miss)
        for strike in strikes if answer else ():
            assert answer is not None  # noqa: S101  for the type checker, as the next line
            assert strike.fault is not None  # noqa: S101
            about = faults.Circumstance(address, self._model(question.content["model"]), at_s)
            answer = replace(
                faults.apply(strike.fault, answer, about),
                decided_by=f"{answer.decided_by}, {strike.fault.kind} by {strike.name}",
            )
        return opened(answer)

    def choose(self, scenario: str | None, scope: Scope | None = None) -> None:
        """Lay a scenario over everything but what was said, in place of the one before; None lays none.

        Raises:
            ScenarioError: there is none of that name.
        """
        if scenario is not None:
            self.library.scenarios.chosen(scenario)
        (scope or self.everybody).scenario = scenario

    @property
    def everybody(self) -> Scope:
        """What is said, chosen and limited for everybody."""
        return self._scopes.everybody

    @property
    def scenario(self) -> str | None:
        """The scenario that everybody has, None for none."""
        return self.everybody.scenario

    def open_scope(self, scenario: str | None = None, name: str | None = None) -> Scope:
        """A scope with a scenario of its own, or the one of that name where there is one.

        Raises:
            ScenarioError: there is no scenario of that name.
        """
        if scenario is not None:
            self.library.scenarios.chosen(scenario)
        with self._lock:
            return self._scopes.open(scenario, name)

    def scope(self, name: str) -> Scope:
        """The open scope of that name.

        Raises:
            ScopeError: there is none.
        """
        with self._lock:
            return self._scopes.named(name)

    def close_scope(self, name: str) -> None:
        """Forget a scope.

        Raises:
            ScopeError: there is none of that name.
        """
        with self._lock:
            self._scopes.close(name)

    def attribute(self, request: Request, name: str) -> None:
        """Let a visit's request, and what the API asks the model for it, belong to a scope.

        Raises:
            ScopeError: there is none of that name.
        """
        with self._lock:
            self._scopes.attribute(ids(request), name)

    def say(self, *stubs: Stub, scope: Scope | None = None) -> None:
        """Lay stubs over everything loaded: they are asked first, in the order they were said."""
        with self._lock:
            (scope or self.everybody).said += stubs

    def strike(self, request: Request) -> Fault | None:
        """What shall go wrong with a request at the gate or the host; None for nothing.

        Raises:
            ScopeError: whose it is cannot be told.
        """
        with self._lock:
            scope = self._scopes.of(request)
            fitting = (each for each in self._stubs(scope) if each.fault is not None and each.fault.kind in SITE_FAULTS)
            stub = next((each for each in fitting if _is_left(each, scope) and each.when.fits(request)), None)
            if stub is None:
                return None
            scope.used[stub.name] += 1
            self.used.add(stub.name)
            return stub.fault

    def reset(self) -> None:
        """Forget what was said, how often stubs answered, what counts towards limits, every scope, and the journal."""
        with self._lock:
            self._scopes.clear()
        self.journal.clear()

    @property
    def ignored(self) -> tuple[str, ...]:
        """What does not count when requests are compared, as it was written."""
        return tuple(each.text for each in self.library.ignores)

    @property
    def stubs(self) -> tuple[Stub, ...]:
        """The stubs laid over the cassettes for everybody, in the order they are asked."""
        return self._stubs(self.everybody)

    def _stubs(self, scope: Scope) -> tuple[Stub, ...]:
        """What a scope is answered by before the cassettes: what was said in it, what was said to everybody, its scenario."""
        said = scope.said if scope is self.everybody else (*scope.said, *self.everybody.said)
        scenario = scope.scenario or self.everybody.scenario
        chosen = self.library.scenarios.chosen(scenario) if scenario is not None else ()
        return (*said, *chosen, *self.library.scenarios.always)

    def models(self, backend: Backend) -> tuple[str, ...]:
        """The models or deployments there are: those the recordings ask, the most asked first, and those that were named."""
        return tuple(dict.fromkeys((*self.library.models(backend), *self.deployments)))

    # --- the steps of an answer, in order ---

    def _refusal(self, request: Request, address: Address, question: Question) -> Refusal | None:
        """What the service refuses by itself; what it was recorded to answer, and an upstream's own word, go before."""
        if refusal := self._unauthenticated(request, address):
            return refusal
        if address.operation is None:
            return errors.unknown_path(address, request.method, request.raw_path)
        if self.library.recorded(question) or self.on_miss is OnMiss.RECORD:
            return None
        if refusal := errors.bad_api_version(address):
            return refusal
        body = request.json_object()
        if address.operation.request is not None and body is None:
            return errors.no_json()
        if refusal := errors.wrong_operation(address, self._model(question.content["model"])):
            return refusal
        broken = request_violations(address, body or {})
        return errors.invalid(broken[0]) if broken else None

    def _unauthenticated(self, request: Request, address: Address) -> Refusal | None:
        """Azure takes `api-key` or a bearer token, OpenAI a bearer token; any non-empty one unless a key was set."""
        bearer = (request.header("authorization") or "").removeprefix("Bearer").strip()
        azure = address.backend is Backend.AZURE
        keys = [key for key in ((request.header("api-key") or "").strip() if azure else "", bearer) if key]
        if not keys:
            return errors.missing_key(address)
        if self._api_key is None or any(hmac.compare_digest(self._api_key.encode(), key.encode()) for key in keys):
            return None
        return _NOT_YOURS if self.on_miss is OnMiss.RECORD else errors.wrong_key(address, keys[0])

    def _admit(
        self, address: Address, request: Request, question: Question, scope: Scope, at_s: float
    ) -> Admission | None:
        """What the limits make of a request; None where its model or deployment has none."""
        name = str(question.content["model"])
        limits = self.everybody.limits | scope.limits
        limit = limits.get(name, limits.get("*"))
        if limit is None or address.operation is None or not address.operation.costs_tokens:
            return None
        window = replace(scope.windows.get(name, Window(limit)), limit=limit)
        body = request.json_object() or {}
        asked = (
            tokens.count_messages(body["messages"], self._model(name))
            if body.get("messages")
            else tokens.count_input(body, self._model(name))
        )
        longest = body.get("max_completion_tokens") or body.get("max_tokens") or body.get("max_output_tokens") or 0
        admission = window.admit(at_s, asked + longest * (body.get("n") or 1), address.backend)
        scope.windows[name] = admission.window
        return admission

    def _limited(self, address: Address, question: Question, admission: Admission) -> Answer:
        assert admission.exceeded is not None  # noqa: S101  for the type checker
        exceeded = admission.exceeded
        refused = _answer(rate_limited(address, self._model(str(question.content["model"])), exceeded))
        again = (("retry-after", str(max(1, math.ceil(exceeded.wait_s)))), *admission.headers)
        return replace(refused, headers=(*refused.headers, *again), decided_by=f"limit of {exceeded.what}")

    def _model(self, name: str) -> str:
        """The model behind a deployment's name, where that was said; else the name."""
        return self.deployments.get(name, name)

    def _take(self, request: Request, question: Question, scope: Scope) -> tuple[Stub | None, list[Stub]]:
        """The stub that answers, None at a miss, and those that add a fault on the way; all counted as used."""
        for name in self.library.scenarios.refresh():
            self._scopes.forget_used(f"{name}#")
        fitting = [each for each in self._stubs(scope) if _is_left(each, scope) and each.when.fits(request)]
        fitting = [each for each in fitting if each.fault is None or each.fault.kind in faults.FAULTS]
        strikes = [each for each in fitting if each.answer is None]
        sayable = question.content["operation"] in SAYABLE
        answering = [
            each for each in fitting if each.answer is not None and (sayable or isinstance(each.answer, Answer))
        ]
        # What waits for this very prompt goes before what answers anything.
        stub = next((each for each in answering if each.when.names_something), next(iter(answering), None))
        if stub is not None and stub.fault is not None:
            strikes = [stub]
        for each in {each.name: each for each in (*strikes, *([stub] if stub else []))}.values():
            scope.used[each.name] += 1
        if stub is not None:
            return stub, strikes
        sequence = self.library.recorded(question)
        if not sequence:
            return None, strikes
        position = scope.used[question.fingerprint]
        scope.used[question.fingerprint] += 1
        return sequence[min(position, len(sequence) - 1)], strikes

    def _models(self, address: Address) -> Answer | None:
        """The models there are, or one of them, as OpenAI lists them; Azure's own extra fields are not known well enough
        to send. None for any other operation, and for a model that is to be made up."""
        operation = address.operation.name if address.operation else ""
        made = {
            name: {"id": name, "object": "model", "created": 0, "owned_by": "mock"}
            for name in self.models(address.backend)
        }
        if operation == "listModels":
            return json_answer(200, {"object": "list", "data": list(made.values())}, decided_by="models")
        if operation != "retrieveModel" or address.resource is None:
            return None
        if address.resource in made:
            return json_answer(200, made[address.resource], decided_by="models")
        generates = self.on_miss is OnMiss.GENERATE
        return None if generates else _answer(errors.unknown_model(address, address.resource))

    def _expanded(self, stub: Stub, request: Request, question: Question) -> Answer:
        if isinstance(stub.answer, Said):
            seed, model = f"{stub.name} {question.fingerprint}", self._model(question.content["model"])
            answer = expand(stub.answer, request, seed=seed, model=model, at_s=self.clock.now())
        else:
            assert stub.answer is not None  # noqa: S101  for the type checker
            answer = stub.answer
        return replace(answer, decided_by=stub.name)

    def _missed(self, miss: Miss) -> Answer:
        """The 404 that explains a miss."""
        alike = 1 + sum(1 for entry in self.journal.misses() if entry.miss and same_reason(entry.miss, miss))
        details = clean(
            {
                "nearest": miss.nearest,
                "differences": [
                    {"field": each.field, "wanted": each.wanted, "got": each.got} for each in miss.differences
                ],
            }
        )
        return _error("mockserver_miss", explain(miss, alike), **details)


def _is_left(stub: Stub, scope: Scope) -> bool:
    return stub.times is None or scope.used[stub.name] < stub.times


def _error(kind: str, message: str, **details: object) -> Answer:
    """An error of the mock's own, in the backends' envelope; a 404, because clients send 409, 429 and 5xx again."""
    error = {"message": message, "type": kind, "param": None, "code": kind, **details}
    return json_answer(
        404, {"error": error}, headers=((BY_MOCK, "error"),), decided_by=kind.removeprefix("mockserver_")
    )


def _answer(refusal: Refusal) -> Answer:
    return Answer(refusal.status, refusal.headers, (Event(0, refusal.body),), decided_by=refusal.because)
