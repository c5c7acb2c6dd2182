"""The API's errors: in OpenAI's format, with stable codes, and never with a provider's own text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """An error as the client sees it; `parameter` is what is wrong in the request, None where it is no single one.
    `retry_after_s` and `details` are left out of the response where None."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        parameter: str | None = None,
        retry_after_s: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.parameter = status, code, message, parameter
        self.retry_after_s, self.details = retry_after_s, details

    def body(self) -> dict[str, Any]:
        """The JSON body, in OpenAI's envelope."""
        kind = "invalid_request_error" if self.status < 429 else "server_error"
        error = {"message": self.message, "type": kind, "param": self.parameter, "code": self.code}
        return {"error": {**error, "innererror": self.details} if self.details else error}


def too_slow() -> ApiError:
    """The model did not begin, or did not finish, its answer in time."""
    return ApiError(504, "upstream_timeout", "The model took too long to answer.")


def unavailable() -> ApiError:
    """The model cannot be reached, or its answer was interrupted."""
    return ApiError(502, "upstream_unavailable", "The model is not available at the moment.")


def no_images(parameter: str | None = None) -> ApiError:
    """The app, or its model, takes no images; `parameter` is where the first one is."""
    return ApiError(
        400, "images_not_supported", "Images cannot be read here; remove them and ask again.", parameter=parameter
    )
