"""What a person may say of an answer, and of the requests it is for: each key as it arrives at a client."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mockserver.answers.conformance import violations
from mockserver.exchange import Answer, Request
from mockserver.matching.call import Call
from mockserver.simulation.simulation import Simulation
from mockserver.simulation.stub import StubError, parse_stub
from mockserver.sse import event_json
from tests.unit.examples import FakeClock

TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}
USER = {"role": "user", "content": "Weather in Oslo?"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
AZURE = "/openai/deployments/gpt-4o/chat/completions"


def said(*entries: dict[str, Any]) -> Simulation:
    simulation = Simulation(clock=FakeClock())
    simulation.scopes.say_entries(*entries, name="said")
    return simulation


def ask(simulation: Simulation, path: str = "/v1/chat/completions", *, raw: bool = False, **body: Any) -> Answer:
    query = "api-version=2025-04-01-preview" if path == AZURE else ""
    body = {"model": "gpt-4o", **body}
    body = body if "responses" in path else {"messages": [USER], **body}
    body = {"input": "Weather in Oslo?", "model": "gpt-4o", **body} if "responses" in path else body
    request = Request("POST", path, query, (("authorization", "Bearer k"),), json.dumps(body).encode())
    entry = simulation.answer(request)
    assert entry.answer is not None
    if entry.answer.status == 200 and not raw:
        assert violations(Call(request), entry.answer) == ()
    return entry.answer


def events(answer: Answer) -> list[dict[str, Any]]:
    return [payload for event in answer.events if (payload := event_json(event.data)) is not None]


# --- which requests ---


@pytest.mark.parametrize(
    ("when", "body", "fits"),
    [
        ({"prompt": "Weather in Oslo?"}, {"messages": [{"role": "user", "content": [{"type": "text", "text": "Weather in Oslo?"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]}]}, True),
        ({"prompt": "Q"}, {"messages": [{"role": "user", "content": [{"type": "text", "text": "Q"}, {"type": "text", "text": "Sources: …"}]}]}, True),
        ({"contains": "Oslo"}, {}, True),
        ({"contains": "Bergen"}, {}, False),
        ({"pattern": r"Weather in \w+\?$"}, {}, True),
        ({"pattern": "^Oslo"}, {}, False),
        ({"turn": 1}, {}, True),
        ({"turn": 2}, {"messages": [USER, {"role": "assistant", "content": "x"}, USER]}, True),
        ({"turn": 1}, {"messages": [USER, {"role": "assistant", "content": "x"}, USER]}, False),
        ({"images": True}, {"messages": [{"role": "user", "content": [IMAGE]}, {"role": "assistant", "content": "x"}, USER]}, True),
        ({"images": True}, {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}, USER]}, False),
        ({"images": False}, {}, True),
        ({"images": False}, {"messages": [{"role": "user", "content": [IMAGE]}]}, False),
        ({"system": "pirate"}, {"messages": [{"role": "system", "content": "You are a pirate."}, USER]}, True),
        ({"system": "pirate"}, {"messages": [USER]}, False),
        ({"operation": "createChatCompletion", "contains": "Oslo"}, {}, True),
        ({"operation": "createResponse"}, {}, False),
        ({"tool_result": "5"}, {}, False),
    ],
)  # fmt: skip
def test_when_fits(when: dict[str, Any], body: dict[str, Any], fits: bool) -> None:
    assert (ask(said({"when": when, "say": "Sunny."}), **body).status == 200) is fits


@pytest.mark.parametrize("path", ["/v1/responses", "/openai/v1/responses"])
def test_when_reads_responses_too(path: str) -> None:
    simulation = said({"when": {"system": "brief", "contains": "Oslo", "turn": 1}, "say": "Sunny."})
    assert ask(simulation, path, instructions="Be brief.").status == 200
    parts = [{"role": "user", "content": [{"type": "input_text", "text": "Oslo?"}]}]
    assert ask(simulation, path, input=parts, instructions="Be brief.").status == 200


def test_a_tool_loop_written_the_obvious_way_ends() -> None:
    simulation = said(
        {"when": {"prompt": USER["content"]}, "call": {"get_weather": {"city": "Oslo"}}},
        {"when": {"prompt": USER["content"]}, "say": "It is 5 °C."},
    )
    first = json.loads(ask(simulation, tools=[TOOL]).body)["choices"][0]["message"]
    result = {"role": "tool", "tool_call_id": first["tool_calls"][0]["id"], "content": "5"}
    second = json.loads(ask(simulation, tools=[TOOL], messages=[USER, first, result]).body)["choices"][0]["message"]
    assert (second["content"], "tool_calls" in second) == ("It is 5 °C.", False)
    assert "tool_calls" in json.loads(ask(simulation, tools=[TOOL]).body)["choices"][0]["message"]  # a new conversation


def test_a_tool_loop_ends_in_responses() -> None:
    simulation = said({"call": {"get_weather": {"city": "Oslo"}}}, {"when": {"tool_result": "5"}, "say": "It is 5 °C."})
    tool = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}}
    call = json.loads(ask(simulation, "/v1/responses", tools=[tool]).body)["output"][0]
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "5 degrees"}
    items = [{"role": "user", "content": "Weather in Oslo?"}, call, output]
    final = json.loads(ask(simulation, "/v1/responses", tools=[tool], input=items).body)["output"][0]
    assert final["content"][0]["text"] == "It is 5 °C."


# --- what is answered ---


@pytest.mark.parametrize("path", ["/v1/chat/completions", AZURE, "/v1/responses", "/openai/v1/responses"])
@pytest.mark.parametrize("stream", [False, True])
def test_an_error_has_its_status_its_fields_and_its_headers(path: str, stream: bool) -> None:
    error = {"message": "Later.", "code": "busy", "innererror": {"x": 1}}
    answer = ask(said({"error": error, "status": 503, "headers": {"Retry-After": "2"}}), path, stream=stream)
    assert (answer.status, dict(answer.headers)["retry-after"]) == (503, "2")
    assert json.loads(answer.body)["error"] == {"type": "server_error", "param": None, **error}
    plain = ask(said({"error": "No."}), path)
    assert (plain.status, json.loads(plain.body)["error"]["message"]) == (400, "No.")
    alone = ask(said({"status": 418}), path)
    assert (alone.status, json.loads(alone.body)["error"]["message"]) == (418, "I'm a Teapot")


@pytest.mark.parametrize("path", ["/v1/chat/completions", AZURE])
@pytest.mark.parametrize("stream", [False, True])
def test_usage_finish_and_headers_of_a_chat_completion(path: str, stream: bool) -> None:
    entry = {"say": "Yes", "usage": {"input": 7, "cached": 3, "output": 90, "reasoning": 64}, "finish": "length"}
    options: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    answer = ask(said({**entry, "headers": {"x-request-id": "mine"}}), path, **options)
    assert [value for name, value in answer.headers if name == "x-request-id"] == ["mine"]
    payloads = events(answer) if stream else [json.loads(answer.body)]
    usage = payloads[-1]["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (7, 90, 97)
    assert usage["prompt_tokens_details"]["cached_tokens"] == 3
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 64
    finishes = [choice.get("finish_reason") for payload in payloads for choice in payload["choices"]]
    assert finishes[-1] == "length"


@pytest.mark.parametrize("path", ["/v1/responses", "/openai/v1/responses"])
@pytest.mark.parametrize(("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
def test_a_response_ends_incomplete(path: str, finish: str, reason: str) -> None:
    answer = ask(said({"say": "Half", "finish": finish, "usage": {"output": 5}}), path, stream=True)
    last = events(answer)[-1]
    assert (last["type"], last["response"]["incomplete_details"]) == ("response.incomplete", {"reason": reason})
    assert (last["response"]["usage"]["output_tokens"], last["response"]["output"][0]["status"]) == (5, "incomplete")


@pytest.mark.parametrize("path", ["/v1/chat/completions", AZURE])
def test_a_refusal_in_chat(path: str) -> None:
    simulation = said({"refusal": "I can't help with that."})
    schema = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    strict = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": schema}}
    message = json.loads(ask(simulation, path, response_format=strict).body)["choices"][0]["message"]
    assert (message["content"], message["refusal"]) == (None, "I can't help with that.")
    deltas = [choice["delta"] for event in events(ask(simulation, path, stream=True)) for choice in event["choices"]]
    assert "".join(delta.get("refusal") or "" for delta in deltas) == "I can't help with that."
    assert not any(delta.get("content") for delta in deltas)


def test_a_refusal_in_responses() -> None:
    answer = ask(said({"refusal": "I can't."}), "/v1/responses", stream=True)
    kinds = [event["type"] for event in events(answer)]
    assert kinds[4:-2] == [
        "response.refusal.delta",
        "response.refusal.delta",
        "response.refusal.done",
        "response.content_part.done",
    ]
    part = events(answer)[-1]["response"]["output"][0]["content"]
    assert part == [{"type": "refusal", "refusal": "I can't."}]


def test_reasoning_is_summarised_for_those_who_ask() -> None:
    simulation = said({"say": "42", "reasoning": "Six times seven."})
    stream = events(ask(simulation, "/v1/responses", stream=True, model="gpt-5", reasoning={"summary": "auto"}))
    kinds = [event["type"].removeprefix("response.") for event in stream]
    assert kinds[2:9] == [
        "output_item.added", "reasoning_summary_part.added", *["reasoning_summary_text.delta"] * 3,
        "reasoning_summary_text.done", "reasoning_summary_part.done",
    ]  # fmt: skip
    assert stream[-1]["response"]["output"][0]["summary"] == [{"type": "summary_text", "text": "Six times seven."}]
    silent = json.loads(ask(simulation, "/v1/responses", model="gpt-5").body)
    assert silent["output"][0]["summary"] == []
    assert silent["usage"]["output_tokens_details"]["reasoning_tokens"] > 0


def test_reasoning_of_a_chat_completion_comes_before_its_text() -> None:
    simulation = said({"say": "42", "reasoning_content": "Six times seven."})
    message = json.loads(ask(simulation).body)["choices"][0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("Six times seven.", "42")
    deltas = [chunk["choices"][0]["delta"] for chunk in events(ask(simulation, stream=True))]
    assert [next(iter(delta.items()), None) for delta in deltas] == [
        ("role", "assistant"), ("reasoning_content", "Six"), ("reasoning_content", " times"), ("reasoning_content", " seven."),
        ("content", "42"), None,
    ]  # fmt: skip
    only_responses = ask(said({"say": "42", "reasoning": "Six times seven."}))
    assert b"Six times" not in only_responses.body


def test_an_image_for_a_model_without_eyes_is_refused_in_responses_too() -> None:
    part = {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "auto"}
    for model, status in (("gpt-4o", 200), ("o3-mini", 400)):
        answer = ask(said({"say": "A cat."}), "/v1/responses", model=model, input=[{"role": "user", "content": [part]}])
        assert answer.status == status
    error = json.loads(answer.body)["error"]
    assert (error["param"], error["message"][:52]) == ("input", "Model 'o3-mini' does not support image inputs. Try a")


def test_citations_stand_where_the_text_cites_them() -> None:
    pages = [{"url": "https://example.com/a", "title": "A", "quote": "[1]"}, {"url": "https://example.com/b"}]
    simulation = said({"say": "Oslo [1].", "citations": pages})
    chat = json.loads(ask(simulation).body)["choices"][0]["message"]["annotations"]
    assert [each["url_citation"]["start_index"] for each in chat] == [5, 9]
    assert chat[0] == {"type": "url_citation", "url_citation": {"end_index": 8, "start_index": 5, "title": "A", "url": "https://example.com/a"}}  # fmt: skip
    stream = events(ask(simulation, "/v1/responses", stream=True))
    added = [event["annotation"] for event in stream if event["type"] == "response.output_text.annotation.added"]
    assert added == stream[-1]["response"]["output"][0]["content"][0]["annotations"]
    assert added[0] == {
        "type": "url_citation",
        "start_index": 5,
        "end_index": 8,
        "title": "A",
        "url": "https://example.com/a",
    }
    files = ask(said({"say": "x", "citations": [{"file_id": "f1", "title": "a.pdf"}]}), "/v1/responses")
    assert json.loads(files.body)["output"][0]["content"][0]["annotations"] == [
        {"type": "file_citation", "file_id": "f1", "filename": "a.pdf", "index": 1}
    ]


def test_own_data_comes_from_azure_alone() -> None:
    simulation = said({"say": "Oslo.", "context": {"citations": [{"content": "…", "title": "a.md"}], "intent": "[]"}})
    message = json.loads(ask(simulation, AZURE).body)["choices"][0]["message"]
    assert message["context"]["citations"][0]["title"] == "a.md"
    first = events(ask(simulation, AZURE, stream=True))[1]["choices"][0]["delta"]
    assert first["context"]["intent"] == "[]"
    assert "context" not in json.loads(ask(simulation).body)["choices"][0]["message"]


@pytest.mark.parametrize("filter_", ["stopped", "asynchronous_stopped"])
def test_a_filter_stops_a_response_on_azure_alone(filter_: str) -> None:
    simulation = said({"say": "One two three four", "filter": filter_})
    stream = events(ask(simulation, "/openai/v1/responses", stream=True))
    last = stream[-1]["response"]
    assert (last["status"], last["incomplete_details"]) == ("incomplete", {"reason": "content_filter"})
    assert last["output"][0]["content"][0]["text"] == "One two"
    assert last["usage"]["total_tokens"] == 0
    assert json.loads(ask(simulation, "/v1/responses").body)["status"] == "completed"


def test_a_filtered_prompt_has_the_headers_that_are_said() -> None:
    answer = ask(said({"say": "x", "filter": "prompt", "headers": {"x-ms-region": "Mars"}}), AZURE)
    assert (answer.status, dict(answer.headers)["x-ms-region"]) == (400, "Mars")


def test_an_asynchronous_filter_says_so_in_a_response() -> None:
    answer = ask(said({"say": "x", "filter": "asynchronous_blocklist"}), "/openai/v1/responses")
    verdicts = json.loads(answer.body)["content_filters"]
    assert [(each["source_type"], each["blocked"]) for each in verdicts] == [("prompt", False), ("completion", True)]


def test_raw_answers_go_anywhere() -> None:
    simulation = said(
        {"when": {"path": "/v1/somewhere/new"}, "body": {"ok": True}, "status": 201},
        {
            "when": {"contains": "raw"},
            "events": [{"type": "odd", "x": 1}, "[DONE]", ": ping\n\n"],
            "pace": {"each_ms": 5},
        },
        {"when": {"contains": "text"}, "body": "plain"},
    )
    request = Request("POST", "/v1/somewhere/new", "", (("authorization", "Bearer k"),), b"{}")
    answer = simulation.answer(request).answer
    assert answer is not None
    assert (answer.status, answer.body) == (201, b'{"ok": true}')
    stream = ask(simulation, raw=True, messages=[{"role": "user", "content": "raw"}])
    assert [event.data for event in stream.events] == [
        b'event: odd\ndata: {"type": "odd", "x": 1}\n\n',
        b"data: [DONE]\n\n",
        b": ping\n\n",
    ]
    assert [event.after_ms for event in stream.events] == [0, 5, 5]
    plain = ask(simulation, raw=True, messages=[{"role": "user", "content": "text"}])
    assert (dict(plain.headers)["content-type"], plain.body) == ("text/plain; charset=utf-8", b"plain")


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ({"say": "x", "error": "y"}, "said#1: say and error are two answers; give each an entry of its own"),
        ({"body": {}, "events": []}, "said#1: body and events are two answers; give each an entry of its own"),
        ({"say": "x", "status": 500}, "said#1: status needs an error, a body or events; what is said is always sent with 200"),
        ({"reasoning": "x"}, "said#1: reasoning needs an answer: add `say`, `call` or `refusal`"),
        ({"headers": {"a": "b"}, "fault": "stall"}, "said#1: headers needs an answer: add `say`, `call` or `refusal`"),
        ({"say": "x", "when": {"pattern": "("}}, "said#1: when.pattern is not a regular expression: missing ), unterminated subpattern at position 0"),
        ({"say": "x", "when": {"operation": "createRespons"}}, "said#1: when.operation must be an operation, got 'createRespons' (did you mean 'createResponse'?)"),
        ({"say": "x", "when": {"turn": 0}}, "said#1: when.turn must be an integer >= 1, got 0"),
        ({"say": "x", "finish": "stopp"}, "said#1: unknown finish 'stopp' (did you mean 'stop'?)"),
        ({"status": 99}, "said#1: status must be an integer >= 200, got 99"),
        ({"say": "x", "usage": {"output": -1}}, "said#1: usage.output must be an integer >= 0, got -1"),
    ],
)  # fmt: skip
def test_a_mistake_says_what_and_where(entry: dict[str, Any], complaint: str) -> None:
    with pytest.raises(StubError) as error:
        parse_stub(entry, "said#1")
    assert str(error.value).startswith(complaint)
