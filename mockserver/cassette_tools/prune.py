"""Removes from cassettes what answered nothing in the last run of the tests."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mockserver.cassettes import cassette
from mockserver.cassettes.cassette import Cassette


@dataclass(frozen=True, slots=True)
class Pruning:
    """A file with what would be left of it: None for nothing."""

    name: str
    path: Path
    before: Cassette
    after: Cassette | None

    @property
    def removed(self) -> int:
        """How many interactions go."""
        return len(self.before.interactions) - (len(self.after.interactions) if self.after else 0)

    def carry_out(self) -> None:
        """Write the file, or delete it."""
        if self.after is None:
            self.path.unlink()
        else:
            cassette.write(self.path, cassette.dump(self.after))


def prunings(paths: Sequence[Path], used: Collection[str]) -> Iterator[Pruning]:
    """The cassettes in which something answered no request; scenarios are left alone. `used` is as for `check`.

    Raises:
        CassetteError, OSError: a file cannot be read.
    """
    for name, path in cassette.files(paths):
        if cassette.is_scenario(path.read_bytes()):
            continue
        loaded = cassette.load(path)
        kept = [each for number, each in enumerate(loaded.interactions, 1) if f"{path.resolve()}#{number}" in used]
        if len(kept) < len(loaded.interactions):
            yield Pruning(name, path, loaded, replace(loaded, interactions=tuple(kept)) if kept else None)
