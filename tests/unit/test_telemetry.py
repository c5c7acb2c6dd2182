"""What a collector is told of an exchange, and which trace it belongs to."""

from __future__ import annotations

import pytest

from mockserver.exchange import Request
from mockserver.wire.trace import own_span, passed_on

TRACE, CLIENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    "traceparent",
    [
        "rubbish",
        "00-abc-def-01",
        f"00-{'0' * 32}-{CLIENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{CLIENT}-01",
        f"00-{TRACE}-{CLIENT}-01-more",
        f"ff-{TRACE}-{CLIENT}-01",
    ],
)
def test_a_traceparent_that_is_none_begins_a_new_trace(traceparent: str) -> None:
    request, span_id = own_span(Request("GET", "/", headers=(("traceparent", traceparent), ("tracestate", "a=b"))))
    (name, value), *rest = request.headers
    assert (name, value.split("-")[2], rest) == ("traceparent", span_id, [])
    assert TRACE not in value


@pytest.mark.parametrize("more", [("00", ""), ("01", "-more")])
def test_a_trace_goes_on_with_its_own_span_as_the_parent(more: tuple[str, str]) -> None:
    version, rest = more
    asked = Request("GET", "/", headers=(("traceparent", f"{version}-{TRACE}-{CLIENT}-00{rest}"),))
    request, span_id = own_span(asked)
    assert request is asked
    assert passed_on(request.headers, span_id) == (("traceparent", f"{version}-{TRACE}-{span_id}-00{rest}"),)
