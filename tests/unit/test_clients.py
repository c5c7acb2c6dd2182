"""How `make clients` compares outcomes and writes its table: it reports every unexpected one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import clients
import pytest

NAME = "ai azure responses plain text"


def step(ok: bool, error: str = "", **own: str) -> list[dict[str, Any]]:
    about = {
        "library": "ai",
        "version": "7",
        "backend": "azure",
        "api": "responses",
        "step": "plain text",
        "mode": "async",
    }
    return [{**about, **own, "ok": ok, "error": error}]


@pytest.mark.parametrize(
    ("steps", "known", "problems"),
    [
        (step(True), {}, []),
        (step(False, "Boom"), {}, [f"{NAME}: Boom"]),
        (step(False, "Error: Boom!"), {NAME: "Boom"}, []),
        (step(False, "Crash"), {NAME: "Boom"}, [f"{NAME}: Crash"]),
        (step(True), {NAME: "Boom"}, [f"{NAME}: in known.txt, but it passes"]),
        (
            step(False, "Boom", mode="sync"),
            {NAME: "Boom"},
            [f"{NAME} (sync): Boom", f"{NAME}: in known.txt, but there is no such step"],
        ),
        (step(False, "Boom", mode="sync"), {"ai * plain*": "Boom"}, []),
        (step(True), {"other azure responses plain text": "Boom"}, []),
    ],
)
def test_an_outcome_that_is_not_listed_is_reported(
    steps: list[dict[str, Any]], known: dict[str, str], problems: list[str]
) -> None:
    assert list(clients.unexpected(steps, known)) == problems


def test_every_listed_step_has_its_error() -> None:
    listed = dict(clients.expected((clients.CLIENTS / "known.txt").read_text(encoding="utf-8")))
    assert len(listed) == 16
    assert all(listed.values())


def test_the_table_counts_passed_steps_of_all() -> None:
    assert clients.table([*step(True), *step(False), *step(True, api="chat")])[2:] == [
        "| ai | 7 | azure | chat | 1 of 1 |",
        "| ai | 7 | azure | responses | 1 of 2 |",
    ]


def test_the_table_is_written_between_its_markers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "clients.md"
    page.write_text(f"# Title\n\n{clients.BEGIN}\n{clients.END}\n\nMore.\n")
    monkeypatch.setattr(clients, "PAGE", page)
    assert clients.written() == []
    clients.write(["| a |", "| b |"])
    assert clients.written() == ["| a |", "| b |"]
    assert page.read_text() == f"# Title\n\n{clients.BEGIN}\n| a |\n| b |\n{clients.END}\n\nMore.\n"


def test_the_page_has_every_library_in_its_pinned_version() -> None:
    package = json.loads((clients.CLIENTS / "js" / "package.json").read_text(encoding="utf-8"))
    pinned = set(package["dependencies"].items())
    for path in (clients.CLIENTS / "python").glob("*.in"):
        pinned |= set(re.findall(r"^([\w-]+)(?:\[.*\])?==(\S+)$", path.read_text(encoding="utf-8"), re.MULTILINE))
    rows = [tuple(line.strip("| ").split(" | ")[:2]) for line in clients.written()[2:]]
    assert len(set(rows)) == len(clients.LIBRARIES)
    assert set(rows) <= pinned


@pytest.mark.parametrize("library", clients.LIBRARIES)
def test_every_library_has_its_script_and_its_pins(library: str) -> None:
    language, name = library.split("/")
    files = (
        (f"{name}.mjs", "package-lock.json") if language == "js" else (f"{name}_steps.py", f"{name}.in", f"{name}.txt")
    )
    assert all((clients.CLIENTS / language / file).is_file() for file in files)
