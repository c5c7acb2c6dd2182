"""Signing in and out, and what this machine alone shows about it: everything under /.auth and /__mock."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
from flask import Flask, Response, jsonify, redirect, render_template, request, send_from_directory
from werkzeug.exceptions import BadRequest, Forbidden, HTTPException, NotFound

from mockserver.exchange import Request
from mockserver.swa.config import Config
from mockserver.swa.personas import EIGHT_HOURS_S, PersonaError, find_persona
from mockserver.swa.principal import COOKIE, EVERYBODY, Principal
from mockserver.swa.site import Site
from mockserver.swa.states import PICTURES, THEMES, WIDTHS

_HERE = Path(__file__).parent
#: What identity providers are called, by their names in the address; others go by their own.
_NAMES = {"aad": "Microsoft Entra ID", "github": "GitHub", "google": "Google", "facebook": "Facebook", "apple": "Apple"}
CSP = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
#: Whom the last sign-in on this machine was for; ours alone, so that the page can offer it first.
_LAST = "mockserver-last-persona"
_LENGTHS = {"8 hours": EIGHT_HOURS_S, "1 hour": 3600.0, "1 minute": 60.0, "5 seconds": 5.0}
_MOST_GUARDED = 3

log = logging.getLogger("mockserver.site")


# --- /.auth ----------------------------------------------------------------------------------------------------------


def auth(site: Site, principal: Principal | None, path: str) -> Response:
    """The answer of a page under `/.auth`, which the gate has opened."""
    match path.strip("/").split("/")[1:]:
        case ["me"]:
            return _uncached(jsonify(clientPrincipal=principal.for_me() if principal else None))
        case ["sign-in.css"]:
            return send_from_directory(_HERE / "static", "sign-in.css")
        case ["login", provider] if provider in site.config.auth.providers:
            return _uncached(_login(site, provider))
        case ["logout"] | ["purge", _]:
            response = _to(site, home(request.args.get("post_logout_redirect_uri")))
            response.set_cookie(COOKIE, "deleted", expires=0, path="/")
            return _uncached(response)
    raise NotFound("There is no such page under /.auth.")


def _login(site: Site, provider: str) -> Response:
    """The sign-in page, or where signing in leads: a POST from that page, or a link that names the persona."""
    target = home(request.values.get("post_login_redirect_uri"))
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
    signed_in = _signed_in(_to(site, target), site, principal, expires_in_s)
    if (key := request.values.get("persona")) in site.personas:
        signed_in.set_cookie(_LAST, key, max_age=30 * 86400, httponly=True, samesite="Lax", path="/.auth")
    return signed_in


def _page(site: Site, provider: str, target: str, *, complaint: str = "") -> Response:
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
    return _ours(page, 400 if complaint else 200)


def _gets(site: Site, principal: Principal, target: str) -> list[tuple[str, int]]:
    """What somebody would get: the status of the page that is asked for, and of some that are guarded."""
    paths = dict.fromkeys([urlsplit(target).path, *_guarded(site.config)][: _MOST_GUARDED + 1])
    return [(path, site.decide(Request("GET", path), principal).status) for path in paths]


def _guarded(config: Config) -> list[str]:
    """A path behind each rule that asks for a role."""
    rules = [rule for rule in config.rules if rule.allowed_roles and "anonymous" not in rule.allowed_roles]
    return [rule.pattern.partition("*")[0].rstrip("/") or "/" for rule in rules]


def _chosen(site: Site, provider: str) -> tuple[Principal, float]:
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
            principal = replace(principal, roles=_roles(roles))
        expires_in_s = _seconds(request.args.get("expires_in"), expires_in_s)
    elif request.method == "POST":
        principal = _custom(provider)
        expires_in_s = _seconds(request.form.get("expires_in"), EIGHT_HOURS_S)
    else:
        raise BadRequest("Choose a persona, or give a user name.")
    return _with_roles(site, principal, fails=request.form.get("simulate") == "roles"), expires_in_s


def _custom(provider: str) -> Principal:
    form = request.form
    details = form.get("userDetails", "").strip()
    if not details:
        raise BadRequest("Choose a persona, or give a user name.")
    user_id = form.get("userId", "").strip() or details
    return Principal(
        provider, user_id, details, _roles(" ".join(form.getlist("userRoles"))), _claims(form.get("claims", ""))
    )


def _described(given: object) -> Principal:
    """The principal that a test describes, in the fields of the sign-in page."""
    fields = _object(given, ("identityProvider", "userId", "userDetails", "userRoles", "claims"), "principal")
    roles, details = fields.get("userRoles", []), fields.get("userDetails")
    if not isinstance(details, str) or not details.strip():
        raise BadRequest("principal: userDetails is the user's name, a text.")
    if not isinstance(roles, list) or not all(isinstance(each, str) for each in roles):
        raise BadRequest(f"principal: userRoles is a list of names; this is {json.dumps(roles)}.")
    provider, user_id = str(fields.get("identityProvider", "aad")), str(fields.get("userId", details))
    return Principal(provider, user_id, details, _roles(" ".join(roles)), _claims(json.dumps(fields.get("claims", []))))


def _object(given: object, known: tuple[str, ...], what: str) -> dict[str, Any]:
    """A JSON object that has no other keys."""
    if not isinstance(given, dict):
        raise BadRequest(f"{what} is no JSON object; its keys can be {', '.join(known)}.")
    if unknown := [each for each in given if each not in known]:
        raise BadRequest(f"{what}: unknown key {unknown[0]!r}; known are {', '.join(known)}.")
    return given


def _roles(text: str) -> tuple[str, ...]:
    given = dict.fromkeys(text.replace(",", " ").split())
    broken = next((each for each in given if not each.replace("_", "a").isalnum() or not each.isascii()), None)
    if broken is not None:
        raise BadRequest(f"{broken!r} is no name of a role: letters, digits and _ are possible.")
    return (*EVERYBODY, *(each for each in given if each not in EVERYBODY))


def _claims(text: str) -> tuple[tuple[str, str], ...]:
    try:
        claims = json.loads(text or "[]")
        if not isinstance(claims, list):
            raise TypeError("no list")
        return tuple((str(each["typ"]), str(each["val"])) for each in claims)
    except (ValueError, TypeError, KeyError) as error:
        raise BadRequest('Claims are a JSON list: [{"typ": "name", "val": "Ada"}]') from error


def _seconds(text: str | None, usual: float) -> float:
    try:
        seconds = float(text) if text else usual
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= 30 * 86400:
        raise BadRequest(f"{text!r} is no number of seconds that a session can last.")
    return seconds


def _with_roles(site: Site, principal: Principal, *, fails: bool) -> Principal:
    """The principal with the roles that the app's own function gives it, where there is one: invitations do not count then.

    The function gets what production sends: who it is, the claims and an access token, and no `x-ms-client-principal`.
    What becomes of a sign-in whose roles function fails is not documented; here nobody gets a role by it, and it is said.
    """
    source = site.config.auth.roles_source
    if source is None:
        return principal
    asked = {
        "identityProvider": principal.identity_provider,
        "userId": principal.user_id,
        "userDetails": principal.user_details,
        "claims": principal.for_me()["claims"],
        "accessToken": "made-up-access-token",
    }
    try:
        if fails or site.api_url is None:
            raise ValueError("it was made to fail" if fails else "this site has no API")
        answer = httpx2.post(f"{site.api_url}{source}", json=asked, trust_env=False, timeout=45)
        roles = [str(each) for each in answer.raise_for_status().json()["roles"]]
    except (httpx2.HTTPError, ValueError, KeyError, TypeError) as error:
        log.warning("the roles function %s gave %s no roles: %s", source, principal.user_details, error)
        roles = []
    return replace(principal, roles=(*EVERYBODY, *(each for each in roles if each not in EVERYBODY)))


# --- /__mock ---------------------------------------------------------------------------------------------------------


def add_mock_pages(app: Flask, site: Site) -> None:
    """Routes that production does not have: who one is, what the gate would do, and signing in for tests."""

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> Response:
        return Response(f"{error.description}\n", error.code, content_type="text/plain; charset=utf-8")

    @app.get("/__mock/")
    def session() -> Response:
        principal = site.sessions.principal(request.headers.get("cookie"))
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
            traps=site.traps,
        )
        return _ours(page)

    @app.get("/__mock/states")
    def states() -> Response:
        if not site.states:
            raise NotFound("The states of this page are not known: up --states FILE names them.")
        theme, width = request.args.get("theme", THEMES[0]), request.args.get("width", WIDTHS[0], int)
        pictured = {path.name for path in PICTURES.glob("*.png")}
        shown = {"themes": THEMES, "widths": WIDTHS, "theme": theme, "width": width, "pictured": pictured}
        response = _ours(render_template("states.html", states=site.states, **shown))
        response.headers["content-security-policy"] = f"{CSP}; img-src 'self'"
        return response

    @app.get("/__mock/states/<name>")
    def state_picture(name: str) -> Response:
        return _uncached(send_from_directory(PICTURES.resolve(), name))

    @app.post("/__mock/login")
    def login() -> Response:
        check_origin()
        asked = _object(request.get_json(force=True, silent=True), ("persona", "principal", "expires_in_s"), "the body")
        if ("persona" in asked) == ("principal" in asked):
            raise BadRequest('Say {"persona": "alice"}, or {"principal": {"userDetails": "ada", "userRoles": []}}.')
        if "principal" in asked:
            principal, usual_s = _described(asked["principal"]), EIGHT_HOURS_S
        else:
            try:
                persona = find_persona(site.personas, str(asked["persona"]))
            except PersonaError as error:
                raise BadRequest(str(error)) from error
            principal, usual_s = persona.principal("aad"), persona.expires_in_s
        expires_in_s = _seconds(str(asked.get("expires_in_s", "")), usual_s)
        return _signed_in(Response(status=204), site, _with_roles(site, principal, fails=False), expires_in_s)

    @app.post("/__mock/expire")
    def expire() -> Response:
        check_origin()
        response: Any = redirect("/__mock/")
        if principal := site.sessions.principal(request.headers.get("cookie")):
            response = _signed_in(response, site, principal, 0, max_age=EIGHT_HOURS_S)
        return _uncached(response)


# --- shared ----------------------------------------------------------------------------------------------------------


def _signed_in(
    response: Response, site: Site, principal: Principal, expires_in_s: float, max_age: float | None = None
) -> Response:
    cookie = site.sessions.cookie(principal, expires_in_s)
    age = int(expires_in_s if max_age is None else max_age)
    response.set_cookie(COOKIE, cookie, max_age=max(1, age), httponly=True, samesite="Lax", path="/")
    return response


def _to(site: Site, target: str) -> Response:
    """A redirect to a path of this site; under the name a gateway in front forwards, where the configuration believes it."""
    forwarded = (request.headers.get("x-forwarded-host") or "").lower()
    if forwarded in site.config.gateway.allowed_hosts:
        target = f"https://{forwarded}{target}"
    return redirect(target)  # type: ignore[return-value]  # Werkzeug's class, Flask's at run time


def check_origin() -> None:
    """Nothing, if the request does not come from another site.

    Raises:
        Forbidden: it does.
    """
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        raise Forbidden("Another site may not sign in here.")


def home(target: str | None) -> str:
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


def _ours(page: str, status: int = 200) -> Response:
    """A page of ours, under its own strict policy."""
    response = Response(page, status)
    response.headers["content-security-policy"] = CSP
    return _uncached(response)


def _uncached(response: Response) -> Response:
    response.headers["cache-control"] = "no-store"
    return response
