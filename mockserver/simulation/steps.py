"""How a request gets its answer: one function a step, in the order of the page “What answers”."""

from __future__ import annotations

import functools
import hmac
import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from mockserver import tokens
from mockserver.answers.authored.authored_answer import AuthoredAnswer
from mockserver.answers.authored.expand import AUTHORABLE, expand
from mockserver.answers.conformance import violations
from mockserver.answers.generated.generate import generate
from mockserver.contract import refusals
from mockserver.contract.addresses import Backend
from mockserver.contract.models import ASSUMED, known_model
from mockserver.contract.refusals import Refusal
from mockserver.contract.request_check import refusal_of
from mockserver.contract.rule import Asked
from mockserver.contract.throttling import Exceeded, rate_limited
from mockserver.exchange import BY_MOCK, BY_RULE, Answer, Event, json_answer
from mockserver.matching.call import Call
from mockserver.matching.differences import nearest
from mockserver.matching.miss import Miss
from mockserver.redaction.redaction import clean
from mockserver.simulation import model_faults
from mockserver.simulation.cassette_index import CassetteIndex
from mockserver.simulation.limits import LimitVerdict, LimitWindow
from mockserver.simulation.miss_report import miss_report, same_reason
from mockserver.simulation.scopes import Scope, Scopes
from mockserver.simulation.settings import ModelSettings, OnMiss
from mockserver.simulation.stub import Stub

log = logging.getLogger("mockserver")

#: Sent while recording to a client that does not know this run's token.
_TOKEN_REQUIRED = Refusal(
    401,
    (("content-type", "application/json"), (BY_MOCK, "error")),
    b'{"error":{"message":"This port records from a real endpoint, with a real key. Send this run\'s token as your API '
    b'key; it is in the file that was named at the start.","type":"mockserver_token","param":null,"code":"mockserver_token"}}',
    "not this run's token",
)


@dataclass(slots=True)
class Turn:
    """One call on its way through the steps.

    `verdict` is what the limits made of it and `faults` what will go wrong with its answer, once a step has found out.
    `earlier_misses` gives the misses of this run.
    """

    call: Call
    scope: Scope
    at_s: float
    settings: ModelSettings
    index: CassetteIndex
    scopes: Scopes
    earlier_misses: Callable[[], Iterable[Miss]]
    verdict: LimitVerdict | None = None
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


def decide(turn: Turn) -> Outcome:
    """The outcome of the first step that has one, finished."""
    outcome = next(outcome for step in STEPS if (outcome := step(turn)) is not None)
    return outcome if outcome.final or outcome.answer is None else _finish(turn, outcome, outcome.answer)


# --- what the service refuses by itself ------------------------------------------------------------------------------


def check_key(turn: Turn) -> Outcome | None:
    """Azure takes `api-key` or a bearer token, OpenAI a bearer token; any that is not empty unless a key was set. What no
    operation of theirs is may have any key, or none."""
    request, expected = turn.call.request, turn.settings.api_key
    recording = turn.settings.on_miss is OnMiss.RECORD
    if turn.call.operation is None and (
        request.raw_path.startswith(turn.settings.other_upstreams)
        or turn.index.recorded(turn.call.canonical)
        or not (recording or turn.call.address.is_known)
    ):
        return None
    bearer = (request.header("authorization") or "").removeprefix("Bearer").strip()
    azure = turn.call.address.backend is Backend.AZURE
    keys = [key for key in ((request.header("api-key") or "").strip() if azure else "", bearer) if key]
    if not keys:
        return _refused(refusals.missing_key(turn.call.address))
    if expected is None or any(hmac.compare_digest(expected.encode(), key.encode()) for key in keys):
        return None
    if turn.settings.on_miss is OnMiss.RECORD:
        return None if azure and turn.settings.pass_token and bearer else _refused(_TOKEN_REQUIRED)
    return _refused(refusals.wrong_key(turn.call.address, keys[0]))


def check_operation(turn: Turn) -> Outcome | None:
    """A path or method that no operation has, unless such a request was recorded, or is about to be."""
    if (
        turn.call.operation is not None
        or turn.settings.on_miss is OnMiss.RECORD
        or turn.index.has_operation(turn.call.canonical)
        or any(isinstance(stub.answer, Answer) and stub.criteria.specific for stub in _fitting(turn))
    ):
        return None
    request = turn.call.request
    refusal = refusals.unknown_path(turn.call.address, request.method, request.raw_path)
    return replace(_refused(refusal), miss=Miss(turn.call))


def check_request(turn: Turn) -> Outcome | None:
    """What the contract refuses; a recording of the same request, and an upstream's own word, go first."""
    call = turn.call
    if turn.settings.on_miss is OnMiss.RECORD or turn.index.recorded(call.canonical):
        return None
    asked = Asked(
        call.address,
        call.body or {},
        turn.model,
        len(call.request.body),
        lambda: tokens.count_request(call.body or {}, turn.model),
    )
    if asked.model_name and known_model(asked.model_name) is None:
        _say_unknown(asked.model_name)
    refusal = refusal_of(asked, is_json=call.body is not None, lenient=turn.settings.lenient)
    return _refused(refusal) if refusal else None


