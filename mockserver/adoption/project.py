"""What there is in somebody's project that Dress Rehearsal can work with. Nothing here writes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: Others' code, and what is built: nothing of it is the project's.
_NOT_OURS = {"node_modules", "site-packages", "dist", "build", "out", "target", "venv", "__pycache__"}
_DEEPEST = 4
_PYTHON = re.compile(r"(requirements.*\.(txt|in)|pyproject\.toml|setup\.(py|cfg)|Pipfile)$")
#: Where pytest keeps its options, in its own order, and the line after which they stand.
_PYTEST = {
    "pytest.ini": r"\[pytest\]",
    ".pytest.ini": r"\[pytest\]",
    "pyproject.toml": r"\[tool\.pytest\.ini_options\]",
    "tox.ini": r"\[pytest\]",
    "setup.cfg": r"\[tool:pytest\]",
}


@dataclass(frozen=True, slots=True)
class GuestProject:
    """A project: paths from its folder, the first found of each kind, empty where there is none.

    `pytest` is the file with pytest's options and the number of its section's line, from 0. `openai` and `playwright` are the files
    that require them.
    """

    folder: Path
    site: str = ""
    functions: str = ""
    openai: str = ""
    playwright: str = ""
    pytest: tuple[str, int] | None = None
    tests: str = ""
    workflows: str = ""
    pipelines: str = ""
    requirements: tuple[str, ...] = ()

    @property
    def found(self) -> tuple[tuple[str, str], ...]:
        """What is there, in words, and where."""
        named = (
            ("a Static Web App", self.site),
            ("a Python function app", self.functions),
            ("the OpenAI client", self.openai),
            ("pytest", self.pytest[0] if self.pytest else self.tests),
            ("Playwright", self.playwright),
            ("GitHub Actions", self.workflows),
            ("Azure Pipelines", self.pipelines),
        )
        return tuple((what, where) for what, where in named if where)


def look(folder: Path) -> GuestProject:
    """The project in a folder: names of files to four levels down, and the text of those that name packages."""
    files = sorted(_files(folder), key=lambda path: (path.count("/"), path))
    by_name = {path.rpartition("/")[2]: path for path in reversed(files)}
    python = tuple(path for path in files if _PYTHON.search(path))
    packages = [path for path in files if path.endswith("package.json")]
    named = [*python, *packages]
    return GuestProject(
        folder,
        site=by_name.get("staticwebapp.config.json", ""),
        functions=by_name.get("function_app.py", ""),
        openai=_naming(folder, r"""(?m)^\s*["']?openai\b""", named),
        playwright=_naming(folder, r'"@playwright/test"', packages),
        pytest=_pytest(folder),
        tests=next((f"{name}/" for name in ("tests", "test") if (folder / name).is_dir()), ""),
        workflows=".github/workflows/" if (folder / ".github").is_dir() else "",
        pipelines=by_name.get("azure-pipelines.yml", ""),
        requirements=tuple(path for path in python if path.endswith(".txt")),
    )


def _files(folder: Path) -> Iterator[str]:
    for place, folders, names in os.walk(folder):
        inside = Path(place).relative_to(folder)
        folders[:] = (
            []
            if len(inside.parts) >= _DEEPEST
            else [name for name in folders if name not in _NOT_OURS and not name.startswith(".")]
        )
        yield from ((inside / name).as_posix() for name in names)


def _naming(folder: Path, pattern: str, paths: list[str]) -> str:
    """The first of these files whose text has the pattern."""
    return next((path for path in paths if re.search(pattern, _text(folder / path))), "")


def _pytest(folder: Path) -> tuple[str, int] | None:
    for name, section in _PYTEST.items():
        for number, line in enumerate(_text(folder / name).splitlines()):
            if re.fullmatch(section, line.strip()):
                return name, number
    return None


def _text(path: Path) -> str:
    """A file's text; empty where it is none, or cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
