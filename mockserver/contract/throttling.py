"""Rate limits and failures as the backends word them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from mockserver.contract.addresses import Address, AddressForm, Backend
from mockserver.contract.refusals import Refusal

# No complete recording of an Azure 429 is known: these are authored from published bodies and headers, each with its source.
_JSON = (("content-type", "application/json"),)
_QUOTA = "https://aka.ms/oai/quotaincrease"


@dataclass(frozen=True, slots=True)
class Exceeded:
    """The limit that a request exceeds: `what` is `requests` or `tokens`; `wait_s` is the time until there is room again."""

    what: str = "tokens"
    limit: int = 30_000
    used: int = 30_000
    requested: int = 1_000
    wait_s: float = 1


def rate_limited(address: Address, model: str, exceeded: Exceeded) -> Refusal:
    """The 429 for an exceeded limit, without the header that says when to retry.

    Source: Azure's code RateLimitReached, pasted 2025-11-23 to 2026-02-23 (dyad#1849, paperless-gpt#814); its text for
    the limit of calls is unknown, and imitates that of tokens. OpenAI's, pasted 2024-11 to 2025-04 (climb#1,
    openai-dotnet#404), organization made up.
    """
    wait = _wait(exceeded)
    if address.backend is Backend.AZURE:
        kind = "token" if exceeded.what == "tokens" else "call"
        text = (
            f"Your requests to {address.deployment or model} for {model} in East US have exceeded the {kind} rate limit for your "
            f"current OpenAI S0 pricing tier. This request was for {_operation(address)} under {_api(address)}. "
            f"Please retry after {wait}. To increase your default rate limit, visit: {_QUOTA}."
        )
        policy = ("policy-id", f"DeploymentRatelimit-{kind.capitalize()}")
        return Refusal(429, (*_JSON, policy), _spaced("RateLimitReached", text), "rate limited")
    unit = "tokens per min (TPM)" if exceeded.what == "tokens" else "requests per min (RPM)"
    text = (
        f"Rate limit reached for {model} in organization org-mock on {unit}: Limit {exceeded.limit}, Used {exceeded.used}, "
        f"Requested {exceeded.requested}. Please try again in {exceeded.wait_s:g}s. Visit "
        "https://platform.openai.com/account/rate-limits to learn more."
    )
    return Refusal(429, _JSON, _openai(text, exceeded.what, "rate_limit_exceeded"), "rate limited")


def rate_limited_2024(address: Address, model: str, exceeded: Exceeded) -> Refusal:
    """Azure's 429 of 2023 to mid 2025, code "429"; OpenAI's is the current one. Source: action-python#12, weaviate#3095, TinyLLM#17."""
    if address.backend is Backend.OPENAI:
        return rate_limited(address, model, exceeded)
    kind = "token" if exceeded.what == "tokens" else "call"
    wait = _wait(exceeded)
    text = (
        f"Requests to the {_operation(address)} Operation under {_api(address)} have exceeded {kind} rate limit of your current "
        f"OpenAI S0 pricing tier. Please retry after {wait}. Please go here: {_QUOTA} if you "
        "would like to further increase the default rate limit."
    )
    return Refusal(429, _JSON, _spaced("429", text), "rate limited")


def quota_exceeded(address: Address, model: str) -> Refusal:
    """The 429 for a spent budget: OpenAI's insufficient_quota, documented; Azure's rate limit with a day to wait, pasted 2024."""
    if address.backend is Backend.AZURE:
        return rate_limited_2024(address, model, Exceeded(wait_s=86_400))
    text = (
        "You exceeded your current quota, please check your plan and billing details. For more information on this error, "
        "read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors."
    )
    return Refusal(429, _JSON, _openai(text, "insufficient_quota", "insufficient_quota"), "quota exceeded")


def server_error(address: Address) -> Refusal:
    """A 500. Source: Azure's pasted 2025-11-28 (agent-framework#2525); OpenAI's pasted 2023-11-28 (semantic-kernel#3700)."""
    if address.backend is Backend.AZURE:
        text = (
            "An error occurred while processing your request. You can retry your request, or contact us through an Azure "
            "support request at: https://go.microsoft.com/fwlink/?linkid=2213926 if the error persists. Please include the "
            "request ID 00000000-0000-0000-0000-000000000000 in your message."
        )
        return Refusal(500, _JSON, _openai(text, "server_error", "server_error"), "server error")
    text = (
        "The server had an error while processing your request. Sorry about that! You can retry your request, or contact us "
        "through our help center at help.openai.com if the error persists."
    )
    return Refusal(500, _JSON, _openai(text, "server_error", None), "server error")


def overloaded(address: Address) -> Refusal:
    """A 503. Source: OpenAI's wording documented; Azure's wording relayed 2025-12-21 (pollinations#6260), its status and
    code unknown."""
    if address.backend is Backend.AZURE:
        text = (
            "The system is currently experiencing high demand and cannot process your request. Your request exceeds the maximum "
            "usage size allowed during peak load. Please retry after 20 seconds. For improved capacity reliability, consider "
            "switching to Provisioned Throughput."
        )
        return Refusal(503, _JSON, _spaced("503", text), "overloaded")
    text = "The server is currently overloaded with other requests. Sorry about that! You can retry your request."
    return Refusal(503, _JSON, _openai(text, "server_error", None), "overloaded")


def _wait(exceeded: Exceeded) -> str:
    """The wait in whole seconds: `1 second`, `2 seconds`."""
    seconds = max(1, math.ceil(exceeded.wait_s))
    return "1 second" if seconds == 1 else f"{seconds} seconds"


def _operation(address: Address) -> str:
    names = {"createChatCompletion": "ChatCompletions_Create", "createEmbedding": "Embeddings_Create"}
    name = address.operation.name if address.operation else ""
    return names.get(name, name)


def _api(address: Address) -> str:
    if address.form is AddressForm.AZURE_V1:
        return "OpenAI Language Model Instance API"
    return f"Azure OpenAI API version {address.api_version}"


def _spaced(code: str, message: str) -> bytes:
    """As Azure's gateway writes it: a space after `"message":` and nowhere else."""
    return f'{{"error":{{"code":"{code}","message": {json.dumps(message)}}}}}'.encode()


def _openai(message: str, kind: str, code: str | None) -> bytes:
    error = {"message": message, "type": kind, "param": None, "code": code}
    return json.dumps({"error": error}, indent=2, ensure_ascii=False).encode()