@functools.lru_cache(maxsize=1000)
def _say_unknown(name: str) -> None:
    """Say once that a model's rules are not known."""
    log.warning(
        "model %s is not known, so its requests are checked as those of %s; --deployment %s=MODEL says which it is",
        name,
        ASSUMED,
        name,
    )


def apply_limits(turn: Turn) -> Outcome | None:
    """Requests and tokens a minute of the model or deployment; an admitted request is counted."""
    call, name = turn.call, turn.call.model
    if call.operation is None or not call.operation.costs_tokens:
        return None
    if (limit := turn.scopes.limit(turn.scope, name)) is None:
        return None
    cost = _cost_in_tokens(turn)  # not under the lock: it may take seconds
    with turn.scopes.lock:
        window = replace(turn.scope.windows.get(name, LimitWindow(limit)), limit=limit)
        turn.verdict = window.admit(turn.at_s, cost, call.address.backend)
        turn.scope.windows[name] = turn.verdict.window
    exceeded = turn.verdict.exceeded
    return Outcome(_limited(turn, exceeded), final=True) if exceeded is not None else None


# --- what answers ----------------------------------------------------------------------------------------------------


def answer_from_stubs(turn: Turn) -> Outcome | None:
    """What a test or a scenario says. Its faults without an answer are kept for the answer of a later step."""
    with turn.scopes.lock:
        stubs = _fitting(turn)
        authorable = turn.call.canonical.operation in AUTHORABLE
        answering = [
            stub
            for stub in stubs
            if isinstance(stub.answer, Answer)
            or (stub.answer is not None and authorable and not _has_called(turn, stub))
        ]
        # What waits for this very prompt goes before what answers anything.
        stub = next((stub for stub in answering if stub.criteria.specific), next(iter(answering), None))
        turn.faults = tuple(each for each in stubs if each.answer is None)
        if stub is not None and stub.fault is not None:
            turn.faults = (stub,)
        for name in {each.name for each in (*turn.faults, *([stub] if stub else []))}:
            turn.scopes.count(turn.scope, name)
    if stub is None or stub.answer is None:
        return None
    if isinstance(stub.answer, Answer):
        return Outcome(replace(stub.answer, decided_by=stub.name))
    seed = f"{stub.name} {turn.call.canonical.fingerprint}"
    answer = expand(stub.answer, turn.call, seed=seed, model=turn.model, at_s=turn.at_s)
    return Outcome(replace(answer, decided_by=stub.name), written=True)


def _fitting(turn: Turn) -> list[Stub]:
    """The stubs that mean this request and may still answer."""
    with turn.scopes.lock:
        turn.scopes.refresh_scenarios()
        stubs = turn.scopes.stubs(turn.scope)
        return [
            stub
            for stub in stubs
            if not (stub.fault is not None and stub.fault.at_site)
            and turn.scope.has_left(stub)
            and stub.criteria.fits(turn.call)
        ]


def _has_called(turn: Turn, stub: Stub) -> bool:
    """Whether the conversation has all calls of a stub since the user's last message: they are not made twice, so that loops
    end."""
    calls = stub.answer.calls if isinstance(stub.answer, AuthoredAnswer) else ()
    return bool(calls) and all((call.name, call.arguments) in turn.call.conversation.calls for call in calls)


def answer_from_recordings(turn: Turn) -> Outcome | None:
    """The recording of the same request; of a sequence the next one, and in the end the last again and again."""
    sequence = turn.index.recorded(turn.call.canonical)
    if not sequence:
        return None
    fingerprint = turn.call.canonical.fingerprint
    with turn.scopes.lock:
        position = min(turn.scope.used[fingerprint], len(sequence) - 1)
        turn.scope.used[fingerprint] += 1
        recording = sequence[position]
        turn.scopes.ever_used.add(recording.name)
    assert isinstance(recording.answer, Answer)  # noqa: S101  only authored stubs have to be expanded
    return Outcome(replace(recording.answer, decided_by=recording.name))


def leave_to_upstream(turn: Turn) -> Outcome | None:
    """While recording, the real endpoint."""
    return Outcome(None) if turn.settings.on_miss is OnMiss.RECORD else None


def list_models(turn: Turn) -> Outcome | None:
    """The models there are, or one of them, as OpenAI lists them; Azure's extra fields are not known well enough to send.

    None for any other operation, and for a model that is to be made up.
    """
    address, operation = turn.call.address, turn.call.operation
    if operation is None or operation.name not in ("listModels", "retrieveModel"):
        return None
    models = {
        name: {"id": name, "object": "model", "created": 0, "owned_by": "mock"}
        for name in known_models(turn.index, turn.settings, address.backend)
    }
    if operation.name == "listModels":
        listed = json_answer(200, {"object": "list", "data": list(models.values())}, decided_by="models")
        return Outcome(listed, written=True)
    if address.resource is None:
        return None
    if address.resource in models:
        return Outcome(json_answer(200, models[address.resource], decided_by="models"), written=True)
    if turn.settings.on_miss is OnMiss.GENERATE:
        return None
    return Outcome(_answer(refusals.unknown_model(address, address.resource)), written=True)


