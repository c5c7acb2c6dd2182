"""How `make clients` compares outcomes: it reports every unexpected one."""

from __future__ import annotations

from typing import Any

import clients
import pytest

NAME = "ai azure responses plain text"


def step(ok: bool, error: str = "") -> list[dict[str, Any]]:
    return [{"library": "ai", "backend": "azure", "api": "responses", "step": "plain text", "ok": ok, "error": error}]


@pytest.mark.parametrize(
    ("steps", "known", "problems"),
    [
        (step(True), {}, []),
        (step(False, "Boom"), {}, [f"{NAME}: Boom"]),
        (step(False, "Error: Boom!"), {NAME: "Boom"}, []),
        (step(False, "Crash"), {NAME: "Boom"}, [f"{NAME}: Crash"]),
        (step(True), {NAME: "Boom"}, [f"{NAME}: in known.txt, but it passes"]),
    ],
)
def test_an_outcome_that_is_not_listed_is_reported(
    steps: list[dict[str, Any]], known: dict[str, str], problems: list[str]
) -> None:
    assert list(clients.unexpected(steps, known)) == problems


def test_every_listed_step_has_its_error() -> None:
    listed = dict(clients.expected((clients.CLIENTS / "known.txt").read_text(encoding="utf-8")))
    assert len(listed) == 9
    assert all(listed.values())
