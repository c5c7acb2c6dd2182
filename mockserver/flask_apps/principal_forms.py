"""Who is to be signed in, read from the sign-in page's form or from JSON."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import httpx2
from flask import request
from msgspec import UNSET, Struct, UnsetType
from werkzeug.exceptions import BadRequest

from mockserver.documents import Strict, convert
from mockserver.errors import UserError
from mockserver.exchange import is_text, parse_json
from mockserver.swa.principal import BUILT_IN_ROLES, ROLE_NAME, ClientPrincipal
from mockserver.swa.static_web_app import StaticWebApp

log = logging.getLogger("mockserver.site")


class SignInError(UserError, BadRequest):
    """A sign-in that cannot be read: a 400 that says what is wrong."""


class ClaimEntry(Struct, frozen=True):
    """A claim; values that are not strings become strings, and other keys do not count."""

    typ: Any
    val: Any


class PrincipalEntry(Strict, frozen=True, rename="camel"):
    """The user that a test describes, in the fields of the sign-in page."""

    user_details: str
    user_id: str | int | None = None
    identity_provider: str = "aad"
    user_roles: tuple[str, ...] = ()
    claims: tuple[ClaimEntry, ...] = ()


class LoginEntry(Strict, frozen=True):
    """The body of `POST /__mock/login`: a persona's key or a principal, and how many seconds the session lasts."""

    persona: str | UnsetType = UNSET
    principal: PrincipalEntry | UnsetType = UNSET
    expires_in_s: float | str = ""


def principal_from_form(provider: str) -> ClientPrincipal:
    """The user that the sign-in page describes.

    Raises:
        SignInError: no user name, or a field that cannot be read.
    """
    form = request.form
    details = form.get("userDetails", "").strip()
    if not details:
        raise SignInError("Choose a persona, or enter a user name.")
    roles = role_names(" ".join(form.getlist("userRoles")))
    return ClientPrincipal(
        provider, form.get("userId", "").strip() or details, details, roles, _claims_from_json(form.get("claims", ""))
    )


def principal_from_entry(entry: PrincipalEntry) -> ClientPrincipal:
    """The user that a test describes.

    Raises:
        SignInError: no user name, or a wrong role name.
    """
    details = entry.user_details
    if not details.strip():
        raise SignInError("principal.userDetails must be the user's name, got a blank string")
    user_id = details if entry.user_id is None else str(entry.user_id)
    roles = role_names(" ".join(entry.user_roles))
    return ClientPrincipal(entry.identity_provider, user_id, details, roles, _claims(entry.claims))


def role_names(text: str) -> tuple[str, ...]:
    """The roles in a text, separated by spaces or commas, after the two built-in ones.

    Raises:
        SignInError: a wrong role name.
    """
    roles = dict.fromkeys(text.replace(",", " ").split())
    for role in roles:
        if not ROLE_NAME.fullmatch(role):
            raise SignInError(f"A role's name must be letters, digits and _, got {role!r}.")
    return (*BUILT_IN_ROLES, *(role for role in roles if role not in BUILT_IN_ROLES))


def session_seconds(text: str | None, default_s: float) -> float:
    """How many seconds a session lasts; `default_s` where the text is empty.

    Raises:
        SignInError: not a number, or out of range.
    """
    try:
        seconds = float(text) if text else default_s
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= 30 * 86400:
        raise SignInError(f"A session must last between 0 and 2592000 seconds, got {text!r}.")
    return seconds


def _claims_from_json(text: str) -> tuple[tuple[str, str], ...]:
    try:
        document = json.loads(text or "[]")
    except (ValueError, RecursionError) as error:
        raise SignInError(f"claims: not valid JSON: {error}") from error
    return _claims(convert(document, list[ClaimEntry], "claims", SignInError))


def _claims(entries: Sequence[ClaimEntry]) -> tuple[tuple[str, str], ...]:
    return tuple((str(entry.typ), str(entry.val)) for entry in entries)


def with_roles(site: StaticWebApp, principal: ClientPrincipal, *, fails: bool) -> ClientPrincipal:
    """The principal with the roles that the app's own function returns, where it has one; invitations do not count then.

    The function gets what production sends: the user, the claims and an access token, and no `x-ms-client-principal`.
    What happens to a sign-in whose roles function fails is not documented; here the user gets no roles, with a warning.
    """
    source = site.config.auth.roles_source
    if source is None:
        return principal
    body = {
        "identityProvider": principal.identity_provider,
        "userId": principal.user_id,
        "userDetails": principal.user_details,
        "claims": principal.for_me()["claims"],
        "accessToken": "made-up-access-token",
    }
    try:
        if fails:
            raise ValueError("a simulated failure")
        if site.api_url is None:
            raise ValueError("this site has no API")
        answer = httpx2.post(f"{site.api_url}{source}", json=body, trust_env=False, timeout=45)
        roles = _roles_in(parse_json(answer.raise_for_status().content))
    except (httpx2.HTTPError, ValueError) as error:
        log.warning("the roles function %s gave %r no roles: %s", source, principal.user_details, error)
        roles = []
    return replace(principal, roles=(*BUILT_IN_ROLES, *(role for role in roles if role not in BUILT_IN_ROLES)))


def _roles_in(answer: object) -> list[str]:
    """The roles in a roles function's answer.

    Raises:
        ValueError: it is not `{"roles": ["…"]}`.
    """
    roles = answer.get("roles") if isinstance(answer, dict) else None
    if not isinstance(roles, list) or not all(isinstance(role, str) and is_text(role) for role in roles):
        raise ValueError(f'its answer must be {{"roles": ["…"]}}, got {str(answer)[:100]!r}')
    return roles
