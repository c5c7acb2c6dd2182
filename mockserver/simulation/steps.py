"""How a request gets its answer: one function a step, in the order of the page “What answers”."""

from __future__ import annotations

import functools
from dataclasses import replace

from mockserver.answers.authored.authored_answer import AuthoredAnswer
from mockserver.answers.authored.expand import AUTHORABLE, expand
from mockserver.answers.conformance import violations
from mockserver.answers.generated.generate import generate
from mockserver.contract import refusals
from mockserver.contract.addresses import Backend
from mockserver.exchange import Answer, json_answer
from mockserver.matching.differences import nearest
from mockserver.matching.miss import Miss
from mockserver.redaction.redaction import clean
from mockserver.simulation import model_faults
from mockserver.simulation.cassette_index import CassetteIndex
from mockserver.simulation.miss_report import miss_report, same_reason
from mockserver.simulation.refusal_steps import apply_limits, check_key, check_operation, check_request
from mockserver.simulation.settings import ModelSettings, OnMiss
from mockserver.simulation.stored_steps import again, answer_from_store, found_in_files, remember
from mockserver.simulation.stub import Stub
from mockserver.simulation.turn import Outcome, Step, Turn, fitting, mock_error
from mockserver.stored import files
from mockserver.stored.stored_call import answer_of


def answer_from_stubs(turn: Turn) -> Outcome | None:
    """What a test or a scenario says. Its faults without an answer are kept for the answer of a later step."""
    with turn.scopes.lock:
        stub, turn.faults = _chosen(turn)
        while (stub or turn.faults) and not turn.scopes.take(turn.scope, [*turn.faults, *([stub] if stub else [])]):
            stub, turn.faults = _chosen(turn)  # another process has given one of them its last time
    if stub is None or stub.answer is None:
        return None
    if isinstance(stub.answer, Answer):
        return Outcome(stub.answer)
    seed = f"{stub.name} {turn.call.canonical.fingerprint}{again(turn)}"
    answer = expand(stub.answer, turn.call, seed=seed, model=turn.model, at_s=turn.at_s)
    return Outcome(replace(answer, decided_by=stub.name), written=True)


def _chosen(turn: Turn) -> tuple[Stub | None, tuple[Stub, ...]]:
    """The stub that answers, None if none does, and those whose faults apply."""
    stubs = fitting(turn)
    authorable = turn.call.operation is not None and turn.call.operation.name in AUTHORABLE
    answering = [
        stub
        for stub in stubs
        if isinstance(stub.answer, Answer) or (stub.answer is not None and authorable and not _has_called(turn, stub))
    ]
    # What waits for this very prompt goes before what answers anything.
    stub = next((stub for stub in answering if stub.criteria.specific), next(iter(answering), None))
    if stub is not None and stub.fault is not None:
        return stub, (stub,)
    return stub, tuple(each for each in stubs if each.answer is None)


def _has_called(turn: Turn, stub: Stub) -> bool:
    """Whether the conversation has all calls of a stub since the user's last message: they are not made twice, so that loops
    end."""
    calls = stub.answer.calls if isinstance(stub.answer, AuthoredAnswer) else ()
    return bool(calls) and all((call.name, call.arguments) in turn.call.conversation.calls for call in calls)


def answer_from_recordings(turn: Turn) -> Outcome | None:
    """The recording of the same request; of a sequence the next one, and in the end the last again and again."""
    sequence = turn.index.recorded(turn.call)
    if not sequence:
        return None
    recording = sequence[-1]
    with turn.scopes.lock:
        if len(sequence) > 1:
            before = turn.scopes.counts.next(turn.scope.name, turn.call.canonical.fingerprint)
            recording = sequence[min(before, len(sequence) - 1)]
        turn.scopes.ever_used.add(recording.name)
    assert isinstance(recording.answer, Answer)  # noqa: S101  only authored stubs have to be expanded
    return Outcome(recording.answer)


def leave_to_upstream(turn: Turn) -> Outcome | None:
    """While recording, the real endpoint."""
    return Outcome(None) if turn.settings.on_miss is OnMiss.RECORD else None


