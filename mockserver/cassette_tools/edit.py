"""Another answer for an interaction, as its backend would have sent it, at the pace of the old one."""

from __future__ import annotations

import statistics
from dataclasses import replace
from pathlib import Path

from mockserver.answers.authored.authored_answer import AuthoredAnswer, Pace
from mockserver.answers.authored.expand import AUTHORABLE, expand
from mockserver.answers.conformance import violations
from mockserver.cassette_tools.transcript import whole_answer
from mockserver.cassettes.cassette import Cassette, CassetteError, Source
from mockserver.matching.call import Call


def with_answer(cassette: Cassette, number: int, text: str, *, path: Path) -> Cassette:
    """The cassette with a new text as the answer of interaction `number`, from 1; it is authored from then on.

    Raises:
        CassetteError: there is no such interaction, it is neither a chat nor a response, or its request makes the answer
            impossible.
    """
    if number > len(cassette.interactions):
        raise CassetteError(path, number, f"there are only {len(cassette.interactions)}")
    old = cassette.interactions[number - 1]
    call = Call(old.request)
    if call.canonical.operation not in AUTHORABLE:
        raise CassetteError(path, number, f"{call.canonical.operation} has no text to replace")
    waits = [event.after_ms for event in old.answer.events if event.after_ms] or [0]
    pace = Pace(old.answer.head_after_ms, round(statistics.median(waits), 1) if old.answer.streams else 0)
    before = whole_answer(old)
    facts = before if isinstance(before, dict) else {}
    model = str(facts.get("model") or call.model)
    at_s = float(facts.get("created") or facts.get("created_at") or 0)
    answer = expand(AuthoredAnswer(text, pace=pace), call, seed=call.canonical.fingerprint, model=model, at_s=at_s)
    if broken := violations(call, answer):
        raise CassetteError(path, number, f"no model could answer so: {broken[0]}")
    edited = replace(old, answer=answer)
    interactions = (*cassette.interactions[: number - 1], edited, *cassette.interactions[number:])
    return replace(cassette, interactions=interactions, source=Source.AUTHORED)
