"""Made-up answers: what the request wants, true to the contract on every operation, and visibly made up."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import jsonschema_rs
import pytest

from mockserver import tokens
from mockserver.answers.conformance import violations
from mockserver.answers.generated.generate import generate
from mockserver.answers.generated.prose import MADE_UP
from mockserver.answers.generated.schema_instance import instance
from mockserver.answers.latency import Latency
from mockserver.contract.operations import OPERATIONS, Operation, address_of
from mockserver.contract.violations import answer_violations
from mockserver.exchange import Answer, Request
from mockserver.matching.call import Call
from mockserver.simulation.settings import OnMiss
from mockserver.simulation.simulation import Simulation
from tests.unit.examples import FakeClock, chat

AZURE = "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"


def weather(name: str = "get_weather") -> dict[str, Any]:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


def ask(request: Request) -> Answer:
    return generate(Call(request), "gpt-4o", at_s=1000)


def choice(request: Request, index: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ask(request).body)["choices"][index]
    return found


def responses(**body: Any) -> Request:
    headers = (("authorization", "Bearer k"),)
    return Request("POST", "/v1/responses", "", headers, json.dumps({"model": "gpt-4o", **body}).encode())


def deltas(answer: Answer) -> list[dict[str, Any]]:
    lines = [line for line in answer.body.decode().splitlines() if line.startswith("data: {")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


# --- prose ---


@pytest.mark.parametrize(
    ("prompt", "part"),
    [
        ("Show me a table of options", "|:--|--:|"),
        ("Write a Python function", "```python\n"),
        ("Some TypeScript, please", "```typescript\n"),
        ("A SQL query for orders", "```sql\n"),
        ("What is new in Oslo?", "**“What is new in Oslo?”**"),
        ("Hi!", "Hello!"),
        ("", "nothing in particular"),
        ("x" * 200, "x" * 77 + "…"),
    ],
)
def test_a_demo_answer_has_the_shape_that_is_asked_for_and_says_that_it_is_made_up(prompt: str, part: str) -> None:
    text = choice(chat(prompt))["message"]["content"]
    assert part in text
    assert text.splitlines()[-1] == MADE_UP


@pytest.mark.parametrize("path", ["/v1/chat/completions", AZURE])
def test_streamed_or_not_it_is_the_same_and_the_same_each_time(path: str) -> None:
    whole = choice(chat("A plan?", path=path))["message"]["content"]
    streamed = ask(chat("A plan?", path=path, stream=True))
    written = [part["delta"].get("content") or "" for each in deltas(streamed) for part in each["choices"]]
    assert "".join(written) == whole
    assert ask(chat("A plan?", path=path, stream=True)) == streamed


def test_a_response_says_what_a_chat_would_say() -> None:
    text = json.loads(ask(responses(input="Hi!")).body)["output"][0]["content"][0]["text"]
    assert text.startswith("Hello!")


# --- what the request wants ---


def test_n_choices_are_counted_together() -> None:
    body = json.loads(ask(chat(n=3)).body)
    assert [each["index"] for each in body["choices"]] == [0, 1, 2]
    assert body["usage"]["completion_tokens"] == 3 * tokens.count(body["choices"][0]["message"]["content"], "gpt-4o")


@pytest.mark.parametrize("key", ["max_tokens", "max_completion_tokens"])
def test_a_limit_cuts_the_text_at_its_token(key: str) -> None:
    limit: dict[str, Any] = {key: 7}
    body = json.loads(ask(chat("Tell me more", **limit)).body)
    assert (body["choices"][0]["finish_reason"], body["usage"]["completion_tokens"]) == ("length", 7)


@pytest.mark.parametrize("stream", [False, True])
def test_a_limit_leaves_a_response_incomplete(stream: bool) -> None:
    answer = ask(responses(input="Tell me more", max_output_tokens=16, stream=stream))
    final = deltas(answer)[-1] if stream else {"type": "response.incomplete", "response": json.loads(answer.body)}
    assert final["type"] == "response.incomplete"
    assert final["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert final["response"]["output"][0]["status"] == "incomplete"
    assert final["response"]["usage"]["output_tokens"] == 16


@pytest.mark.parametrize("stop", [" it ", ["never said", " it "], ["the", " it "]])
def test_a_stop_sequence_ends_the_text_before_it(stop: Any) -> None:
    without = choice(chat("What is new?"))["message"]["content"]
    stopped = choice(chat("What is new?", stop=stop))
    assert stopped["finish_reason"] == "stop"
    assert " it " not in stopped["message"]["content"]
    assert stopped["message"]["content"] != without
    assert without.startswith(stopped["message"]["content"])


NAMES_BOTH = "Use get weather, then sendMail"
BOTH = [weather(), weather("send_mail")]


@pytest.mark.parametrize(
    ("prompt", "asked", "called"),
    [
        ("How are you?", {"tools": BOTH}, []),
        ("Call get_weather for Oslo", {"tools": BOTH}, ["get_weather"]),
        ("Please GetWeather", {"tools": [weather("GetWeather")]}, ["GetWeather"]),
        ("forget weathering", {"tools": BOTH}, []),
        (NAMES_BOTH, {"tools": [weather(), weather("sendMail")]}, ["get_weather", "sendMail"]),
        (NAMES_BOTH, {"tools": [weather(), weather("sendMail")], "parallel_tool_calls": False}, ["get_weather"]),
        ("Call get_weather", {"tools": BOTH, "tool_choice": "none"}, []),
        ("How are you?", {"tools": BOTH, "tool_choice": "required"}, ["get_weather"]),
        ("Now send_mail", {"tools": BOTH, "tool_choice": "required"}, ["send_mail"]),
        ("Hi", {"tools": BOTH, "tool_choice": {"type": "function", "function": {"name": "send_mail"}}}, ["send_mail"]),
        ("Hi", {"tools": BOTH, "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [BOTH[1]]}}}, ["send_mail"]),
        ("Hi", {"tools": BOTH, "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [BOTH[1]]}}}, []),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/v1/chat/completions", AZURE])
def test_a_tool_is_called_when_it_is_demanded_or_named(
    prompt: str, asked: dict[str, Any], called: list[str], path: str
) -> None:
    request = chat(prompt, path=path, **asked)
    found = choice(request)
    calls = found["message"].get("tool_calls") or []
    assert [call["function"]["name"] for call in calls] == called
    assert all(set(json.loads(call["function"]["arguments"])) == {"city"} for call in calls)
    named = isinstance(asked.get("tool_choice"), dict) and "function" in asked["tool_choice"]
    assert found["finish_reason"] == ("tool_calls" if called and not named else "stop")
    assert violations(Call(request), ask(request)) == ()


def test_a_tools_result_is_answered_in_text_so_that_loops_end() -> None:
    call = choice(chat("Call get_weather", tools=BOTH))["message"]
    result = {"role": "tool", "tool_call_id": call["tool_calls"][0]["id"], "content": "12 °C"}
    messages = [{"role": "user", "content": "Call get_weather"}, call, result]
    assert choice(chat(tools=BOTH, messages=messages))["finish_reason"] == "stop"


def test_a_response_calls_functions_too_and_its_loop_ends() -> None:
    tool = {
        "type": "function",
        "name": "get_weather",
        "parameters": weather()["function"]["parameters"],
        "strict": True,
    }
    call = json.loads(ask(responses(input="get_weather in Oslo", tools=[tool])).body)["output"][0]
    assert (call["type"], call["name"], list(json.loads(call["arguments"]))) == (
        "function_call",
        "get_weather",
        ["city"],
    )
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "12 °C"}
    after = [{"role": "user", "content": "get_weather in Oslo"}, call, result]
    assert json.loads(ask(responses(input=after, tools=[tool])).body)["output"][0]["type"] == "message"


@pytest.mark.parametrize("stream", [False, True])
def test_log_probabilities_cover_every_token(stream: bool) -> None:
    request = chat("Hi", logprobs=True, top_logprobs=2, stream=stream)
    answer = ask(request)
    parts = [each["choices"][0] for each in (deltas(answer) if stream else [json.loads(answer.body)])]
    found = [entry for part in parts for entry in (part["logprobs"] or {}).get("content", ())]
    text = "".join(bytes(byte for each in found for byte in each["bytes"]).decode())
    assert text.splitlines()[-1] == MADE_UP
    assert all(len(each["top_logprobs"]) == 2 and each["logprob"] <= 0 for each in found)
    assert all(each["top_logprobs"][0]["logprob"] > each["top_logprobs"][1]["logprob"] for each in found)
    assert violations(Call(request), answer) == ()


def test_a_response_has_log_probabilities_where_they_are_included() -> None:
    asked = responses(input="Hi", include=["message.output_text.logprobs"], top_logprobs=1)
    part = json.loads(ask(asked).body)["output"][0]["content"][0]
    assert "".join(each["token"] for each in part["logprobs"]) == part["text"]
    assert violations(Call(asked), ask(asked)) == ()


# --- JSON ---

SCHEMAS: tuple[dict[str, Any], ...] = (
    {"type": "object", "properties": {"city": {"type": "string"}, "unit": {"enum": ["c", "f"]}}, "required": ["city"]},
    {"$defs": {"node": {"type": "object", "properties": {"value": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}, "required": ["value", "next"]}}, "$ref": "#/$defs/node"},
    {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#"}}, "name": {"type": ["string", "null"]}}, "required": ["children", "name"]},
    {"type": "array", "items": {"type": "string"}, "minItems": 3, "maxItems": 3, "uniqueItems": True},
    {"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 3, "uniqueItems": True},
    {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "boolean"}], "items": False, "minItems": 2},
    {"type": "string", "pattern": r"^[A-Z]{3}-\d{2,4}$"},
    {"type": "string", "minLength": 40, "maxLength": 42},
    {"type": "string", "maxLength": 3},
    {"type": "integer", "exclusiveMinimum": 3, "maximum": 4},
    {"type": "integer", "multipleOf": 5, "minimum": 12},
    {"type": "integer", "exclusiveMaximum": 1},
    {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
    {"type": "number", "maximum": -5},
    {"type": "number", "minimum": 0.1, "maximum": 0.2},
    {"allOf": [{"type": "object", "properties": {"a": {"const": 1}}, "required": ["a"]}, {"properties": {"b": {"type": "null"}}, "required": ["b"]}]},
    {"oneOf": [{"type": "null"}, {"type": "object", "properties": {"kind": {"const": "x"}}, "required": ["kind"]}]},
    {"type": "object", "minProperties": 2, "additionalProperties": {"type": "integer"}},
    {"properties": {"when": {"type": "string", "format": "date-time"}, "who": {"type": "string", "format": "email"}}},
    {"items": {"minimum": 2}}, {"enum": [None, 1]}, {}, {"type": "object", "required": ["unheard of"]},
)  # fmt: skip


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: json.dumps(schema)[:40])
def test_a_value_is_what_its_schema_allows(schema: dict[str, Any]) -> None:
    validator = jsonschema_rs.validator_for(schema)
    made = [instance(schema, str(seed)) for seed in range(200)]
    assert [each for each in made if not validator.is_valid(each)] == []
    assert instance(schema, "7") == instance(schema, "7")


@pytest.mark.parametrize("path", ["/v1/chat/completions", AZURE])
@pytest.mark.parametrize("stream", [False, True])
def test_a_strict_schema_is_kept(path: str, stream: bool) -> None:
    described = {"name": "x", "strict": True, "schema": SCHEMAS[0]}
    request = chat(path=path, stream=stream, response_format={"type": "json_schema", "json_schema": described})
    assert violations(Call(request), ask(request)) == ()
    if not stream:
        assert "city" in json.loads(choice(request)["message"]["content"])


def test_json_mode_gives_an_object() -> None:
    assert json.loads(choice(chat("as JSON", response_format={"type": "json_object"}))["message"]["content"])["made_up"]
    text = {"format": {"type": "json_schema", "name": "x", "schema": SCHEMAS[0]}}
    made = json.loads(ask(responses(input="x", text=text)).body)["output"][0]["content"][0]["text"]
    assert jsonschema_rs.is_valid(SCHEMAS[0], json.loads(made))


# --- embeddings ---


def test_an_embedding_is_the_same_as_numbers_and_as_base64() -> None:
    def vectors(**body: Any) -> list[Any]:
        request = Request("POST", "/v1/embeddings", "", (), json.dumps({"model": "m", **body}).encode())
        return [each["embedding"] for each in json.loads(ask(request).body)["data"]]

    first, second = vectors(input=["a", "b"], dimensions=8)
    assert first != second
    assert sum(each * each for each in first) == pytest.approx(1)
    (packed,) = vectors(input="a", dimensions=8, encoding_format="base64")
    assert struct.unpack("<8f", base64.b64decode(packed)) == pytest.approx(first)
    assert len(vectors(input=[[1, 2], [3]])) == 2
    assert len(vectors(input=[1, 2])) == 1


# --- every operation ---

BODIES: dict[str, dict[str, Any]] = {
    "createChatCompletion": {"model": "m", "messages": [{"role": "user", "content": "x"}]},
    "createResponse": {"model": "m", "input": "x"},
    "createEmbedding": {"model": "m", "input": "x"},
    "updateChatCompletion": {"metadata": {"a": "b"}},
    "compactResponse": {"model": "m", "input": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]},
    "countInputTokens": {"model": "gpt-4o", "input": "Hello!"},
}  # fmt: skip


def call(operation: Operation, prefix: str = "/v1", query: str = "", clock: FakeClock | None = None) -> Any:
    path = f"{prefix}/{operation.path.replace('{model}', 'gpt-4o').replace('{id}', 'id_1')}"
    body = json.dumps(BODIES[operation.name]).encode() if operation.name in BODIES else b""
    request = Request(operation.method, path, query, (("api-key", "k"), ("authorization", "Bearer k")), body)
    return request, Simulation(on_miss=OnMiss.GENERATE, clock=clock or FakeClock()).answer(request).answer


@pytest.mark.parametrize("prefix", ["/v1", "/openai/v1"])
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)
def test_every_operation_is_answered_as_its_contract_says(operation: Operation, prefix: str) -> None:
    request, answer = call(operation, prefix)
    assert (answer.status, violations(Call(request), answer)) == (200, ())
    if operation.name not in ("listModels",):
        assert ("x-mockserver-answer", "made up") in answer.headers


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each.since is None], ids=lambda each: each.name)
def test_a_dated_address_does_not_know_what_azure_never_dated(operation: Operation) -> None:
    _, answer = call(operation, "/openai", "api-version=2025-04-01-preview")
    assert answer.status == 404


def by_name(name: str) -> Operation:
    return next(each for each in OPERATIONS if each.name == name)


@pytest.mark.parametrize("name", ["getResponse", "getChatCompletion", "cancelResponse", "deleteResponse"])
def test_what_is_stored_has_the_id_that_was_asked_for_and_the_same_content_each_time(name: str) -> None:
    (_, one), (_, same) = call(by_name(name)), call(by_name(name))
    assert json.loads(one.body)["id"] == "id_1"
    assert one.body == same.body


def test_a_stored_response_streams_from_where_the_client_left_off() -> None:
    _, whole = call(by_name("getResponse"), query="stream=true")
    _, rest = call(by_name("getResponse"), query="stream=true&starting_after=3")
    assert [each.data for each in rest.events] == [each.data for each in whole.events][4:]
    assert {each["response"]["id"] for each in deltas(whole) if "response" in each} == {"id_1"}


@pytest.mark.parametrize("name", ["listChatCompletions", "listInputItems", "getChatCompletionMessages"])
def test_pages_end(name: str) -> None:
    for query in ("limit=1", "after=x", "limit=0"):
        page = json.loads(call(by_name(name), query=query)[1].body)
        assert (len(page["data"]) <= 1, page["has_more"]) == (True, False)


def test_what_is_updated_has_its_metadata_and_what_is_deleted_says_so() -> None:
    assert json.loads(call(by_name("updateChatCompletion"))[1].body)["metadata"] == {"a": "b"}
    assert json.loads(call(by_name("deleteChatCompletion"))[1].body) == {
        "id": "id_1", "object": "chat.completion.deleted", "deleted": True
    }  # fmt: skip


def test_input_is_counted() -> None:
    assert json.loads(call(by_name("countInputTokens"))[1].body)["input_tokens"] == 3 + 3 + 1 + 2


def test_a_response_in_the_background_is_queued_at_first() -> None:
    waiting = json.loads(ask(responses(input="x", background=True)).body)
    assert (waiting["status"], waiting["output"], waiting["usage"]) == ("queued", [], None)
    kinds = [each["type"] for each in deltas(ask(responses(input="x", background=True, stream=True)))]
    assert kinds[:3] == ["response.created", "response.queued", "response.in_progress"]


def test_an_answer_comes_at_the_stated_pace() -> None:
    request = chat(stream=True)
    answer = generate(Call(request), "m", at_s=0, latency=Latency(100, 100, 50))
    assert answer.head_after_ms == 100
    assert {event.after_ms for event in answer.events} == {0, 20}


@pytest.mark.parametrize("name", [each.name for each in OPERATIONS if each.answer])
def test_a_planted_mistake_in_an_answer_is_seen(name: str) -> None:
    operation = by_name(name)
    request, answer = call(operation)
    body = json.loads(answer.body)
    address = address_of(request.method, request.raw_path, "")
    del body[next(key for key in ("object", "created", "data", "id") if key in body)]
    assert answer_violations(address, body) != ()


@pytest.mark.parametrize(
    "body",
    [
        {"stop": ""}, {"stop": ["", "x"]}, {"stop": []}, {"n": None}, {"tools": [], "tool_choice": "auto"},
        {"messages": [{"role": "system", "content": "only"}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]}]},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
        {"functions": [{"name": "f", "parameters": {}}], "function_call": "auto"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
def test_an_odd_request_is_answered_all_the_same(body: dict[str, Any], stream: bool) -> None:
    asked = {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": stream, **body}
    headers = (("authorization", "Bearer k"),)
    request = Request("POST", "/v1/chat/completions", "", headers, json.dumps(asked).encode())
    answer = Simulation(on_miss=OnMiss.GENERATE, clock=FakeClock()).answer(request).answer
    assert answer is not None
    assert answer.status == 200


NULLS = ("parallel_tool_calls", "temperature", "store", "truncation", "metadata", "include", "instructions")


@pytest.mark.parametrize("key", NULLS)
def test_null_is_as_good_as_nothing(key: str) -> None:
    nothing: dict[str, Any] = {key: None}
    request = responses(input="x", **nothing)
    assert Simulation(on_miss=OnMiss.GENERATE, clock=FakeClock()).answer(request).answer.status == 200  # type: ignore[union-attr]


@pytest.mark.parametrize("query", ["limit=abc", "limit=", "stream=true&starting_after=abc"])
def test_a_number_that_is_none_counts_as_not_given(query: str) -> None:
    for name in ("listChatCompletions", "getResponse"):
        assert call(by_name(name), query=query)[1].status == 200


@pytest.mark.parametrize("schema", [{"type": "objekt"}, {"$ref": "#/$defs/nope"}, {"pattern": "("}])
def test_a_schema_that_is_none_is_refused(schema: dict[str, Any]) -> None:
    described = {"name": "x", "schema": schema, "strict": True}
    for request in (
        chat(response_format={"type": "json_schema", "json_schema": described}),
        responses(input="x", text={"format": {"type": "json_schema", **described}}),
    ):
        entry = Simulation(on_miss=OnMiss.GENERATE, clock=FakeClock()).answer(request)
        assert entry.decided_by == "invalid request, no-schema response_format"
