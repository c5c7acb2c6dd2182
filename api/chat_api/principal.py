"""The signed-in user: the client principal that Static Web Apps adds to every request it forwards."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from chat_api.errors import ApiError

HEADER = "x-ms-client-principal"


@dataclass(frozen=True, slots=True)
class Principal:
    """A signed-in user."""

    user_id: str
    user_details: str
    roles: frozenset[str]


def principal_of(header: str | None) -> Principal | None:
    """The principal in the header's value; None if the header is missing or cannot be read."""
    try:
        fields = json.loads(base64.b64decode(header or "", validate=True))
        json.dumps(fields, ensure_ascii=False).encode()  # JSON can spell half of a surrogate pair, which UTF-8 cannot
    except (ValueError, RecursionError):
        return None
    match fields:
        case {"userId": str(user_id), "userDetails": str(details), "userRoles": list(roles)}:
            known = all(isinstance(role, str) for role in roles)
            return Principal(user_id, details, frozenset(roles)) if known else None
    return None


def require_role(principal: Principal | None, role: str) -> Principal:
    """The principal, if it has the role. The gate checks the role too, but a client can reach a function app without the gate.

    Raises:
        ApiError: 401 `unauthorized` without a principal, 403 `forbidden` without the role.
    """
    if principal is None:
        raise ApiError(401, "unauthorized", "Sign in first.")
    if role and role not in principal.roles:
        raise ApiError(403, "forbidden", "You do not have permission to use this application.")
    return principal
