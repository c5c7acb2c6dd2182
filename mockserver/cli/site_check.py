"""`site --check`: what a deployment will make of a configuration, for people and for a pipeline."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import click

from mockserver.errors import count_of
from mockserver.swa.config import FILE_NAME, ConfigError, load_config
from mockserver.swa.config_file import config_notes, find_configs
from mockserver.swa.findings import ConfigFinding, Severity, findings

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow"}


def check_site(searched: Path) -> bool:
    """Print everything about the configuration in a folder, or of a file; whether a deployment takes it.

    In GitHub Actions each finding is an annotation too.
    """
    found = [searched] if searched.is_file() else find_configs(searched)
    if not found:
        click.echo(f"error      no {FILE_NAME} in {searched} or below it")
        return False
    file = searched / FILE_NAME if searched / FILE_NAME in found else found[-1]
    try:
        config = load_config(file)
    except ConfigError as error:
        problems = [
            ConfigFinding(Severity.ERROR, str(error).removeprefix(f"{file}: "), "read strictly", None, "not-read")
        ]
    else:
        for note in config_notes(file, config, searched if searched.is_dir() else searched.parent):
            click.echo(f"config     {note}")
        problems = findings(config)
    for problem in problems:
        click.secho(f"{problem.severity:10} {problem.text}", fg=_COLOURS[problem.severity])
        click.echo(f"           {problem.name}; source: {problem.source}")
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in github_lines(file, problems):
            click.echo(line)
    counts = [count_of(sum(each.severity is kind for each in problems), kind.value) for kind in Severity]
    click.echo(f"{file}: {', '.join(counts)}")
    return all(problem.severity is not Severity.ERROR for problem in problems)


def github_lines(file: Path, problems: list[ConfigFinding]) -> Iterator[str]:
    """The findings as GitHub Actions reads them, each at its rule's line."""
    text = file.read_text(encoding="utf-8", errors="replace")
    lines = [text.count("\n", 0, match.start()) + 1 for match in re.finditer(r'"route"\s*:', text)]
    for problem in problems:
        line = lines[problem.rule - 1] if problem.rule is not None and problem.rule <= len(lines) else 1
        said = problem.text.replace("%", "%25").replace("\n", "%0A").replace("\r", "%0D")
        yield f"::{problem.severity} file={file},line={line},title={problem.name}::{said}"
