"""Every fault, as the official SDK meets it: docs/faults.md says the same."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx2
import openai
import openai.resources.chat.completions  # which the SDK leaves to the first question otherwise, seconds long
import pytest
from chat_api import completion
from chat_api.errors import ApiError
from chat_api.request import upstream_request
from chat_api.settings import Settings

from mockserver.clock import SystemClock
from mockserver.harness.mock_server import MockServer
from mockserver.journal.entry import Place
from mockserver.journal.journal import Journal
from mockserver.simulation.fault import FaultKind
from mockserver.simulation.model_faults import MODEL_FAULTS
from mockserver.simulation.simulation import Simulation
from mockserver.simulation.site_faults import SITE_FAULTS
from mockserver.simulation.stub import StubError, parse_stub
from tests.integration.conftest import Serve
from tests.polling import wait_until

DOCS = (Path(__file__).parents[2] / "docs" / "faults.md").read_text(encoding="utf-8")

#: What the SDK does with each in a stream, and how often it has asked by then, two retries allowed.
MET: dict[str, tuple[str, int]] = {
    "rate_limited": ("RateLimitError 429", 3),
    "rate_limited_2024": ("RateLimitError 429", 3),
    "rate_limited_in_stream": ("APIError", 1),
    "quota_exceeded": ("RateLimitError 429", 3),
    "server_error": ("InternalServerError 500", 3),
    "overloaded": ("InternalServerError 503", 3),
    "bad_gateway": ("InternalServerError 502", 3),
    "refused": ("APIConnectionError", 3),
    "key_expired": ("AuthenticationError 401", 1),
    "deployment_gone": ("NotFoundError 404", 1),
    "firewall": ("PermissionDeniedError 403", 1),
    "role_missing": ("AuthenticationError 401", 1),
    "token_expired": ("AuthenticationError 401", 1),
    "context_length_exceeded": ("BadRequestError 400", 1),
    "slow_first_token": ("the whole answer", 1),
    "slow_events": ("the whole answer", 1),
    "stall": ("APITimeoutError", 1),
    "dropped": ("APIConnectionError", 1),
    "cut_short": ("the whole answer", 1),
    "truncated_event": ("half an answer, nothing said", 1),
    "malformed_event": ("JSONDecodeError", 1),
    "split_events": ("the whole answer", 1),
    "merged_events": ("the whole answer", 1),
    "empty": ("nothing, nothing said", 1),
    "wrong_content_type": ("the whole answer", 1),
}
#: What our API, which tries twice, makes of each for the page: its status and code, or the code of an event.
OURS: dict[str, str] = {
    "rate_limited": "429 rate_limit_exceeded",
    "rate_limited_2024": "429 rate_limit_exceeded",
    "rate_limited_in_stream": "200, then rate_limit_exceeded",
    "quota_exceeded": "429 insufficient_quota",
    "server_error": "502 upstream_unavailable",
    "overloaded": "502 upstream_unavailable",
    "bad_gateway": "502 upstream_unavailable",
    "refused": "502 upstream_unavailable",
    "key_expired": "502 model_access_refused",
    "deployment_gone": "502 model_not_found",
    "firewall": "502 model_access_refused",
    "role_missing": "502 model_role_missing",
    "token_expired": "502 model_access_refused",
    "context_length_exceeded": "400 context_length_exceeded",
    "slow_first_token": "the whole answer",
    "slow_events": "the whole answer",
    "stall": "200, then upstream_timeout",
    "dropped": "200, then upstream_unavailable",
    "cut_short": "the whole answer",
    "truncated_event": "200, then upstream_unavailable",
    "malformed_event": "200, then upstream_unavailable",
    "split_events": "the whole answer",
    "merged_events": "the whole answer",
    "empty": "200, then upstream_unavailable",
    "wrong_content_type": "the whole answer",
}
#: What a client of the site gets for a streamed chat, and how often the model is asked.
GOT: dict[str, tuple[str, int]] = {
    "session_expired": ("302", 0),
    "api_timeout": ("500 Backend call failure", 0),
    "api_unreachable": ("502 Bad Gateway", 0),
    "cold_start": ("the whole answer", 1),
    "host_starting": ("503 Function host is not running.", 0),
    "function_failed": ("500", 0),
    "function_missing": ("404", 0),
}
TEXT = "one two three four"


def test_the_page_of_faults_lists_them_all_with_what_they_do_and_what_the_sdk_does() -> None:
    table: dict[str, Any] = {**MODEL_FAULTS, **SITE_FAULTS}
    last = {kind: (*MET[kind], OURS[kind]) for kind in MODEL_FAULTS} | GOT
    rows = [
        f"| `{kind}` | {re.sub(r' +', ' ', (function.__doc__ or '').partition(chr(10) * 2)[0].replace(chr(10), ' ')).strip()} | "
        + " | ".join(map(str, last[kind]))
        + " |"
        for kind, function in table.items()
    ]
    assert [line for line in DOCS.splitlines() if line.startswith("| `")] == rows


def met(url: str) -> str:
    """What a user of the SDK sees."""
    client: Any = openai.OpenAI(base_url=f"{url}/v1", api_key="any", timeout=httpx2.Timeout(1.0), max_retries=2)
    asked = {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True}
    text, last = "", ""
    try:
        for chunk in client.chat.completions.create(**asked):
            text += chunk.choices[0].delta.content or ""
            last = chunk.choices[0].finish_reason or last
    except openai.APIStatusError as error:
        return f"{type(error).__name__} {error.status_code}"
    except httpx2.ReadTimeout:  # in the middle of a stream, the SDK hands on what its transport raises
        return "APITimeoutError"
    except httpx2.HTTPError:
        return "APIConnectionError"
    except Exception as error:  # noqa: BLE001  whatever it is, is what is met
        return type(error).__name__
    if text != TEXT or not last:
        return "half an answer, nothing said" if text else "nothing, nothing said"
    return "the whole answer"


async def answered(url: str) -> str:
    """What our API makes of it in a stream: its status and code, or the code that comes as an event."""
    settings = Settings(api_key="k", base_url=f"{url}/v1", models=("m",), answer_s=8)  # the model has five of them
    body = {"messages": [{"role": "user", "content": "x"}], "stream": True}
    async with completion.client_for(settings) as client:
        try:
            stream = await completion.open_stream(client, upstream_request(body, settings), "r", settings)
        except ApiError as error:
            return f"{error.status} {error.code}"
        events = completion.events(stream, include_usage=False, request_id="r", within_s=60)
        said = b"".join([each async for each in events]).decode()
    if found := re.search(r'"error":.*"code":"(\w+)"', said):
        return f"200, then {found[1]}"
    return "the whole answer" if "".join(re.findall(r'"content":"([^"]*)"', said)) == TEXT else "half an answer"


@pytest.mark.slow
@pytest.mark.parametrize("kind", MODEL_FAULTS)
def test_our_api_answers_a_fault_as_the_page_says(kind: str, serve_front: Serve) -> None:
    simulation = Simulation(clock=SystemClock(speed=50))
    waits = {"wait_ms": 100} if kind.startswith("slow") else {}
    again = {"retry_after": "1ms"} if kind.startswith("rate_limited") and kind != "rate_limited_in_stream" else {}
    simulation.scopes.say(parse_stub({"say": TEXT, "fault": kind, **waits, **again}, "said#1"))
    assert asyncio.run(answered(serve_front(simulation))) == OURS.get(kind)


@pytest.mark.parametrize("kind", MODEL_FAULTS)
def test_the_sdk_meets_a_fault_as_the_page_says(kind: str, serve_front: Serve) -> None:
    simulation = Simulation(clock=SystemClock(speed=50))
    waits = {"wait_ms": 100} if kind.startswith("slow") else {}
    again = {"retry_after": "1ms"} if kind.startswith("rate_limited") and kind != "rate_limited_in_stream" else {}
    simulation.scopes.say(parse_stub({"say": TEXT, "fault": kind, **waits, **again}, "said#1"))
    assert (met(serve_front(simulation)), len(simulation.journal)) == MET.get(kind)


@pytest.mark.parametrize(
    ("given", "header", "value"),
    [
        (7, "retry-after", "7"),
        ("250ms", "retry-after-ms", "250"),
        ("300s", "retry-after", "300"),
        ("5s as a date", "retry-after", None),
        ("never", "retry-after", "absent"),
    ],
)
def test_when_to_come_back_is_said_in_every_way(given: Any, header: str, value: str | None, serve: Serve) -> None:
    simulation = Simulation()
    simulation.scopes.say(parse_stub({"say": "x", "fault": "rate_limited", "retry_after": given}, "said#1"))
    asked = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    url = serve(simulation)
    answer = httpx2.post(f"{url}/v1/chat/completions", json=asked, headers={"authorization": "Bearer k"})
    assert answer.status_code == 429
    got = answer.headers.get(header, "absent")
    if value is None:
        assert 0 < parsedate_to_datetime(got).timestamp() - simulation.clock.now() <= 5
    else:
        assert got == value


def got(client: httpx2.Client) -> str:
    """What a client of the site gets for a streamed chat: its status and its text, where it is not the whole answer."""
    asked = {"messages": [{"role": "user", "content": "x"}], "stream": True}
    try:
        answer = client.post("/api/chat/completions", json=asked)
    except httpx2.RemoteProtocolError:
        return "broken off"
    except httpx2.ReadError:
        return "broken off"
    return (
        "the whole answer" if "[DONE]" in answer.text else f"{answer.status_code} {answer.text}".split("<")[0].strip()
    )


@pytest.mark.parametrize("kind", SITE_FAULTS)
def test_a_client_of_the_site_gets_what_the_page_says(
    kind: FaultKind, mock_server: MockServer, persona: Callable[[str], httpx2.Client]
) -> None:
    mock_server.say(TEXT)
    mock_server.say(fault=kind, times=1, wait_ms=50 if kind == "cold_start" else None)
    outcome, asked = GOT[kind]
    alice = persona("alice")
    assert got(alice) == outcome
    mock_server.journal.verify(asked)
    visit = mock_server.model.simulation.journal.wait_for(place=Place.SITE)[0]
    assert visit.answer is not None
    assert visit.answer.faults == (kind,)
    assert got(alice) == "the whole answer"  # once, it was said


def test_a_fault_at_the_gate_can_be_for_one_path_and_break_a_stream_off(
    mock_server: MockServer, persona: Callable[[str], httpx2.Client], journal: Journal
) -> None:
    mock_server.say(TEXT)
    mock_server.say(fault="api_timeout", after=2, times=1)
    mock_server.say(fault="function_failed", when={"path": "/api/me"})
    alice = persona("alice")
    assert got(alice) == "broken off"
    journal.verify(1, place=Place.SITE, end="reset", events_sent=2)
    assert alice.get("/api/me").status_code == 500
    assert alice.get("/api/health").status_code == 200


def test_the_gate_cuts_an_api_call_at_45_seconds_of_the_clock(
    mock_server: MockServer, persona: Callable[[str], httpx2.Client], journal: Journal
) -> None:
    mock_server.say(TEXT, fault="stall", after=3)
    mock_server.clock.freeze()
    asked = {"messages": [{"role": "user", "content": "x"}], "stream": True}
    with persona("alice").stream("POST", "/api/chat/completions", json=asked) as live:
        pieces = live.iter_raw()
        next(pieces)
        mock_server.journal.wait_for(end="stall")
        mock_server.clock.advance(44.9)
        mock_server.clock.advance(0.2)
        with pytest.raises(httpx2.HTTPError):
            list(pieces)
    (visit,) = journal.wait_for(place=Place.SITE)
    assert (visit.end, round(visit.took_s, 1)) == ("reset", 45.1)


def test_an_api_that_has_not_begun_to_answer_in_45_seconds_is_a_500(
    mock_server: MockServer, persona: Callable[[str], httpx2.Client]
) -> None:
    mock_server.say(TEXT, fault="slow_first_token", wait_ms=60_000)
    mock_server.clock.freeze()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(got, persona("alice"))
        wait_until(lambda: mock_server.journal)
        mock_server.clock.advance(45)
        assert answer.result() == "500 Backend call failure"


@pytest.mark.parametrize("entry", [{"say": "x", "fault": "cold_start"}, {"fault": "session_expird"}])
def test_a_fault_before_the_model_stands_alone(entry: dict[str, str]) -> None:
    with pytest.raises(StubError, match=r"happens before the model is asked|did you mean 'session_expired'"):
        parse_stub(entry, "said#1")
