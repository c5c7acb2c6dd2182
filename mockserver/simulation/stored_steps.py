"""Steps about what clients made: what a request continues, what is asked for again, what is kept."""

from __future__ import annotations

import functools
from dataclasses import replace

from mockserver.answers.authored.authored_answer import Found
from mockserver.exchange import BY_MOCK, Answer, Request
from mockserver.matching.call import Call
from mockserver.matching.miss import Miss
from mockserver.simulation.counts import SharingError
from mockserver.simulation.settings import OnMiss
from mockserver.simulation.turn import Outcome, Turn, mock_error, refused
from mockserver.stored import chat_completions, responses, vector_stores
from mockserver.stored.handlers import HANDLERS
from mockserver.stored.store import NotStoredError
from mockserver.stored.stored_call import StoredCall

_ONE_WORKER = "start the model without --workers and --redis to keep what clients make"

#: Operations that may continue what was said before.
_CONTINUING = frozenset({"createResponse", "countInputTokens", "compactResponse"})


def answer_from_store(turn: Turn) -> Outcome | None:
    """What clients made and ask for again, as long as nothing else answers."""
    if turn.missing is not None:
        return not_stored(turn, turn.missing)
    handler = HANDLERS.get(turn.call.operation.name if turn.call.operation else "")
    if handler is None:
        return None
    if turn.settings.worker:
        raise SharingError(f"what clients make is not kept by workers: {_ONE_WORKER}")
    with turn.scopes.lock:
        try:
            makes_up = turn.settings.on_miss is OnMiss.GENERATE
            say = StoredCall(turn.call, turn.scope.store, turn.at_s, functools.partial(_ask, turn), makes_up)
            answer = handler(say)
        except NotStoredError as missing:
            return not_stored(turn, missing)
    return Outcome(replace(answer, headers=(*answer.headers, (BY_MOCK, "stored")), decided_by="stored"), written=True)


def _ask(turn: Turn, request: Request) -> Answer:
    """The answer to another request of the same client."""
    outcome = turn.decide(replace(turn, call=Call(request, turn.call.ignores), verdict=None, missing=None, faults=()))
    return outcome.answer or mock_error("mockserver_upstream", "a batch is not recorded request by request")


def continue_call(turn: Turn) -> NotStoredError | None:
    """Give the call the items that it continues; what is missing of them, or None."""
    if turn.call.operation is None or turn.call.operation.name not in _CONTINUING:
        return None
    with turn.scopes.lock:
        store = turn.scope.store
        return responses.continued(store, turn.call) or responses.missing_item(store, turn.call)


def not_stored(turn: Turn, missing: NotStoredError) -> Outcome | None:
    """The service's word for what is not there. What nobody made is a miss, or is generated.

    Raises:
        SharingError: nothing is kept that could be there.
    """
    if turn.settings.worker:
        raise SharingError(f"{missing.refusal.because}, and workers keep nothing: {_ONE_WORKER}")
    if missing.deleted:
        return refused(missing.refusal)
    if turn.settings.on_miss is OnMiss.GENERATE:
        return None
    return replace(refused(missing.refusal), miss=Miss(turn.call))


def remember(turn: Turn, answer: Answer) -> Answer:
    """Keep what the client may ask for again; the answer that it gets, which in the background is not the whole one.

    Raises:
        SharingError: one of several processes would keep a response in the background.
    """
    operation = turn.call.operation.name if turn.call.operation else ""
    if turn.settings.worker:
        if operation == "createResponse" and (turn.call.body or {}).get("background"):
            raise SharingError(f"a response in the background would be known to one worker alone: {_ONE_WORKER}")
        return answer
    if answer.status == 200 and operation in ("createResponse", "createChatCompletion"):
        with turn.scopes.lock:
            if operation == "createResponse":
                return responses.remember(turn.scope.store, turn.call, answer, turn.at_s)
            chat_completions.remember(turn.scope.store, turn.call, answer)
    return answer


def again(turn: Turn) -> str:
    """What makes the ids of an answer others than those of the same request before; empty for the first."""
    with turn.scopes.lock:
        count = turn.scope.store.occurrence(turn.call.canonical.fingerprint)
    return f" {count} {turn.settings.worker}".rstrip() if count or turn.settings.worker else ""


def found_in_files(turn: Turn) -> tuple[Found, ...]:
    """What a response's own search in files finds."""
    call = turn.call
    if call.operation is None or call.operation.name != "createResponse":
        return ()
    tools = [tool for tool in (call.body or {}).get("tools") or () if tool.get("type") == "file_search"]
    found: list[Found] = []
    for tool in tools:
        with turn.scopes.lock:
            found += vector_stores.find(
                turn.scope.store,
                tool.get("vector_store_ids") or (),
                call.prompt or "",
                turn.at_s,
                most=tool.get("max_num_results") or 20,
                condition=tool.get("filters"),
            )
    return tuple(found)
