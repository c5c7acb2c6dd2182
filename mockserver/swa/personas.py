"""Personas: named people to sign in as."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from mockserver.errors import UserError
from mockserver.swa.principal import EVERYBODY, ClientPrincipal

BUNDLED_PERSONAS = Path(__file__).with_name("personas.yaml")
#: Static Web Apps' own session length (static-web-apps#761).
EIGHT_HOURS_S = 8 * 3600.0
_ROLE = re.compile(r"[A-Za-z0-9_]+")
_KEYS = ("name", "email", "roles", "expires_in_s", "scenario", "note", "claims")


class PersonaError(UserError):
    """A personas file that cannot be used, or a persona that is not in it; says which."""


@dataclass(frozen=True, slots=True)
class Persona:
    """Somebody to sign in as; the session ends `expires_in_s` seconds after that. What the API asks of the model for this
    one is answered by `scenario`; None is like everybody else. `note` says what is special, on the sign-in page."""

    key: str
    name: str
    email: str
    roles: tuple[str, ...] = ()
    expires_in_s: float = EIGHT_HOURS_S
    scenario: str | None = None
    note: str = ""
    claims: tuple[tuple[str, str], ...] = ()

    def principal(self, provider: str) -> ClientPrincipal:
        """The principal this persona has after signing in with a provider; the same each time."""
        user_id = hashlib.sha256(f"{provider}|{self.key}".encode()).hexdigest()[:32]
        return ClientPrincipal(
            provider, user_id, self.email, (*EVERYBODY, *self.roles), (("name", self.name), *self.claims)
        )


def load_personas(path: Path = BUNDLED_PERSONAS) -> dict[str, Persona]:
    """The personas of a YAML file, by key, in order.

    Raises:
        PersonaError: no YAML mapping, an unknown key, or a wrong value; says whose.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PersonaError(f"there is no personas file {path}") from error
    except (yaml.YAMLError, ValueError, OSError) as error:  # ValueError: no UTF-8, or a date that is none
        raise PersonaError(f"{path}: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict) or not document:
        raise PersonaError(f"{path}: a mapping of personas is needed (`alice: {{roles: [invited]}}`)")
    return {str(key): _persona(str(key), value, path) for key, value in document.items()}


def find_persona(personas: dict[str, Persona], key: str) -> Persona:
    """The persona of that key.

    Raises:
        PersonaError: there is none; says which there are.
    """
    if key not in personas:
        raise PersonaError(f"There is no persona {key!r}. There are: {', '.join(personas)}.")
    return personas[key]


def _persona(key: str, value: object, path: Path) -> Persona:
    if not isinstance(value, dict):
        raise PersonaError(f"{path}: {key}: a mapping is needed, with {', '.join(_KEYS)}")
    unknown = [each for each in value if each not in _KEYS]
    if unknown:
        raise PersonaError(f"{path}: {key}: unknown key {unknown[0]!r}; known are {', '.join(_KEYS)}")
    roles, expires_in_s = value.get("roles", []), value.get("expires_in_s", EIGHT_HOURS_S)
    if not isinstance(roles, list) or not all(isinstance(role, str) and _ROLE.fullmatch(role) for role in roles):
        raise PersonaError(f"{path}: {key}: roles is no list of role names (letters, digits and _)")
    if isinstance(expires_in_s, bool) or not isinstance(expires_in_s, int | float) or expires_in_s <= 0:
        raise PersonaError(f"{path}: {key}: expires_in_s: {expires_in_s!r} is no number of seconds")
    scenario = value.get("scenario")
    if scenario is not None and not isinstance(scenario, str):
        raise PersonaError(f"{path}: {key}: scenario: {scenario!r} is no name")
    name, email = str(value.get("name", key.title())), str(value.get("email", f"{key}@example.com"))
    claims = value.get("claims", {})
    if not isinstance(claims, dict) or not all(isinstance(each, str) for each in claims.values()):
        raise PersonaError(f"{path}: {key}: claims: a mapping of texts is needed (`{{preferred_username: ada}}`)")
    note = str(value.get("note", ""))
    return Persona(key, name, email, tuple(roles), expires_in_s, scenario, note, tuple(claims.items()))
