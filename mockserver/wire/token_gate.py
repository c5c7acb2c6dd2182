"""Requests from other machines, which `--bind` lets reach a port: only who brings this run's token gets in."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl, urlencode

from mockserver.wire.connection import AsgiReceive, AsgiScope, AsgiSend, Connection

#: A browser's, which sends it with everything once an address with `?token=` was opened.
COOKIE, QUERY = "mockserver-token", "token"
_CARRIERS = (b"api-key", b"authorization", b"x-mockserver-token")
_REFUSAL = "From another machine, bring this run's token: as the API key, in x-mockserver-token, or once as ?token= in a browser.\n"


class TokenGate:
    """An application, for this machine as it is, for others behind the token; `hidden` from it, where it has no use for it."""

    def __init__(
        self, app: Callable[[AsgiScope, AsgiReceive, AsgiSend], Awaitable[None]], token: str, *, hidden: bool
    ) -> None:
        self._app, self._token, self._hidden = app, token.encode(), hidden

    async def __call__(self, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend) -> None:
        """Let a request in, or answer it."""
        if is_local(scope):
            return await self._app(scope, receive, send)
        connection = Connection(scope, receive, send)
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        opened = dict(query).get(QUERY, "")
        if scope["method"] == "GET" and self._fits(opened.encode()):
            here = ("location", "?" + urlencode([each for each in query if each[0] != QUERY]))
            kept = ("set-cookie", f"{COOKIE}={opened}; Path=/; HttpOnly; SameSite=Lax")
            return await connection.answer(303, "", here, kept)
        if not self._admitted(scope):
            return await connection.answer(401, _REFUSAL)
        connection.admit()
        return await self._app(scope, receive, send)

    def _admitted(self, scope: AsgiScope) -> bool:
        """Whether a request brings the token; the cookie is taken out of it, and what else is hidden from the application."""
        brought, left = False, []
        for name, value in scope["headers"]:
            if name == b"cookie":
                cookies = [each.strip() for each in value.split(b";")]
                ours = [each for each in cookies if each.startswith(f"{COOKIE}=".encode())]
                brought |= any(self._fits(each.partition(b"=")[2]) for each in ours)
                others = b"; ".join(each for each in cookies if each not in ours)
                left += [(name, others)] if others else []
            elif name in _CARRIERS and self._fits(value.removeprefix(b"Bearer ")):
                brought = True
                left += [] if self._hidden else [(name, value)]
            else:
                left.append((name, value))
        scope["headers"] = left
        return brought

    def _fits(self, token: bytes) -> bool:
        return hmac.compare_digest(token, self._token)


def is_local(scope: AsgiScope) -> bool:
    """Whether a request comes from this machine, by the address it came from, loopback alone: no header counts, and a
    container's own address is what some forwarders put in the place of everybody's."""
    return ipaddress.ip_address(scope["client"][0]).is_loopback
