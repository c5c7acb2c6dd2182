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


#: The longest value of one cookie: browsers keep 4,096 bytes with its name and attributes. Source: RFC 6265bis, 5.5.
_LONGEST_VALUE = 3_800


def cookie_parts(value: str) -> dict[str, str]:
    """The cookies that hold a session, by their names: one, or several whose first says how many there are."""
    parts = [value[start : start + _LONGEST_VALUE] for start in range(0, len(value), _LONGEST_VALUE)]
    if len(parts) > 1:
        parts[0] = f"{len(parts)}~{parts[0]}"
    return {SESSION_COOKIE + (f"_{number}" if number else ""): part for number, part in enumerate(parts)}


def _joined(cookies: dict[str, str]) -> str:
    first = cookies.get(SESSION_COOKIE, "")
    count, divider, start = first.partition("~")
    if not divider or not count.isdecimal() or len(count) > 2:
        return first
    return start + "".join(cookies.get(f"{SESSION_COOKIE}_{number}", "") for number in range(1, int(count)))


class Sessions:
    """Signs sessions into cookie values and reads them back until they expire."""

    def __init__(self, key: str, clock: Clock) -> None:
        self._serializer = URLSafeSerializer(key, salt="session")
        self._clock = clock

    def cookie(self, principal: ClientPrincipal, expires_in_s: float) -> str:
        """The cookie value of a session that begins now."""
        return self._serializer.dumps([self._clock.now() + expires_in_s, principal.for_me()])

    def principal(self, cookie_header: str | None) -> ClientPrincipal | None:
        """Who is signed in, by the request's Cookie header; None without a session, after its end, or for a forged cookie.

        Cookies ignore ports: the header may hold cookies of any other program on this machine.
        """
        session = self._read(cookie_header)
        if session is None:
            return None
        expires_s, me = session
        if expires_s <= self._clock.now():
            return None
        claims = tuple((claim["typ"], claim["val"]) for claim in me["claims"])
        return ClientPrincipal(me["identityProvider"], me["userId"], me["userDetails"], tuple(me["userRoles"]), claims)

    def left_s(self, cookie_header: str | None) -> float | None:
        """How many seconds of the session are left, negative after its end; None without a session."""
        session = self._read(cookie_header)
        return None if session is None else float(session[0] - self._clock.now())

    def _read(self, cookie_header: str | None) -> tuple[float, dict[str, Any]] | None:
        """When the session expires, and its user as `/.auth/me` has it; None without a session, or for a forged one."""
        cookies: dict[str, str] = {}
        for name, _, each in (part.strip().partition("=") for part in (cookie_header or "").split(";")):
            cookies.setdefault(name, each)
        value = _joined(cookies)
        try:
            expires_s, me = self._serializer.loads(value)
        except BadSignature:
            return None
        return expires_s, me


def session_key(folder: Path) -> str:
    """The key that signs sessions: created once and readable by this user alone, so that sessions survive a restart."""
    path = folder / "session-key"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists() or not path.read_text(encoding="ascii"):
        # Written to another file, then linked in place: of several processes that start at once one wins, and all read one key.
        handle, name = tempfile.mkstemp(dir=folder)  # mode 0600
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
        with contextlib.suppress(FileExistsError):
            if path.exists() and not path.stat().st_size:
                path.unlink()
            os.link(name, path)
        Path(name).unlink()
    return path.read_text(encoding="ascii")
