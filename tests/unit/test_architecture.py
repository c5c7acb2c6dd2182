"""ARCHITECTURE.md is true: levels of rooms, imports that only point down, the picture, and the walk of a request."""

from __future__ import annotations

import ast
import re

import pytest
from architecture import LEVELS, PICTURE, ROOT, TOP_LEVEL, breaches, circles, modules, picture, room_of

PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
#: Functions and modules that are longer than the limit, each with its reason.
LONG_FUNCTIONS: dict[str, str] = {}
LONG_MODULES: dict[str, str] = {}


@pytest.mark.parametrize("top", TOP_LEVEL)
def test_imports_point_down(top: str) -> None:
    assert [breach for module, path in modules(top) for breach in breaches(top, module, path.read_text())] == []


@pytest.mark.parametrize(
    ("top", "module", "source"),
    [
        ("api", "chat_api.routes", "from mockserver import clock"),
        ("api", "function_app", "import infra.plan"),
        ("infra", "plan", "from mockserver.errors import UserError"),
        ("tools", "wheel", "from tests.unit import examples"),
        ("mockserver", "exchange", "from mockserver.cassettes.cassette import load"),
        ("mockserver", "matching.call", "from mockserver.simulation import steps"),
        ("mockserver", "swa.routing", "from mockserver.wire.play import play"),
        ("mockserver", "fronts.gate", "from mockserver.flask_apps.control import create_app"),
        ("mockserver", "pytest_plugin", "from mockserver.cli import main"),
        ("mockserver", "contract.operations", "from mockserver.exchange import Request"),
        ("mockserver", "simulation.steps", "def f():\n    import flask"),
        ("mockserver", "simulation.steps", "def f():\n    from uvicorn import run"),
        ("mockserver", "cli.up", "import chat_api"),
    ],
)
def test_a_breach_is_found(top: str, module: str, source: str) -> None:
    assert breaches(top, module, source) != []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circles() == []


def test_every_module_has_its_room_and_the_root_stays_small() -> None:
    names = [module for module, _ in modules("mockserver")]
    assert {room_of(name) for name in names} - {""} == {room for rooms in LEVELS for room in rooms}
    assert len(list((ROOT / "mockserver").glob("*.py"))) <= 11


def test_no_two_classes_share_a_name() -> None:
    names: dict[str, list[str]] = {}
    for top in TOP_LEVEL:
        for _, path in modules(top):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    names.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: places for name, places in names.items() if len(places) > 1} == {}


def test_every_error_is_in_the_tree() -> None:
    errors = {
        node.name
        for _, path in modules("mockserver")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and node.name.endswith("Error") and not node.name.startswith("_")
    }
    tree = (ROOT / "mockserver" / "errors.py").read_text().partition('"""')[2].partition('"""')[0]
    assert {name for name in re.findall(r"\w+Error", tree) if name not in ("TypeError", "AssertionError")} == errors


def test_modules_and_functions_stay_readable() -> None:
    long_modules, long_functions = set(), set()
    for top in TOP_LEVEL:
        for _, path in modules(top):
            name, source = str(path.relative_to(ROOT)), path.read_text()
            if source.count("\n") > 400:
                long_modules.add(name)
            for node in ast.walk(ast.parse(source)):
                if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    continue
                if (node.end_lineno or 0) - node.lineno + 1 > 60:
                    long_functions.add(f"{name}:{node.name}")
    assert (long_modules, long_functions) == (set(LONG_MODULES), set(LONG_FUNCTIONS))


def test_the_picture_is_what_the_code_says() -> None:
    assert PICTURE.read_text(encoding="utf-8") == picture(), "run: make architecture"


def test_every_room_is_on_the_page() -> None:
    assert [room for rooms in LEVELS for room in rooms if f"`{room}" not in PAGE] == []


def test_the_walk_names_functions_that_exist() -> None:
    walk = PAGE.partition("## One chat request")[2].partition("\n## ")[0]
    stays = re.findall(r"^ *(\S+\.py) +(\w+(?:\.\w+)?)", walk, re.MULTILINE)
    assert 15 <= len(stays) <= 40
    for file, name in stays:
        tree = ast.parse((ROOT / file).read_text())
        defined = {
            f"{holder.name}.{node.name}" if isinstance(holder, ast.ClassDef) else node.name
            for holder in ast.walk(tree)
            if isinstance(holder, ast.ClassDef | ast.Module)
            for node in holder.body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        }
        assert name in defined, f"{file} has no {name}"
