"""The site as a Flask application: its files behind its gate, the sign-in page, and its API."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from wsgiref.types import WSGIApplication

import flask
import httpx2
from flask import Flask, Response, redirect, render_template
from werkzeug.exceptions import HTTPException, NotFound

from mockserver.exchange import Request
from mockserver.flask_apps.console import add_console
from mockserver.flask_apps.flask_request import flask_request
from mockserver.flask_apps.mock_pages import add_mock_pages
from mockserver.flask_apps.page_responses import CSP
from mockserver.flask_apps.sign_in import auth
from mockserver.flask_apps.static_files import static_file
from mockserver.swa.principal import ClientPrincipal
from mockserver.swa.routing import DECIDED, Action, Decision
from mockserver.swa.static_web_app import StaticWebApp
from mockserver.wire.trace import own_span
from mockserver.wire.upstream import HOP_BY_HOP, upstream_request

_HERE = Path(__file__).parent
_TITLES = {
    400: "Bad request",
    401: "Not signed in",
    403: "Not allowed",
    404: "Page not found",
    405: "Method not allowed",
}


def create_app(site: StaticWebApp, *, control: WSGIApplication | None = None, token: str = "") -> Flask:
    """The application over a site. Every request goes through `site.decide`; there is no way around the gate.

    With the control routes of a model and their token, there is a console.
    """
    app = Flask("mockserver.site", root_path=str(_HERE), static_folder=None)
    app.config["PROPAGATE_EXCEPTIONS"] = True  # a fault of ours is not for Flask to answer

    add_mock_pages(app, site)
    if control is None:
        app.add_url_rule("/__mock/", view_func=lambda: redirect("/__mock/session"))
    else:
        add_console(app, control, token)

    @app.before_request  # before routing: Static Web Apps decides about paths, not Flask
    def decide() -> Response | None:
        if (decided := flask.request.environ.get(DECIDED)) is not None:
            request, principal, decision = decided
        elif (request := flask_request()).raw_path.startswith("/__mock/"):
            return None
        else:
            principal = site.principal(request)
            decision = site.decide(request, principal)
        try:
            response = _respond(site, request, principal, decision)
        except HTTPException as error:
            response = Response(f"{error.description}\n", error.code, content_type="text/plain; charset=utf-8")
        for name, value in decision.headers:
            if name != "cache-control" or name not in response.headers:
                response.headers.set(name, value)
        return response

    return app


def _respond(site: StaticWebApp, request: Request, principal: ClientPrincipal | None, decision: Decision) -> Response:
    match decision.action:
        case Action.FILE:
            if site.folder is None:
                raise NotFound("The files of a dev server need `dress-rehearsal site`.")
            return static_file(site, site.folder, decision)
        case Action.API:
            return _api(site, request, principal, decision)
        case Action.AUTH:
            return auth(site, principal, decision.target)
        case Action.REDIRECT:
            return redirect(decision.target, decision.status)  # type: ignore[return-value]  # Werkzeug's class, Flask's at run time
        case Action.ERROR:
            page = render_template("error.html", title=_TITLES.get(decision.status, "Error"), status=decision.status)
            response = Response(page, decision.status)
            response.headers["content-security-policy"] = CSP
            return response


def _api(site: StaticWebApp, request: Request, principal: ClientPrincipal | None, decision: Decision) -> Response:
    """The API's answer, passed on as it arrives."""
    if site.api_url is None:
        raise NotFound("This site has no API.")
    client = httpx2.Client(trust_env=False)
    api_request = upstream_request(
        replace(request, headers=site.api_headers(own_span(site.with_id(request))[0], principal)),
        site.api_url,
        site.api_target(request, decision),
        httpx2.Timeout(None),  # a stream may pause for any time
    )
    try:
        answer = client.send(api_request, stream=True)
    except httpx2.HTTPError:
        return Response("The API does not answer.\n", 502, content_type="text/plain; charset=utf-8")

    def chunks() -> Iterator[bytes]:
        with contextlib.closing(client), contextlib.closing(answer):
            yield from answer.iter_raw()

    headers = [
        (name, value) for name, value in answer.headers.multi_items() if name not in HOP_BY_HOP | {"date", "server"}
    ]
    return Response(chunks(), answer.status_code, headers)
