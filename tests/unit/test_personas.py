"""Personas files: what is read, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from mockserver.swa.personas import EIGHT_HOURS_S, Persona, PersonaError, PersonasFile, load_personas


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "must be a mapping of personas"),
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


def test_persona_has_defaults_from_its_key_and_texts_that_yaml_reads_as_other_types(tmp_path: Path) -> None:
    (tmp_path / "personas.yaml").write_text(
        "ada: {}\n7: {name: 42, note: 2026-01-01, expires_in_s: 5, claims: {a: b}}\n"
    )
    assert load_personas(tmp_path / "personas.yaml") == {
        "ada": Persona("ada", "Ada", "ada@example.com", expires_in_s=EIGHT_HOURS_S),
        "7": Persona("7", "42", "7@example.com", expires_in_s=5, note="2026-01-01", claims=(("a", "b"),)),
    }


def test_schema_describes_every_key_of_a_persona() -> None:
    properties = msgspec.json.schema(PersonasFile)["$defs"]["PersonaEntry"]["properties"]
    assert [key for key, schema in properties.items() if not schema.get("description")] == []
    assert properties["roles"]["items"] == {"type": "string", "pattern": "^[A-Za-z0-9_]+$"}
