"""Criteria: which requests they fit."""

from __future__ import annotations

import pytest

from mockserver.exchange import Request
from mockserver.journal.criteria import JournalError, check
from mockserver.journal.query import criteria_from
from mockserver.matching.call import Call
from mockserver.matching.criteria import Criteria, problem
from tests.unit.examples import chat

AZURE = "/openai/deployments/chat-eu/chat/completions?api-version=2024-10-21"


@pytest.mark.parametrize(
    ("criteria", "request_", "fits"),
    [
        (Criteria(), chat("whatever"), True),
        (Criteria("Hello!"), chat("Hello!"), True),
        (Criteria("Hello!"), chat("Hello"), False),
        (Criteria(model="gpt-4o"), chat(), True),
        (Criteria(model="gpt-4o-mini"), chat(), False),
        (Criteria(model="chat-eu"), chat(path=AZURE), True),
        (Criteria(path="/api/me"), Request("GET", "/api/me", "x=1"), True),
        (Criteria("Hello!", path="/api/me"), chat("Hello!"), False),
        (Criteria("Hello!"), Request("GET", "/v1/models"), False),
        (Criteria(contains="Hello!"), Request("GET", "/v1/models"), False),
        (Criteria(model="gpt-4o"), Request("GET", "/v1/models"), False),
        (Criteria(operation="listModels"), Request("GET", "/v1/models"), True),
        (Criteria(operation="listModels"), Request("GET", "/api/me"), False),
    ],
)
def test_criteria_fit_requests_with_all_their_values_and_empty_criteria_fit_all(
    criteria: Criteria, request_: Request, fits: bool
) -> None:
    assert criteria.fits(Call(request_)) is fits


@pytest.mark.parametrize(
    ("value", "problem_"), [(1, None), (0, "got 0"), (True, "got True"), (1.0, "got 1.0"), ("1", "got '1'")]
)
def test_a_turn_is_an_integer_from_1(value: object, problem_: str | None) -> None:
    found = problem("turn", value)
    assert found == (problem_ and f"must be an integer >= 1, {problem_}")


def test_images_are_there_or_not() -> None:
    assert [problem("images", value) for value in (True, False)] == [None, None]
    assert problem("images", "yes") == "must be true or false, got 'yes'"
    assert criteria_from({"images": "true", "turn": "2"}) == {"images": True, "turn": 2}
    with pytest.raises(JournalError, match="images must be true or false, got 'yes'"):
        check(criteria_from({"images": "yes"}))


def test_a_calls_visit_ids_are_its_request_id_and_its_trace() -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = (("x-request-id", "r1"), ("traceparent", f"00-{trace}-b7ad6b7169203331-01"))
    assert Call(Request("GET", "/", headers=headers)).visit_ids == {"r1", trace}
    assert Call(Request("GET", "/", headers=(("traceparent", "nonsense"),))).visit_ids == set()
