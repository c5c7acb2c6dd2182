"""What a model refuses that others take, and how it answers: the facts of contracts/models.toml."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mockserver.contract.models import ASSUMED, families, known_model, model_named
from mockserver.exchange import Answer, Request
from mockserver.simulation.settings import OnMiss
from mockserver.simulation.simulation import Simulation
from tests.unit.examples import FakeClock

CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "x"}]}
RESPONSE: dict[str, Any] = {"input": "x"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}


def answered(path: str, body: dict[str, Any], **settings: Any) -> Answer:
    raw_path, _, query = path.partition("?")
    request = Request("POST", raw_path, query, (("authorization", "Bearer k"),), json.dumps(body).encode())
    answer = Simulation(on_miss=OnMiss.GENERATE, clock=FakeClock(), **settings).answer(request).answer
    assert answer is not None
    return answer


def chat(model: str, **keys: Any) -> Answer:
    return answered("/v1/chat/completions", {**CHAT, "model": model, **keys})


def response(model: str, **keys: Any) -> Answer:
    return answered("/v1/responses", {**RESPONSE, "model": model, **keys})


def refusal(answer: Answer) -> tuple[int, str, str | None, str | None]:
    error = json.loads(answer.body).get("error", {})
    return answer.status, error.get("message", ""), error.get("param"), error.get("code")


# Messages, params and codes as in the sources that models.toml and model_rules.py name.
@pytest.mark.parametrize(
    ("model", "keys", "status", "message", "param", "code"),
    [
        ("gpt-5-mini", {"max_tokens": 5}, 400, "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", "max_tokens", "unsupported_parameter"),
        ("o1", {"max_tokens": 5}, 400, "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", "max_tokens", "unsupported_parameter"),
        ("gpt-5", {"temperature": 0}, 400, "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.", "temperature", "unsupported_value"),
        ("o3-mini", {"temperature": 0.2}, 400, "Unsupported parameter: 'temperature' is not supported with this model.", "temperature", "unsupported_parameter"),
        ("gpt-5-nano", {"top_p": 0.5}, 400, "Unsupported parameter: 'top_p' is not supported with this model.", "top_p", "unsupported_parameter"),
        ("o4-mini", {"tools": [TOOL], "parallel_tool_calls": True}, 400, "Unsupported parameter: 'parallel_tool_calls' is not supported with this model.", "parallel_tool_calls", "unsupported_parameter"),
        ("o4-mini", {"logprobs": True}, 403, "You are not allowed to request logprobs from this model", None, None),
        ("gpt-5.6-terra", {"temperature": 0.5}, 400, "Unsupported value: 'temperature' does not support 0.5 with this model. Only the default (1) value is supported.", "temperature", "unsupported_value"),
        ("gpt-5", {"reasoning_effort": "none"}, 400, "Unsupported value: 'reasoning_effort' does not support 'none' with this model. Supported values are: 'minimal', 'low', 'medium', and 'high'.", "reasoning_effort", "unsupported_value"),
        ("gpt-4o", {"reasoning_effort": "low"}, 400, "Unrecognized request argument supplied: reasoning_effort", None, None),
        ("gpt-4o", {"verbosity": "low"}, 400, "Unsupported value: 'verbosity' does not support 'low' with this model. Supported values are: 'medium'.", "verbosity", "unsupported_value"),
        ("o1-mini", {"messages": [{"role": "system", "content": "x"}]}, 400, "Unsupported value: 'messages[0].role' does not support 'system' with this model.", "messages[0].role", "unsupported_value"),
        ("gpt-5.6-sol", {"tools": [TOOL]}, 400, "Function tools with reasoning_effort are not supported for gpt-5.6-sol in /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'.", "reasoning_effort", None),
        ("gpt-4", {"response_format": {"type": "json_object"}, "messages": [{"role": "user", "content": "json"}]}, 400, "Invalid parameter: 'response_format' of type 'json_object' is not supported with this model.", "response_format", None),
        ("gpt-3.5-turbo", {"messages": [{"role": "user", "content": [IMAGE]}]}, 400, "Invalid content type. image_url is only supported by certain models.", "messages.[0].content.[0].type", None),
        ("gpt-4o", {"max_tokens": 20000}, 400, "max_tokens is too large: 20000. This model supports at most 16384 completion tokens, whereas you provided 20000.", "max_tokens", "invalid_value"),
        ("gpt-5-codex", {}, 404, "This model is only supported in v1/responses and not in v1/chat/completions.", "model", None),
    ],
)  # fmt: skip
def test_a_model_refuses_in_chat_what_it_does_not_take(
    model: str, keys: dict[str, Any], status: int, message: str, param: str | None, code: str | None
) -> None:
    assert refusal(chat(model, **keys)) == (status, message, param, code)


@pytest.mark.parametrize(
    ("model", "keys"),
    [
        ("gpt-5", {"temperature": 1, "top_p": 1, "max_completion_tokens": 500, "verbosity": "low"}),
        ("gpt-5", {"reasoning_effort": "minimal", "messages": [{"role": "developer", "content": "x"}]}),
        ("gpt-5.1", {"temperature": 0.2}),  # without a word, it does not reason
        ("gpt-5.6-sol", {"temperature": 0.5, "reasoning_effort": "none", "tools": [TOOL]}),
        ("o3-mini", {"stop": ["x"]}),
        ("gpt-4o", {"temperature": 0, "max_tokens": 5, "response_format": FORMAT}),
        ("DeepSeek-R1", {"temperature": 0, "max_tokens": 5}),
        ("a-name-nobody-knows", {"temperature": 0, "max_tokens": 5, "stop": ["x"], "logprobs": True}),
    ],
)
def test_and_takes_what_it_takes(model: str, keys: dict[str, Any]) -> None:
    assert chat(model, **keys).status == 200


@pytest.mark.parametrize(
    ("model", "keys", "message", "param", "code"),
    [
        ("gpt-5", {"temperature": 0}, "Unsupported parameter: 'temperature' is not supported with this model.", "temperature", None),
        ("gpt-5-pro", {"reasoning": {"effort": "low"}}, "Unsupported value: 'low' is not supported with the 'gpt-5-pro' model. Supported values are: 'high'.", "reasoning.effort", "unsupported_value"),
        ("gpt-4.1", {"reasoning": {"effort": "low"}}, "Unsupported parameter: 'reasoning.effort' is not supported with this model.", "reasoning.effort", "unsupported_parameter"),
        ("gpt-4o", {"text": {"verbosity": "high"}}, "Unsupported value: 'high' is not supported with the 'gpt-4o' model. Supported values are: 'medium'.", "text.verbosity", "unsupported_value"),
        ("text-embedding-3-small", {}, "The requested model, 'text-embedding-3-small' was not found.", "model", "model_not_found"),
    ],
)  # fmt: skip
def test_a_model_refuses_in_responses_what_it_does_not_take(
    model: str, keys: dict[str, Any], message: str, param: str, code: str | None
) -> None:
    assert refusal(response(model, **keys)) == (400, message, param, code)


def test_the_model_is_the_one_behind_the_deployment() -> None:
    path = "/openai/deployments/mine/chat/completions?api-version=2024-12-01-preview"
    body = {**CHAT, "temperature": 0}
    assert answered(path, body).status == 200
    assert answered(path, body, deployments={"mine": "o3-mini"}).status == 400
    old = answered(path.replace("2024-12-01", "2024-08-01"), CHAT, deployments={"mine": "o3-mini"})
    words = "Model {modelName} is enabled only for api versions 2024-12-01-preview and later"
    assert json.loads(old.body) == {"error": {"code": "BadRequest", "message": words}}
    codex = answered(path, CHAT, deployments={"mine": "gpt-5-codex"})
    assert (codex.status, b"does not work with the specified model, gpt-5-codex" in codex.body) == (400, True)


def test_a_request_longer_than_the_window_is_refused() -> None:
    long = "word " * 9000
    status, message, param, code = refusal(chat("gpt-4", messages=[{"role": "user", "content": long}]))
    assert (status, param, code) == (400, "messages", "context_length_exceeded")
    assert message.startswith("This model's maximum context length is 8192 tokens. However, your messages resulted in ")
    assert refusal(response("gpt-4", input=long))[1].startswith("Your input exceeds the context window of this model.")
    assert chat("gpt-4o", messages=[{"role": "user", "content": long}]).status == 200
    embedded = answered("/v1/embeddings", {"model": "text-embedding-3-small", "input": long})
    assert refusal(embedded)[1].startswith("This model's maximum context length is 8192 tokens, however you requested ")


def test_dimensions_and_embeddings_are_not_for_every_model() -> None:
    ada = answered("/v1/embeddings", {"model": "text-embedding-ada-002", "input": "x", "dimensions": 256})
    assert refusal(ada) == (400, "This model does not support specifying dimensions.", None, None)
    wrong = answered("/v1/embeddings", {"model": "gpt-4o", "input": "x"})
    assert refusal(wrong) == (403, "You are not allowed to generate embeddings from this model", None, None)


def test_a_rule_is_named_and_can_be_turned_off() -> None:
    body = {**CHAT, "model": "gpt-5", "max_tokens": 5}
    assert ("x-mockserver-rule", "model-max-tokens") in answered("/v1/chat/completions", body).headers
    assert answered("/v1/chat/completions", body, lenient=frozenset({"model-max-tokens"})).status == 200


def test_a_model_is_known_by_its_name_with_a_date_and_inside_a_deployments_name() -> None:
    names = (
        "gpt-5-mini",
        "gpt-5-mini-2025-08-07",
        "eu-gpt-5-mini-prod",
        "gpt-4o",
        "chat-gpt-4o",
        "gpt-4.1-mini",
        "o3",
        "gpt-5.1",
    )
    assert [model_named(name).name for name in names] == [
        "gpt-5-mini", "gpt-5-mini", "gpt-5-mini", "gpt-4o", "gpt-4o", "gpt-4.1-mini", "o3", "gpt-5.1",
    ]  # fmt: skip
    assert [model_named(name).name for name in ("GPT-4o-prod", "deepseek-r1")] == ["gpt-4o", "DeepSeek-R1"]
    assert [known_model(name) for name in ("gpt-5.9-unheard-of", "my-chat-latest", "tts-and-chat")] == [None] * 3
    assert model_named("gpt-5.9-unheard-of").name == ASSUMED


def test_every_row_has_its_source_and_its_grade() -> None:
    for row in families():
        assert row["source"]
        assert set(row["grade"].split("/")) <= set("RPISD")


# --- how it answers ---


def test_a_model_that_reasons_spends_tokens_on_it() -> None:
    usage = json.loads(chat("o3-mini").body)["usage"]
    reasoning = usage["completion_tokens_details"]["reasoning_tokens"]
    assert reasoning > 0
    assert reasoning % 64 == 0
    assert reasoning < usage["completion_tokens"]
    assert json.loads(chat("gpt-4o").body)["usage"]["completion_tokens_details"]["reasoning_tokens"] == 0
    small = json.loads(chat("gpt-5", max_completion_tokens=16).body)
    assert (small["choices"][0]["finish_reason"], small["choices"][0]["message"]["content"]) == ("length", "")
    assert small["usage"]["completion_tokens"] == 16


def test_a_response_has_a_reasoning_item__encrypted_and_summarised_for_those_who_ask() -> None:
    first, second = json.loads(response("gpt-5").body)["output"]
    assert (first["type"], first["summary"], "encrypted_content" in first, second["type"]) == (
        "reasoning",
        [],
        False,
        "message",
    )
    asked = response("gpt-5", reasoning={"effort": "high", "summary": "auto"}, include=["reasoning.encrypted_content"])
    item = json.loads(asked.body)["output"][0]
    assert item["encrypted_content"].startswith("gAAAAA")
    assert item["summary"][0]["type"] == "summary_text"
    assert json.loads(asked.body)["reasoning"] == {"effort": "high", "summary": "detailed"}
    plain = json.loads(response("gpt-4o").body)
    assert [each["type"] for each in plain["output"]] == ["message"]
    assert plain["reasoning"] == {"effort": None, "summary": None}
    cut = json.loads(response("gpt-5", max_output_tokens=16).body)
    assert (cut["status"], [each["type"] for each in cut["output"]]) == ("incomplete", ["reasoning"])


def test_the_tier_that_is_asked_for_is_repeated() -> None:
    assert json.loads(chat("gpt-4o", service_tier="flex").body)["service_tier"] == "flex"
    assert json.loads(response("gpt-4o").body)["service_tier"] == "default"
