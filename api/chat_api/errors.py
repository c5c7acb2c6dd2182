"""The API's errors: in OpenAI's format, with stable codes, and never with a provider's own text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import openai

_CONFIGURATION_CODES = {401: "model_access_refused", 403: "model_access_refused", 404: "model_not_found"}


class ApiError(Exception):
    """An error as the client sees it. `retry_after_s` and `details` are left out of the response where None."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        retry_after_s: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.retry_after_s, self.details = retry_after_s, details

    def body(self) -> dict[str, Any]:
        """The JSON body, in OpenAI's envelope."""
        kind = "invalid_request_error" if self.status < 429 else "server_error"
        error = {"message": self.message, "type": kind, "param": None, "code": self.code}
        return {"error": {**error, "innererror": self.details} if self.details else error}


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


def too_slow() -> ApiError:
    """The model did not begin, or did not finish, its answer in time."""
    return ApiError(504, "upstream_timeout", "The model took too long to answer.")


def unavailable() -> ApiError:
    """The model cannot be reached, or its answer was interrupted."""
    return ApiError(502, "upstream_unavailable", "The model is not available at the moment.")


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
    if error.status_code == 429:
        return ApiError(429, "rate_limit_exceeded", "Too many requests right now.", retry_after_s=_retry_after_s(error))
    if error.status_code in _CONFIGURATION_CODES:
        # Our own key, role or deployment name is wrong: the person who deploys can fix it, the user cannot.
        code = "model_role_missing" if error.code == "PermissionDenied" else _CONFIGURATION_CODES[error.status_code]
        return ApiError(502, code, "The model is not set up correctly.")
    if error.status_code == 400:
        return ApiError(400, "bad_request", "The model did not accept this request.")
    return unavailable()


def _filtered(body: object) -> dict[str, Any] | None:
    """The content filter's categories, where Azure sends them."""
    inner = body.get("innererror") if isinstance(body, dict) else None
    results = inner.get("content_filter_result") if isinstance(inner, dict) else None
    return {"content_filter_result": results} if isinstance(results, dict) else None


def _retry_after_s(error: openai.APIStatusError) -> int | None:
    """Seconds to wait, from the header or else from the message; None if neither has them."""
    header = error.response.headers.get("retry-after", "")
    if header.isdigit():
        return int(header)
    match = re.search(r"(?:retry after|try again in) (\d+)", error.message)
    return int(match[1]) if match else None
