"""Streams in one's hand: from a test, from a control route, into every fault; and never for ever."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import openai
import pytest

from mockserver.fronts import held
from mockserver.harness.mock_server import MockServer
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.simulation import holds
from mockserver.simulation.holds import HoldError

WORDS = "one two three four five six seven eight"


class Asking:
    """A client that asks in a thread of its own, and what has come to it."""

    def __init__(self, server: MockServer, question: str) -> None:
        self.text, self.error, self._server, self._question = "", "", server, question
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        client = openai.OpenAI(base_url=self._server.base_url, api_key="k", max_retries=0, timeout=30)
        message: Any = {"role": "user", "content": self._question}
        try:
            for chunk in client.chat.completions.create(model="gpt-4o", messages=[message], stream=True):
                self.text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
        except Exception as error:  # noqa: BLE001  whatever the client raises is what is looked at
            self.error = type(error).__name__

    def end(self) -> Asking:
        """Wait until it has ended."""
        self._thread.join(20)
        assert not self._thread.is_alive()
        return self


@contextmanager
def asked(server: MockServer, question: str = "Count") -> Iterator[Asking]:
    server.say(WORDS, to=question)
    asking = Asking(server, question)
    yield asking
    asking.end()


def test_a_stream_goes_on_by_steps_and_then_by_itself(mock_server: MockServer) -> None:
    stream = mock_server.hold(to="Count")
    with asked(mock_server) as asking:
        assert stream.step() == "one"
        assert stream.step(2) == " two three"
        assert stream.state == {"hold": stream.id, "state": "held", "sent": 3, "left": 5, "text": "one two three"}
        stream.release()
    assert (asking.text, asking.error) == (WORDS, "")
    assert stream.state["state"] == "eof"
    with pytest.raises(HoldError, match="not held any more: eof"):
        stream.step()


def test_a_step_beyond_the_last_piece_is_the_end(mock_server: MockServer) -> None:
    stream = mock_server.hold()
    with asked(mock_server) as asking:
        assert stream.step(8) == WORDS
        assert stream.state["state"] == "held"  # why it stopped has not left yet
        assert stream.step() == ""
    assert asking.text == WORDS
    assert [entry.end for entry in mock_server.journal] == ["eof"]


@pytest.mark.parametrize(
    ("kind", "steps", "text", "error"),
    [
        ("dropped", 3, "one two three", "APIConnectionError"),
        ("malformed_event", 2, "one two", "JSONDecodeError"),
        ("rate_limited_in_stream", 1, "one", "APIError"),
        ("rate_limited", None, "", "RateLimitError"),
        ("server_error", None, "", "InternalServerError"),
        ("refused", None, "", "APIConnectionError"),
    ],
)
def test_a_held_stream_goes_on_into_a_fault(
    mock_server: MockServer, kind: str, steps: int | None, text: str, error: str
) -> None:
    stream = mock_server.hold(to="Count")
    with asked(mock_server) as asking:
        if steps is not None:
            stream.step(steps)
        stream.fault(kind)
    assert (asking.text, asking.error) == (text, error)
    (entry,) = mock_server.journal
    assert entry.decided_by.endswith(f"{kind} by hand")
    assert entry.answer is not None
    assert entry.answer.faults == (kind,)


def test_a_fault_that_comes_too_late_or_does_not_exist_says_so_and_the_stream_is_held_on(
    mock_server: MockServer,
) -> None:
    with mock_server.hold(to="Count") as stream, asked(mock_server):
        stream.step(0)
        with pytest.raises(HoldError, match="rate_limited comes too late: the head has left"):
            stream.fault("rate_limited")
        with pytest.raises(HoldError, match=r"unknown fault 'droped' .did you mean 'dropped'"):
            stream.fault("droped")
        assert stream.step() == "one"
        stream.release()


def test_who_steps_before_anybody_asked_is_told(mock_server: MockServer) -> None:
    stream = mock_server.hold(when={"contains": "Count"})
    with pytest.raises(HoldError, match=r"held for contains 'Count', and none came within 0\.1 s"):
        stream.step(within_s=0.1)
    stream.release()
    with pytest.raises(HoldError, match="released before one came"):
        stream.step()


def test_another_question_is_not_held_and_one_hold_holds_one_answer(mock_server: MockServer) -> None:
    with mock_server.hold(to="Count") as stream:
        mock_server.say("At once", to="Other")
        assert Asking(mock_server, "Other").end().text == "At once"
        with asked(mock_server):
            stream.step()
            assert Asking(mock_server, "Count").end().text == WORDS
            stream.release()


def test_a_client_that_leaves_ends_the_hold(mock_server: MockServer) -> None:
    stream = mock_server.hold()
    mock_server.say(WORDS)
    body = {"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": "Count"}]}
    client = http.client.HTTPConnection(mock_server.model.url.removeprefix("http://"), timeout=20)
    client.request(
        "POST",
        "/v1/chat/completions",
        json.dumps(body),
        {"content-type": "application/json", "authorization": "Bearer k"},
    )
    stream.step(2)
    client.close()
    assert mock_server.journal.wait_for(end="client left")
    with pytest.raises(HoldError, match="not held any more: client left"):
        stream.step()


def test_nothing_is_held_for_ever(mock_server: MockServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "LONGEST_HOLD_S", 0.2)
    monkeypatch.setattr(holds, "LONGEST_HOLD_S", 0.2)
    stream = mock_server.hold()
    with asked(mock_server) as asking:
        pass
    assert asking.text == WORDS
    with pytest.raises(HoldError, match=r"told nothing for 0\.2 s, and went on by itself"):
        stream.step()


def test_a_frozen_clock_holds_no_step_back(mock_server: MockServer) -> None:
    mock_server.clock.freeze()
    stream = mock_server.hold()
    with asked(mock_server) as asking:
        stream.step(3)
        stream.release()
    assert asking.text == WORDS


def test_each_scope_holds_its_own(mock_server: MockServer) -> None:
    with mock_server.scope() as one, mock_server.scope() as other:
        mine, theirs = one.hold(to="Count"), other.hold(to="Count")
        texts: dict[str, str] = {}

        def ask(server: MockServer, name: str) -> None:
            client = openai.OpenAI(base_url=server.base_url, api_key="k", default_headers=server.headers, max_retries=0)
            message: Any = {"role": "user", "content": "Count"}
            stream = client.chat.completions.create(model="gpt-4o", messages=[message], stream=True)
            texts[name] = "".join((each.choices[0].delta.content or "") for each in stream if each.choices)

        one.say("My words")
        other.say("Their words")
        threads = [threading.Thread(target=ask, args=each) for each in ((one, "one"), (other, "other"))]
        for thread in threads:
            thread.start()
        assert (theirs.step(), mine.step()) == ("Their", "My")
        mine.release()
        theirs.release()
        for thread in threads:
            thread.join(20)
    assert texts == {"one": "My words", "other": "Their words"}


def test_a_stream_is_held_from_another_language(mock_model: ModelEndpoint, mock_server: MockServer) -> None:
    with httpx2.Client(
        base_url=mock_model.url, headers={"x-mockserver-token": mock_model.token}, trust_env=False
    ) as control:
        opened = control.post("/__admin/holds", json={"to": "Count"})
        assert opened.status_code == 201
        address = f"/__admin/holds/{opened.json()['hold']}"
        with asked(mock_server) as asking:
            assert control.post(address, json={"step": 2}).json()["stepped"] == "one two"
            assert [each["sent"] for each in control.get("/__admin/holds").json()] == [2]
            assert control.post(address, json={"fault": "dropped"}).status_code == 200
        assert (asking.text, asking.error) == ("one two", "APIConnectionError")
        refused = [
            control.post("/__admin/holds", json={"to": "x", "when": {}}),
            control.post("/__admin/holds", json={"when": {"promt": "x"}}),
            control.post(address, json={"step": "3"}),
            control.post(address, json={"step": 1}),
            control.post("/__admin/holds/none", json={"release": True}),
        ]
        assert [each.status_code for each in refused] == [400, 400, 400, 409, 409]
        assert httpx2.post(f"{mock_model.url}{address}", json={"step": 1}, trust_env=False).status_code == 403
