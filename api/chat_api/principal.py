"""Who asks: the client principal that Static Web Apps puts into every request it lets through."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass

from chat_api.errors import ApiError

HEADER = "x-ms-client-principal"


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody signed in."""

    user_id: str
    user_details: str
    roles: frozenset[str]


def principal_of(header: str | None) -> Principal | None:
    """The principal in the header's value; None where there is none or it cannot be read."""
    try:
        fields = json.loads(base64.b64decode(header or "", validate=True))
        return Principal(str(fields["userId"]), str(fields["userDetails"]), frozenset(map(str, fields["userRoles"])))
    except (binascii.Error, ValueError, KeyError, TypeError):
        return None


def require_role(principal: Principal | None, role: str) -> Principal:
    """The principal, if it may ask. The gate checks too; this holds where a function app is reached past it.

    Raises:
        ApiError: 401 `unauthorized` for nobody, 403 `forbidden` without the role.
    """
    if principal is None:
        raise ApiError(401, "unauthorized", "Sign in first.")
    if role and role not in principal.roles:
        raise ApiError(403, "forbidden", "You do not have permission to use this application.")
    return principal
