"""Generated answers: they meet the request's constraints, keep every operation's contract, and are marked."""

from __future__ import annotations

import base64
import json
import re
import struct
from collections.abc import Callable
from typing import Any

import jsonschema_rs
import pytest

from mockserver import tokens
from mockserver.answers.conformance import violations
from mockserver.answers.generated.generate import generate
from mockserver.answers.generated.images import picture
from mockserver.answers.generated.prose import MADE_UP
from mockserver.answers.generated.schema_instance import instance
from mockserver.answers.latency import Latency
from mockserver.contract.addresses import address_of
from mockserver.contract.operations import OPERATIONS, Operation
from mockserver.contract.request_check import LENIENT_NAMES
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
    result: dict[str, Any] = json.loads(ask(request).body)["choices"][index]
    return result


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
def test_prose_has_the_shape_that_the_prompt_asks_for_and_ends_with_the_mark(prompt: str, part: str) -> None:
    text = choice(chat(prompt))["message"]["content"]
    assert part in text
    assert text.splitlines()[-1] == MADE_UP


@pytest.mark.parametrize("path", ["/v1/chat/completions", AZURE])
def test_the_text_is_the_same_each_time_as_json_and_as_a_stream(path: str) -> None:
    whole = choice(chat("A plan?", path=path))["message"]["content"]
    streamed = ask(chat("A plan?", path=path, stream=True))
    pieces = [part["delta"].get("content") or "" for chunk in deltas(streamed) for part in chunk["choices"]]
    assert "".join(pieces) == whole
    assert ask(chat("A plan?", path=path, stream=True)) == streamed


def test_a_response_has_the_text_of_a_chat_completion() -> None:
    text = json.loads(ask(responses(input="Hi!")).body)["output"][0]["content"][0]["text"]
    assert text.startswith("Hello!")


# --- constraints of the request ---


def test_usage_counts_all_n_choices() -> None:
    body = json.loads(ask(chat(n=3)).body)
    assert [part["index"] for part in body["choices"]] == [0, 1, 2]
    assert body["usage"]["completion_tokens"] == 3 * tokens.count(body["choices"][0]["message"]["content"], "gpt-4o")


@pytest.mark.parametrize("key", ["max_tokens", "max_completion_tokens"])
def test_a_token_limit_cuts_the_text_off(key: str) -> None:
    limit: dict[str, Any] = {key: 7}
    body = json.loads(ask(chat("Tell me more", **limit)).body)
    assert (body["choices"][0]["finish_reason"], body["usage"]["completion_tokens"]) == ("length", 7)


