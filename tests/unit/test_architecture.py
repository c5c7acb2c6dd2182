"""The direction of imports, and that the rules bite."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: Rooms of mockserver from the bottom up; a module imports only from rows above its own, or from its own row's package.
LAYERS = (
    ("mendable",),
    ("exchange", "clock", "tokens", "limits"),
    ("faults", "question", "redact", "play", "cassette", "connection"),
    ("say", "matching", "judge"),
    ("transcript", "shape"),
    ("diff", "edit", "carry", "last_run"),
    ("explain",),
    ("when",),
    ("stub", "latency", "generate", "journal"),
    ("scenarios", "scopes"),
    ("library", "relay", "importers", "swa"),
    ("recorder",),
    ("drift", "timeline"),
    ("simulation", "check", "functions"),
    ("apps",),
    ("front", "server"),
    ("gate", "admission"),
    ("rehearsal", "console"),
    ("cli", "pytest_plugin"),
)
LEVEL = {module: level for level, row in enumerate(LAYERS) for module in row}
#: Who alone may import these.
RESERVED = {
    "flask": {"apps"},
    "uvicorn": {"connection", "server", "functions"},  # functions: only to silence the one in Microsoft's extension
    "a2wsgi": {"front"},
    "httpx2": {"relay", "apps", "pytest_plugin"},
    "click": {"cli", "console"},
}


def imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def breaches(room: str, module: str, source: str) -> list[str]:
    """What a module imports and may not: `room` is its top-level package, `module` its name inside."""
    found = []
    for name in imported(source):
        top, _, rest = name.partition(".")
        inner = rest.partition(".")[0]
        if room in ("contracts", "api") and top in ("mockserver", "contracts", "tests") and top != room:
            found.append(f"{room}/{module} imports {name}")
        if room == "mockserver" and top in ("chat_api", "tests", "tools"):
            found.append(f"mockserver/{module} imports {name}")
        if room == "mockserver" and top == "mockserver" and LEVEL.get(inner, -1) > LEVEL.get(module, -1) >= 0:
            found.append(f"mockserver/{module} imports {name}, which stands above it")
        if room == "mockserver" and module not in RESERVED.get(top, {module}):
            found.append(f"mockserver/{module} imports {name}, which is for {', '.join(sorted(RESERVED[top]))}")
    return sorted(set(found))


def modules(room: str) -> Iterator[tuple[str, Path]]:
    for path in sorted((ROOT / room).rglob("*.py")):
        yield path.relative_to(ROOT / room).with_suffix("").parts[0], path


@pytest.mark.parametrize("room", ["contracts", "api", "mockserver"])
def test_imports_run_one_way(room: str) -> None:
    assert [breach for module, path in modules(room) for breach in breaches(room, module, path.read_text())] == []


@pytest.mark.parametrize(
    ("room", "module", "source"),
    [
        ("api", "chat_api", "from mockserver import clock"),
        ("api", "function_app", "import contracts.errors"),
        ("contracts", "errors", "import mockserver"),
        ("mockserver", "exchange", "from mockserver.cassette import load"),
        ("mockserver", "matching", "from mockserver import simulation"),
        ("mockserver", "simulation", "import flask"),
        ("mockserver", "simulation", "def f():\n    from uvicorn import run"),
        ("mockserver", "cli", "import chat_api"),
    ],
)
def test_a_breach_would_be_found(room: str, module: str, source: str) -> None:
    assert breaches(room, module, source) != []


def test_every_module_has_its_place() -> None:
    assert {module for module, _ in modules("mockserver")} - {"__init__", "__main__"} == set(LEVEL)


#: So that a room that grows is a decision.
@pytest.mark.parametrize(
    ("room", "limit"), [("mockserver", 12100), ("api", 1000), ("contracts", 1200), ("infra", 2500)]
)
def test_rooms_stay_in_their_budgets(room: str, limit: int) -> None:
    assert sum(len(path.read_text().splitlines()) for _, path in modules(room)) <= limit


def test_the_page_stays_in_its_budget() -> None:
    files = [path for path in (ROOT / "webapp" / "src").rglob("*") if path.is_file()]
    assert (
        sum(len(path.read_text().splitlines()) for path in files) <= 3800
    )  # the design's 3,000, and a second language
