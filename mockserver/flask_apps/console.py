"""The console: a page for whoever sits at the keyboard, and its way to the control routes without a token to copy."""

from __future__ import annotations

import hmac
import secrets
from io import BytesIO
from pathlib import Path
from wsgiref.types import WSGIApplication

from flask import Flask, Response, request, send_from_directory
from werkzeug.exceptions import Forbidden, ServiceUnavailable

from mockserver.exchange import is_origin_of

#: What `npm run build` makes of webapp/console.
BUILT = Path(__file__).with_name("console_page")
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)


def add_console(app: Flask, control: WSGIApplication, token: str) -> None:
    """Add the page at /__mock/, and below /__mock/control the control routes for a browser that has opened it.

    Whoever can reach the port has passed the Host check and, where it is open to other machines, given the token. A web page
    elsewhere has neither this session's cookie, which is for this site alone, nor its origin.
    """
    session = secrets.token_urlsafe(18)

    def cookie_name() -> str:
        return f"mockserver-console-{request.environ.get('SERVER_PORT', '')}"  # cookies ignore ports

    @app.get("/__mock/")
    def console() -> Response:
        if not (BUILT / "index.html").is_file():
            raise ServiceUnavailable("The console is not built. Run: make setup (it needs Node 20 or newer)")
        response = Response((BUILT / "index.html").read_text(encoding="utf-8"))
        response.headers["content-security-policy"] = CSP
        response.headers["cache-control"] = "no-store"
        response.set_cookie(cookie_name(), session, httponly=True, samesite="Strict", path="/__mock/")
        return response

    @app.get("/__mock/console/<path:name>")
    def console_file(name: str) -> Response:
        response = send_from_directory(BUILT, name)
        response.headers["cache-control"] = "no-cache"
        return response

    @app.route("/__mock/control/<path:route>", methods=["GET", "POST", "DELETE"])
    def control_route(route: str) -> Response:
        given = request.cookies.get(cookie_name(), "")
        if not hmac.compare_digest(given.encode(), session.encode()):
            raise Forbidden("Open the console first: /__mock/")
        origin = request.headers.get("origin")
        if request.method != "GET" and (origin is None or not is_origin_of(origin, request.host)):
            raise Forbidden("Only the console of this site may do this.")
        if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            raise Forbidden("Only the console of this site may read this.")
        kept = {name: value for name, value in request.environ.items() if not name.startswith(("werkzeug.", "flask."))}
        body = BytesIO(request.get_data())  # it may have been read
        environ = {**kept, "PATH_INFO": f"/__admin/{route}", "HTTP_X_MOCKSERVER_TOKEN": token, "wsgi.input": body}
        return Response.from_app(control, environ, buffered=False)  # type: ignore[return-value]  # Werkzeug's class, Flask's at run time
