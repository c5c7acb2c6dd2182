from __future__ import annotations

import pytest

from mockserver.exchange import Request
from mockserver.when import When, ids
from tests.unit.examples import chat

AZURE = "/openai/deployments/chat-eu/chat/completions?api-version=2024-10-21"


@pytest.mark.parametrize(
    ("when", "request_", "fits"),
    [
        (When(), chat("whatever"), True),
        (When("Hello!"), chat("Hello!"), True),
        (When("Hello!"), chat("Hello"), False),
        (When(model="gpt-4o"), chat(), True),
        (When(model="gpt-4o-mini"), chat(), False),
        (When(model="chat-eu"), chat(path=AZURE), True),
        (When(path="/api/me"), Request("GET", "/api/me", "x=1"), True),
        (When("Hello!", path="/api/me"), chat("Hello!"), False),
    ],
)
def test_fits_what_it_names_and_where_it_names_nothing_everything(when: When, request_: Request, fits: bool) -> None:
    assert when.fits(request_) is fits


def test_a_visit_is_joined_by_its_request_id_and_its_trace() -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = (("x-request-id", "r1"), ("traceparent", f"00-{trace}-b7ad6b7169203331-01"))
    assert ids(Request("GET", "/", headers=headers)) == {"r1", trace}
    assert ids(Request("GET", "/", headers=(("traceparent", "nonsense"),))) == set()