@pytest.mark.parametrize("stream", [False, True])
def test_a_token_limit_makes_a_response_incomplete(stream: bool) -> None:
    answer = ask(responses(input="Tell me more", max_output_tokens=16, stream=stream))
    final = deltas(answer)[-1] if stream else {"type": "response.incomplete", "response": json.loads(answer.body)}
    assert final["type"] == "response.incomplete"
    assert final["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert final["response"]["output"][0]["status"] == "incomplete"
    assert final["response"]["usage"]["output_tokens"] == 16


@pytest.mark.parametrize("stop", [" it ", ["never there", " it "], ["the", " it "]])
def test_the_text_ends_before_a_stop_sequence(stop: Any) -> None:
    without = choice(chat("What is new?"))["message"]["content"]
    stopped = choice(chat("What is new?", stop=stop))
    assert stopped["finish_reason"] == "stop"
    assert " it " not in stopped["message"]["content"]
    assert stopped["message"]["content"] != without
    assert without.startswith(stopped["message"]["content"])


NAMES_BOTH = "Use get weather, then sendMail"
BOTH = [weather(), weather("send_mail")]


@pytest.mark.parametrize(
    ("prompt", "options", "names"),
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
def test_a_tool_is_called_where_the_request_requires_it_or_the_prompt_names_it(
    prompt: str, options: dict[str, Any], names: list[str], path: str
) -> None:
    request = chat(prompt, path=path, **options)
    result = choice(request)
    calls = result["message"].get("tool_calls") or []
    assert [call["function"]["name"] for call in calls] == names
    assert all(set(json.loads(call["function"]["arguments"])) == {"city"} for call in calls)
    one_named = isinstance(options.get("tool_choice"), dict) and "function" in options["tool_choice"]
    assert result["finish_reason"] == ("tool_calls" if names and not one_named else "stop")
    assert violations(Call(request), ask(request)) == ()


def test_a_tools_result_gets_a_text_so_that_loops_end() -> None:
    call = choice(chat("Call get_weather", tools=BOTH))["message"]
    result = {"role": "tool", "tool_call_id": call["tool_calls"][0]["id"], "content": "12 °C"}
    messages = [{"role": "user", "content": "Call get_weather"}, call, result]
    assert choice(chat(tools=BOTH, messages=messages))["finish_reason"] == "stop"


def test_a_response_calls_a_function_and_then_ends_the_loop() -> None:
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
    choices = [body["choices"][0] for body in (deltas(answer) if stream else [json.loads(answer.body)])]
    entries = [entry for part in choices for entry in (part["logprobs"] or {}).get("content", ())]
    text = "".join(bytes(byte for entry in entries for byte in entry["bytes"]).decode())
    assert text.splitlines()[-1] == MADE_UP
    assert all(len(entry["top_logprobs"]) == 2 and entry["logprob"] <= 0 for entry in entries)
    assert all(entry["top_logprobs"][0]["logprob"] > entry["top_logprobs"][1]["logprob"] for entry in entries)
    assert violations(Call(request), answer) == ()


def test_a_response_has_log_probabilities_where_the_request_includes_them() -> None:
    request = responses(input="Hi", include=["message.output_text.logprobs"], top_logprobs=1)
    part = json.loads(ask(request).body)["output"][0]["content"][0]
    assert "".join(entry["token"] for entry in part["logprobs"]) == part["text"]
    assert violations(Call(request), ask(request)) == ()


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
def test_a_generated_value_fits_its_schema(schema: dict[str, Any]) -> None:
    validator = jsonschema_rs.validator_for(schema)
    values = [instance(schema, str(seed)) for seed in range(200)]
    assert [value for value in values if not validator.is_valid(value)] == []
    assert instance(schema, "7") == instance(schema, "7")


@pytest.mark.parametrize("path", ["/v1/chat/completions", AZURE])
@pytest.mark.parametrize("stream", [False, True])
def test_a_strict_schema_is_kept_by_the_answer(path: str, stream: bool) -> None:
    json_schema = {"name": "x", "strict": True, "schema": SCHEMAS[0]}
    request = chat(path=path, stream=stream, response_format={"type": "json_schema", "json_schema": json_schema})
    assert violations(Call(request), ask(request)) == ()
    if not stream:
        assert "city" in json.loads(choice(request)["message"]["content"])


def test_json_mode_gives_an_object() -> None:
    assert json.loads(choice(chat("as JSON", response_format={"type": "json_object"}))["message"]["content"])["made_up"]
    text = {"format": {"type": "json_schema", "name": "x", "schema": SCHEMAS[0]}}
    answer_text = json.loads(ask(responses(input="x", text=text)).body)["output"][0]["content"][0]["text"]
    assert jsonschema_rs.is_valid(SCHEMAS[0], json.loads(answer_text))


# --- embeddings ---


def test_an_embedding_is_the_same_as_numbers_and_as_base64() -> None:
    def vectors(**body: Any) -> list[Any]:
        request = Request("POST", "/v1/embeddings", "", (), json.dumps({"model": "m", **body}).encode())
        return [item["embedding"] for item in json.loads(ask(request).body)["data"]]

    first, second = vectors(input=["a", "b"], dimensions=8)
    assert first != second
    assert sum(number * number for number in first) == pytest.approx(1)
    (base64_text,) = vectors(input="a", dimensions=8, encoding_format="base64")
    assert struct.unpack("<8f", base64.b64decode(base64_text)) == pytest.approx(first)
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
    "createCompletion": {"model": "m", "prompt": "x"},
    "createModeration": {"input": "x"},
    "createConversation": {"items": [{"role": "user", "content": "x"}]},
    "updateConversation": {"metadata": {"a": "b"}},
    "createConversationItems": {"items": [{"role": "user", "content": "x"}]},
    "createVectorStore": {"name": "x"},
    "modifyVectorStore": {"name": "y"},
    "searchVectorStore": {"query": "x"},
    "createVectorStoreFile": {"file_id": "file-1"},
    "updateVectorStoreFileAttributes": {"attributes": {"a": 1}},
    "createVectorStoreFileBatch": {"file_ids": ["file-1"]},
    "createBatch": {"input_file_id": "file-1", "endpoint": "/v1/responses", "completion_window": "24h"},
    "createSpeech": {"model": "m", "input": "x", "voice": "alloy"},
    "createImage": {"model": "gpt-image-1", "prompt": "x", "size": "1024x1024"},
}  # fmt: skip
#: The fields of multipart forms; a file's value is its bytes.
FORMS: dict[str, dict[str, str | bytes]] = {
    "createFile": {"file": b"x", "purpose": "user_data"},
    "createTranscription": {"file": b"x", "model": "m"},
    "createTranslation": {"file": b"x", "model": "m"},
    "createImageEdit": {"image": b"x", "prompt": "x", "model": "gpt-image-1"},
    "createImageVariation": {"image": b"x", "response_format": "b64_json"},
}


def form(fields: dict[str, str | bytes]) -> bytes:
    parts = []
    for name, value in fields.items():
        file = '; filename="a.txt"' if isinstance(value, bytes) else ""
        content = value if isinstance(value, bytes) else value.encode()
        parts.append(f'--b\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + content + b"\r\n")
    return b"".join(parts) + b"--b--\r\n"


def call(operation: Operation, prefix: str = "/v1", query: str = "", clock: FakeClock | None = None) -> Any:
    path = f"{prefix}/{operation.path.replace('{model}', 'gpt-4o').replace('{id}', 'id_1').replace('{item}', 'id_2')}"
    headers: tuple[tuple[str, str], ...] = (("api-key", "k"), ("authorization", "Bearer k"))
    if operation.name in FORMS:
        body = form(FORMS[operation.name])
        headers = (*headers, ("content-type", "multipart/form-data; boundary=b"))
    else:
        body = json.dumps(BODIES[operation.name]).encode() if operation.name in BODIES else b""
    request = Request(operation.method, path, query, headers, body)
    return request, Simulation(on_miss=OnMiss.GENERATE, clock=clock or FakeClock()).answer(request).answer


#: Addresses by the operations they have.
HOMES: list[tuple[str, Callable[[Operation], bool]]] = [
    ("/v1", lambda operation: operation.on_openai),
    ("/openai/v1", lambda operation: operation.on_azure),
    ("/models", lambda operation: operation.on_foundry),
    ("/api/projects/p/openai/v1", lambda operation: operation.on_azure),
]


@pytest.mark.parametrize(
    ("operation", "prefix"),
    [
        pytest.param(operation, prefix, id=f"{operation.name}-{prefix}")
        for prefix, has in HOMES
        for operation in OPERATIONS
        if has(operation) and operation.name != "getGeneratedImage"
    ],
)
def test_every_operation_is_answered_and_the_answer_keeps_the_contract(operation: Operation, prefix: str) -> None:
    request, answer = call(operation, prefix)
    assert (answer.status, violations(Call(request), answer)) == (200, ())
    if operation.name not in ("listModels", "getModelInfo"):
        assert {"made up", "stored"} & {value for name, value in answer.headers if name == "x-mockserver-answer"}


@pytest.mark.parametrize(
    "operation",
    [operation for operation in OPERATIONS if operation.since is None],
    ids=lambda operation: operation.name,
)
def test_operations_without_a_dated_api_version_are_404_at_dated_addresses(operation: Operation) -> None:
    _, answer = call(operation, "/openai", "api-version=2025-04-01-preview")
    assert answer.status == 404


def by_name(name: str) -> Operation:
    return next(operation for operation in OPERATIONS if operation.name == name)


@pytest.mark.parametrize("name", ["getResponse", "getChatCompletion", "cancelResponse", "deleteResponse"])
def test_a_stored_object_has_the_requested_id_and_always_the_same_content(name: str) -> None:
    (_, one), (_, same) = call(by_name(name)), call(by_name(name))
    assert json.loads(one.body)["id"] == "id_1"
    assert one.body == same.body


def test_a_stored_response_is_streamed_from_starting_after() -> None:
    _, whole = call(by_name("getResponse"), query="stream=true")
    _, rest = call(by_name("getResponse"), query="stream=true&starting_after=3")
    assert [event.data for event in rest.events] == [event.data for event in whole.events][4:]
    assert {event["response"]["id"] for event in deltas(whole) if "response" in event} == {"id_1"}


@pytest.mark.parametrize("name", ["listChatCompletions", "listInputItems", "getChatCompletionMessages"])
def test_lists_have_one_page(name: str) -> None:
    for query in ("limit=1", "after=x"):
        page = json.loads(call(by_name(name), query=query)[1].body)
        assert (len(page["data"]) <= 1, page["has_more"]) == (True, False)


def test_an_update_returns_its_metadata_and_a_deletion_is_confirmed() -> None:
    assert json.loads(call(by_name("updateChatCompletion"))[1].body)["metadata"] == {"a": "b"}
    assert json.loads(call(by_name("deleteChatCompletion"))[1].body) == {
        "id": "id_1", "object": "chat.completion.deleted", "deleted": True
    }  # fmt: skip


def test_input_tokens_are_counted() -> None:
    assert json.loads(call(by_name("countInputTokens"))[1].body)["input_tokens"] == 3 + 3 + 1 + 2


def test_a_response_in_the_background_is_queued_at_first() -> None:
    simulation = Simulation(on_miss=OnMiss.GENERATE, clock=FakeClock())
    response = json.loads(simulation.answer(responses(input="x", background=True)).answer.body)  # type: ignore[union-attr]
    assert (response["status"], response["output"], response["usage"]) == ("queued", [], None)
    kinds = [event["type"] for event in deltas(ask(responses(input="x", background=True, stream=True)))]
    assert kinds[:3] == ["response.created", "response.queued", "response.in_progress"]


def test_an_answer_has_the_pace_of_the_latency_profile() -> None:
    request = chat(stream=True)
    answer = generate(Call(request), "m", at_s=0, latency=Latency(100, 100, 50))
    assert answer.head_after_ms == 100
    assert {event.after_ms for event in answer.events} == {0, 20}


@pytest.mark.parametrize("name", [operation.name for operation in OPERATIONS if operation.answer])
def test_a_missing_key_in_an_answer_is_a_violation(name: str) -> None:
    operation = by_name(name)
    request, answer = call(operation)
    body = json.loads(answer.body)
    address = address_of(request.method, request.raw_path, "")
    del body[next(key for key in ("object", "created", "data", "id") if key in body)]
    assert answer_violations(address, body) != ()


@pytest.mark.parametrize(
    "body",
    [
        {"stop": ""}, {"stop": ["", "x"]}, {"stop": []}, {"n": None},
        {"messages": [{"role": "system", "content": "only"}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]}]},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
        {"functions": [{"name": "f", "parameters": {}}], "function_call": "auto"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
def test_an_unusual_request_is_answered(body: dict[str, Any], stream: bool) -> None:
    content = {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": stream, **body}
    headers = (("authorization", "Bearer k"),)
    request = Request("POST", "/v1/chat/completions", "", headers, json.dumps(content).encode())
    answer = Simulation(on_miss=OnMiss.GENERATE, clock=FakeClock()).answer(request).answer
    assert answer is not None
    assert answer.status == 200


NULLS = ("parallel_tool_calls", "temperature", "store", "truncation", "metadata", "include", "instructions")


@pytest.mark.parametrize("key", NULLS)
def test_null_counts_as_absent(key: str) -> None:
    nothing: dict[str, Any] = {key: None}
    request = responses(input="x", **nothing)
    assert Simulation(on_miss=OnMiss.GENERATE, clock=FakeClock()).answer(request).answer.status == 200  # type: ignore[union-attr]


@pytest.mark.parametrize("query", ["limit=abc", "stream=true&starting_after=abc"])
def test_an_invalid_number_in_the_query_is_ignored(query: str) -> None:
    assert call(by_name("getResponse"), query=query)[1].status == 200


@pytest.mark.parametrize("schema", [{"type": "objekt"}, {"$ref": "#/$defs/nope"}, {"pattern": "("}])
def test_an_invalid_schema_is_refused(schema: dict[str, Any]) -> None:
    json_schema = {"name": "x", "schema": schema, "strict": True}
    for request, field in (
        (chat(response_format={"type": "json_schema", "json_schema": json_schema}), "response_format"),
        (responses(input="x", text={"format": {"type": "json_schema", **json_schema}}), "text.format.schema"),
    ):
        entry = Simulation(on_miss=OnMiss.GENERATE, clock=FakeClock()).answer(request)
        assert entry.decided_by == f"invalid request, answer-schema {field}"


def test_a_cancelled_response_is_json__stream_in_its_query() -> None:
    path, key = "/v1/responses/resp_1/cancel", (("authorization", "Bearer k"),)
    answers = [ask(Request("POST", path, query, key)) for query in ("", "stream=true")]
    assert answers[0] == answers[1]
    assert (answers[0].streams, json.loads(answers[0].body)["id"]) == (False, "resp_1")


def test_a_required_tool_that_was_called_gives_way_to_one_that_was_not() -> None:
    tools = [
        {"type": "function", "function": {"name": name, "parameters": {}}} for name in ("get_weather", "final_result")
    ]
    called = {"id": "c", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "Please get weather."},
        {"role": "assistant", "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "c", "content": "rain"},
    ]
    names = [
        choice(chat(messages=messages[:count], tools=tools, tool_choice="required"))["message"]["tool_calls"][0][
            "function"
        ]["name"]
        for count in (1, 3)
    ]
    assert names == ["get_weather", "final_result"]


def test_an_optional_property_is_left_out_only_where_it_contains_itself() -> None:
    schema = {
        "type": "object",
        "properties": {"tasks": {"type": "array", "items": {"$ref": "#/$defs/Task"}}, "tree": {"$ref": "#/$defs/Tree"}},
        "$defs": {
            "Task": {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]},
            "Tree": {"type": "object", "properties": {"child": {"$ref": "#/$defs/Tree"}}},
        },
    }
    made = instance(schema, "x")
    assert set(made) == {"tasks"}
    assert all(task["title"] for task in made["tasks"])


def test_a_schema_in_the_system_text_is_followed() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    formats: list[dict[str, Any]] = [{"response_format": {"type": "json_object"}}, {}]
    for more in formats:
        system = {"role": "system", "content": f"Answer as JSON of this schema: {json.dumps(schema)} and nothing else."}
        answer = choice(chat(messages=[system, {"role": "user", "content": "Oslo?"}], **more))["message"]["content"]
        assert list(json.loads(answer)) == ["city"]
    user = {"role": "user", "content": f"What is {json.dumps(schema)}?"}
    assert "Made up by the mock" in choice(chat(messages=[user]))["message"]["content"]


@pytest.mark.parametrize(
    ("size", "sides"), [("64x32", (64, 32)), ("99999999x3", (4096, 3)), ("0x0", (1, 1)), ("wide", (1024, 1024))]
)
def test_a_picture_has_the_wanted_size_and_fits_in_memory(size: str, sides: tuple[int, int]) -> None:
    """Such sizes come here only with `--lenient image-size`."""
    data = picture("a lighthouse", size, "png")
    assert struct.unpack(">II", data[16:24]) == sides  # the first chunk of a PNG starts with them


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {"type": "string"}, "minItems": 10_000_000},
        {"type": "array", "minItems": 3000, "items": {"type": "array", "minItems": 3000, "items": {"type": "integer"}}},
        {"type": "array", "minItems": 100_000, "uniqueItems": True, "items": {"type": "integer"}},
        {"type": "string", "minLength": 10**9},
        {"type": "string", "pattern": "^((a{1000}){1000}){1000}$"},
        {"type": "string", "pattern": "^(((((a*)*)*)*)*)*$"},
        {"type": "string", "pattern": "^(a|b{3000})+?(?=x)[a-z]{500000}$"},
        {"type": "object", "minProperties": 10**9},
        {"$defs": {"n": {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}, "required": ["n"]}}, "$ref": "#/$defs/n"},
        {"$defs": {f"n{n}": {"allOf": [{"$ref": f"#/$defs/n{n + 1}"}] * 2} for n in range(40)}, "$ref": "#/$defs/n0"},
    ],
)  # fmt: skip
def test_a_schema_that_asks_for_more_than_a_model_writes_is_cut_off(schema: dict[str, Any]) -> None:
    assert len(json.dumps(instance(schema, "seed"))) < 1_000_000


