"""The API's own rules, without a server or a model."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from chat_api import completion, model_errors, responses, telemetry
from chat_api.errors import ApiError
from chat_api.principal import Principal, principal_of, require_role
from chat_api.request import upstream_request
from chat_api.settings import Settings, Suggestion, load_settings
from chat_api.ticket import HEADER, LIFETIME_S, Ticket, read_ticket
from openai.types.responses import Response

SETTINGS = Settings(api_key="k", models=("gpt-4o",), system_prompt="Be brief.")


def header(**fields: object) -> str:
    principal = {"userId": "1", "userDetails": "alice", "userRoles": ["invited"], **fields}
    return base64.b64encode(json.dumps(principal).encode()).decode()


@pytest.mark.parametrize(
    ("environment", "missing"),
    [
        ({}, ("OPENAI_API_KEY", "OPENAI_MODEL")),
        ({"OPENAI_API_KEY": "k", "OPENAI_MODEL": "m"}, ()),
        ({"AZURE_OPENAI_ENDPOINT": "https://r.example"}, ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_DEPLOYMENT")),
        (
            {"AZURE_OPENAI_ENDPOINT": "https://r.example", "AZURE_OPENAI_API_KEY": "k", "AZURE_OPENAI_DEPLOYMENT": "d"},
            (),
        ),
    ],
)
def test_the_settings_list_what_is_missing(environment: dict[str, str], missing: tuple[str, ...]) -> None:
    assert load_settings(environment).missing == missing


def test_the_client_needs_settings_and_lists_the_missing_ones() -> None:
    with pytest.raises(ApiError, match=r"not configured\. Missing: OPENAI_API_KEY, OPENAI_MODEL\."):
        completion.client_for(Settings())
    unreadable = load_settings({"OPENAI_API_KEY": "k", "OPENAI_MODEL": "m", "MAX_ANSWER_TOKENS": "abc"})
    with pytest.raises(ApiError, match=r"not configured\. Not valid: MAX_ANSWER_TOKENS\."):  # which would be no limit
        completion.client_for(unreadable)


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        (Settings(api_key="k", models=("m",), base_url="http://h/v1"), "http://h/v1/"),
        (Settings(azure_endpoint="http://h", api_key="k", models=("d",)), "http://h/openai/v1/"),
        (Settings(azure_endpoint="http://h", api_key="k", models=("d",), api_version="2024-10-21"), "http://h/openai/"),
    ],
    ids=["openai", "azure-v1", "azure-dated"],
)
def test_every_backend_has_its_client(settings: Settings, url: str) -> None:
    assert str(completion.client_for(settings).base_url) == url


def test_the_client_retries_once_and_stays_within_the_gates_45_seconds() -> None:
    client = completion.client_for(SETTINGS)
    assert (client.max_retries, client.timeout) == (1, 40)


def test_the_model_and_the_system_prompt_are_the_apps() -> None:
    body = {
        "model": "expensive",
        "messages": [{"role": "user", "content": "Hi", "name": "x"}],
        "stream": True,
    }
    assert upstream_request(body, SETTINGS) == {
        "model": "gpt-4o",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi", "name": "x"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_a_clients_own_system_prompt_replaces_the_apps_where_it_is_allowed() -> None:
    messages = [{"role": "system", "content": "Rhyme."}, {"role": "user", "content": "Hi"}]
    own = upstream_request({"messages": messages}, SETTINGS, own_prompt=True)
    assert [message["content"] for message in own["messages"]] == ["Rhyme.", "Hi"]
    without = upstream_request({"messages": messages[1:]}, SETTINGS, own_prompt=True)
    assert [message["content"] for message in without["messages"]] == ["Be brief.", "Hi"]


USER = {"role": "user", "content": "x"}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLED: dict[str, object] = {"role": "assistant", "content": None, "tool_calls": [CALL], "refusal": None, "audio": None}
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {}, "strict": True}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA", "detail": "low"}}


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ([], None),
        ({}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": ["hi"]}, "messages[0].role"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": [], "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "assistant", "content": [IMAGE]}, USER]}, "messages[0].content[0]"),
        (
            {"messages": [{"role": "user", "content": [{**IMAGE, "image_url": {"url": "http://10.0.0.1/x"}}]}]},
            "messages[0].content[0].image_url.url",
        ),
        ({"messages": [{"role": "user", "content": "x", "tool_calls": [1]}]}, "messages[0].tool_calls"),
        ({"messages": [USER, CALLED, {"role": "tool", "content": "x"}]}, "messages[2].tool_call_id"),
        ({"messages": [{"role": "assistant", "content": None}, USER]}, "messages[0].content"),
        ({"messages": [USER, {"role": "system", "content": "Obey."}]}, "messages[1].role"),
        ({"messages": [{"role": "developer", "content": "Obey."}, USER]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, None),
        ({"messages": [USER], "stream_options": "x"}, "stream_options"),
        ({"messages": [USER], "stream": True, "stream_options": {"include_costs": True}}, "stream_options"),
        ({"messages": [USER], "stream": "yes"}, "stream"),
        ({"messages": [USER], "temperature": 3}, "temperature"),
        ({"messages": [USER], "temperature": True}, "temperature"),
        ({"messages": [USER], "n": 9}, "n"),
        ({"messages": [USER], "max_tokens": 0}, "max_tokens"),
        ({"messages": [USER], "tools": "all"}, "tools"),
        ({"messages": [USER], "tools": [{"type": "mcp", "server_url": "https://evil.example"}]}, "tools[0]"),
        ({"messages": [USER], "tools": [FUNCTION, {"type": "web_search"}]}, "tools[1]"),
        (
            {"messages": [USER], "tools": [{"type": "function", "function": {"name": "f", "type": "web_search"}}]},
            "tools[0]",
        ),
        ({"messages": [USER], "tools": [{**FUNCTION, "server_url": "x"}]}, "tools[0]"),
        ({"messages": [USER], "tools": [1, None]}, "tools[0]"),
        ({"messages": [USER], "tool_choice": {"type": "web_search"}}, "tool_choice"),
        ({"messages": [USER], "functions": [{"name": 5}]}, "functions[0]"),
        (
            {"messages": [USER, {"role": "assistant", "tool_calls": [{"type": "custom", "id": "c"}]}]},
            "messages[1].tool_calls",
        ),
        ({"messages": [{**USER, "name": 5}]}, "messages[0].name"),
        *(
            ({"messages": [USER, {"role": "assistant", "function_call": call}]}, "messages[1].function_call")
            for call in ("rubbish", 5, 0, False, {"name": 1}, {"arguments": "{}"})
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "cache_control": 1}]}]},
            "messages[0].content[0]",
        ),
        ({"messages": [USER], "seed": True}, "seed"),
        ({"messages": [USER], "store": True}, "store"),
        ({"messages": [USER], "service_tier": "priority"}, "service_tier"),
        ({"messages": [USER], "data_sources": [{}]}, "data_sources"),
        ({"messages": [USER], "web_search_options": {}}, "web_search_options"),
        ({"messages": [USER], "temprature": 1}, "temprature"),
    ],
)
def test_what_the_app_does_not_offer_is_refused_by_name_before_it_reaches_the_model(
    body: object, parameter: str | None
) -> None:
    with pytest.raises(ApiError) as raised:
        upstream_request(body, SETTINGS)
    assert (raised.value.status, raised.value.code, raised.value.parameter) == (400, "bad_request", parameter)


def test_what_a_client_sends_back_with_the_models_own_message_is_not_needed() -> None:
    echoed: dict[str, object] = {
        **CALLED,
        "annotations": [{}],
        "reasoning_content": "hm",
        "context": {"citations": []},
        "id": "m",
        "content": "y",
        "tool_calls": None,
    }
    tool = {"role": "tool", "content": "x", "tool_call_id": "c", "name": "f"}
    asked = upstream_request({"messages": [USER, echoed, CALLED, tool]}, SETTINGS)["messages"][1:]
    assert asked == [
        USER,
        {"role": "assistant", "content": "y"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        tool,
    ]
    part = {"type": "text", "text": "y"}
    repeated = {**part, "role": "assistant", "refusal": None, "annotations": [], "tool_calls": [CALL]}
    again = {"role": "assistant", "content": [repeated, {"type": "refusal", "refusal": "no", "role": "assistant"}]}
    asked = upstream_request({"messages": [USER, again]}, SETTINGS)["messages"][2]["content"]
    assert asked == [part, {"type": "refusal", "refusal": "no"}]
    image = {"url": "HTTPS://x.example/a.png"}
    given = [{"type": "image_url", "image_url": {**image, "detail": None}}]
    asked = upstream_request({"messages": [{"role": "user", "content": given}]}, SETTINGS)["messages"][1]["content"]
    assert asked == [{"type": "image_url", "image_url": image}]


def test_a_conversation_is_as_long_as_openai_takes() -> None:
    assert len(upstream_request({"messages": [USER] * 2048}, SETTINGS)["messages"]) == 2049
    with pytest.raises(ApiError) as raised:
        upstream_request({"messages": [USER] * 2049}, SETTINGS)
    assert raised.value.code == "context_length_exceeded"
    with pytest.raises(ApiError, match="other than a system prompt"):
        upstream_request({"messages": [{"role": "system", "content": "x"}]}, SETTINGS, own_prompt=True)


def test_what_the_app_offers_is_passed_on_as_it_is() -> None:
    parameters = {
        "temperature": 0, "top_p": 0.5, "n": 2, "stop": ["a"], "seed": 7, "logprobs": True, "top_logprobs": 3,
        "max_tokens": 5, "response_format": {"type": "json_object"}, "tools": [FUNCTION],
        "tool_choice": "required", "parallel_tool_calls": False, "reasoning_effort": "low", "user": "u",
    }  # fmt: skip
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "x"}, IMAGE], "name": "n"},
        CALLED,
        {"role": "tool", "content": "x", "tool_call_id": "c"},
    ]
    ignored = {"stream": None, "store": False, "metadata": None, "logit_bias": None, "modalities": ["text"]}
    passed = upstream_request({**parameters, **ignored, "messages": messages}, SETTINGS)
    system, *rest = passed.pop("messages")
    assert system == {"role": "system", "content": "Be brief."}
    assert rest == [
        messages[0],
        {"role": "assistant", "content": None, "tool_calls": CALLED["tool_calls"]},
        messages[2],
    ]
    assert passed == {"model": "gpt-4o", **parameters}


def test_the_apps_policy_bounds_what_is_passed_on() -> None:
    app = Settings(api_key="k", models=("m",), tools=False, longest_answer=100)
    assert upstream_request({"messages": [USER]}, app)["max_completion_tokens"] == 100
    assert upstream_request({"messages": [USER], "max_tokens": 100}, app)["max_tokens"] == 100
    for body, words in (
        ({"max_tokens": 101}, "max_tokens must be at most 100 in this app"),
        ({"tools": []}, "does not offer tools: tools are off"),
        ({"functions": []}, "tools are off"),
    ):
        with pytest.raises(ApiError, match=words):
            upstream_request({"messages": [USER], **body}, app)
    assert load_settings({"TOOLS": "off", "MAX_ANSWER_TOKENS": "100"}).tools is False
    assert load_settings({"TOOLS": "maybe", "MAX_ANSWER_TOKENS": "-1"}).unreadable == ("TOOLS", "MAX_ANSWER_TOKENS")


def test_an_app_without_images_refuses_them_and_says_where() -> None:
    app = load_settings({"IMAGES": "off", "OPENAI_MODEL": "m"})
    with_image = {"role": "user", "content": [{"type": "text", "text": "x"}, IMAGE]}
    with pytest.raises(ApiError) as raised:
        upstream_request({"messages": [USER, with_image]}, app)
    refused = raised.value
    assert (refused.status, refused.code, refused.parameter) == (400, "images_not_supported", "messages[1].content[1]")
    assert upstream_request({"messages": [USER]}, app)["messages"][1] == USER
    assert load_settings({"IMAGES": "no", "REASONING_SUMMARY": "long"}).unreadable == ("IMAGES", "REASONING_SUMMARY")


@pytest.mark.parametrize(
    ("item", "topic", "question"),
    [
        ("What can you do?", "", "What can you do?"),
        ("Travel > Where is Oslo?", "Travel", "Where is Oslo?"),
        ("Travel> Where is Oslo?", "Travel", "Where is Oslo?"),
        ("What does a->b do?", "", "What does a->b do?"),
        ("> Is 5 > 3?", "", "Is 5 > 3?"),
        ("Travel >", "", "Travel >"),
    ],
)
def test_a_suggestion_may_have_a_topic(item: str, topic: str, question: str) -> None:
    assert load_settings({"SUGGESTIONS": f" {item} |"}).suggestions == (Suggestion(topic, question),)


def test_a_summary_of_the_reasoning_is_asked_for_where_it_is_set() -> None:
    asked = {"model": "m", "messages": [USER]}
    for environment, effort, reasoning in (
        ({}, {}, None),
        ({"REASONING_SUMMARY": "off"}, {"reasoning_effort": "low"}, {"effort": "low"}),
        ({"REASONING_SUMMARY": "auto"}, {}, {"summary": "auto"}),
        ({"REASONING_SUMMARY": "detailed"}, {"reasoning_effort": "low"}, {"effort": "low", "summary": "detailed"}),
    ):
        summary = load_settings(environment).reasoning_summary
        assert responses.arguments({**asked, **effort}, summary).get("reasoning") == reasoning


CITED: list[dict[str, object]] = [
    {"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": 0, "end_index": 2},
    {
        "type": "container_file_citation",
        "container_id": "c",
        "file_id": "f",
        "filename": "a.csv",
        "start_index": 1,
        "end_index": 3,
    },
    {"type": "file_citation", "file_id": "f", "filename": "a.pdf", "index": 3},
    {"type": "file_path", "file_id": "f", "index": 0},
    {"type": "url_citation", "url": "https://b.example"},
]


def test_what_a_response_cites_is_counted_from_the_start_of_all_text() -> None:
    parts = [
        {"type": "output_text", "text": text, "annotations": cited} for text, cited in (("One. ", []), ("Two.", CITED))
    ]
    message = {"id": "m", "type": "message", "role": "assistant", "status": "completed", "content": parts}
    thought = {"id": "r", "type": "reasoning", "summary": [{"type": "summary_text", "text": text} for text in "ab"]}
    output = [thought, {**thought, "id": "s", "summary": []}, message]
    head: dict[str, Any] = {
        "id": "r",
        "object": "response",
        "created_at": 1,
        "model": "m",
        "status": "completed",
        "tool_choice": "auto",
    }
    said = responses.completion(Response.construct(**head, output=output))["choices"][0]["message"]
    assert (said["content"], said["reasoning_content"]) == ("One. Two.", "a\n\nb")
    assert [each["url_citation"] for each in said["annotations"]] == [
        {"title": "A", "url": "https://a.example", "start_index": 5, "end_index": 7},
        {"title": "a.csv", "url": "", "start_index": 6, "end_index": 8},
        {"title": "a.pdf", "url": "", "start_index": 8, "end_index": 8},
    ]


def test_a_chat_completion_becomes_a_request_of_the_responses_api() -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "s", "schema": {}, "strict": True}}
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    asked = {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "x"}, IMAGE]},
            {"role": "assistant", "content": [{"type": "text", "text": "y"}], "tool_calls": [call]},
            {"role": "tool", "content": [{"type": "text", "text": "z"}], "tool_call_id": "c"},
        ],
        "max_tokens": 5,
        "temperature": 0,
        "reasoning_effort": "low",
        "verbosity": "low",
        "response_format": schema,
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "stream": True,
    }
    assert responses.arguments(asked) == {
        "model": "m",
        "store": False,
        "temperature": 0,
        "max_output_tokens": 5,
        "reasoning": {"effort": "low"},
        "text": {"verbosity": "low", "format": {"type": "json_schema", "name": "s", "schema": {}, "strict": True}},
        "tools": [{"type": "function", "name": "f", "parameters": {}}],
        "tool_choice": {"type": "function", "name": "f"},
        "input": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "x"},
                    {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "low"},
                ],
            },
            {"role": "assistant", "content": [{"type": "output_text", "text": "y"}]},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "z"},
        ],
    }
    for other, words in (
        ({"n": 2}, "does not offer n with its model"),
        ({"top_logprobs": 2}, "does not offer top_logprobs with its model"),
        ({"messages": [{**USER, "name": "n"}]}, "does not offer name in messages with its model"),
        ({"messages": [{"role": "function", "name": "f", "content": "x"}]}, "messages of the role function"),
    ):
        with pytest.raises(ApiError, match=words):
            responses.arguments({**asked, **other})
    usual = {"n": 1, "stop": [], "logprobs": False, "frequency_penalty": 0, "logit_bias": {}}
    assert responses.arguments({**asked, **usual}) == responses.arguments(asked)
    said = [{"role": "user", "content": ""}, {"role": "assistant", "content": "y", "refusal": "no"}]
    assert responses.arguments({"model": "m", "messages": said})["input"] == [
        {"role": "user", "content": ""},
        {"role": "assistant", "content": [{"type": "output_text", "text": "y"}, {"type": "refusal", "refusal": "no"}]},
    ]


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "!",
        "\xe9",
        base64.b64encode(b"[]").decode(),
        base64.b64encode(b"{}").decode(),
        base64.b64encode(b"[" * 5000).decode(),
        base64.b64encode(b'{"userId": ' + b"1" * 5000 + b"}").decode(),
        header(userRoles=5),
        header(userRoles={"invited": 0}),
        header(userRoles="invited"),
        header(userRoles=[["invited"]]),
        header(userRoles=["invited", None]),
        header(userId={"a": 1}),
        header(userDetails="\ud83d"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_unreadable_principal_counts_as_none(value: str | None) -> None:
    assert principal_of(value) is None


ODD_TICKETS: list[object] = [
    [],
    None,
    {"sub": 1},
    {"exp": "x"},
    {"exp": None},
    {"sha256": 5},
    {"sha256": "\xe9"},
    {"roles": {"invited": 0}},
    {"roles": [["invited"]]},
    {"origin": []},
]


@pytest.mark.parametrize("odd", ODD_TICKETS, ids=str)
def test_a_signed_ticket_of_another_shape_is_refused(odd: object) -> None:
    """As an app that shares the key may sign one."""
    fields = {"sub": "1", "name": "a", "roles": [], "origin": "https://a.example", "sha256": "0", "exp": 9e9}
    text = json.dumps({**fields, **odd} if isinstance(odd, dict) else odd)
    payload = base64.urlsafe_b64encode(text.encode())
    signature = base64.urlsafe_b64encode(hmac.digest(b"key", b"chat-ticket-v1." + payload, "sha256")).rstrip(b"=")
    with pytest.raises(ApiError) as raised:
        read_ticket(f"{payload.decode()}.{signature.decode()}", "key")
    assert (raised.value.status, str(raised.value)) == (401, "The ticket cannot be read.")


def test_a_user_needs_the_role_or_else_a_sign_in() -> None:
    alice = principal_of(header())
    assert require_role(alice, "invited") is alice
    assert require_role(alice, "") is alice
    for principal, role, status in ((None, "invited", 401), (None, "", 401), (alice, "admin", 403)):
        with pytest.raises(ApiError) as raised:
            require_role(principal, role)
        assert raised.value.status == status


def status_error(status: int, body: object, **headers: str) -> openai.APIStatusError:
    response = httpx2.Response(
        status, headers=headers, json=body, request=httpx2.Request("POST", "http://secret-host/")
    )
    return openai.OpenAI(api_key="k")._make_status_error_from_response(response)


FILTERED = {
    "code": "content_filter",
    "message": "secret",
    "innererror": {"content_filter_result": {"violence": {"filtered": True}}},
}


#: What models without vision say of images, with the status: OpenAI and Azure, Responses, Foundry's, OpenRouter, llama.cpp, vLLM, DeepSeek.
NO_IMAGES = [
    (400, "Invalid content type. image_url is only supported by certain models."),
    (400, "Model 'm' does not support image inputs. Try again with a vision model."),
    (400, "this model does not support image input (ref: 1)"),
    (404, "No endpoints found that support image input"),
    (500, "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"),
    (400, "m is not a multimodal model"),
    (422, "Failed to deserialize the JSON body: messages[0]: unknown variant `image_url`, expected `text`"),
]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (status_error(400, {"error": FILTERED}), 400, "content_filter"),
        (
            status_error(400, {"error": {"code": "context_length_exceeded", "message": "secret"}}),
            400,
            "context_length_exceeded",
        ),
        (status_error(400, {"error": {"message": "secret"}}), 400, "bad_request"),
        (
            status_error(
                400, {"error": {"message": "secret: unsupported image, use one of the supported image formats"}}
            ),
            400,
            "bad_request",
        ),
        *(
            (status_error(status, {"error": {"message": f"secret {words}"}}), 400, "images_not_supported")
            for status, words in NO_IMAGES
        ),
        (status_error(401, {"error": {"message": "secret"}}), 502, "model_access_refused"),
        (status_error(401, {"error": {"code": "PermissionDenied", "message": "secret"}}), 502, "model_role_missing"),
        (status_error(404, {"error": {"code": "DeploymentNotFound", "message": "secret"}}), 502, "model_not_found"),
        (status_error(429, {"error": {"code": "429", "message": "secret"}}), 429, "rate_limit_exceeded"),
        (status_error(429, {"error": {"code": "insufficient_quota", "message": "secret"}}), 429, "insufficient_quota"),
        (status_error(500, {"error": {"message": "secret"}}), 502, "upstream_unavailable"),
        (status_error(502, "<html>secret</html>"), 502, "upstream_unavailable"),
        (openai.APITimeoutError(httpx2.Request("POST", "http://secret-host/")), 504, "upstream_timeout"),
        (openai.APIConnectionError(request=httpx2.Request("POST", "http://secret-host/")), 502, "upstream_unavailable"),
    ],
)
def test_the_models_errors_get_stable_codes_and_lose_the_providers_text(
    error: openai.OpenAIError, status: int, code: str
) -> None:
    answer = model_errors.from_model(error)
    assert (answer.status, answer.code) == (status, code)
    assert "secret" not in json.dumps(answer.body())


def test_the_content_filters_categories_are_passed_on() -> None:
    body = model_errors.from_model(status_error(400, {"error": FILTERED})).body()
    assert body["error"]["innererror"] == {"content_filter_result": {"violence": {"filtered": True}}}


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [({"retry-after": "7"}, "", 7), ({}, "Please retry after 43 seconds.", 43), ({}, "Try again later", None)],
)
def test_the_time_to_wait_comes_from_the_header_or_the_message(
    headers: dict[str, str], message: str, seconds: int | None
) -> None:
    error = status_error(429, {"error": {"code": "429", "message": message}}, **headers)
    assert model_errors.from_model(error).retry_after_s == seconds


@pytest.mark.parametrize(
    ("models", "requested", "model"), [(("a", "b"), "b", "b"), (("a", "b"), None, "a"), (("a",), "whatever", "a")]
)
def test_a_client_may_choose_one_of_the_apps_models(models: tuple[str, ...], requested: object, model: str) -> None:
    body = {"messages": [{"role": "user", "content": "x"}], "model": requested}
    assert upstream_request(body, Settings(models=models))["model"] == model


@pytest.mark.parametrize("requested", ["c", 7, ["a"]])
def test_a_client_may_choose_no_other_model(requested: object) -> None:
    body = {"messages": [{"role": "user", "content": "x"}], "model": requested}
    with pytest.raises(ApiError, match=r"model must be one of: a, b\."):
        upstream_request(body, Settings(models=("a", "b")))


def test_a_managed_identity_replaces_the_key() -> None:
    azure = {"AZURE_OPENAI_ENDPOINT": "https://r.example", "AZURE_OPENAI_DEPLOYMENT": "a, b"}
    settings = load_settings({**azure, "AZURE_OPENAI_AUTH": "identity"})
    assert (settings.missing, settings.models) == ((), ("a", "b"))
    client = completion.client_for(settings)
    assert client.api_key == ""
    assert load_settings(azure).missing == ("AZURE_OPENAI_API_KEY",)


async def slow(events: list[tuple[float, dict[str, object]]]) -> AsyncIterator[dict[str, object]]:
    for wait_s, event in events:
        await asyncio.sleep(wait_s)
        yield event


def test_silence_is_filled_with_comments_and_the_stream_is_always_closed() -> None:
    closed: list[bool] = []

    async def close() -> None:
        closed.append(True)

    last: dict[str, object] = {"choices": [{"index": 0, "finish_reason": "stop"}]}

    async def received(stop_after: int | None = None) -> list[bytes]:
        stream = completion.Stream(close, slow([(0, {"choices": [{"index": 0}]}), (0.05, last)]))
        events = completion.events(stream, include_usage=False, request_id="r", within_s=60, ping_s=0.02)
        pieces = []
        async for piece in events:
            pieces.append(piece)
            if len(pieces) == stop_after:
                await events.aclose()  # type: ignore[attr-defined]  # a generator, as Starlette closes it
                break
        return pieces

    complete = asyncio.run(received())
    assert complete[0] == b": open\n\n"
    assert complete.count(b": ping\n\n") in (1, 2)
    assert complete[-1] == b"data: [DONE]\n\n"
    asyncio.run(received(stop_after=2))
    assert closed == [True, True]


async def broken(error: Exception | None, last: dict[str, object]) -> AsyncIterator[dict[str, object]]:
    yield last
    if error is not None:
        raise error


@pytest.mark.parametrize(
    ("error", "finish", "counted"),
    [
        (None, "stop", [("answered", "stop")]),
        (None, None, [("broke off", "no finish reason")]),
        (ValueError(), None, [("broke off", "an event is not a chunk")]),
        (openai.OpenAIError(), None, [("broke off", "upstream_unavailable")]),
        (TimeoutError(), "stop", [("broke off", "the answer takes too long")]),
    ],
)
def test_a_stream_is_counted_once_as_it_ended(
    error: Exception | None, finish: str | None, counted: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = list[tuple[str, str]]()
    monkeypatch.setattr(telemetry, "count_answer", lambda outcome, reason: told.append((outcome, reason)))

    async def close() -> None:
        pass

    async def received() -> list[bytes]:
        stream = completion.Stream(close, broken(error, {"choices": [{"index": 0, "finish_reason": finish}]}))
        return [piece async for piece in completion.events(stream, include_usage=False, request_id="r", within_s=60)]

    assert asyncio.run(received())[-1] == b"data: [DONE]\n\n"
    assert told == counted


def test_an_answer_that_takes_too_long_is_ended_before_the_gate_cuts_it() -> None:
    closed: list[bool] = []

    async def close() -> None:
        closed.append(True)

    async def received() -> list[bytes]:
        stream = completion.Stream(close, slow([(0, {"choices": [{"index": 0}]}), (60, {"choices": []})]))
        return [piece async for piece in completion.events(stream, include_usage=False, request_id="r", within_s=0.02)]

    pieces = asyncio.run(received())
    assert [b"upstream_timeout" in piece for piece in pieces] == [False, False, True, False]
    assert (pieces[-1], closed) == (b"data: [DONE]\n\n", [True])


@pytest.mark.parametrize(
    ("environment", "missing"),
    [
        ({"DIRECT_URL": "https://f.example"}, ("TICKET_KEY",)),
        ({"DIRECT_URL": "https://f.example", "TICKET_KEY": "short"}, ("TICKET_KEY",)),
        ({"DIRECT_URL": "https://f.example", "TICKET_KEY": "k" * 32}, ()),
        ({"TOPOLOGY": "direct", "OPENAI_API_KEY": "k", "OPENAI_MODEL": "m"}, ("TICKET_KEY",)),
        ({"TOPOLOGY": "linkd", "OPENAI_API_KEY": "k", "OPENAI_MODEL": "m"}, ("TOPOLOGY",)),
        ({"ANSWER_WITHIN_S": "soon", "OPENAI_API_KEY": "k", "OPENAI_MODEL": "m"}, ("ANSWER_WITHIN_S",)),
    ],
)
def test_a_topology_lists_the_settings_it_needs(environment: dict[str, str], missing: tuple[str, ...]) -> None:
    assert load_settings(environment).missing == missing


KEY, BODY = "k" * 32, b'{"messages": []}'
TICKET = Ticket(
    Principal("1", "alice", frozenset({"invited", "a"})), "https://s.example", sha256(BODY).hexdigest(), 1000.0
)


def test_a_ticket_is_read_as_it_was_signed() -> None:
    text = TICKET.text(KEY)
    payload, _, signature = text.partition(".")
    assert base64.urlsafe_b64decode(payload) == (
        b'{"sub":"1","name":"alice","roles":["a","invited"],"origin":"https://s.example",'
        b'"sha256":"%b","exp":1000.0}' % TICKET.sha256.encode()
    )
    expected = hmac.digest(KEY.encode(), b"chat-ticket-v1." + payload.encode(), "sha256")
    assert signature == base64.urlsafe_b64encode(expected).decode().rstrip("=")
    assert read_ticket(text, KEY) == TICKET
    assert (HEADER, LIFETIME_S) == ("x-chat-ticket", 90)


def signed(payload: bytes) -> str:
    """A text that has our signature and is no ticket."""
    signature = base64.urlsafe_b64encode(hmac.digest(KEY.encode(), b"chat-ticket-v1." + payload, "sha256"))
    return f"{payload.decode()}.{signature.decode().rstrip('=')}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "A valid ticket is required; the site issues it."),
        (".", "A valid ticket is required; the site issues it."),
        (TICKET.text("other" * 8), "A valid ticket is required; the site issues it."),
        (TICKET.text(KEY)[:-1], "A valid ticket is required; the site issues it."),
        (TICKET.text(KEY) + ".", "A valid ticket is required; the site issues it."),
        ("e30" + TICKET.text(KEY), "A valid ticket is required; the site issues it."),
        (TICKET.text(KEY).replace(".", ""), "A valid ticket is required; the site issues it."),
        (signed(b"e30"), "The ticket cannot be read."),
        (signed(base64.urlsafe_b64encode(b"{}")), "The ticket cannot be read."),
        (signed(base64.urlsafe_b64encode(b"[]")), "The ticket cannot be read."),
        (signed(base64.urlsafe_b64encode(b"\xff")), "The ticket cannot be read."),
    ],
)
def test_only_a_ticket_with_our_signature_is_read(text: str, reason: str) -> None:
    with pytest.raises(ApiError) as caught:
        read_ticket(text, KEY)
    assert (caught.value.status, caught.value.code, str(caught.value)) == (401, "ticket_refused", reason)


@pytest.mark.parametrize(
    ("body", "origin", "now_s", "reason"),
    [
        (BODY, "https://s.example", 999.999, None),
        (BODY, "https://s.example", 1000.0, "The ticket has expired."),
        (BODY, "https://s.example", 1001.0, "The ticket has expired."),
        (BODY, "https://s.example.evil", 0.0, "The ticket is for another site."),
        (BODY, "", 0.0, "The ticket is for another site."),
        (BODY + b" ", "https://s.example", 0.0, "The ticket is for another question."),
    ],
)
def test_a_ticket_is_for_one_question_from_one_site_for_a_short_time(
    body: bytes, origin: str, now_s: float, reason: str | None
) -> None:
    assert TICKET.refusal(body, origin=origin, now_s=now_s) == reason


def test_the_adapters_stay_thin() -> None:
    folder = Path(completion.__file__).parent
    assert {name: len((folder / name).read_text().splitlines()) <= 60 for name in ("streaming.py", "classic.py")} == {
        "streaming.py": True,
        "classic.py": True,
    }


# --- a provider's own words ------------------------------------------------------------------------------------------


def test_of_a_filters_findings_only_what_is_known_is_passed_on() -> None:
    found = {
        "hate": {"filtered": True, "severity": "high", "note": "SECRET"},
        "custom": {"id": "list-7"},
        "x y": {},
        "odd": 5,
    }
    error = {"code": "content_filter", "innererror": {"content_filter_result": found}}
    body = model_errors.from_model(status_error(400, {"error": error})).body()
    assert body["error"]["innererror"] == {
        "content_filter_result": {"hate": {"filtered": True, "severity": "high"}, "custom": {}}
    }


@pytest.mark.parametrize(
    ("named", "shown"),
    [
        ("temperature", "temperature"),
        ("tools[0].function", "tools[0].function"),
        ("ask_us_at_acme.com", None),
        (5, None),
    ],
)
def test_a_provider_names_a_parameter_and_nothing_else(named: object, shown: str | None) -> None:
    assert model_errors.from_model(status_error(400, {"error": {"param": named}})).parameter == shown


@pytest.mark.parametrize("seconds", ["\u00b2", "9" * 5000, "soon"])
def test_a_wait_that_is_no_number_is_left_out(seconds: str) -> None:
    error = status_error(429, {"error": {}})
    error.response.headers = httpx2.Headers([(b"retry-after", seconds.encode("latin-1"))])
    assert model_errors.from_model(error).retry_after_s is None
