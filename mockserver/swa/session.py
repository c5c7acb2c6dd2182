"""Sessions: the signed cookie that says who is signed in, and until when."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from pathlib import Path
from typing import Any

from itsdangerous import BadSignature, URLSafeSerializer

from mockserver.clock import Clock
from mockserver.swa.principal import ClientPrincipal

SESSION_COOKIE = "StaticWebAppsAuthCookie"


class Sessions:
    """Signs sessions into cookie values and reads them back until they expire."""

    def __init__(self, key: str, clock: Clock) -> None:
        self._serializer = URLSafeSerializer(key, salt="session")
        self._clock = clock

    def cookie(self, principal: ClientPrincipal, expires_in_s: float) -> str:
        """The cookie value of a session that begins now."""
        return self._serializer.dumps([self._clock.now() + expires_in_s, principal.for_me()])

    def principal(self, cookie_header: str | None) -> ClientPrincipal | None:
        """Who the request's Cookie header says is signed in; None for nobody, an expired session or a forged cookie.

        Cookies ignore ports: the header may hold anything that anything else on this machine has set.
        """
        found = self._read(cookie_header)
        if found is None or found[0] <= self._clock.now():
            return None
        me = found[1]
        claims = tuple((claim["typ"], claim["val"]) for claim in me["claims"])
        return ClientPrincipal(me["identityProvider"], me["userId"], me["userDetails"], tuple(me["userRoles"]), claims)

    def left_s(self, cookie_header: str | None) -> float | None:
        """How many seconds the session lasts yet, negative where it has expired; None where there is none."""
        found = self._read(cookie_header)
        return None if found is None else float(found[0] - self._clock.now())

    def _read(self, cookie_header: str | None) -> tuple[float, dict[str, Any]] | None:
        """When the session expires, and whose it is; None for none, or a forged one."""
        pairs = (part.strip().partition("=") for part in (cookie_header or "").split(";"))
        value = next((value for name, _, value in pairs if name == SESSION_COOKIE), "")
        try:
            expires_s, me = self._serializer.loads(value)
        except BadSignature:
            return None
        return expires_s, me


def session_key(folder: Path) -> str:
    """The key sessions are signed with: made once, kept for this user alone, so that sessions survive a restart."""
    path = folder / "session-key"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists() or not path.read_text(encoding="ascii"):
        # Written aside, then put in place whole: of several that start at once one wins, and all read the same.
        handle, name = tempfile.mkstemp(dir=folder)  # mode 0600
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
        with contextlib.suppress(FileExistsError):
            path.unlink() if path.exists() and not path.stat().st_size else None
            os.link(name, path)
        Path(name).unlink()
    return path.read_text(encoding="ascii")
