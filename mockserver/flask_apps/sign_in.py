"""Signing in and out, and what this machine alone shows about it: everything under /.auth and /__mock."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from flask import Response, jsonify, render_template, request, send_from_directory
from werkzeug.exceptions import BadRequest, Forbidden, NotFound

from mockserver.exchange import Request
from mockserver.flask_apps.page_responses import (
    check_origin,
    home_target,
    own_page,
    redirect_home,
    signed_in,
    uncached,
)
from mockserver.flask_apps.principal_forms import (
    principal_from_form,
    role_names,
    session_seconds,
    with_roles,
)
from mockserver.swa.config import Config
from mockserver.swa.personas import EIGHT_HOURS_S, PersonaError, find_persona
from mockserver.swa.principal import ClientPrincipal
from mockserver.swa.session import SESSION_COOKIE
from mockserver.swa.static_web_app import StaticWebApp

_HERE = Path(__file__).parent
#: What identity providers are called, by their names in the address; others go by their own.
_NAMES = {"aad": "Microsoft Entra ID", "github": "GitHub", "google": "Google", "facebook": "Facebook", "apple": "Apple"}
#: Whom the last sign-in on this machine was for; ours alone, so that the page can offer it first.
_LAST = "mockserver-last-persona"
_LENGTHS = {"8 hours": EIGHT_HOURS_S, "1 hour": 3600.0, "1 minute": 60.0, "5 seconds": 5.0}
_MOST_GUARDED = 3

log = logging.getLogger("mockserver.site")


# --- /.auth ----------------------------------------------------------------------------------------------------------


def auth(site: StaticWebApp, principal: ClientPrincipal | None, path: str) -> Response:
    """The answer of a page under `/.auth`, which the gate has opened."""
    match path.strip("/").split("/")[1:]:
        case ["me"]:
            return uncached(jsonify(clientPrincipal=principal.for_me() if principal else None))
        case ["sign-in.css"]:
            return send_from_directory(_HERE / "static", "sign-in.css")
        case ["login", provider] if provider in site.config.auth.providers:
            return uncached(_login(site, provider))
        case ["logout"] | ["purge", _]:
            response = redirect_home(site, home_target(request.args.get("post_logout_redirect_uri")))
            response.set_cookie(SESSION_COOKIE, "deleted", expires=0, path="/")
            return uncached(response)
    raise NotFound("There is no such page under /.auth.")


def _login(site: StaticWebApp, provider: str) -> Response:
    """The sign-in page, or where signing in leads: a POST from that page, or a link that names the persona."""
    target = home_target(request.values.get("post_login_redirect_uri"))
    if request.method == "POST":
        check_origin()
    elif "persona" not in request.args:
        return _page(site, provider, target)
    if request.form.get("simulate") == "denied":
        raise Forbidden("Consent was denied, as it would be by Cancel on the provider's page.")
    try:
        principal, expires_in_s = _chosen(site, provider)
    except BadRequest as error:
        if request.method != "POST":
            raise
        return _page(site, provider, target, complaint=str(error.description))
    response = signed_in(redirect_home(site, target), site, principal, expires_in_s)
    if (key := request.values.get("persona")) in site.personas:
        response.set_cookie(_LAST, key, max_age=30 * 86400, httponly=True, samesite="Lax", path="/.auth")
    return response


def _page(site: StaticWebApp, provider: str, target: str, *, complaint: str = "") -> Response:
    """The sign-in page; `complaint` is what was wrong with the custom user."""
    personas = dict(site.personas)
    if (last := request.cookies.get(_LAST)) in personas:
        personas = {last: personas.pop(last), **personas}
    else:
        last = None
    chosen = request.form.getlist("userRoles")
    page = render_template(
        "sign_in.html",
        provider=_NAMES.get(provider, provider),
        provider_key=provider,
        states=site.states,
        personas=personas.values(),
        last=last,
        gets={key: _gets(site, each.principal(provider), target) for key, each in personas.items()},
        target=target,
        roles=site.config.roles,
        roles_source=site.config.auth.roles_source,
        lengths=_LENGTHS,
        form=request.form,
        chosen_roles=chosen,
        other_roles=" ".join(each for each in chosen if each not in site.config.roles),
        complaint=complaint,
    )
    return own_page(page, 400 if complaint else 200)


def _gets(site: StaticWebApp, principal: ClientPrincipal, target: str) -> list[tuple[str, int]]:
    """What somebody would get: the status of the page that is asked for, and of some that are guarded."""
    paths = dict.fromkeys([urlsplit(target).path, *_guarded(site.config)][: _MOST_GUARDED + 1])
    return [(path, site.decide(Request("GET", path), principal).status) for path in paths]


def _guarded(config: Config) -> list[str]:
    """A path behind each rule that asks for a role."""
    rules = [rule for rule in config.rules if rule.allowed_roles and "anonymous" not in rule.allowed_roles]
    return [rule.pattern.partition("*")[0].rstrip("/") or "/" for rule in rules]


def _chosen(site: StaticWebApp, provider: str) -> tuple[ClientPrincipal, float]:
    """Whom the request signs in, and for how many seconds.

    Raises:
        BadRequest: nobody of that name, or a custom user that makes no sense.
    """
    if key := request.values.get("persona"):
        try:
            persona = find_persona(site.everybody, key)
        except PersonaError as error:
            raise BadRequest(str(error)) from error
        principal, expires_in_s = persona.principal(provider), persona.expires_in_s
        if roles := request.args.get("roles"):
            principal = replace(principal, roles=role_names(roles))
        expires_in_s = session_seconds(request.args.get("expires_in"), expires_in_s)
    elif request.method == "POST":
        principal = principal_from_form(provider)
        expires_in_s = session_seconds(request.form.get("expires_in"), EIGHT_HOURS_S)
    else:
        raise BadRequest("Choose a persona, or give a user name.")
    return with_roles(site, principal, fails=request.form.get("simulate") == "roles"), expires_in_s


# --- /__mock ---------------------------------------------------------------------------------------------------------


# --- shared ----------------------------------------------------------------------------------------------------------
