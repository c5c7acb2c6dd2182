"""Signing in and out: everything under /.auth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from flask import Response, jsonify, render_template, request, send_from_directory
from werkzeug.exceptions import Forbidden, NotFound, Unauthorized

from mockserver.exchange import Request
from mockserver.flask_apps.page_responses import (
    check_origin,
    own_page,
    redirect_within,
    signed_in,
    target_within,
    uncached,
)
from mockserver.flask_apps.principal_forms import (
    SignInError,
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
#: Identity providers' display names, by their names in the address; others have none.
_NAMES = {"aad": "Microsoft Entra ID", "github": "GitHub", "google": "Google", "facebook": "Facebook", "apple": "Apple"}
#: The cookie with the persona who signed in last, whom the page offers first; production has no such cookie.
_LAST = "mockserver-last-persona"
_LENGTHS = {"8 hours": EIGHT_HOURS_S, "1 hour": 3600.0, "1 minute": 60.0, "5 seconds": 5.0}
_MOST_GUARDED = 3


def auth(site: StaticWebApp, principal: ClientPrincipal | None, path: str) -> Response:
    """The response of a page under `/.auth`, which the gate has let through.

    Raises:
        NotFound: no such page.
    """
    match path.strip("/").split("/")[1:]:
        case ["me"]:
            return uncached(jsonify(clientPrincipal=principal.for_me() if principal else None))
        case ["sign-in.css"]:
            return send_from_directory(_HERE / "static", "sign-in.css")
        case ["login", provider] if provider in site.config.auth.providers:
            return uncached(_login(site, provider))
        case ["login", _, "callback"]:  # reached without the provider's own context
            raise Unauthorized("This address is for the provider's answer to a sign-in.")
        case ["logout"] | ["purge", _]:
            site.leave(request.headers.get("cookie"))
            response = redirect_within(site, target_within(request.args.get("post_logout_redirect_uri")))
            response.set_cookie(SESSION_COOKIE, "deleted", expires=0, path="/")
            return uncached(response)
    raise NotFound("No such page under /.auth.")


def _login(site: StaticWebApp, provider: str) -> Response:
    """The sign-in page; or after a POST from it, or for a link that names the persona, the redirect with a session."""
    target = target_within(request.values.get("post_login_redirect_uri"))
    if request.method == "POST":
        check_origin()
    elif "persona" not in request.args:
        return _sign_in_page(site, provider, target)
    if request.form.get("simulate") == "denied":
        raise Forbidden("Consent was denied, as by Cancel on the provider's page.")
    try:
        principal, expires_in_s = _chosen_user(site, provider)
    except SignInError as error:
        if request.method != "POST":
            raise
        return _sign_in_page(site, provider, target, error=str(error.description))
    response = signed_in(redirect_within(site, target), site, principal, expires_in_s)
    if (key := request.values.get("persona")) in site.personas:
        response.set_cookie(_LAST, key, max_age=30 * 86400, httponly=True, samesite="Lax", path="/.auth")
    return response


def _sign_in_page(site: StaticWebApp, provider: str, target: str, *, error: str = "") -> Response:
    """The sign-in page; `error` is what was wrong with the custom user."""
    personas = dict(site.personas)
    if (last := request.cookies.get(_LAST)) in personas:
        personas = {last: personas.pop(last), **personas}
    else:
        last = None
    chosen_roles = request.form.getlist("userRoles")
    page = render_template(
        "sign_in.html",
        provider=_NAMES.get(provider, provider),
        provider_key=provider,
        states=site.states,
        personas=personas.values(),
        last=last,
        outcomes={key: _outcomes(site, persona.principal(provider), target) for key, persona in personas.items()},
        target=target,
        roles=site.config.roles,
        roles_source=site.config.auth.roles_source,
        lengths=_LENGTHS,
        form=request.form,
        chosen_roles=chosen_roles,
        other_roles=" ".join(role for role in chosen_roles if role not in site.config.roles),
        error=error,
    )
    return own_page(page, 400 if error else 200)


def _outcomes(site: StaticWebApp, principal: ClientPrincipal, target: str) -> list[tuple[str, int]]:
    """The paths and statuses that a user would get: of the requested page, and of some guarded ones."""
    paths = dict.fromkeys([urlsplit(target).path, *_guarded_paths(site.config)][: _MOST_GUARDED + 1])
    return [(path, site.decide(Request("GET", path), principal).status) for path in paths]


def _guarded_paths(config: Config) -> list[str]:
    """A path for each rule that requires a role."""
    rules = [rule for rule in config.rules if rule.allowed_roles and "anonymous" not in rule.allowed_roles]
    return [rule.pattern.partition("*")[0].rstrip("/") or "/" for rule in rules]


def _chosen_user(site: StaticWebApp, provider: str) -> tuple[ClientPrincipal, float]:
    """The user that the request signs in, and for how many seconds.

    Raises:
        SignInError: an unknown persona, or a custom user that cannot be read.
    """
    if key := request.values.get("persona"):
        try:
            persona = find_persona(site.all_personas, key)
        except PersonaError as error:
            raise SignInError(str(error)) from error
        principal, expires_in_s = persona.principal(provider), persona.expires_in_s
        if roles := request.args.get("roles"):
            principal = replace(principal, roles=role_names(roles))
        expires_in_s = session_seconds(request.args.get("expires_in"), expires_in_s)
        if site.live is not None and (state := site.state_of(key)) is not None:
            principal = site.live.open(state, principal)
    elif request.method == "POST":
        principal = principal_from_form(provider)
        expires_in_s = session_seconds(request.form.get("expires_in"), EIGHT_HOURS_S)
    else:
        raise SignInError("Choose a persona, or enter a user name.")
    return with_roles(site, principal, fails=request.form.get("simulate") == "roles"), expires_in_s