def generate_answer(turn: Turn) -> Outcome | None:
    """With `--on-miss generate`, an answer that says it is made up."""
    if turn.settings.on_miss is not OnMiss.GENERATE:
        return None
    answer = generate(turn.call, turn.model, at_s=turn.at_s, latency=turn.settings.latency)
    return Outcome(answer, written=True)


def report_miss(turn: Turn) -> Outcome:
    """An unknown model as the service refuses it where recordings name others, else a 404 that explains the miss."""
    call, stubs = turn.call, turn.scopes.stubs(turn.scope)
    prompts = ((stub.name, stub.criteria.prompt) for stub in stubs if stub.criteria.prompt is not None)
    name, differences = nearest(call.canonical, turn.index.requests(), prompts)
    file = turn.index.paths.get((name or "").rpartition("#")[0])
    miss = Miss(call, name, differences, turn.index.ignored, file=str(file or ""))
    known = known_models(turn.index, turn.settings, call.address.backend)
    if call.model and known and call.model not in known and not stubs:
        return Outcome(_answer(refusals.unknown_model(call.address, call.model)), miss, final=True)
    alike = 1 + sum(1 for earlier in turn.earlier_misses() if same_reason(earlier, miss))
    fields = [{"field": each.field, "wanted": each.expected, "got": each.got} for each in miss.differences]
    details = clean({"nearest": miss.nearest, "differences": fields})
    return Outcome(mock_error("mockserver_miss", miss_report(miss, alike), **details), miss, final=True)


STEPS: tuple[Step, ...] = (
    check_key,
    check_operation,
    check_request,
    apply_limits,
    answer_from_stubs,
    answer_from_recordings,
    leave_to_upstream,
    list_models,
    generate_answer,
    report_miss,
)


# --- what every answer goes through, and what the steps share --------------------------------------------------------


def _finish(turn: Turn, outcome: Outcome, answer: Answer) -> Outcome:
    """The outcome with the limits' headers, held to the contract where it was written here, and with its faults."""
    if turn.verdict is not None:
        headers = (header for header in answer.headers if not header[0].startswith("x-ratelimit-"))
        answer = replace(answer, headers=(*headers, *turn.verdict.headers))
    if outcome.written and (broken := violations(turn.call, answer)):
        reason = f"{answer.decided_by} contradicts the request: {broken[0]}"
        return Outcome(mock_error("mockserver_violation", reason), Miss(turn.call, reason=reason), final=True)
    context = model_faults.FaultContext(turn.call.address, turn.model, turn.at_s)
    for stub in turn.faults:
        assert stub.fault is not None  # noqa: S101  for the type checker
        reason = f"{answer.decided_by}, {stub.fault.kind} by {stub.name}"
        answer = replace(model_faults.apply(stub.fault, answer, context), decided_by=reason)
    return replace(outcome, answer=answer)


def known_models(index: CassetteIndex, settings: ModelSettings, backend: Backend) -> tuple[str, ...]:
    """The models or deployments there are: those of the recordings, the most frequent first, and those declared."""
    return tuple(dict.fromkeys((*index.models(backend), *settings.deployments)))


def mock_error(kind: str, message: str, **details: object) -> Answer:
    """An error of the mock's own, in the backends' envelope; a 404, because clients retry 409, 429 and 5xx."""
    error = {"message": message, "type": kind, "param": None, "code": kind, **details}
    decided_by = kind.removeprefix("mockserver_")
    return json_answer(404, {"error": error}, headers=((BY_MOCK, "error"),), decided_by=decided_by)


def _cost_in_tokens(turn: Turn) -> int:
    """What the service counts in advance: the request, and the longest answer it allows for each choice."""
    body = turn.call.body or {}
    limits = (body.get(name) for name in ("max_completion_tokens", "max_tokens", "max_output_tokens"))
    longest = next((limit for limit in limits if isinstance(limit, int) and limit), 0)
    choices = body.get("n")
    return tokens.count_request(body, turn.model) + longest * (choices if isinstance(choices, int) and choices else 1)


def _limited(turn: Turn, exceeded: Exceeded) -> Answer:
    refusal = _answer(rate_limited(turn.call.address, turn.model, exceeded))
    headers = turn.verdict.headers if turn.verdict else ()
    again = (("retry-after", str(max(1, math.ceil(exceeded.wait_s)))), *headers)
    return replace(refusal, headers=(*refusal.headers, *again), decided_by=f"limit of {exceeded.what}")


def _refused(refusal: Refusal) -> Outcome:
    return Outcome(_answer(refusal), final=True)


def _answer(refusal: Refusal) -> Answer:
    rule = ((BY_RULE, refusal.rule),) if refusal.rule else ()
    return Answer(refusal.status, (*refusal.headers, *rule), (Event(0, refusal.body),), decided_by=refusal.because)
