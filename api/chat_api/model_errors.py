"""What the model's client raises, as the API's errors: never with a provider's own text."""

from __future__ import annotations

import re
from typing import Any

import openai

from chat_api.errors import ApiError, no_images, too_slow, unavailable
from chat_api.request import is_parameter

#: How a model without vision refuses an image; of the services, no code says so. Sources, in order: OpenAI and Azure OpenAI, chat
#: (vllm#11629, browser-use/web-ui#274); Responses, Foundry's models, NVIDIA, LM Studio and Ollama (ollama#17301); OpenRouter;
#: llama.cpp, with a 500; vLLM; DeepSeek.
_NO_IMAGES = re.compile(
    r"(?i)image_url is only supported by certain models"
    r"|does(?: not|n't) support (?:image|images)(?: inputs?)?\b"
    r"|no endpoints found that support image input"
    r"|image input is not supported"
    r"|is not a multimodal model"
    r"|unknown variant `image_url`"
)
_CONFIGURATION_CODES = {401: "model_access_refused", 403: "model_access_refused", 404: "model_not_found"}


def from_model(error: openai.OpenAIError) -> ApiError:
    """The API's error for an error of the model's client."""
    if isinstance(error, openai.APITimeoutError):
        return too_slow()
    if isinstance(error, openai.APIStatusError):
        return _from_status(error)
    if (
        isinstance(error, openai.APIError)
        and not isinstance(error, openai.APIConnectionError)
        and error.code in ("rate_limit_exceeded", "too_many_requests")
    ):
        return ApiError(429, "rate_limit_exceeded", "Too many requests right now.")
    return unavailable()


def _from_status(error: openai.APIStatusError) -> ApiError:
    if error.code == "content_filter":
        return ApiError(
            400,
            "content_filter",
            "The message was not sent to the model because it triggered the content filter.",
            details=_filtered(error.body),
        )
    if error.code == "context_length_exceeded":
        return ApiError(400, "context_length_exceeded", "This conversation is too long for the model.")
    if error.code == "insufficient_quota":
        return ApiError(429, "insufficient_quota", "The quota for this model is used up.")
    if error.status_code != 429 and _NO_IMAGES.search(error.message):
        return no_images()
    if error.status_code == 429:
        return ApiError(429, "rate_limit_exceeded", "Too many requests right now.", retry_after_s=_retry_after_s(error))
    if error.status_code in _CONFIGURATION_CODES:
        # Our own key, role or deployment name is wrong: the person who deploys can fix it, the user cannot.
        code = "model_role_missing" if error.code == "PermissionDenied" else _CONFIGURATION_CODES[error.status_code]
        return ApiError(502, code, "The model is not set up correctly.")
    if error.status_code == 400:
        named = error.param if is_parameter(error.param) else None
        return ApiError(400, "bad_request", f"The model did not accept {named or 'this request'}.", parameter=named)
    return unavailable()


def _filtered(body: object) -> dict[str, Any] | None:
    """The content filter's categories, where Azure sends them: of each, what is not a provider's own words."""
    inner = body.get("innererror") if isinstance(body, dict) else None
    results = inner.get("content_filter_result") if isinstance(inner, dict) else None
    if not isinstance(results, dict):
        return None
    kept = {
        category: {name: value for name, value in found.items() if _is_finding(name, value)}
        for category, found in results.items()
        if isinstance(found, dict) and re.fullmatch(r"\w{1,40}", str(category))
    }
    return {"content_filter_result": kept}


def _is_finding(name: object, value: object) -> bool:
    return (name in ("filtered", "detected") and isinstance(value, bool)) or (
        name == "severity" and value in ("safe", "low", "medium", "high")
    )


def _retry_after_s(error: openai.APIStatusError) -> int | None:
    """Seconds to wait, from the header or else from the message; None if neither has them."""
    header = error.response.headers.get("retry-after", "")
    if re.fullmatch(r"[0-9]{1,6}", header):
        return int(header)
    match = re.search(r"(?:retry after|try again in) ([0-9]{1,6})", error.message)
    return int(match[1]) if match else None
