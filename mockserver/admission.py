"""Requests from other machines, which `--bind` lets reach a port: only who brings this run's token gets in."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl, urlencode

from mockserver.connection import Connection, Receive, Scope, Send

#: A browser's, which sends it with everything once an address with `?token=` was opened.
COOKIE, QUERY = "mockserver-token", "token"
_REFUSAL = "From another machine, bring this run's token: as the API key, in x-mockserver-token, or once as ?token= in a browser.\n"


class Admission:
    """An application, for this machine as it is, for others behind the token."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], token: str) -> None:
        self._app, self._token = app, token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it."""
        connection = Connection(scope, receive, send)
        if _is_ours(scope):
            if connection.host == scope["server"][0]:
                connection.admit()
            return await self._app(scope, receive, send)
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        opened = dict(query).get(QUERY, "")
        if scope["method"] == "GET" and self._fits(opened):
            here = ("location", "?" + urlencode([each for each in query if each[0] != QUERY]))
            kept = ("set-cookie", f"{COOKIE}={opened}; Path=/; HttpOnly; SameSite=Lax")
            return await connection.answer(303, "", here, kept)
        if not any(map(self._fits, _tokens(scope))):
            return await connection.answer(401, _REFUSAL)
        _take_cookie_out(scope)
        connection.admit()
        return await self._app(scope, receive, send)

    def _fits(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self._token)


def _is_ours(scope: Scope) -> bool:
    """Whether a request comes from this machine, by the address it came from; no header counts."""
    client, server = scope["client"][0], scope["server"][0]
    return bool(client == server or ipaddress.ip_address(client).is_loopback)


def _tokens(scope: Scope) -> list[str]:
    """What a request brings that may be the token."""
    found = []
    for name, value in scope["headers"]:
        text = value.decode("latin-1")
        if name in (b"api-key", b"x-mockserver-token"):
            found.append(text)
        elif name == b"authorization":
            found.append(text.removeprefix("Bearer "))
        elif name == b"cookie":
            found += [each.partition("=")[2] for each in text.split("; ") if each.startswith(f"{COOKIE}=")]
    return found


def _take_cookie_out(scope: Scope) -> None:
    """It is for this door alone, and not for the API behind it."""
    ours = f"{COOKIE}=".encode()
    cookies = [each for name, value in scope["headers"] if name == b"cookie" for each in value.split(b"; ")]
    others = b"; ".join(each for each in cookies if not each.startswith(ours))
    scope["headers"] = [each for each in scope["headers"] if each[0] != b"cookie"] + [(b"cookie", others)] * bool(
        others
    )
