"""Sessions: the signed cookie that says who is signed in, and until when."""

from __future__ import annotations

import contextlib
import hmac
import itertools
import os
import re
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from itsdangerous import BadSignature, URLSafeSerializer

from mockserver.clock import Clock
from mockserver.errors import UserError
from mockserver.exchange import whole_number
from mockserver.swa.principal import ClientPrincipal

SESSION_COOKIE = "StaticWebAppsAuthCookie"


#: The longest value of one cookie: browsers keep 4,096 bytes with its name and attributes. Source: RFC 6265bis, 5.5.
_LONGEST_VALUE = 3_800
#: How many combinations of parts are tried, where several programs have cookies of one name.
_MOST_TRIED = 32


def cookie_parts(value: str) -> dict[str, str]:
    """The cookies that hold a session, by their names: one, or several whose first says how many there are."""
    parts = [value[start : start + _LONGEST_VALUE] for start in range(0, len(value), _LONGEST_VALUE)]
    if len(parts) > 1:
        parts[0] = f"{len(parts)}~{parts[0]}"
    return {SESSION_COOKIE + (f"_{number}" if number else ""): part for number, part in enumerate(parts)}


def cookies_in(cookie_header: str) -> dict[str, list[str]]:
    """The values of each cookie in a Cookie header; several where they are of different paths or programs."""
    cookies: dict[str, list[str]] = {}
    for name, _, value in (part.strip().partition("=") for part in cookie_header.split(";")):
        cookies.setdefault(name, []).append(value)
    return cookies


def _values(cookie_header: str) -> Iterator[str]:
    """What may be a session in a Cookie header. Cookies ignore ports: there may be some of other programs with our names."""
    cookies = cookies_in(cookie_header)
    for first in cookies.get(SESSION_COOKIE, []):
        count, divider, start = first.partition("~")
        if not divider:
            yield first
        elif len(count) <= 2 and (number := whole_number(count)):
            parts = [cookies.get(f"{SESSION_COOKIE}_{part}", []) for part in range(1, number)]
            yield from map("".join, itertools.islice(itertools.product([start], *parts), _MOST_TRIED))


class SessionKeyError(UserError):
    """A key for sessions that others may know."""


class Sessions:
    """Signs sessions into cookie values and reads them back until they expire."""

    def __init__(self, key: str, clock: Clock) -> None:
        self._serializer = URLSafeSerializer(key, salt="session")
        self._clock = clock

    def cookie(self, principal: ClientPrincipal, expires_in_s: float) -> str:
        """The cookie value of a session that begins now."""
        return self._serializer.dumps([self._clock.now() + expires_in_s, principal.for_me()])

    def principal(self, cookie_header: str | None) -> ClientPrincipal | None:
        """Who is signed in, by the request's Cookie header; None without a session, after its end, or for a forged cookie."""
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
        for value in _values(cookie_header or ""):
            with contextlib.suppress(BadSignature):
                expires_s, me = self._serializer.loads(value)
                return expires_s, me
        return None


def session_key(folder: Path, project: Path) -> str:
    """The key that signs the sessions of a project, the same after a restart. It is made from a key of this user's, which is
    created once, so that no project accepts the sessions of another.

    Raises:
        SessionKeyError: the user's key is not one that only this user knows.
    """
    key = _users_key(folder)
    return hmac.digest(key.encode(), str(project.resolve()).encode(errors="surrogateescape"), "sha256").hex()


def _users_key(folder: Path) -> str:
    path = folder / "session-key"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists() or not path.stat().st_size:
        # Written to another file, then linked in place: of several processes that start at once one wins, and all read one key.
        handle, name = tempfile.mkstemp(dir=folder)  # mode 0600
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
        with contextlib.suppress(FileExistsError):
            if path.exists() and not path.stat().st_size:
                path.unlink()
            os.link(name, path)
        Path(name).unlink()
    key, mode = path.read_bytes(), path.stat().st_mode
    known_to_others = os.name != "nt" and mode & 0o077
    if known_to_others or not re.fullmatch(rb"[0-9a-f]{64}", key):
        why = f"others may read or change it (mode {mode & 0o777:o})" if known_to_others else "it is not a key of ours"
        raise SessionKeyError(f"{path}: {why}. Delete it: a new one is made, and everybody signs in again.")
    return key.decode()
