"""Pages that production does not have, under /__mock: the session, the gate's decision about a path, sign-in for tests."""

from __future__ import annotations

import json
from typing import Any

from flask import Flask, Response, jsonify, redirect, render_template, request, send_from_directory
from msgspec import UNSET
from werkzeug.exceptions import HTTPException, NotFound

from mockserver.documents import convert
from mockserver.exchange import Request, parse_json
from mockserver.flask_apps.page_responses import CSP, check_origin, own_page, signed_in, uncached
from mockserver.flask_apps.principal_forms import (
    LoginEntry,
    SignInError,
    principal_from_entry,
    session_seconds,
    with_roles,
)
from mockserver.swa.personas import EIGHT_HOURS_S, PersonaError, find_persona
from mockserver.swa.states import PICTURES, THEMES, WIDTHS
from mockserver.swa.static_web_app import StaticWebApp
from mockserver.wire.connection import LOOPBACK_NAMES


def add_mock_pages(app: Flask, site: StaticWebApp) -> None:
    """Add the routes under /__mock."""

    @app.errorhandler(HTTPException)
    def show_error(error: HTTPException) -> Response:
        return Response(f"{error.description}\n", error.code, content_type="text/plain; charset=utf-8")

    @app.get("/__mock/session")
    def session() -> Response:
        principal = site.user(request.headers.get("cookie"))
        path, method = request.args.get("path", ""), request.args.get("method", "GET").upper()
        decision = None
        if path:
            raw_path, _, query = path.partition("?")
            decision = site.decide(Request(method, raw_path, query), principal)
        page = render_template(
            "mock.html",
            me=json.dumps({"clientPrincipal": principal.for_me() if principal else None}, ensure_ascii=False, indent=2),
            for_api=json.dumps(principal.for_api(), ensure_ascii=False, indent=2) if principal else None,
            header=principal.header() if principal else None,
            left_s=site.sessions.left_s(request.headers.get("cookie")),
            personas=site.personas.values(),
            path=path,
            method=method,
            decision=decision,
            warnings=[*site.config_notes, *map(str, site.findings)],
        )
        return own_page(page)

    @app.get("/__mock/who")
    def who() -> Response:
        return _who(site)

    @app.get("/__mock/states")
    def states() -> Response:
        return _states_page(site)

    @app.post("/__mock/states/close")
    def close_state() -> Response:
        check_origin()
        if site.live is not None:
            site.live.close(request.form.get("scope", ""))
        return uncached(redirect("/__mock/states"))  # type: ignore[arg-type]  # Werkzeug's class, Flask's at run time

    @app.get("/__mock/states/<name>")
    def state_picture(name: str) -> Response:
        return uncached(send_from_directory(PICTURES.resolve(), name))

    @app.post("/__mock/login")
    def login() -> Response:
        check_origin()
        return _sign_in(site)

    @app.post("/__mock/expire")
    def expire() -> Response:
        check_origin()
        response: Any = redirect("/__mock/session")
        if principal := site.user(request.headers.get("cookie")):
            response = signed_in(response, site, principal, 0, max_age=EIGHT_HOURS_S)
        return uncached(response)


def _who(site: StaticWebApp) -> Response:
    """Who uses this browser, as JSON; `left_s` is None without a session, and `browsers` whether its visits pass the gate."""
    user = site.user(request.headers.get("cookie"))
    persona = next((each for each in site.personas.values() if user and each.email == user.user_details), None)
    return uncached(
        jsonify(
            name=persona.name if persona else user.user_details if user else None,
            persona=persona.key if persona else None,
            left_s=site.sessions.left_s(request.headers.get("cookie")),
            personas=[{"key": each.key, "name": each.name} for each in site.personas.values()],
            states=bool(site.states),
            browsers=site.live is not None and site.live.apart,
        )
    )


def _states_page(site: StaticWebApp) -> Response:
    """The cards of the page's states, with the screenshots that exist."""
    if not site.states:
        raise NotFound("The states of this page are not known; name their file with up --states FILE.")
    theme, width = request.args.get("theme", THEMES[0]), request.args.get("width", WIDTHS[0], int)
    pictured = {path.name for path in PICTURES.glob("*.png")}
    live = site.live.all() if site.live is not None else ()
    now_s = site.clock.now()
    page = render_template(
        "states.html",
        states=site.states,
        live=[(each, int(now_s - each.since_s) // 60) for each in live],
        backend=site.live.backend if site.live is not None else "",
        here="here" in request.args,
        origin=_origin_of_states(site),
        themes=THEMES,
        widths=WIDTHS,
        theme=theme,
        width=width,
        pictured=pictured,
    )
    response = own_page(page)
    response.headers["content-security-policy"] = f"{CSP}; img-src 'self'"
    return response


def _origin_of_states(site: StaticWebApp) -> tuple[str, str] | None:
    """What stands before and after the host in the address of a state; None where states have no hosts of their own, or where
    the browser is not on this machine."""
    name, _, port = request.host.partition(":")
    if site.live is None or not site.live.apart or "here" in request.args:
        return None
    on_this_machine = name in LOOPBACK_NAMES or name.endswith(".localhost")
    return (f"{request.scheme}://", f":{port}" if port else "") if on_this_machine else None


def _sign_in(site: StaticWebApp) -> Response:
    """Sign a test in, as a persona or as the principal that it describes."""
    body = convert(parse_json(request.get_data()), LoginEntry, "body", SignInError)
    if (body.persona is UNSET) == (body.principal is UNSET):
        raise SignInError('send either {"persona": "alice"} or {"principal": {"userDetails": "ada", "userRoles": []}}')
    if body.principal is not UNSET:
        principal, default_s = principal_from_entry(body.principal), EIGHT_HOURS_S
    else:
        try:
            persona = find_persona(site.personas, str(body.persona))
        except PersonaError as error:
            raise SignInError(str(error)) from error
        principal, default_s = persona.principal("aad"), persona.expires_in_s
    expires_in_s = session_seconds(str(body.expires_in_s), default_s)
    return signed_in(Response(status=204), site, with_roles(site, principal, fails=False), expires_in_s)
