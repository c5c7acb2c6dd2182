"""Where a site's configuration is: found as the official CLI finds it, and said, so that no rule is missed in silence."""

from __future__ import annotations

import os
from collections.abc import Iterator
from difflib import SequenceMatcher
from pathlib import Path

from mockserver.swa.config import FILE_NAME, Config

_LEGACY = "routes.json"
_ALIKE = 0.8


def find_configs(folder: Path) -> list[Path]:
    """Every configuration in a folder and below it; the official CLI takes the last. None in what it does not look into.

    Source: findSWAConfigFile of @azure/static-web-apps-cli 2.0.10.
    """
    return [path for path in _files(folder) if path.name == FILE_NAME]


def _files(folder: Path) -> Iterator[Path]:
    """The files in a folder and below it, in the order of the CLI."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: os.fsencode(entry.name))
    except OSError:
        return
    for entry in entries:
        if "node_modules" in entry.name or entry.name.startswith(".git"):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path))
        else:
            yield Path(entry.path)


def config_notes(file: Path | None, config: Config, searched: Path) -> Iterator[str]:
    """Which configuration is in use, with how many rules, or that no file is; and which files have almost its name.

    `searched` is the folder in which it was looked for.
    """
    if file is not None:
        count = len(config.rules)
        yield f"{_short(file)}: {'1 rule' if count == 1 else f'{count} rules'}"
    else:
        yield f"no {FILE_NAME} in {_short(searched)} or below it: no rule applies, and everything is open"
        for beside in dict.fromkeys((Path(FILE_NAME).resolve(), (searched.resolve().parent / FILE_NAME))):
            if beside.is_file():
                yield f"{_short(beside)} is not read: add --config {_short(beside)}"
    others = [path for path in find_configs(searched) if file is not None and path.resolve() != file.resolve()]
    if others:
        yield f"not used: {', '.join(map(_short, others))}"
    for path in _files(searched):
        if path.name == FILE_NAME or path.suffix not in (".json", ".txt", ".jsonc", ".yml", ".yaml"):
            continue
        if path.name == _LEGACY:
            yield f"{_short(path)} is ignored, as in production since 2021: its rules belong in {FILE_NAME}"
        elif SequenceMatcher(None, path.name.lower(), FILE_NAME).ratio() >= _ALIKE:
            yield f"{_short(path)} is not read: the name must be {FILE_NAME}"


def _short(path: Path) -> str:
    """A path as people write it: below the working folder without that."""
    whole, here = path.resolve(), Path.cwd()
    return str(whole.relative_to(here)) if whole.is_relative_to(here) else str(path)
