"""Requests from other machines, which `--bind` lets reach a port: only those with this run's token get in."""

from __future__ import annotations

import hmac
import ipaddress
from typing import Any
from urllib.parse import parse_qsl, urlencode

from mockserver.wire.connection import AsgiReceive, AsgiScope, AsgiSend, Connection
from mockserver.wire.direct import DirectFront

#: Opening an address with `?token=` sets the cookie, which the browser then sends with every request.
COOKIE, QUERY = "mockserver-token", "token"
_TOKEN_HEADERS = (b"api-key", b"authorization", b"x-mockserver-token")
_REFUSAL = "A request from another machine needs this run's token: as the API key, in x-mockserver-token, or once as ?token= in a browser.\n"


class TokenGate:
    """An ASGI application in front of another: open to this machine, with the token to others.

    `hidden` removes the token from the request, for an application that does not need it. Anybody may get what is at the
    path `open_path`.
    """

    def __init__(self, app: Any, token: str, *, hidden: bool, open_path: str = "") -> None:
        self._app, self._token, self._hidden, self._open_path = app, token.encode(), hidden, open_path.encode()
        if isinstance(app, DirectFront):  # clients on this machine alone are answered so
            self.answer_directly, self.budget = app.answer_directly, app.budget

    async def __call__(self, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend) -> None:
        """Pass a request on, or answer it."""
        if is_local(scope):
            await self._app(scope, receive, send)
            return None
        connection = Connection(scope, receive, send)
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        query_token = dict(query).get(QUERY, "")
        if scope.get("method") == "GET" and self._matches(query_token.encode()):
            location = ("location", "?" + urlencode([pair for pair in query if pair[0] != QUERY]))
            cookie = ("set-cookie", f"{COOKIE}={query_token}; Path=/; HttpOnly; SameSite=Lax")
            return await connection.answer(303, "", location, cookie)
        is_open = scope.get("method") == "GET" and scope["raw_path"] == self._open_path
        if not is_open and not self._take_token(scope):
            if scope["type"] == "websocket":
                return await send({"type": "websocket.close", "code": 1008})
            return await connection.answer(401, _REFUSAL)
        connection.admit()
        await self._app(scope, receive, send)
        return None

    def _take_token(self, scope: AsgiScope) -> bool:
        """Whether a request has the token. Its cookie is removed from the request, and other forms of it if `hidden`."""
        has_token, headers = False, []
        for name, value in scope["headers"]:
            if name == b"cookie":
                cookies = [cookie.strip() for cookie in value.split(b";")]
                ours = [cookie for cookie in cookies if cookie.startswith(f"{COOKIE}=".encode())]
                has_token |= any(self._matches(cookie.partition(b"=")[2]) for cookie in ours)
                others = b"; ".join(cookie for cookie in cookies if cookie not in ours)
                headers += [(name, others)] if others else []
            elif name in _TOKEN_HEADERS and self._matches(value.removeprefix(b"Bearer ")):
                has_token = True
                headers += [] if self._hidden else [(name, value)]
            else:
                headers.append((name, value))
        scope["headers"] = headers
        return has_token

    def _matches(self, token: bytes) -> bool:
        return hmac.compare_digest(token, self._token)


def is_local(scope: AsgiScope) -> bool:
    """Whether a request comes from this machine, by its address alone, which must be a loopback address. No header counts,
    and neither does a container's own address: some port forwarders put it in the place of every client's."""
    return ipaddress.ip_address(scope["client"][0]).is_loopback
