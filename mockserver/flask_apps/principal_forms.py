"""Whom a sign-in is for, read from a form or from JSON."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import replace
from typing import Any

import httpx2
from flask import request
from werkzeug.exceptions import BadRequest

from mockserver.errors import did_you_mean
from mockserver.swa.principal import EVERYBODY, ClientPrincipal
from mockserver.swa.static_web_app import StaticWebApp

log = logging.getLogger("mockserver.site")


def principal_from_form(provider: str) -> ClientPrincipal:
    """The user that the sign-in page describes.

    Raises:
        BadRequest: no user name, or a field that cannot be read.
    """
    form = request.form
    details = form.get("userDetails", "").strip()
    if not details:
        raise BadRequest("Choose a persona, or give a user name.")
    user_id = form.get("userId", "").strip() or details
    return ClientPrincipal(
        provider,
        user_id,
        details,
        role_names(" ".join(form.getlist("userRoles"))),
        claims_from_json(form.get("claims", "")),
    )


def principal_from_json(given: object) -> ClientPrincipal:
    """The principal that a test describes, in the fields of the sign-in page."""
    fields = json_object(given, ("identityProvider", "userId", "userDetails", "userRoles", "claims"), "principal")
    roles, details = fields.get("userRoles", []), fields.get("userDetails")
    if not isinstance(details, str) or not details.strip():
        raise BadRequest("principal: userDetails must be the user's name, a string.")
    if not isinstance(roles, list) or not all(isinstance(each, str) for each in roles):
        raise BadRequest(f"principal: userRoles must be a list of strings, got {json.dumps(roles)}.")
    provider, user_id = str(fields.get("identityProvider", "aad")), str(fields.get("userId", details))
    return ClientPrincipal(
        provider, user_id, details, role_names(" ".join(roles)), claims_from_json(json.dumps(fields.get("claims", [])))
    )


def json_object(given: object, known: tuple[str, ...], what: str) -> dict[str, Any]:
    """A JSON object that has no other keys."""
    if not isinstance(given, dict):
        raise BadRequest(f"{what} must be a JSON object with these keys: {', '.join(known)}.")
    if unknown := [each for each in given if each not in known]:
        raise BadRequest(
            f"{what}: unknown key {unknown[0]!r}{did_you_mean(unknown[0], known)}; known keys: {', '.join(known)}."
        )
    return given


def role_names(text: str) -> tuple[str, ...]:
    """The roles in a text, between spaces or commas, with the two that everybody signed in has."""
    given = dict.fromkeys(text.replace(",", " ").split())
    broken = next((each for each in given if not each.replace("_", "a").isalnum() or not each.isascii()), None)
    if broken is not None:
        raise BadRequest(f"A role's name must be letters, digits and _, got {broken!r}.")
    return (*EVERYBODY, *(each for each in given if each not in EVERYBODY))


def claims_from_json(text: str) -> tuple[tuple[str, str], ...]:
    """Types and values of a JSON list of claims."""
    try:
        claims = json.loads(text or "[]")
        if not isinstance(claims, list):
            raise TypeError("no list")
        return tuple((str(each["typ"]), str(each["val"])) for each in claims)
    except (ValueError, TypeError, KeyError) as error:
        raise BadRequest('Claims are a JSON list: [{"typ": "name", "val": "Ada"}]') from error


def session_seconds(text: str | None, usual: float) -> float:
    """How long a session lasts; `usual` where the text is empty."""
    try:
        seconds = float(text) if text else usual
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= 30 * 86400:
        raise BadRequest(f"A session must last between 0 and 2592000 seconds, got {text!r}.")
    return seconds


def with_roles(site: StaticWebApp, principal: ClientPrincipal, *, fails: bool) -> ClientPrincipal:
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
