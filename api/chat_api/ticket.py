"""Tickets: the right to ask one question past the gate, for a few seconds, of somebody whom the gate has let in."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass

from chat_api.errors import ApiError
from chat_api.principal import Principal

HEADER = "x-chat-ticket"
LIFETIME_S = 90
#: Signed along with every ticket, so that the key's other uses, and other versions, make no tickets.
_PURPOSE = b"chat-ticket-v1."


@dataclass(frozen=True, slots=True)
class Ticket:
    """Who may ask, from which origin, until when (seconds since 1970), and what: the SHA-256 of the request's body, as hex.

    A ticket can be used again while it lasts, but only to repeat the same question.
    """

    principal: Principal
    origin: str
    sha256: str
    expires_s: float

    def text(self, key: str) -> str:
        """The ticket as it travels, signed."""
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
        """Why it does not open this request; None where it does."""
        if now_s >= self.expires_s:
            return "The ticket has expired."
        if origin != self.origin:
            return "The ticket is for another site."
        if not hmac.compare_digest(hashlib.sha256(body).hexdigest(), self.sha256):
            return "The ticket is for another question."
        return None


def read_ticket(text: str, key: str) -> Ticket:
    """The ticket, once its signature is found to be ours.

    Raises:
        ApiError: 401 `ticket_refused`.
    """
    payload, _, signature = text.partition(".")
    # Nothing of it is read before it is known to be ours.
    if not hmac.compare_digest(_signature(payload.encode(), key).encode(), signature.encode()):
        raise refused("A ticket of this app is needed; the site gives it.")
    try:
        fields = json.loads(base64.urlsafe_b64decode(payload))
        who = Principal(fields["sub"], fields["name"], frozenset(fields["roles"]))
        return Ticket(who, fields["origin"], fields["sha256"], fields["exp"])
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise refused("The ticket cannot be read.") from error


def refused(why: str) -> ApiError:
    """The answer to a ticket that does not fit."""
    return ApiError(401, "ticket_refused", why)


def _signature(payload: bytes, key: str) -> str:
    return base64.urlsafe_b64encode(hmac.digest(key.encode(), _PURPOSE + payload, "sha256")).decode().rstrip("=")
