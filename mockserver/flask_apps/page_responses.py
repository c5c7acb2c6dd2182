"""What the pages of the mock share: their content security policy, session cookies, and redirects within this site."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from flask import Response, redirect, request
from werkzeug.exceptions import Forbidden

from mockserver.exchange import is_origin_of
from mockserver.swa.principal import ClientPrincipal
from mockserver.swa.session import cookie_parts
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
    """The response with the cookie of a session that starts now, in the place of this browser's."""
    site.leave(request.headers.get("cookie"))
    cookie = site.sessions.cookie(principal, expires_in_s)
    age = int(expires_in_s if max_age is None else max_age)
    for name, part in cookie_parts(cookie).items():
        response.set_cookie(name, part, max_age=max(1, age), httponly=True, samesite="Lax", path="/")
    return response


def redirect_within(site: StaticWebApp, target: str) -> Response:
    """A redirect to a path of this site, under the host that a gateway forwards, where the configuration trusts it."""
    forwarded = (request.headers.get("x-forwarded-host") or "").lower()
    if forwarded in site.config.gateway.allowed_hosts:
        target = f"https://{forwarded}{target}"
    return redirect(target)  # type: ignore[return-value]  # Werkzeug's class, Flask's at run time


def check_origin() -> None:
    """Check that a request does not come from another site.

    Raises:
        Forbidden: it does.
    """
    origin = request.headers.get("origin")
    if origin is not None and not is_origin_of(origin, request.host):
        raise Forbidden("Sign-in from another site is not allowed.")


def target_within(target: str | None) -> str:
    """The target if it is on this site, else the start page."""
    if not target:
        return "/"
    try:
        parts = urlsplit(target)
    except ValueError:
        return "/"
    same_host = parts.netloc == request.host and parts.scheme in ("http", "https")
    path = target.partition(parts.netloc)[2] if same_host else target
    if path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable():
        return path
    log.warning("a redirect to %r would leave this site; redirecting to / instead", target)
    return "/"


def own_page(page: str, status: int = 200) -> Response:
    """A page of the mock, under a strict policy."""
    response = Response(page, status)
    response.headers["content-security-policy"] = CSP
    return uncached(response)


def uncached(response: Response) -> Response:
    """The response, never cached."""
    response.headers["cache-control"] = "no-store"
    return response
