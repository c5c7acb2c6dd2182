"""Who asks, by the token that Entra gave, and how Resource Manager lists."""

from __future__ import annotations

import base64
import json
from typing import Any

from flask import request

from tests.azure.cloud import TENANT, RefusalError


def principal() -> str:
    """Who asks, by the token.

    Raises:
        RefusalError: nobody, or with another token than Entra's.
    """
    try:
        payload = request.headers["authorization"].split(".")[1]
        return str(json.loads(base64.urlsafe_b64decode(payload + "=="))["oid"])
    except (KeyError, IndexError, ValueError) as error:
        raise RefusalError(401, "AuthenticationFailed", "Authentication failed.") from error


def token_for(principal_id: str) -> str:
    """A token that says whose it is, without a signature."""
    claims = json.dumps({"oid": principal_id, "tid": TENANT}).encode()
    return f"e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.x"


def listed(values: Any) -> dict[str, Any]:
    """A list as Resource Manager answers it."""
    return {"value": list(values)}