@pytest.mark.parametrize(
    ("name", "more"),
    [
        *(
            (name, {"n": n})
            for name in ("createChatCompletion", "createCompletion", "createImage")
            for n in (10**9, -1)
        ),
        *(("createImage", {"stream": True, "partial_images": count, "n": -1}) for count in (10**9, -1)),
        *(
            ("createImage", {"output_format": kind, "stream": stream})
            for kind in ("odd", "")
            for stream in (True, False)
        ),
        *(("createSpeech", {"response_format": kind}) for kind in ("odd", "")),
        *(("createSpeech", {"speed": speed}) for speed in (-1, 1e-300, 1e300, 10**400)),
        *(("createEmbedding", {"dimensions": count}) for count in (10**9, -1)),
    ],
)
def test_values_that_only_lenient_lets_through_become_the_nearest(name: str, more: dict[str, Any]) -> None:
    body = json.dumps({**BODIES[name], **more}).encode()
    request = Request("POST", f"/v1/{by_name(name).path}", "", (("authorization", "Bearer k"),), body)
    lenient = Simulation(on_miss=OnMiss.GENERATE, clock=FakeClock(), lenient=frozenset(LENIENT_NAMES))
    answer = lenient.answer(request).answer
    assert answer is not None
    assert (answer.status, len(answer.body) < 100_000_000) == (200, True)


@pytest.mark.parametrize("pattern", ["^[A-Z]{3}-[0-9]{4}$", "^(red|green)+$", "a*b?c{2,}", "^.{20,}$", r"^(\w+)@\1$"])
def test_ordinary_patterns_are_matched(pattern: str) -> None:
    assert re.search(pattern, instance({"type": "string", "pattern": pattern}, "seed"))


def test_a_vector_is_no_longer_than_any_models() -> None:
    body = {"model": "text-embedding-3-small", "input": "x", "dimensions": 10**9}
    answer = ask(Request("POST", "/v1/embeddings", body=json.dumps(body).encode()))
    assert len(json.loads(answer.body)["data"][0]["embedding"]) == 4096
