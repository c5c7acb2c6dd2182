"""Personas: named people to sign in as."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, field

from mockserver.documents import Strict, convert, parse_yaml
from mockserver.errors import UserError, did_you_mean
from mockserver.swa.principal import BUILT_IN_ROLES, ROLE_NAME, ClientPrincipal

BUNDLED_PERSONAS = Path(__file__).with_name("personas.yaml")
#: Source: Static Web Apps' own session length (static-web-apps#761).
EIGHT_HOURS_S = 8 * 3600.0


class PersonaError(UserError):
    """A personas file that cannot be used, or an unknown persona; says which."""


@dataclass(frozen=True, slots=True)
class Persona:
    """A user to sign in as; the session ends `expires_in_s` seconds after sign-in.

    `scenario` answers what the API asks of the model for this user; None means as for everybody else. The sign-in page shows
    `note`.
    """

    key: str
    name: str
    email: str
    roles: tuple[str, ...] = ()
    expires_in_s: float = EIGHT_HOURS_S
    scenario: str | None = None
    note: str = ""
    claims: tuple[tuple[str, str], ...] = ()

    def principal(self, provider: str) -> ClientPrincipal:
        """The principal that this persona has after signing in with a provider; the same each time."""
        user_id = hashlib.sha256(f"{provider}|{self.key}".encode()).hexdigest()[:32]
        return ClientPrincipal(
            provider, user_id, self.email, (*BUILT_IN_ROLES, *self.roles), (("name", self.name), *self.claims)
        )


# --- as people write them --------------------------------------------------------------------------------------------

RoleName = Annotated[str, Meta(extra_json_schema={"pattern": f"^{ROLE_NAME.pattern}$"})]


class PersonaEntry(Strict, frozen=True):
    """A user to sign in as."""

    name: Annotated[str | None, Meta(description="The full name. Default: the key, capitalised.")] = None
    email: Annotated[str | None, Meta(description="The email address. Default: KEY@example.com.")] = None
    roles: Annotated[
        tuple[RoleName, ...], Meta(description="The roles besides anonymous and authenticated: letters, digits and _.")
    ] = ()
    expires_in_s: Annotated[
        Annotated[float, Meta(gt=0)], Meta(description="How many seconds a session lasts. Default: 8 hours.")
    ] = EIGHT_HOURS_S
    scenario: Annotated[
        str | None, Meta(description="The scenario that answers this user's requests. Default: none of its own.")
    ] = None
    note: Annotated[str | None, Meta(description="What is special about this user, for the sign-in page.")] = None
    claims: Annotated[
        dict[str, str], Meta(description="Claims by type, in addition to the name: {preferred_username: ada}.")
    ] = field(default_factory=dict)


#: A whole personas file: the personas by key.
PersonasFile = dict[str, PersonaEntry]


def load_personas(path: Path = BUNDLED_PERSONAS) -> dict[str, Persona]:
    """The personas of a YAML file, by key, in order.

    Raises:
        PersonaError: no such file, not a mapping, an unknown key, or a wrong value; says whose.
    """
    try:
        document = parse_yaml(path.read_bytes(), str(path), PersonaError)
    except FileNotFoundError as error:
        raise PersonaError(f"there is no personas file {path}") from error
    except OSError as error:
        raise PersonaError(f"{path}: {error}") from error
    if not isinstance(document, dict) or not document:
        raise PersonaError(f"{path}: must be a mapping of personas (`alice: {{roles: [invited]}}`), got {document!r}")
    entries = convert(
        {str(key): _with_text(entry) for key, entry in document.items()}, PersonasFile, str(path), PersonaError
    )
    return {key: _persona(key, entry, path) for key, entry in entries.items()}


def find_persona(personas: dict[str, Persona], key: str) -> Persona:
    """The persona with that key.

    Raises:
        PersonaError: it does not exist; says which do.
    """
    if key not in personas:
        raise PersonaError(
            f"unknown persona {key!r}{did_you_mean(key, personas)}; known personas: {', '.join(personas)}"
        )
    return personas[key]


def _with_text(entry: Any) -> Any:
    """The entry with its texts as strings: YAML reads `42`, `yes` and `2026-01-01` as values of other types."""
    if not isinstance(entry, dict):
        return entry
    texts = {key: str(entry[key]) for key in ("name", "email", "note") if entry.get(key) is not None}
    return entry | texts


def _persona(key: str, entry: PersonaEntry, path: Path) -> Persona:
    for role in entry.roles:
        if not ROLE_NAME.fullmatch(role):
            raise PersonaError(f"{path}: {key}.roles: a role's name must be letters, digits and _, got {role!r}")
    name = key.title() if entry.name is None else entry.name
    email = f"{key}@example.com" if entry.email is None else entry.email
    return Persona(
        key,
        name,
        email,
        entry.roles,
        entry.expires_in_s,
        entry.scenario,
        entry.note or "",
        tuple(entry.claims.items()),
    )
