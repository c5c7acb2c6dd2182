"""States files: what is read, and what is refused."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from mockserver.swa.states import State, StatesError, StatesFile, load_states

CARD = "name: Done, state: done, ask: Hi, cause: It ended"


def test_card_is_read_with_its_defaults(tmp_path: Path) -> None:
    (tmp_path / "states.yaml").write_text(
        f"- {{{CARD}}}\n- {{{CARD}, scenario: slow, text: Bye, stop: true, image: true}}\n"
    )
    assert load_states(tmp_path / "states.yaml") == (
        State("Done", "done", "Hi", "It ended"),
        State("Done", "done", "Hi", "It ended", "slow", "Bye", stop=True, image=True),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "must be a list, got {}"),
        ("- {name: Done, state: done, ask: Hi}", "entry 1: the key 'cause' is required"),
        (
            f"- {{{CARD}, scenrio: slow}}",
            r"entry 1: unknown key 'scenrio' \(did you mean 'scenario'\?\); known keys: name",
        ),
        (f"- {{{CARD}}}\n- {{{CARD}, stop: 1}}", "entry 2: stop must be true or false, got 1"),
        ("- {", "not valid YAML"),
        ("- 2024-99-99", "not valid YAML: month must be in 1..12"),
    ],
)
def test_error_in_the_states_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "states.yaml").write_text(text)
    with pytest.raises(StatesError, match=message):
        load_states(tmp_path / "states.yaml")


def test_schema_describes_every_key_of_a_card() -> None:
    card = msgspec.json.schema(StatesFile)["$defs"]["StateCard"]
    assert [key for key, schema in card["properties"].items() if not schema.get("description")] == []
    assert card["required"] == ["name", "state", "ask", "cause"]
