"""What the pages of the mock share: their policy, sessions set and removed, and redirects that stay at home."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from flask import Response, redirect, request
from werkzeug.exceptions import Forbidden

from mockserver.swa.principal import ClientPrincipal
from mockserver.swa.session import SESSION_COOKIE
from mockserver.swa.static_web_app import StaticWebApp

log = logging.getLogger("mockserver.site")

CSP = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"


def signed_in(
    response: Response,
    site: StaticWebApp,
    principal: ClientPrincipal,
    expires_in_s: float,
    max_age: float | None = None,
) -> Response:
    """The response with the cookie of a session that starts now."""
    cookie = site.sessions.cookie(principal, expires_in_s)
    age = int(expires_in_s if max_age is None else max_age)
    response.set_cookie(SESSION_COOKIE, cookie, max_age=max(1, age), httponly=True, samesite="Lax", path="/")
    return response


def redirect_home(site: StaticWebApp, target: str) -> Response:
    """A redirect to a path of this site; under the name a gateway in front forwards, where the configuration believes it."""
    forwarded = (request.headers.get("x-forwarded-host") or "").lower()
    if forwarded in site.config.gateway.allowed_hosts:
        target = f"https://{forwarded}{target}"
    return redirect(target)  # type: ignore[return-value]  # Werkzeug's class, Flask's at run time


def check_origin() -> None:
    """Refuse a request that comes from another site.

    Raises:
        Forbidden: it does.
    """
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        raise Forbidden("Another site may not sign in here.")


def home_target(target: str | None) -> str:
    """The target where it stays on this site, else the start page."""
    if not target:
        return "/"
    try:
        parts = urlsplit(target)
    except ValueError:
        return "/"
    own = parts.netloc == request.host and parts.scheme in ("http", "https")
    path = target.partition(parts.netloc)[2] if own else target
    if path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable():
        return path
    log.warning("a redirect to %r would leave this site: going to / instead", target)
    return "/"


def own_page(page: str, status: int = 200) -> Response:
    """A page of ours, under its own strict policy."""
    response = Response(page, status)
    response.headers["content-security-policy"] = CSP
    return uncached(response)


def uncached(response: Response) -> Response:
    """The response, never cached."""
    response.headers["cache-control"] = "no-store"
    return response
