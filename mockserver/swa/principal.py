"""Who is signed in: the client principal as Static Web Apps shows it, and the signed cookie that carries it."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

#: What the API is told; a client's own is dropped. Source: Static Web Apps sets the first alone (static-web-apps#21).
PRINCIPAL_HEADER = "x-ms-client-principal"
EVERYBODY = ("anonymous", "authenticated")


@dataclass(frozen=True, slots=True)
class ClientPrincipal:
    """Somebody signed in. `roles` always include the two that everybody signed in has."""

    identity_provider: str
    user_id: str
    user_details: str
    roles: tuple[str, ...]
    claims: tuple[tuple[str, str], ...] = ()

    def for_me(self) -> dict[str, Any]:
        """The object `/.auth/me` shows."""
        return {**self.for_api(), "claims": [{"typ": kind, "val": value} for kind, value in self.claims]}

    def for_api(self) -> dict[str, Any]:
        """The object the API gets: the same without claims. Source: static-web-apps#897."""
        return {
            "identityProvider": self.identity_provider,
            "userId": self.user_id,
            "userDetails": self.user_details,
            "userRoles": list(self.roles),
        }

    def header(self) -> str:
        """The value of `x-ms-client-principal`: base64 of UTF-8 JSON."""
        return base64.b64encode(json.dumps(self.for_api(), ensure_ascii=False).encode()).decode()
