"""Who is signed in: the client principal as Static Web Apps sends it."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import Any

#: What the API gets; a client's own is dropped. Source: Static Web Apps sets the first alone (static-web-apps#21).
PRINCIPAL_HEADER = "x-ms-client-principal"
BUILT_IN_ROLES = ("anonymous", "authenticated")
ROLE_NAME = re.compile(r"[A-Za-z0-9_]+")


@dataclass(frozen=True, slots=True)
class ClientPrincipal:
    """A signed-in user. `roles` always include the two built-in ones."""

    identity_provider: str
    user_id: str
    user_details: str
    roles: tuple[str, ...]
    claims: tuple[tuple[str, str], ...] = ()

    def for_me(self) -> dict[str, Any]:
        """The object that `/.auth/me` returns."""
        return {**self.for_api(), "claims": [{"typ": type_, "val": value} for type_, value in self.claims]}

    def for_api(self) -> dict[str, Any]:
        """The object that the API gets: the same without claims. Source: static-web-apps#897."""
        return {
            "identityProvider": self.identity_provider,
            "userId": self.user_id,
            "userDetails": self.user_details,
            "userRoles": list(self.roles),
        }

    def header(self) -> str:
        """The value of `x-ms-client-principal`: base64 of UTF-8 JSON."""
        return base64.b64encode(json.dumps(self.for_api(), ensure_ascii=False).encode()).decode()
