"""The files with which a project is rehearsed, as changes that somebody can look at first."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mockserver.adoption.project import GuestProject

_DATA = Path(__file__).parents[1] / "data"
_FOLDER = "rehearsal"
_OPTION = "mockserver_cassettes"
_MOST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Change:
    """A file of the project as it is, None where there is none, and as it would be; `why` is for people."""

    path: str
    before: str | None
    after: str
    why: str

    @property
    def diff(self) -> str:
        """What changes, as a unified diff; of a long file that is new, how long it is."""
        if self.before is None and (lines := self.after.count("\n")) > _MOST_SHOWN:
            return f"a new file of {lines} lines\n"
        old = (self.before or "").splitlines(keepends=True)
        name = f"a/{self.path}" if self.before is not None else "/dev/null"
        return "".join(difflib.unified_diff(old, self.after.splitlines(keepends=True), name, f"b/{self.path}"))


def changes(project: GuestProject) -> tuple[Change, ...]:
    """What the project lacks: nothing of it is replaced, and a second time there is nothing."""
    return tuple(_changes(project))


def _changes(project: GuestProject) -> Iterator[Change]:
    new = {
        f"{project.tests or 'tests/'}test_rehearsal.py": (
            "init/test_rehearsal.py.txt",
            "two tests, which pass at once",
        ),
        f"{_FOLDER}/scenarios/limited.yaml": ("init/limited.yaml", "a scenario, which the second test lays over"),
        f"{_FOLDER}/scenario.schema.json": ("schemas/scenario.schema.json", "for an editor to complete and check it"),
    }
    if project.workflows:
        new[".github/workflows/rehearsal.yml"] = ("init/rehearsal.yml", "the tests in CI, without a key")
    for path, (source, why) in new.items():
        if not (project.folder / path).exists():
            yield Change(path, None, _filled((_DATA / source).read_text(encoding="utf-8"), project), why)
    if (option := _option(project)) is not None:
        yield option


def _option(project: GuestProject) -> Change | None:
    """pytest told where the scenarios are; None where it has been told where to look."""
    why = f"pytest answers from {_FOLDER}/"
    if project.pytest is None:
        file = project.folder / "pytest.ini"
        before = file.read_text(encoding="utf-8") if file.exists() else None
        return Change("pytest.ini", before, f"{before or ''}[pytest]\n{_OPTION} = {_FOLDER}\n", why)
    name, section = project.pytest
    text = (project.folder / name).read_text(encoding="utf-8")
    if _OPTION in text:
        return None
    value = f'["{_FOLDER}"]' if name.endswith(".toml") else _FOLDER
    lines = text.splitlines(keepends=True)
    lines[section] = lines[section].rstrip("\r\n") + "\n"
    lines.insert(section + 1, f"{_OPTION} = {value}\n")
    return Change(name, text, "".join(lines), why)


def _filled(text: str, project: GuestProject) -> str:
    """A file of ours with what the project has: its requirements, and its site's check."""
    requirements = "".join(f" -r {path}" for path in project.requirements)
    text = text.replace("REQUIREMENTS", requirements + ("" if project.openai in project.requirements else " openai"))
    check = (
        f"      - run: dress-rehearsal site --check --app {Path(project.site).parent.as_posix()}\n"
        if project.site
        else ""
    )
    return text.replace("      SITE\n", check)


def next_steps(project: GuestProject) -> Iterator[str]:
    """What to type next, for what is there."""
    yield "pytest"
    if project.site and project.functions:
        page, api = (Path(path).parent.as_posix() for path in (project.site, project.functions))
        yield f"dress-rehearsal up --webapp {page} --api {api}   the whole app: --webapp is the folder of the built page"
    elif project.site:
        yield f"dress-rehearsal site --app {Path(project.site).parent.as_posix()}   the site behind its gate: --app is the folder of the built page"
    if project.playwright:
        yield "npm i -D dress-rehearsal-playwright   fixtures for your Playwright tests: say, hold, persona, journal"
