"""Personas files: what is read, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import msgspec
import pytest

from mockserver.swa.personas import EIGHT_HOURS_S, Persona, PersonaError, PersonasFile, load_personas
from mockserver.swa.principal import ClientPrincipal


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "must be a mapping of personas"),
        ("{}", "must be a mapping of personas"),
        ("alice", "must be a mapping of personas"),
        ("alice: {expires_in_s: -0.1}", "alice.expires_in_s must be a number > 0, got -0.1"),
        ("alice: x", "alice must be a mapping, got 'x'"),
        (
            "alice: {role: x}",
            "unknown key 'role' in alice (did you mean 'roles'?); known keys: name, email, roles, expires_in_s",
        ),
        ("alice: {roles: [no-dash]}", "alice.roles: a role's name must be letters, digits and _, got 'no-dash'"),
        ("alice: {expires_in_s: soon}", "alice.expires_in_s must be a number, got 'soon'"),
        ("alice: {expires_in_s: 0}", "alice.expires_in_s must be a number > 0, got 0"),
        ("alice: {", "not valid YAML"),
        ("alice: 2024-99-99", "month must be in 1..12"),
    ],
)
def test_error_in_the_personas_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "personas.yaml").write_text(text)
    with pytest.raises(PersonaError, match=re.escape(message)):
        load_personas(tmp_path / "personas.yaml")


def test_a_personas_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(PersonaError, match="there is no personas file"):
        load_personas(tmp_path / "personas.yaml")
    with pytest.raises(PersonaError, match=re.escape(f"{tmp_path}: ")):
        load_personas(tmp_path)


def test_a_persona_is_the_same_user_at_each_sign_in_and_another_at_each_provider() -> None:
    ada = Persona("ada", "Ada", "ada@example.com", ("invited",), claims=(("a", "b"),))
    for provider in ("aad", "github"):
        assert ada.principal(provider) == ClientPrincipal(
            provider,
            hashlib.sha256(f"{provider}|ada".encode()).hexdigest()[:32],
            "ada@example.com",
            ("anonymous", "authenticated", "invited"),
            (("name", "Ada"), ("a", "b")),
        )


def test_the_api_gets_a_principal_as_base64_of_utf_8_without_claims() -> None:
    principal = ClientPrincipal("aad", "1", "grüße", ("anonymous", "authenticated"), (("a", "b"),))
    assert base64.b64decode(principal.header()).decode() == (
        '{"identityProvider": "aad", "userId": "1", "userDetails": "grüße", "userRoles": ["anonymous", "authenticated"]}'
    )


def test_persona_has_defaults_from_its_key_and_texts_that_yaml_reads_as_other_types(tmp_path: Path) -> None:
    (tmp_path / "personas.yaml").write_text(
        "ada: {}\n7: {name: 42, email: 43, note: 2026-01-01, expires_in_s: 5, claims: {a: b}}\n"
    )
    assert load_personas(tmp_path / "personas.yaml") == {
        "ada": Persona("ada", "Ada", "ada@example.com", expires_in_s=EIGHT_HOURS_S),
        "7": Persona("7", "42", "43", expires_in_s=5, note="2026-01-01", claims=(("a", "b"),)),
    }


def test_schema_describes_every_key_of_a_persona() -> None:
    properties = msgspec.json.schema(PersonasFile)["$defs"]["PersonaEntry"]["properties"]
    assert [key for key, schema in properties.items() if not schema.get("description")] == []
    assert properties["roles"]["items"] == {"type": "string", "pattern": "^[A-Za-z0-9_]+$"}
