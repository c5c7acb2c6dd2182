"""Limits and the clock, as a test of one's own uses them."""

from __future__ import annotations

from typing import Any

import httpx2
import openai
import pytest

from mockserver.pytest_plugin import MockServer

HELLO = [{"role": "system", "content": "You are a helpful assistant."}, {"role": "user", "content": "Hello!"}]


def ask(server: MockServer, **more: Any) -> Any:
    client: Any = openai.OpenAI(base_url=server.base_url, api_key="any", max_retries=0)
    stream = client.chat.completions.with_raw_response.create(
        model="smollm2-135m-instruct", messages=HELLO, stream=True, stream_options={"include_usage": True}, **more
    )
    list(stream.parse())
    return stream.headers


def test_a_minutes_limit_takes_no_minute_and_counts_on_recordings_too(mock_server: MockServer) -> None:
    mock_server.limit("smollm2-135m-instruct", "12rpm")
    assert ask(mock_server)["x-ratelimit-remaining-requests"] == "11"
    ask(mock_server)
    mock_server.clock.freeze()
    with pytest.raises(openai.RateLimitError) as refused:
        ask(mock_server)
    mock_server.clock.advance(float(refused.value.response.headers["retry-after"]))
    mock_server.clock.resume()
    ask(mock_server)
    assert [entry.decided_by for entry in mock_server.journal] == ["hello.yaml#1"] * 2 + [
        "limit of requests",
        "hello.yaml#1",
    ]


def test_limits_end_with_their_test(mock_server: MockServer) -> None:
    for _ in range(5):
        assert "x-ratelimit-limit-requests" not in ask(mock_server)


def test_the_clock_can_be_moved_from_another_language(mock_server: MockServer) -> None:
    url, headers = f"{mock_server.model.url}/__admin/clock", {"x-mockserver-token": mock_server.model.token}
    stopped = httpx2.post(url, json={"frozen": True}, headers=headers).json()
    later = httpx2.post(url, json={"advance_s": 60}, headers=headers).json()
    assert later == {"now_s": stopped["now_s"] + 60, "frozen": True}
    assert httpx2.post(url, json={"frozen": False}, headers=headers).json()["frozen"] is False
    wrong: Any
    for wrong in ({}, {"advance_s": -1}, {"speed": 3}, [], {"frozen": "yes"}):
        assert httpx2.post(url, json=wrong, headers=headers).status_code == 400
    assert httpx2.post(url, json={"frozen": True}).status_code == 403
