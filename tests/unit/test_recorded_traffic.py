"""Recorded traffic as the judge of the contract: what a service accepted is accepted, what it refused is refused in its words.

The bundled cassettes always; DRESS_REHEARSAL_CORPUS names a folder of other people's recordings.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mockserver.cassette_tools import importers
from mockserver.cassettes import cassette
from mockserver.contract.addresses import address_of
from mockserver.contract.violation import Violation
from mockserver.contract.violations import answer_violations, event_violations
from mockserver.exchange import Answer, Interaction, Request
from mockserver.simulation.cassette_index import BUNDLED_CASSETTES
from mockserver.simulation.settings import OnMiss
from mockserver.simulation.simulation import Simulation

CORPUS = os.environ.get("DRESS_REHEARSAL_CORPUS")
#: Refusals that need the world outside, or names of models that the recordings alone know: parts of their messages.
NOT_FROM_THE_REQUEST = ("does not exist", "Unknown model", "content management policy", "Error while downloading")
#: Known violations in answers: file, and field.
EXCEPTIONS = {
    # a blocked choice without `message`; it may not be genuine
    ("test_chat_content_filtering", "choices[0].message"),
}


def recorded() -> Iterator[tuple[str, Interaction]]:
    """Every exchange of our operations, with the name of its file."""
    for path in sorted(BUNDLED_CASSETTES.glob("*.yaml")):
        yield from ((path.stem, interaction) for interaction in cassette.load(path).interactions)
    for name, path in importers.files([Path(CORPUS)]) if CORPUS else ():
        yield from ((Path(name).stem, interaction) for interaction in importers.read(path).interactions)


def answered(request: Request) -> Answer:
    """What the mock makes of a request without any recording."""
    with_key = Request(
        request.method,
        request.raw_path,
        request.query,
        (("authorization", "Bearer k"), ("content-type", "application/json")),
        request.body,
    )
    answer = Simulation(on_miss=OnMiss.GENERATE).answer(with_key).answer
    assert answer is not None
    return answer


def test_what_a_service_accepted_is_not_refused() -> None:
    accepted = [(name, each.request) for name, each in recorded() if each.answer.status < 400 and each.request.body]
    refused = [(name, answer.decided_by) for name, request in accepted if (answer := answered(request)).status >= 400]
    assert refused == []
    assert len(accepted) > (150 if CORPUS else 8)


@pytest.mark.skipif(CORPUS is None, reason="DRESS_REHEARSAL_CORPUS names no folder of recordings")
def test_what_a_service_refused_is_refused_in_its_words() -> None:
    checked = 0
    for name, each in recorded():
        error = _error(each.answer)
        if each.answer.status != 400 or not error or any(part in error["message"] for part in NOT_FROM_THE_REQUEST):
            continue
        answer, checked = answered(each.request), checked + 1
        ours = _error(answer)
        assert (name, answer.status, ours and ours["message"], ours and ours["param"], ours and ours["code"]) == (
            name,
            400,
            error["message"],
            error["param"],
            error["code"],
        )
    assert checked >= 8


def test_recorded_answers_and_events_keep_the_contract() -> None:
    count, broken = 0, set()
    for name, each in recorded():
        for violations in _violations(each):
            count += 1
            broken |= {(name, violation.field) for violation in violations}
    assert broken == (EXCEPTIONS if CORPUS else set())
    assert count > (500 if CORPUS else 50)


def _violations(each: Interaction) -> Iterator[tuple[Violation, ...]]:
    request, answer = each.request, each.answer
    address = address_of(request.method, request.raw_path, request.query)
    for data in re.findall(rb"^data: (\{.*)$", answer.body, re.MULTILINE) if answer.streams else ():
        yield event_violations(address, json.loads(data))
    if not answer.streams and answer.status < 400 and answer.body.startswith(b"{"):
        yield answer_violations(address, json.loads(answer.body))


def _error(answer: Answer) -> dict[str, Any] | None:
    try:
        body = json.loads(answer.body)
    except ValueError:
        return None
    error = body.get("error") if isinstance(body, dict) else None
    return {"param": None, "code": None, **error} if isinstance(error, dict) and "message" in error else None
