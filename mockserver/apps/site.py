"""The site as a Flask application: its files behind its gate, the sign-in page, and its API."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
from flask import Flask, Response, jsonify, redirect, render_template, request, send_file, send_from_directory
from werkzeug.exceptions import BadRequest, Forbidden, HTTPException, NotFound

from mockserver.apps import asked
from mockserver.exchange import Request
from mockserver.relay import HOP_BY_HOP, passed_on
from mockserver.swa.personas import EIGHT_HOURS_S, PersonaError, find_persona
from mockserver.swa.principal import COOKIE, EVERYBODY, Principal
from mockserver.swa.rules import Action, Decision
from mockserver.swa.site import Site

_HERE = Path(__file__).parent
#: The identity providers every Static Web App has without configuration.
PROVIDERS = {"aad": "Microsoft Entra ID", "github": "GitHub"}
_CSP = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
_TITLES = {
    400: "Bad request",
    401: "Not signed in",
    403: "Not allowed",
    404: "Page not found",
    405: "Method not allowed",
}

log = logging.getLogger("mockserver.site")


def create_app(site: Site) -> Flask:
    """The application over a site. Every request passes `site.decide`; there is no way around the gate."""
    app = Flask("mockserver.site", root_path=str(_HERE), static_folder=None)

    @app.before_request  # before routing: Static Web Apps decides on paths, not Flask
    def decide() -> Response:
        question = asked()
        principal = site.principal(question)
        decision = site.decide(question, principal)
        try:
            response = _respond(site, question, principal, decision)
        except HTTPException as error:
            response = Response(f"{error.description}\n", error.code, content_type="text/plain; charset=utf-8")
        for name, value in decision.headers:
            response.headers.setdefault(name, value) if name == "cache-control" else response.headers.set(name, value)
        return response

    return app


def _respond(site: Site, question: Request, principal: Principal | None, decision: Decision) -> Response:
    match decision.action:
        case Action.FILE:
            return _file(site, decision)
        case Action.API:
            return _api(site, question, principal, decision)
        case Action.AUTH:
            return _auth(site, principal, decision.target)
        case Action.REDIRECT:
            return redirect(decision.target, decision.status)  # type: ignore[return-value]  # Werkzeug's class, Flask's at run time
        case Action.ERROR:
            page = render_template("error.html", title=_TITLES.get(decision.status, "Error"), status=decision.status)
            response = Response(page, decision.status)
            response.headers["content-security-policy"] = _CSP
            return response


def _file(site: Site, decision: Decision) -> Response:
    path = site.folder / decision.target.lstrip("/")
    response = send_file(
        path, mimetype=site.config.mime_types.get(path.suffix), conditional=decision.status == 200, max_age=None
    )
    if decision.status != 200:
        response.status_code = decision.status
    for name in (
        "cache-control",
        "content-disposition",
        "date",
    ):  # the decision's stands; one name and one date are enough
        response.headers.pop(name, None)
    return response


def _api(site: Site, question: Request, principal: Principal | None, decision: Decision) -> Response:
    """The API's answer, passed on as it comes."""
    if site.api_url is None:
        raise NotFound("This site has no API.")
    client = httpx2.Client(trust_env=False)
    asked_of_api = passed_on(
        replace(question, headers=site.api_headers(site.with_ids(question), principal)),
        site.api_url,
        site.api_target(question, decision),
        httpx2.Timeout(None),  # a stream may pause as long as it likes
    )
    try:
        answer = client.send(asked_of_api, stream=True)
    except httpx2.HTTPError:
        return Response("The API does not answer.\n", 502, content_type="text/plain; charset=utf-8")

    def chunks() -> Iterator[bytes]:
        with contextlib.closing(client), contextlib.closing(answer):
            yield from answer.iter_raw()

    kept = [
        (name, value) for name, value in answer.headers.multi_items() if name not in HOP_BY_HOP | {"date", "server"}
    ]
    return Response(chunks(), answer.status_code, kept)


# --- /.auth ----------------------------------------------------------------------------------------------------------


def _auth(site: Site, principal: Principal | None, path: str) -> Response:
    match path.strip("/").split("/")[1:]:
        case ["me"]:
            return _uncached(jsonify(clientPrincipal=principal.for_me() if principal else None))
        case ["sign-in.css"]:
            return send_from_directory(_HERE / "static", "sign-in.css")
        case ["login", provider] if provider in PROVIDERS:
            return _uncached(_login(site, provider))
        case ["logout"] | ["purge", _]:
            response = redirect(_home(request.args.get("post_logout_redirect_uri")))
            response.set_cookie(COOKIE, "deleted", expires=0, path="/")
            return _uncached(response)  # type: ignore[arg-type]  # Werkzeug's class, Flask's at run time
    raise NotFound("There is no such page under /.auth.")


def _login(site: Site, provider: str) -> Response:
    """The sign-in page, or where signing in leads: a POST from that page, or a link that names the persona."""
    target = _home(request.values.get("post_login_redirect_uri"))
    if request.method == "POST":
        _check_origin()
    elif "persona" not in request.args:
        opens = {
            key: site.decide(Request("GET", urlsplit(target).path), each.principal(provider)).status
            for key, each in site.personas.items()
        }
        page = render_template(
            "sign_in.html",
            provider=PROVIDERS[provider],
            personas=site.personas.values(),
            opens=opens,
            target=target,
            roles=site.config.roles,
        )
        response = Response(page)
        response.headers["content-security-policy"] = _CSP
        return response
    principal, expires_in_s = _chosen(site, provider)
    signed_in = redirect(target)
    cookie = site.sessions.cookie(principal, expires_in_s)
    signed_in.set_cookie(COOKIE, cookie, max_age=int(expires_in_s), httponly=True, samesite="Lax", path="/")
    return signed_in  # type: ignore[return-value]  # Werkzeug's class, Flask's at run time


def _chosen(site: Site, provider: str) -> tuple[Principal, float]:
    """Whom the request signs in, and for how many seconds."""
    if key := request.values.get("persona"):
        try:
            persona = find_persona(site.personas, key)
        except PersonaError as error:
            raise BadRequest(str(error)) from error
        return persona.principal(provider), persona.expires_in_s
    details = request.form.get("userDetails", "").strip()
    if request.method != "POST" or not details:
        raise BadRequest("Choose a persona, or give a user name.")
    roles = [role for role in request.form.get("userRoles", "").replace(",", " ").split() if role not in EVERYBODY]
    user_id = request.form.get("userId", "").strip() or details
    return Principal(provider, user_id, details, (*EVERYBODY, *roles)), EIGHT_HOURS_S


def _check_origin() -> None:
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        raise Forbidden("Another site may not sign in here.")


def _home(target: str | None) -> str:
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


def _uncached(response: Response) -> Response:
    response.headers["cache-control"] = "no-store"
    return response
