"""What the API answers when it cannot: OpenAI-shaped errors with stable codes, and never a provider's own words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import openai

_NOT_SET_UP = {401: "model_access_refused", 403: "model_access_refused", 404: "model_not_found"}


class ApiError(Exception):
    """An error as the client sees it. `retry_after_s` and `details` are left out of the answer where None."""

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
    """The error to answer with when the model client raised one."""
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
    """The model did not answer, or did not end, in time."""
    return ApiError(504, "upstream_timeout", "The model took too long to answer.")


def unavailable() -> ApiError:
    """The model cannot be reached, or broke off."""
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
    if error.status_code in _NOT_SET_UP:
        # Our own key, role or deployment name is wrong: nothing the person asking can mend, but whoever deploys can.
        code = "model_role_missing" if error.code == "PermissionDenied" else _NOT_SET_UP[error.status_code]
        return ApiError(502, code, "The model is not set up correctly.")
    if error.status_code == 400:
        return ApiError(400, "bad_request", "The model did not accept this request.")
    return unavailable()


def _filtered(body: object) -> dict[str, Any] | None:
    """Azure's categories, where it says them."""
    inner = body.get("innererror") if isinstance(body, dict) else None
    results = inner.get("content_filter_result") if isinstance(inner, dict) else None
    return {"content_filter_result": results} if isinstance(results, dict) else None


def _retry_after_s(error: openai.APIStatusError) -> int | None:
    """Seconds to wait, from the header or else from the text; None where neither says."""
    header = error.response.headers.get("retry-after", "")
    found = (
        header
        if header.isdigit()
        else next(iter(re.findall(r"(?:retry after|try again in) (\d+)", error.message)), None)
    )
    return None if found is None else int(found)
