"""Scenarios: ordered files of stubs laid over the cassettes, read again when they change."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from mockserver.errors import UserError, did_you_mean
from mockserver.simulation.stub import Stub, StubError, load_stubs

log = logging.getLogger("mockserver")

#: Scenarios in a folder of this name apply only when they are chosen; all others always do.
CHOSEN_FOLDER = "scenarios"
_UNREADABLE = (0, 0)


class ScenarioError(UserError):
    """No scenario of that name; says which there are."""


@dataclass(slots=True)
class _File:
    """One file: its stubs, the time and size by which a change is noticed, and the scenario that it is, None if it always applies."""

    path: Path
    stubs: tuple[Stub, ...]
    stamp: tuple[int, int]
    scenario: str | None


class Scenarios:
    """The scenario files of an index, by their names."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}

    def add(self, name: str, path: Path, text: str | bytes) -> None:
        """Read a file.

        Raises:
            StubError: it is not a list of stubs, or one of them is wrong.
        """
        scenario = path.stem if path.parent.name == CHOSEN_FOLDER else None
        self._files[name] = _File(path, load_stubs(path, text, name), _stamp(path), scenario)

    @property
    def always(self) -> tuple[Stub, ...]:
        """The stubs that apply without being chosen, in the order of their files."""
        return tuple(stub for file in self._files.values() if file.scenario is None for stub in file.stubs)

    @property
    def names(self) -> tuple[str, ...]:
        """What can be chosen."""
        return tuple(file.scenario for file in self._files.values() if file.scenario is not None)

    def chosen(self, name: str) -> tuple[Stub, ...]:
        """The stubs of a scenario that can be chosen.

        Raises:
            ScenarioError: no scenario of that name.
        """
        for file in self._files.values():
            if file.scenario == name:
                return file.stubs
        hint = did_you_mean(name, self.names)
        raise ScenarioError(f"no scenario {name!r}{hint}; known scenarios: {', '.join(self.names) or 'none'}")

    def refresh(self, chosen: str | None) -> tuple[str, ...]:
        """Read the files that have changed again, of those that apply with a scenario; their names. A broken one keeps its last
        valid stubs, with a warning."""
        changed = []
        for name, file in self._files.items():
            if file.scenario is not None and file.scenario != chosen:
                continue
            try:
                stamp = _stamp(file.path)
                if stamp == file.stamp:
                    continue
                file.stamp = stamp
                file.stubs = load_stubs(file.path, file.path.read_bytes(), name)
            except (OSError, StubError) as error:
                if file.stamp != _UNREADABLE:
                    log.warning("%s   Its last valid version stays in use.", error)
                file.stamp = _UNREADABLE if isinstance(error, OSError) else file.stamp
                continue
            changed.append(name)
        return tuple(changed)


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size
