"""A cassette's file that a recorder adds to: read once, and again only if somebody else changed it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mockserver.cassettes import cassette
from mockserver.cassettes.cassette import CassetteError, Source
from mockserver.exchange import Interaction


class OpenCassette:
    """A file, which may be new. Use it from one thread at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._count = 0
        self._stamp: tuple[int, int] | None = None
        self._allowed: tuple[str, ...] = ()

    def append(self, interaction: Interaction, *, upstream: str, allowed: tuple[str, ...] = ()) -> int:
        """Add a recorded interaction; returns its number in the file, from 1. `allowed` is noted in a new file.

        The text of the file, comments included, stays as it is where `interactions` comes last.

        Raises:
            CassetteError: the file exists, but is not a cassette, or its answers were not recorded.
            OSError: it cannot be written; it is unchanged.
        """
        path, entry = self.path, cassette.entry_text(interaction)
        before = _stamp(path)
        if before is None:
            new = cassette.new_recording((interaction,), upstream=upstream, allowed=allowed)
            cassette.write_bytes(path, cassette.head_text(new).encode(), entry.encode())
            self._count, self._allowed = 0, allowed
        elif before == self._stamp and set(allowed) <= set(self._allowed):
            cassette.write_bytes(path, path.read_bytes(), entry.encode())
        else:
            self._append_to_unknown(interaction, entry, allowed)
        self._count, self._stamp = self._count + 1, _stamp(path)
        return self._count

    def _append_to_unknown(self, interaction: Interaction, entry: str, allowed: tuple[str, ...]) -> None:
        path, text = self.path, self.path.read_bytes()
        old = cassette.parse(path, text)
        if old.source is not Source.RECORDED:
            raise CassetteError(path, None, f"its answers are {old.source}; a recording needs a file of its own")
        self._allowed = tuple(dict.fromkeys((*old.allowed, *allowed)))
        grown = replace(old, interactions=(*old.interactions, interaction), allowed=self._allowed)
        try:
            intact = self._allowed == old.allowed and cassette.parse(path, text + entry.encode()) == grown
        except CassetteError:  # another layout, where the end of the file is not the end of the list
            intact = False
        cassette.write(path, text.decode() + entry if intact else cassette.dump(grown))
        self._count = len(old.interactions)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_mtime_ns, stat.st_size
