"""Scenarios: ordered files of stubs laid over the cassettes, read again whenever they change."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from mockserver.errors import UserError
from mockserver.simulation.stub import Stub, StubError, load_stubs

log = logging.getLogger("mockserver")

#: Scenarios in a folder of this name are laid over only when they are chosen; any others always.
CHOSEN_FOLDER = "scenarios"


class ScenarioError(UserError):
    """There is no scenario of that name; says which there are."""


@dataclass(slots=True)
class _File:
    """One file: what it says, and by what a change of it is told."""

    path: Path
    stubs: tuple[Stub, ...]
    stamp: tuple[int, int]
    choosable: bool


class Scenarios:
    """The scenario files of a library, by the name each goes by."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}

    def add(self, name: str, path: Path, text: str) -> None:
        """Read a file.

        Raises:
            StubError: it is no list of stubs, or one of them is wrong.
        """
        choosable = path.parent.name == CHOSEN_FOLDER
        self._files[name] = _File(path, load_stubs(path, text, name), _stamp(path), choosable)

    @property
    def always(self) -> tuple[Stub, ...]:
        """The stubs that are laid over without being chosen, in the order of their files."""
        return tuple(stub for file in self._files.values() if not file.choosable for stub in file.stubs)

    @property
    def names(self) -> tuple[str, ...]:
        """What can be chosen."""
        return tuple(file.path.stem for file in self._files.values() if file.choosable)

    def chosen(self, name: str) -> tuple[Stub, ...]:
        """The stubs of a scenario that can be chosen.

        Raises:
            ScenarioError: there is none of that name.
        """
        for file in self._files.values():
            if file.choosable and file.path.stem == name:
                return file.stubs
        near = "".join(f" (did you mean {each}?)" for each in get_close_matches(name, self.names, 1))
        raise ScenarioError(f"There is no scenario {name!r}{near}. There are: {', '.join(self.names) or 'none'}.")

    def refresh(self) -> tuple[str, ...]:
        """Read again what has changed; the names of those files. A broken one keeps its last good stubs, and says so."""
        changed = []
        for name, file in self._files.items():
            try:
                stamp = _stamp(file.path)
                if stamp == file.stamp:
                    continue
                file.stamp = stamp
                file.stubs = load_stubs(file.path, file.path.read_text(encoding="utf-8"), name)
            except (OSError, StubError, UnicodeDecodeError) as error:
                if file.stamp != (0, 0):
                    log.warning("%s   What it said before stands.", error)
                file.stamp = (0, 0) if isinstance(error, OSError) else file.stamp
                continue
            changed.append(name)
        return tuple(changed)


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size
