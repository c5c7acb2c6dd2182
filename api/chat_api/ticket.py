"""Tickets: a user whom the gate admitted may send one question directly, without the gate, for a short time."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass

from chat_api.errors import ApiError
from chat_api.principal import Principal

HEADER = "x-chat-ticket"
LIFETIME_S = 90
#: Part of every signature, so that a signature made with the key for another purpose or version is not valid.
_PURPOSE = b"chat-ticket-v1."


@dataclass(frozen=True, slots=True)
class Ticket:
    """Who may send which body (its SHA-256, as hex) from which origin, and until when (seconds since 1970).

    A ticket can be used again until it expires, but only to repeat the same question.
    """

    principal: Principal
    origin: str
    sha256: str
    expires_s: float

    def text(self, key: str) -> str:
        """The signed ticket, for the header."""
        fields = {
            "sub": self.principal.user_id,
            "name": self.principal.user_details,
            "roles": sorted(self.principal.roles),
            "origin": self.origin,
            "sha256": self.sha256,
            "exp": self.expires_s,
        }
        payload = base64.urlsafe_b64encode(json.dumps(fields, separators=(",", ":")).encode())
        return f"{payload.decode()}.{_signature(payload, key)}"

    def refusal(self, body: bytes, *, origin: str, now_s: float) -> str | None:
        """Why the ticket is not valid for this request; None if it is valid."""
        if now_s >= self.expires_s:
            return "The ticket has expired."
        if origin != self.origin:
            return "The ticket is for another site."
        if not hmac.compare_digest(hashlib.sha256(body).hexdigest(), self.sha256):
            return "The ticket is for another question."
        return None


def read_ticket(text: str, key: str) -> Ticket:
    """The ticket, if its signature is ours.

    Raises:
        ApiError: 401 `ticket_refused`.
    """
    payload, _, signature = text.partition(".")
    # The payload must not be read before the signature is checked.
    if not hmac.compare_digest(_signature(payload.encode(), key).encode(), signature.encode()):
        raise refused("A valid ticket is required; the site issues it.")
    try:
        fields = json.loads(base64.urlsafe_b64decode(payload))
    except (ValueError, RecursionError) as error:
        raise refused("The ticket cannot be read.") from error
    match fields:
        case {"sub": str(id_), "name": str(name), "roles": [*roles], "origin": str(origin), "sha256": str(sha256)}:
            expires_s = fields.get("exp")
            if sha256.isascii() and isinstance(expires_s, int | float) and all(isinstance(role, str) for role in roles):
                return Ticket(Principal(id_, name, frozenset(roles)), origin, sha256, expires_s)
    raise refused("The ticket cannot be read.")


def refused(reason: str) -> ApiError:
    """The error for a ticket that is not valid."""
    return ApiError(401, "ticket_refused", reason)


def _signature(payload: bytes, key: str) -> str:
    return base64.urlsafe_b64encode(hmac.digest(key.encode(), _PURPOSE + payload, "sha256")).decode().rstrip("=")
