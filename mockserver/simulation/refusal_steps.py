"""Steps that refuse: what the service would not answer."""

from __future__ import annotations

import functools
import hmac
import logging
import math
from dataclasses import replace

from mockserver import tokens
from mockserver.contract import refusals
from mockserver.contract.addresses import Backend
from mockserver.contract.models import ASSUMED, known_model
from mockserver.contract.refusals import Refusal
from mockserver.contract.request_check import refusal_of
from mockserver.contract.rule import Asked
from mockserver.contract.throttling import Exceeded, rate_limited
from mockserver.exchange import BY_MOCK, Answer
from mockserver.matching.miss import Miss
from mockserver.simulation.settings import OnMiss
from mockserver.simulation.stored_steps import continue_call
from mockserver.simulation.turn import Outcome, Turn, fitting, mock_error, refused
from mockserver.stored.stored_call import answer_of

log = logging.getLogger("mockserver")

#: Sent while recording to a client that does not know this run's token.
_TOKEN_REQUIRED = Refusal(
    401,
    (("content-type", "application/json"), (BY_MOCK, "error")),
    b'{"error":{"message":"This port records from a real endpoint, with a real key. Send this run\'s token as your API '
    b'key; it is in the file that was named at the start.","type":"mockserver_token","param":null,"code":"mockserver_token"}}',
    "not this run's token",
)


def check_key(turn: Turn) -> Outcome | None:
    """Azure takes `api-key` or a bearer token, OpenAI a bearer token; any that is not empty unless a key was set. What no
    operation of theirs is may have any key, or none."""
    request, expected = turn.call.request, turn.settings.api_key
    if turn.call.operation is not None and turn.call.operation.public and turn.settings.on_miss is not OnMiss.RECORD:
        return None
    recording = turn.settings.on_miss is OnMiss.RECORD
    if turn.call.operation is None and (
        request.raw_path.startswith(turn.settings.other_upstreams)
        or turn.index.recorded(turn.call)
        or not (recording or turn.call.address.is_known)
    ):
        return None
    bearer = (request.header("authorization") or "").removeprefix("Bearer").strip()
    azure = turn.call.address.backend is Backend.AZURE
    keys = [key for key in ((request.header("api-key") or "").strip() if azure else "", bearer) if key]
    if not keys:
        return refused(refusals.missing_key(turn.call.address))
    if expected is None or any(hmac.compare_digest(expected.encode(), key.encode()) for key in keys):
        return None
    if turn.settings.on_miss is OnMiss.RECORD:
        return None if azure and turn.settings.pass_token and bearer else refused(_TOKEN_REQUIRED)
    return refused(refusals.wrong_key(turn.call.address, keys[0]))


def check_operation(turn: Turn) -> Outcome | None:
    """A path or method that no operation has, unless such a request was recorded, or is about to be."""
    if (
        turn.call.operation is not None
        or turn.settings.on_miss is OnMiss.RECORD
        or turn.index.has_operation(turn.call.canonical)
        or any(isinstance(stub.answer, Answer) and stub.criteria.specific for stub in fitting(turn))
    ):
        return None
    request = turn.call.request
    if turn.call.address.is_unanswered:
        words = (
            f"The service has {request.method} {request.raw_path}; this mock does not answer it by itself. Record it, or say it: "
            f'mock_server.say({{"when": {{"path": "{request.raw_path}"}}, "say": {{"status": 200, "body": …}}}}).'
        )
        return Outcome(mock_error("mockserver_not_answered", words), Miss(turn.call), final=True)
    refusal = refusals.unknown_path(turn.call.address, request.method, request.raw_path)
    return replace(refused(refusal), miss=Miss(turn.call))


def check_request(turn: Turn) -> Outcome | None:
    """What the contract refuses; a recording of the same request, and an upstream's own word, go first."""
    call = turn.call
    missing = continue_call(turn)
    if turn.settings.on_miss is OnMiss.RECORD or turn.index.recorded(call):
        return None
    asked = Asked(
        call.address,
        call.body or {},
        turn.model,
        len(call.request.body),
        lambda: tokens.count_request(call.whole_body, turn.model),
        call.earlier,
        call.form is not None,
    )
    if asked.model_name and call.operation and call.operation.costs_tokens and known_model(asked.model_name) is None:
        _say_unknown(asked.model_name)
    refusal = refusal_of(asked, is_json=call.body is not None, lenient=turn.settings.lenient)
    if refusal is None and missing is not None and missing.refusal.rule not in turn.settings.lenient:
        turn.missing = missing  # what a test says, or what was recorded, answers before
        return refused(missing.refusal) if missing.deleted else None
    return refused(refusal) if refusal else None


@functools.lru_cache(maxsize=1000)
def _say_unknown(name: str) -> None:
    """Say once that a model's rules are not known."""
    log.warning(
        "model %r is not known, so its requests are checked as those of %s; --deployment NAME=MODEL says which it is",
        name,
        ASSUMED,
    )


def apply_limits(turn: Turn) -> Outcome | None:
    """Requests and tokens a minute of the model or deployment; an admitted request is counted."""
    call = turn.call
    if call.operation is None or not call.operation.asks_model or not turn.scopes.has_limits(turn.scope):
        return None
    name = call.model
    if (limit := turn.scopes.limit(turn.scope, name)) is None:
        return None
    cost = _cost_in_tokens(turn)  # not under the lock: it may take seconds
    with turn.scopes.lock:
        turn.verdict = turn.scopes.counts.admit(
            turn.scope.name,
            name,
            limit,
            lambda window: replace(window, limit=limit).admit(turn.at_s, cost, call.address.backend),
        )
    exceeded = turn.verdict.exceeded
    return Outcome(_limited(turn, exceeded), final=True) if exceeded is not None else None


def _cost_in_tokens(turn: Turn) -> int:
    """What the service counts in advance: the request, and the longest answer it allows for each choice."""
    if turn.call.operation is not None and not turn.call.operation.costs_tokens:
        return 0
    body = turn.call.whole_body
    limits = (body.get(name) for name in ("max_completion_tokens", "max_tokens", "max_output_tokens"))
    longest = next((limit for limit in limits if isinstance(limit, int) and limit), 0)
    choices = body.get("n")
    return tokens.count_request(body, turn.model) + longest * (choices if isinstance(choices, int) and choices else 1)


def _limited(turn: Turn, exceeded: Exceeded) -> Answer:
    refusal = answer_of(rate_limited(turn.call.address, turn.model, exceeded))
    headers = turn.verdict.headers if turn.verdict else ()
    again = (("retry-after", str(max(1, math.ceil(exceeded.wait_s)))), *headers)
    return replace(refusal, headers=(*refusal.headers, *again), decided_by=f"limit of {exceeded.what}")
