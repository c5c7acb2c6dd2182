"""Every rule between fields: a request that it refuses, word for word, and the nearest one that it does not.

The sources of the words are named at the rules.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from mockserver.contract.addresses import address_of
from mockserver.contract.request_check import LENIENT_NAMES, refusal_of
from mockserver.contract.request_rules import REQUEST_RULES
from mockserver.contract.rule import Asked
from tests.unit.test_models import answered, refusal

CHAT, RESPONSES, V1 = "/v1/chat/completions", "/v1/responses", "/openai/v1"
DATED = "/openai/deployments/gpt-4o/chat/completions?api-version="
USER = {"role": "user", "content": "x"}
CALL = {
    "role": "assistant",
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}
TWO_CALLS = {
    "role": "assistant",
    "tool_calls": [
        {"id": call_id, "type": "function", "function": {"name": "f", "arguments": "{}"}} for call_id in ("c1", "c2")
    ],
}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "x"}
ITEM_CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "x"}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": []}
SAID = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": []}
STRICT = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}


def tool(name: str = "f", parameters: dict[str, Any] | None = None, *, strict: bool = False) -> dict[str, Any]:
    schema = {"type": "object", "properties": {}} if parameters is None else parameters
    return {"type": "function", "function": {"name": name, "parameters": schema, "strict": strict}}


def answer_schema(schema: dict[str, Any], *, strict: bool = True) -> dict[str, Any]:
    return {
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": strict}}
    }


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}, "required": ["a"], "additionalProperties": False}
    return schema


_SCHEMA = "Invalid schema for response_format 'x': "
_REQUIRED = "'required' is required to be supplied and to be an array including every key in properties."

# rule, path, keys of the request, message, param, code
REFUSED: list[tuple[str, str, dict[str, Any], str, str | None, str | None]] = [
    ("answer-schema", CHAT, answer_schema({**STRICT, "additionalProperties": True}), f"{_SCHEMA}In context=(), 'additionalProperties' is required to be supplied and to be false.", "response_format", None),
    ("answer-schema", CHAT, answer_schema({**STRICT, "required": []}), f"{_SCHEMA}In context=(), {_REQUIRED} Missing 'a'.", "response_format", None),
    ("answer-schema", CHAT, answer_schema({**STRICT, "required": ["a", "b"]}), f"{_SCHEMA}In context=(), {_REQUIRED} Extra required key 'b' supplied.", "response_format", None),
    ("answer-schema", CHAT, answer_schema({**STRICT, "properties": {"a": {"type": "object", "properties": {}}}}), f"{_SCHEMA}In context=('properties', 'a'), 'additionalProperties' is required to be supplied and to be false.", "response_format", None),
    ("answer-schema", CHAT, answer_schema({**STRICT, "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"oneOf": [{"type": "string"}]}}]}}}), f"{_SCHEMA}In context=('properties', 'a', 'anyOf', '1', 'items'), 'oneOf' is not permitted.", "response_format", None),
    ("answer-schema", CHAT, answer_schema({**STRICT, "properties": {"a": {}}}), f"{_SCHEMA}In context=('properties', 'a'), schema must have a 'type' key.", "response_format", None),
    ("answer-schema", CHAT, answer_schema({"type": "array", "items": {"type": "string"}}), f"{_SCHEMA}schema must be a JSON Schema of 'type: \"object\"', got 'type: \"array\"'.", "response_format", None),
    ("answer-schema", CHAT, answer_schema({**STRICT, "anyOf": [{"type": "object"}]}), f"{_SCHEMA}In context=(), 'anyOf' is not permitted.", "response_format", None),
    ("answer-schema", CHAT, answer_schema(nested(12)), f"{_SCHEMA}11 levels of nesting exceeds limit of 10.", "response_format", None),
    ("answer-schema", RESPONSES, {"text": {"format": {"type": "json_schema", "name": "x", "strict": True, "schema": {**STRICT, "required": []}}}}, f"{_SCHEMA}In context=(), {_REQUIRED} Missing 'a'.", "text.format.schema", "invalid_json_schema"),
    ("function-schema", CHAT, {"tools": [tool(), tool("g", {**STRICT, "required": []}, strict=True)]}, f"Invalid schema for function 'g': In context=(), {_REQUIRED} Missing 'a'.", "tools[1].function.parameters", "invalid_function_parameters"),
    ("function-schema", CHAT, {"tools": [tool("f", {"type": "string"})]}, "Invalid schema for function 'f': schema must be a JSON Schema of 'type: \"object\"', got 'type: \"string\"'.", "tools[0].function.parameters", "invalid_function_parameters"),
    ("function-schema", RESPONSES, {"tools": [{"type": "function", "name": "f", "strict": True, "parameters": {**STRICT, "required": []}}]}, f"Invalid schema for function 'f': In context=(), {_REQUIRED} Missing 'a'.", "tools[0].parameters", "invalid_function_parameters"),
    ("no-schema", CHAT, answer_schema({"type": "objekt"}, strict=False), f"{_SCHEMA}it is not a valid JSON Schema.", "response_format", None),
    ("empty-input", RESPONSES, {"input": []}, "One of \"input\" or \"previous_response_id\" or 'prompt' or 'conversation' must be provided.", None, "missing_required_parameter"),
    ("mutually-exclusive", RESPONSES, {"conversation": "conv_1", "previous_response_id": "resp_1"}, "Mutually exclusive parameters: ''. Ensure you are only providing one of: 'previous_response_id' or 'conversation'.", None, "mutually_exclusive_parameters"),
    ("stream-options", CHAT, {"stream_options": {"include_usage": True}}, "The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options", None),
    ("two-token-limits", CHAT, {"max_tokens": 1, "max_completion_tokens": 1}, "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.", "max_tokens", "invalid_parameter_combination"),
    ("top-logprobs", CHAT, {"top_logprobs": 1}, "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.", "top_logprobs", None),
    ("tool-choice", CHAT, {"tool_choice": "none"}, "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.", "tool_choice", None),
    ("parallel-tool-calls", CHAT, {"parallel_tool_calls": True}, "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified.", "parallel_tool_calls", None),
    ("too-many-tools", CHAT, {"tools": [tool(f"f{number}") for number in range(129)]}, "Invalid 'tools': array too long. Expected an array with maximum length 128, but got an array with length 129 instead.", "tools", "array_above_max_length"),
    ("empty-tools", CHAT, {"tools": []}, "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array instead.", "tools", "empty_array"),
    ("name", CHAT, {"tools": [tool("a.b")]}, "Invalid 'tools[0].function.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.", "tools[0].function.name", "invalid_value"),
    ("name", CHAT, {"tools": [tool("a" * 65)]}, "Invalid 'tools[0].function.name': string too long. Expected a string with maximum length 64, but got a string with length 65 instead.", "tools[0].function.name", "string_above_max_length"),
    ("name", CHAT, {"messages": [{**USER, "name": "Ann Lee"}]}, "Invalid 'messages[0].name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.", "messages[0].name", "invalid_value"),
    ("absent-tool", CHAT, {"tools": [tool()], "tool_choice": {"type": "function", "function": {"name": "g"}}}, "Invalid value for 'function_call': no function named 'g' was specified in the 'functions' parameter.", "function_call", None),
    ("absent-tool", RESPONSES, {"tools": [{"type": "function", "name": "f"}], "tool_choice": {"type": "function", "name": "g"}}, "Tool choice 'g' not found in 'tools' parameter.", "tool_choice", None),
    ("without-json", CHAT, {"response_format": {"type": "json_object"}}, "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.", "messages", None),
    ("without-json", RESPONSES, {"text": {"format": {"type": "json_object"}}, "instructions": "JSON"}, "Response input messages must contain the word 'json' in some form to use 'text.format' of type 'json_object'.", "input", None),
    ("tool-without-call", CHAT, {"messages": [USER, RESULT]}, "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.", "messages.[1].role", None),
    ("call-without-tool", CHAT, {"messages": [USER, CALL, USER]}, "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: c1", "messages.[2].role", None),
    ("output-without-call", RESPONSES, {"input": [USER, OUTPUT]}, "No tool call found for function call output with call_id c1.", "input", None),
    ("output-without-call", RESPONSES, {"input": [USER, ITEM_CALL, OUTPUT, OUTPUT]}, "No tool call found for function call output with call_id c1.", "input", None),
    ("call-without-output", RESPONSES, {"input": [USER, ITEM_CALL, USER]}, "No tool output found for function call c1.", "input", None),
    ("reasoning-alone", RESPONSES, {"input": [USER, THOUGHT, USER]}, "Item 'rs_1' of type 'reasoning' was provided without its required following item.", "input", None),
    ("prompt-token", "/v1/completions", {"model": "gpt-3.5-turbo-instruct", "prompt": [12345, 123456]}, "Invalid token in prompt: 123456. Minimum value is 0, maximum value is 100257 (inclusive).", None, None),
    ("image-size", "/v1/images/generations", {"model": "dall-e-3", "prompt": "x", "size": "256x256"}, "Invalid value: '256x256'. Supported values are: '1024x1024', '1792x1024', and '1024x1792'.", "size", "invalid_value"),
    ("image-size", "/v1/images/generations", {"model": "gpt-image-2", "prompt": "x", "size": "20000x20000"}, "Invalid value: '20000x20000'. Supported values are: '1024x1024' and 'auto'.", "size", "invalid_value"),
    ("prompt-token", "/v1/completions", {"model": "gpt-3.5-turbo-instruct", "prompt": [[0], [100258]]}, "Invalid token in prompt: 100258. Minimum value is 0, maximum value is 100257 (inclusive).", None, None),
    ("prompt-token", "/v1/completions", {"model": "gpt-3.5-turbo-instruct", "prompt": [-1]}, "Invalid token in prompt: -1. Minimum value is 0, maximum value is 100257 (inclusive).", None, None),
    ("call-without-tool", CHAT, {"messages": [USER, TWO_CALLS, RESULT, USER]}, "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: c2", "messages.[3].role", None),
    ("call-without-tool", CHAT, {"messages": [USER, TWO_CALLS]}, "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: c1, c2", "messages.[2].role", None),
    ("name", CHAT, {"messages": [USER, {"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "a.b", "arguments": ""}}]}, RESULT]}, "Invalid 'messages[1].tool_calls[0].function.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.", "messages[1].tool_calls[0].function.name", "invalid_value"),
    ("name", CHAT, {"messages": [{"role": "system", "content": "x", "name": "a.b"}, USER]}, "Invalid 'messages[0].name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.", "messages[0].name", "invalid_value"),
    ("name", CHAT, {"messages": [USER, {"role": "assistant", "content": "x", "name": "a.b"}]}, "Invalid 'messages[1].name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.", "messages[1].name", "invalid_value"),
    ("image-size", "/v1/images/generations", {"model": None, "prompt": "x", "size": "1024x1792"}, "Invalid value: '1024x1792'. Supported values are: '256x256', '512x512', and '1024x1024'.", "size", "invalid_value"),
    ("image-size", "/v1/images/generations", {"model": "gpt-image-2", "prompt": "x", "size": "4096x4097"}, "Invalid value: '4096x4097'. Supported values are: '1024x1024' and 'auto'.", "size", "invalid_value"),
    ("one-image", "/v1/images/generations", {"model": "dall-e-3", "prompt": "x", "n": 2}, "You must provide n=1 for this model.", "n", None),
    ("name", RESPONSES, {"text": {"format": {"type": "json_schema", "name": "a b", "schema": STRICT}}}, "Invalid 'text.format.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.", "text.format.name", "invalid_value"),
    ("without-content", CHAT, {"messages": [USER, {"role": "assistant"}]}, "Invalid value for 'content': expected a string, got null.", "messages.[1].content", None),
]  # fmt: skip

ACCEPTED: list[tuple[str, dict[str, Any]]] = [
    (CHAT, answer_schema({**STRICT, "properties": {"a": {"type": "string", "minLength": 1, "pattern": "x", "default": "x"}}})),
    (CHAT, answer_schema({"type": "object"}, strict=False)),
    (CHAT, answer_schema({**STRICT, "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}})),
    (CHAT, answer_schema(nested(11))),
    (CHAT, {"tools": [tool("f", {})], "tool_choice": "auto"}),
    (CHAT, {"tools": [tool(f"f{number}") for number in range(128)]}),
    (CHAT, {"tools": [tool("f", {"type": "object", "properties": {"a": {"type": "string", "pattern": r"^\p{L}+$"}}})], "tool_choice": "required"}),
    (CHAT, {"tools": [tool("a" * 64)], "tool_choice": {"type": "function", "function": {"name": "a" * 64}}}),
    (CHAT, {"response_format": {"type": "json_object"}, "messages": [{"role": "system", "content": "Answer in JSON."}, USER]}),
    (CHAT, {"messages": [USER, CALL, RESULT, USER]}),
    (CHAT, {"messages": [{"role": "user", "content": ""}]}),
    (CHAT, {"messages": [USER, {"role": "assistant", "content": None, "refusal": "No."}, USER]}),
    (f"{V1}/chat/completions", {"tools": []}),
    (CHAT, {"messages": [USER, TWO_CALLS, RESULT, {**RESULT, "tool_call_id": "c2"}]}),
    ("/v1/completions", {"model": "gpt-3.5-turbo-instruct", "prompt": [0, 100257]}),
    ("/v1/images/generations", {"model": "gpt-image-2", "prompt": "x", "size": "4096x4096"}),
    ("/v1/images/generations", {"model": "gpt-image-2", "prompt": "x", "size": "auto"}),
    ("/v1/images/generations", {"model": "dall-e-3", "prompt": "x", "n": 1, "size": "1792x1024"}),
    ("/v1/images/generations", {"model": "dall-e-2", "prompt": "x", "n": 2, "size": "512x512"}),
    (RESPONSES, {"text": {"format": {"type": "json_schema", "name": "a" * 64, "schema": STRICT}}}),
    (RESPONSES, {"input": [USER, ITEM_CALL, OUTPUT]}),
    (RESPONSES, {"input": [OUTPUT], "previous_response_id": "resp_1"}),
    (RESPONSES, {"input": [], "previous_response_id": "resp_1"}),
    (RESPONSES, {"input": [{"type": "item_reference", "id": "fc_1"}, OUTPUT]}),
    (RESPONSES, {"input": [USER, THOUGHT, SAID, USER]}),
    (RESPONSES, {"input": [USER, THOUGHT, ITEM_CALL, OUTPUT]}),
    (RESPONSES, {"input": [USER, THOUGHT, USER], "store": False}),
    (RESPONSES, {"tools": None, "text": None, "reasoning": None, "tool_choice": None, "max_output_tokens": None}),
    (f"{V1}/responses", {"text": {"format": {"type": "json_object"}}, "input": "json please"}),
    (f"{V1}/chat/completions?api-version=preview", {}),
]  # fmt: skip


def whole(path: str, keys: dict[str, Any]) -> dict[str, Any]:
    start = (
        {"input": "x"}
        if "responses" in path
        else {}
        if path.endswith(("/completions", "/generations")) and "chat" not in path
        else {"messages": [USER]}
    )
    return {"model": "gpt-4o", **start, **keys}


@pytest.mark.parametrize(("rule", "path", "keys", "message", "param", "code"), REFUSED)
def test_a_rule_refuses_in_the_words_of_the_service(
    rule: str, path: str, keys: dict[str, Any], message: str, param: str | None, code: str | None
) -> None:
    answer = answered(path, whole(path, keys))
    assert refusal(answer) == (400, message, param, code)
    assert dict(answer.headers)["x-mockserver-rule"] == rule
    lenient = answered(path, whole(path, keys), lenient=frozenset(LENIENT_NAMES))
    assert dict(lenient.headers).get("x-mockserver-rule") == (None if rule in LENIENT_NAMES else rule)


@pytest.mark.parametrize(("path", "keys"), ACCEPTED)
def test_the_nearest_request_is_accepted(path: str, keys: dict[str, Any]) -> None:
    answer = answered(path, whole(path, keys))
    assert (answer.status, answer.decided_by) == (200, "made up")


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        (CHAT, {"max_tokens": 50.0}),
        (CHAT, {"max_completion_tokens": 50.0}),
        (CHAT, {"n": 2.0}),
        (CHAT, {"seed": 1.0}),
        (CHAT, {"top_logprobs": 2.0, "logprobs": True}),
        (RESPONSES, {"max_output_tokens": 50.0}),
        (RESPONSES, {"top_logprobs": 2.0}),
        ("/v1/images/generations", {"model": "gpt-image-1", "prompt": "x", "n": 2.0}),
        ("/v1/completions", {"model": "gpt-3.5-turbo-instruct", "prompt": "x", "best_of": 2.0}),
    ],
)
def test_a_whole_decimal_is_no_integer(path: str, keys: dict[str, Any]) -> None:
    """JSON Schema takes it for one. The words are those for other types."""
    field = next(key for key, value in keys.items() if isinstance(value, float))
    message = f"Invalid type for '{field}': expected an integer, but got a decimal number instead."
    assert refusal(answered(path, whole(path, keys))) == (400, message, field, "invalid_type")


def test_an_integer_that_no_float_holds_is_refused_in_words() -> None:
    answer = answered(CHAT, whole(CHAT, {"seed": 10**400}))
    assert refusal(answer)[0] == 400


def test_every_rule_between_fields_has_its_refusal() -> None:
    names = {rule.name for rule in REQUEST_RULES if not rule.name.startswith("model-")}
    assert {rule for rule, *_ in REFUSED} == names


@pytest.mark.parametrize(
    ("version", "keys", "status", "error"),
    [
        ("2024-06-01", {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}}, 400, {"code": "BadRequest", "message": "response_format value as json_schema is enabled only for api versions 2024-08-01-preview and later"}),
        ("2023-05-15", {"stream": True, "stream_options": {"include_usage": True}}, 400, {"message": "Unknown parameter: 'stream_options'.", "type": "invalid_request_error", "param": "stream_options", "code": "unknown_parameter"}),
        ("2024-02-15-preview", {"stream": True, "stream_options": {"include_usage": True}}, 200, None),
        ("2024-08-01-preview", {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}}, 200, None),
    ],
)  # fmt: skip
def test_an_api_version_knows_its_parameters(
    version: str, keys: dict[str, Any], status: int, error: dict[str, Any] | None
) -> None:
    answer = answered(DATED + version, {"messages": [USER], **keys})
    assert answer.status == status
    assert error is None or json.loads(answer.body)["error"] == error


def test_an_old_server_says_it_in_its_own_words() -> None:
    path = DATED.replace("gpt-4o", "gpt-35-turbo") + "2024-06-01"
    answer = answered(path, {"messages": [USER], "parallel_tool_calls": True, "tools": [tool()]})
    words = "Unrecognized request argument supplied: parallel_tool_calls"
    assert refusal(answer) == (400, words, None, None)


def test_a_dated_version_is_no_version_of_v1_and_a_model_has_to_be_named() -> None:
    dated = answered(f"{V1}/chat/completions?api-version=2024-10-21", whole(CHAT, {}))
    assert json.loads(dated.body) == {"error": {"code": "BadRequest", "message": "API version not supported"}}
    assert refusal(answered(CHAT, {"messages": [USER]})) == (400, "you must provide a model parameter", None, None)
    azure = answered(f"{V1}/responses", {"input": "x"})
    assert (azure.status, json.loads(azure.body)) == (400, {"error": {"message": "Missed model deployment"}})
    missing = refusal(answered(RESPONSES, {"input": "x"}))
    assert missing == (400, "Missing required parameter: 'model'.", "model", "missing_required_parameter")


def test_a_parameter_that_moved_is_named_with_its_new_place() -> None:
    status, message, param, code = refusal(answered(RESPONSES, whole(RESPONSES, {"messages": [USER]})))
    assert (status, param, code) == (400, None, "unsupported_parameter")
    assert message.startswith(
        "Unsupported parameter: 'messages'. In the Responses API, this parameter has moved to 'input'."
    )
    near = refusal(answered(RESPONSES, whole(RESPONSES, {"stor": True})))
    assert near[1] == "Unknown parameter: 'stor'. Did you mean 'store'?"


@pytest.mark.parametrize(
    "broken", [{"pattern": "("}, {"type": "objekt"}, {"anyOf": []}, {"$ref": "#/$defs/nope"}, {"items": 5}]
)
@pytest.mark.parametrize("path", [CHAT, RESPONSES])
def test_what_is_no_schema_is_refused_whatever_is_turned_off(path: str, broken: dict[str, Any]) -> None:
    schema = {"type": "object", "properties": {"a": broken}}
    text = {"text": {"format": {"type": "json_schema", "name": "x", "schema": schema}}}
    function = {"name": "f", "parameters": schema}
    offered = {"type": "function", "function": function} if path == CHAT else {"type": "function", **function}
    for keys in (answer_schema(schema, strict=False) if path == CHAT else text, {"tools": [offered]}):
        answer = answered(path, whole(path, keys), lenient=frozenset(LENIENT_NAMES))
        assert (answer.status, dict(answer.headers)["x-mockserver-rule"]) == (400, "no-schema")


# --- any JSON object is refused or answered, never an error of ours ---

JUNK: tuple[Any, ...] = (
    None,
    5,
    1.5,
    True,
    "x",
    "",
    [],
    {},
    [5],
    [None],
    [[]],
    {"a": 1},
    [{"type": "function", "function": "f"}],
    {"type": 5},
)


def spoiled(value: Any) -> Iterator[Any]:
    """The value with each of its parts replaced by something else."""
    yield from JUNK
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from ({**value, key: other} for other in spoiled(inner))
    elif isinstance(value, list):
        for index, inner in enumerate(value[:2]):
            yield from ([*value[:index], other, *value[index + 1 :]] for other in spoiled(inner))


BODIES = [*((path, keys) for _, path, keys, *_ in REFUSED), *((path, keys) for path, keys in ACCEPTED)]


def test_no_rule_breaks_on_any_body() -> None:
    count = 0
    for (path, keys), model in zip(BODIES, itertools.cycle(("gpt-5.4", "o1-mini")), strict=False):
        address = address_of("POST", path.partition("?")[0], "")
        for body in spoiled(whole(path, {**keys, "model": model, "stream": True})):
            if isinstance(body, dict):
                refusal_of(Asked(address, body, model), is_json=True)
                count += 1
    assert count > 10_000


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (RESPONSES, {"text": {"type": "json_object"}}, "text.type"),
        (RESPONSES, {"reasoning": {"effort": "low", "foo": 1}}, "reasoning.foo"),
        (CHAT, {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}, "schema": {}}}, "response_format.schema"),
    ],
)  # fmt: skip
def test_an_unknown_key_inside_is_refused_too(path: str, body: dict[str, Any], field: str) -> None:
    error = json.loads(answered(path, whole(path, body)).body)["error"]
    assert (error["message"], error["param"], error["code"]) == (
        f"Unknown parameter: '{field}'.",
        field,
        "unknown_parameter",
    )