def list_models(turn: Turn) -> Outcome | None:
    """The models there are, or one of them, as OpenAI lists them; Azure's extra fields are not known well enough to send.

    None for any other operation, and for a model that is to be made up.
    """
    address, operation = turn.call.address, turn.call.operation
    if operation is None or operation.name not in ("listModels", "retrieveModel", "getModelInfo"):
        return None
    models = {
        name: {"id": name, "object": "model", "created": 0, "owned_by": "mock"}
        for name in known_models(turn.index, turn.settings, address.backend)
    }
    if operation.name == "getModelInfo":
        info = {
            "model_name": next(iter(models), "mock"),
            "model_type": "chat-completion",
            "model_provider_name": "mock",
        }
        return Outcome(json_answer(200, info, decided_by="models"))
    if operation.name == "listModels":
        listed = json_answer(200, {"object": "list", "data": list(models.values())}, decided_by="models")
        return Outcome(listed, written=True)
    if address.resource is None:
        return None
    if address.resource in models:
        return Outcome(json_answer(200, models[address.resource], decided_by="models"), written=True)
    if turn.settings.on_miss is OnMiss.GENERATE:
        return None
    return Outcome(answer_of(refusals.unknown_model(address, address.resource)), written=True)


def generate_answer(turn: Turn) -> Outcome | None:
    """With `--on-miss generate`, an answer that says it is made up."""
    if turn.settings.on_miss is not OnMiss.GENERATE:
        return None
    answer = generate(
        turn.call,
        turn.model,
        again=again(turn),
        at_s=turn.at_s,
        latency=turn.settings.latency,
        found=found_in_files(turn),
        publish=functools.partial(
            files.publish, turn.scope.store, turn.call.request, "https" if turn.settings.tls else "http"
        ),
    )
    return Outcome(answer, written=True)


def leave_to_fault(turn: Turn) -> Outcome | None:
    """Nothing, for a fault that answers in place of the model: it is met where nothing is recorded, too."""
    if any(stub.fault is not None and stub.fault.kind in model_faults.INSTEAD for stub in turn.faults):
        return Outcome(Answer(0, decided_by="nothing"))
    return None


def report_miss(turn: Turn) -> Outcome:
    """An unknown model as the service refuses it where recordings name others, else a 404 that explains the miss."""
    call, stubs = turn.call, turn.scopes.stubs(turn.scope)
    prompts = ((stub.name, stub.criteria.prompt) for stub in stubs if stub.criteria.prompt is not None)
    name, differences = nearest(call.canonical, turn.index.requests(), prompts)
    file = turn.index.paths.get((name or "").rpartition("#")[0])
    miss = Miss(call, name, differences, turn.index.ignored, file=str(file or ""))
    known = known_models(turn.index, turn.settings, call.address.backend)
    if call.model and known and call.model not in known and not stubs:
        return Outcome(answer_of(refusals.unknown_model(call.address, call.model)), miss, final=True)
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
    answer_from_store,
    generate_answer,
    leave_to_fault,
    report_miss,
)


def decide(turn: Turn) -> Outcome:
    """The outcome of the first step that has one, finished."""
    outcome = next(outcome for step in STEPS if (outcome := step(turn)) is not None)
    return outcome if outcome.final or outcome.answer is None else _finish(turn, outcome, outcome.answer)


def _finish(turn: Turn, outcome: Outcome, answer: Answer) -> Outcome:
    """The outcome with the limits' headers, held to the contract where it was written here, and with its faults."""
    if turn.verdict is not None:
        headers = (header for header in answer.headers if not header[0].startswith("x-ratelimit-"))
        answer = replace(answer, headers=(*headers, *turn.verdict.headers))
    if outcome.written and (broken := violations(turn.call, answer)):
        reason = f"{answer.decided_by} contradicts the request: {broken[0]}"
        return Outcome(mock_error("mockserver_violation", reason), Miss(turn.call, reason=reason), final=True)
    answer = remember(turn, answer)
    context = model_faults.FaultContext(turn.call.address, turn.model, turn.at_s)
    for stub in turn.faults:
        assert stub.fault is not None  # noqa: S101  for the type checker
        reason = f"{answer.decided_by}, {stub.fault.kind} by {stub.name}"
        answer = replace(model_faults.apply(stub.fault, answer, context), decided_by=reason)
    return outcome if answer is outcome.answer else replace(outcome, answer=answer)


def known_models(index: CassetteIndex, settings: ModelSettings, backend: Backend) -> tuple[str, ...]:
    """The models or deployments there are: those of the recordings, the most frequent first, and those declared."""
    return tuple(dict.fromkeys((*index.models(backend), *settings.deployments)))
