"""The API's own rules, without a server or a model."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import openai
import pytest
from chat_api import completion, errors
from chat_api.errors import ApiError
from chat_api.principal import principal_of, require_role
from chat_api.settings import Settings, load_settings

SETTINGS = Settings(api_key="k", models=("gpt-4o",), system_prompt="Be brief.")


def header(**fields: object) -> str:
    whole = {"userId": "1", "userDetails": "alice", "userRoles": ["invited"], **fields}
    return base64.b64encode(json.dumps(whole).encode()).decode()


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
def test_starts_with_what_there_is_and_says_what_is_missing(
    environment: dict[str, str], missing: tuple[str, ...]
) -> None:
    assert load_settings(environment).missing == missing


def test_the_client_without_settings_says_which() -> None:
    with pytest.raises(ApiError, match="OPENAI_API_KEY, OPENAI_MODEL is missing"):
        completion.client_for(Settings())


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        (Settings(api_key="k", models=("m",), base_url="http://h/v1"), "http://h/v1/"),
        (Settings(azure_endpoint="http://h", api_key="k", models=("d",)), "http://h/openai/v1/"),
        (Settings(azure_endpoint="http://h", api_key="k", models=("d",), api_version="2024-10-21"), "http://h/openai/"),
    ],
    ids=["openai", "azure-v1", "azure-dated"],
)
def test_one_client_for_every_backend(settings: Settings, url: str) -> None:
    assert str(completion.client_for(settings).base_url) == url


def test_one_retry_and_an_answer_within_the_gates_45_seconds() -> None:
    client = completion.client_for(SETTINGS)
    assert (client.max_retries, client.timeout) == (1, 40)


def test_the_model_and_the_system_prompt_are_the_apps() -> None:
    body = {
        "model": "expensive",
        "messages": [{"role": "system", "content": "Obey."}, {"role": "user", "content": "Hi", "name": "x"}],
        "stream": True,
    }
    assert completion.upstream_request(body, SETTINGS) == {
        "model": "gpt-4o",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_a_system_prompt_of_ones_own_takes_the_place_of_the_apps_where_it_is_allowed() -> None:
    messages = [{"role": "system", "content": "Rhyme."}, {"role": "user", "content": "Hi"}]
    asked = completion.upstream_request({"messages": messages}, SETTINGS, own_prompt=True)
    assert [each["content"] for each in asked["messages"]] == ["Rhyme.", "Hi"]
    without = completion.upstream_request({"messages": messages[1:]}, SETTINGS, own_prompt=True)
    assert [each["content"] for each in without["messages"]] == ["Be brief.", "Hi"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([], "bad_request"),
        ({}, "bad_request"),
        ({"messages": []}, "bad_request"),
        ({"messages": ["hi"]}, "bad_request"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "bad_request"),
        ({"messages": [{"role": "user", "content": 5}]}, "bad_request"),
        ({"messages": [{"role": [], "content": "x"}]}, "bad_request"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, "bad_request"),
        ({"messages": [{"role": "user", "content": "x"}], "stream_options": "x"}, "bad_request"),
        ({"messages": [{"role": "user", "content": "x"}], "stream": "yes"}, "bad_request"),
        ({"messages": [{"role": "user", "content": "x"}] * 201}, "context_length_exceeded"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_before_the_model(body: object, code: str) -> None:
    with pytest.raises(ApiError) as raised:
        completion.upstream_request(body, SETTINGS)
    assert (raised.value.status, raised.value.code) == (400, code)


@pytest.mark.parametrize(
    "value", [None, "", "!", base64.b64encode(b"[]").decode(), base64.b64encode(b"{}").decode(), header(userRoles=5)]
)
def test_an_unreadable_principal_is_nobody(value: str | None) -> None:
    assert principal_of(value) is None


def test_who_may_ask() -> None:
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
def test_the_models_errors_get_stable_codes_and_lose_the_providers_words(
    error: openai.OpenAIError, status: int, code: str
) -> None:
    answer = errors.from_model(error)
    assert (answer.status, answer.code) == (status, code)
    assert "secret" not in json.dumps(answer.body())


def test_the_filters_categories_are_passed_on() -> None:
    body = errors.from_model(status_error(400, {"error": FILTERED})).body()
    assert body["error"]["innererror"] == {"content_filter_result": {"violence": {"filtered": True}}}


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [({"retry-after": "7"}, "", 7), ({}, "Please retry after 43 seconds.", 43), ({}, "Try again later", None)],
)
def test_how_long_to_wait_comes_from_the_header_or_the_text(
    headers: dict[str, str], message: str, seconds: int | None
) -> None:
    error = status_error(429, {"error": {"code": "429", "message": message}}, **headers)
    assert errors.from_model(error).retry_after_s == seconds


@pytest.mark.parametrize(
    ("models", "asked", "model"), [(("a", "b"), "b", "b"), (("a", "b"), None, "a"), (("a",), "whatever", "a")]
)
def test_a_client_may_ask_for_the_apps_models(models: tuple[str, ...], asked: object, model: str) -> None:
    body = {"messages": [{"role": "user", "content": "x"}], "model": asked}
    assert completion.upstream_request(body, Settings(models=models))["model"] == model


@pytest.mark.parametrize("asked", ["c", 7, ["a"]])
def test_a_client_may_ask_for_no_other_model(asked: object) -> None:
    body = {"messages": [{"role": "user", "content": "x"}], "model": asked}
    with pytest.raises(ApiError, match=r"model must be one of: a, b\."):
        completion.upstream_request(body, Settings(models=("a", "b")))


def test_a_managed_identity_takes_the_place_of_a_key() -> None:
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


def test_silence_is_filled_and_the_stream_closed_whatever_happens() -> None:
    closed: list[bool] = []

    async def close() -> None:
        closed.append(True)

    last: dict[str, object] = {"choices": [{"index": 0, "finish_reason": "stop"}]}

    async def told(stop_after: int | None = None) -> list[bytes]:
        stream = completion.Stream(close, slow([(0, {"choices": [{"index": 0}]}), (0.05, last)]))
        said = completion.events(stream, include_usage=False, request_id="r", within_s=60, ping_s=0.02)
        found = []
        async for each in said:
            found.append(each)
            if len(found) == stop_after:
                await said.aclose()  # type: ignore[attr-defined]  # a generator, as Starlette closes it
                break
        return found

    whole = asyncio.run(told())
    assert whole[0] == b": open\n\n"
    assert whole.count(b": ping\n\n") in (1, 2)
    assert whole[-1] == b"data: [DONE]\n\n"
    asyncio.run(told(stop_after=2))
    assert closed == [True, True]


def test_an_answer_that_takes_too_long_is_ended_before_the_gate_cuts_it() -> None:
    closed: list[bool] = []

    async def close() -> None:
        closed.append(True)

    async def told() -> list[bytes]:
        stream = completion.Stream(close, slow([(0, {"choices": [{"index": 0}]}), (60, {"choices": []})]))
        return [each async for each in completion.events(stream, include_usage=False, request_id="r", within_s=0.02)]

    said = asyncio.run(told())
    assert [b"upstream_timeout" in each for each in said] == [False, False, True, False]
    assert (said[-1], closed) == (b"data: [DONE]\n\n", [True])


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
def test_a_topology_says_what_it_needs(environment: dict[str, str], missing: tuple[str, ...]) -> None:
    assert load_settings(environment).missing == missing


def test_the_adapters_stay_thin() -> None:
    folder = Path(completion.__file__).parent
    assert {name: len((folder / name).read_text().splitlines()) <= 60 for name in ("streaming.py", "classic.py")} == {
        "streaming.py": True,
        "classic.py": True,
    }
