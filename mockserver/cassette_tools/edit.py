"""Replaces the text of an answer: as its backend would have sent it, at the pace of the old one."""

from __future__ import annotations

import statistics
from dataclasses import replace
from pathlib import Path

from mockserver.answers.authored.authored_answer import AuthoredAnswer, Pace
from mockserver.answers.authored.expand import AUTHORABLE, expand
from mockserver.answers.conformance import violations
from mockserver.cassettes.cassette import Cassette, CassetteError, Source
from mockserver.errors import count_of
from mockserver.journal.whole_answer import whole_answer
from mockserver.matching.call import Call


def with_answer(cassette: Cassette, number: int, text: str, *, path: Path) -> Cassette:
    """The cassette, now authored, with a new text as the answer of interaction `number`, from 1.

    Raises:
        CassetteError: there is no such interaction, it is neither a chat completion nor a response, or its request makes
            the answer impossible.
    """
    if number > len(cassette.interactions):
        raise CassetteError(
            path, number, f"there is no such one; the file has {count_of(len(cassette.interactions), 'interaction')}"
        )
    old = cassette.interactions[number - 1]
    call = Call(old.request)
    if call.canonical.operation not in AUTHORABLE:
        raise CassetteError(path, number, f"{call.canonical.operation} has no text to replace")
    waits = [event.after_ms for event in old.answer.events if event.after_ms] or [0]
    pace = Pace(old.answer.head_after_ms, round(statistics.median(waits), 1) if old.answer.streams else 0)
    body = whole_answer(old.answer)
    body = body if isinstance(body, dict) else {}
    model = str(body.get("model") or call.model)
    at_s = float(body.get("created") or body.get("created_at") or 0)
    answer = expand(AuthoredAnswer(text, pace=pace), call, seed=call.canonical.fingerprint, model=model, at_s=at_s)
    if broken := violations(call, answer):
        raise CassetteError(path, number, f"no model could give this answer: {broken[0]}")
    edited = replace(old, answer=answer)
    interactions = (*cassette.interactions[: number - 1], edited, *cassette.interactions[number:])
    return replace(cassette, interactions=interactions, source=Source.AUTHORED)
