"""What the README says exists, and what exists stands in the README."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import click
import pytest

from infra.__main__ import main as infra
from mockserver.answers.authored.authored_answer import Filter
from mockserver.cli import main
from mockserver.contract.operations import OPERATIONS
from mockserver.flask_apps import control
from mockserver.pytest_plugin import pytest_addoption
from mockserver.simulation.model_faults import MODEL_FAULTS
from mockserver.simulation.simulation import Simulation
from mockserver.simulation.site_faults import SITE_FAULTS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RECORDING = (ROOT / "docs" / "recording.md").read_text(encoding="utf-8")


def commands(group: click.Group, prefix: str = "dress-rehearsal") -> list[str]:
    found = []
    for name, command in group.commands.items():
        found += commands(command, f"{prefix} {name}") if isinstance(command, click.Group) else [f"{prefix} {name}"]
    return found


@pytest.mark.parametrize("command", commands(main))
def test_every_command_is_in_the_readme(command: str) -> None:
    assert command in README


def test_every_command_in_the_readme_exists() -> None:
    assert {
        f"dress-rehearsal {name}"
        for name in re.findall(r"^\$ dress-rehearsal ((?:cassette )?\w+)", README, re.MULTILINE)
    } <= set(commands(main))


def test_every_option_in_the_readme_exists() -> None:
    groups = [each.commands for each in main.commands.values() if isinstance(each, click.Group)]
    every = [*main.commands.values(), *(command for group in groups for command in group.values())]
    known = {option for command in every for parameter in command.params for option in parameter.opts}
    for command in infra.commands.values():
        known |= {option for parameter in command.params for option in parameter.opts}
    written = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README))
    written |= {
        each
        for line in RECORDING.splitlines()
        if "dress-rehearsal" in line
        for each in re.findall(r" (--[a-z-]+)", line)
    }
    assert written - {"--help"} <= known


def test_every_setting_the_api_reads_is_in_the_readme() -> None:
    source = (ROOT / "api" / "chat_api" / "settings.py").read_text()
    names = {
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    variables = {name for name in names if re.fullmatch(r"[A-Z]+(_[A-Z]+)+", name)} - {"AZURE_OPENAI"}
    assert len(variables) >= 8
    assert [name for name in variables if f"`{name}`" not in README] == []


def test_every_fault_has_its_row() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "faults.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [*MODEL_FAULTS, *SITE_FAULTS]
    named = re.search(r"^`fault:`.*?\[(\w+) more\]\(docs/faults.md\)", README, re.MULTILINE | re.DOTALL)
    assert named
    numbers = ("seventeen", "eighteen", "nineteen", "twenty", "twenty-one", "twenty-two")
    assert len(re.findall(r"`(\w+)`", named[0].partition("answer go wrong:")[2])) + 17 + numbers.index(named[1]) == len(
        MODEL_FAULTS
    )


def test_every_operation_and_every_filter_is_in_the_readme() -> None:
    assert [each.name for each in OPERATIONS if f"`{each.name}`" not in README] == []
    assert [each.value for each in Filter if f"`{each}`" not in README] == []


def test_every_control_route_is_in_the_readme() -> None:
    rules = control.create_app(Simulation(), "").url_map.iter_rules()
    routes = {f"{method} {rule.rule}" for rule in rules for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    assert routes == set(re.findall(r"`((?:GET|POST|DELETE) /__admin/[\w/<>]+)`", README))


def test_every_ini_option_is_in_the_readme(pytestconfig: pytest.Config) -> None:
    source = Path(pytest_addoption.__code__.co_filename).read_text()
    options = re.findall(r'addini\("(\w+)"', source)
    assert len(options) == 6
    assert [name for name in options if f"`{name}`" not in README] == []


def test_every_make_target_in_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^\$ |`)make ([a-z-]+)", README, re.MULTILINE)) <= targets


DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "examples/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
#: Other programs that the documents have people run; what they do is theirs.
_OTHERS = ("cp", "eval", "git", "read")


def shown(text: str) -> list[str]:
    """The commands of a document that need no Azure: those in its blocks of console, but for the ones marked `needs-azure`."""
    blocks = re.findall(r"^ *```console\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    return [
        line.strip().removeprefix("$ ")
        for block in blocks
        for line in block.splitlines()
        if line.strip().startswith("$ ")
    ]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_of_a_document_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in shown(path.read_text(encoding="utf-8")):
        command = re.sub(r"#.*| && .*", "", line).split()
        if command[0] == "make":
            assert command[1] in targets, line
        elif command[0] == ".venv/bin/python":
            infra_commands = {f"-m infra {name}" for name in infra.commands}
            assert (ROOT / command[1]).is_file() or " ".join(command[1:4]) in infra_commands, line
        elif command[0] == "dress-rehearsal":
            named = " ".join(command[: 3 if command[1:2] == ["cassette"] else 2])
            assert named in commands(main), line
        else:
            assert command[0] in _OTHERS, line


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_a_document_leads_to_is_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), target
    for name in re.findall(r"`((?:api|contracts|docs|examples|infra|mockserver|tests|tools|webapp)/[\w./-]*\w)`", text):
        assert (ROOT / name).exists() or name in ("webapp/dist",), name


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_a_block_that_asks_azure_is_marked(path: Path) -> None:
    asking = re.compile(r"\baz \w|make (?:destroy|preview)\b|make deploy(?! TOPOLOGY=linked ARGS=--dry-run)")
    assert [line for line in shown(path.read_text(encoding="utf-8")) if asking.search(line)] == []


def test_every_make_target_has_a_line_in_a_document() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)
    targets = re.findall(r"^([a-z0-9-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)
    unsaid = {"setup", "test-e2e", "lint", "clean", "sign-in", "review", "release"}  # `make help` says them
    assert [name for name in targets if f"make {name}" not in text and name not in unsaid] == []


def test_lock_files_carry_no_index_and_every_package_its_hash() -> None:
    for path in (ROOT / "requirements").iterdir():
        text = path.read_text()
        assert not re.search(r"://|--index|--extra-index|--find-links", text)
        assert len(re.findall(r"^[a-z]", text, re.MULTILINE)) == len(re.findall(r"==\S+.*\\\n    --hash", text))
