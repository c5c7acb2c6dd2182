"""The commands that work on cassettes."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from contracts.operations import Backend
from mockserver import cassette, check, importers
from mockserver.cli.explained import PATH, explained
from mockserver.rehearsal import SetUpError


@click.group("cassette")
def cassette_group() -> None:
    """Work on cassettes."""


@cassette_group.command("fmt")
@click.argument("paths", nargs=-1, required=True, type=PATH)
def cassette_fmt(paths: tuple[Path, ...]) -> None:
    """Write cassettes in their one form, with waits that fit the events again after an edit by hand."""
    with explained():
        for name, path in cassette.files(paths):
            text = path.read_bytes()
            formatted = cassette.dump(cassette.parse(path, text, mend=True))
            if formatted.encode() != text:
                cassette.write(path, formatted)
                click.echo(f"{name}: written anew")


@cassette_group.command("import")
@click.argument("paths", nargs=-1, required=True, type=PATH)
@click.option("--to", "folder", type=PATH, required=True, metavar="DIR", help="The folder of the new cassettes.")
@click.option(
    "--backend",
    type=click.Choice([each.value for each in Backend]),
    help="Whose traffic it is, where the address does not tell.",
)
def cassette_import(paths: tuple[Path, ...], folder: Path, backend: str | None) -> None:
    """Make cassettes from recordings of vcrpy, Ruby's VCR, LangChain or Datadog's test agent."""
    with explained():
        made, count, left = 0, 0, 0
        for name, path in importers.files(paths):
            reading = importers.read(path, Backend(backend) if backend else None)
            target = folder / f"{name}.yaml"
            for each in reading.refused:
                click.echo(f"{name}{f'#{each.entry}' if each.entry else ''}: not imported: {each.reason}", err=True)
            for kind, times in reading.secrets.items():
                click.echo(f"{name}: taken out: {kind}, {times} time{'s' * (times != 1)}")
            left += len(reading.refused)
            if not reading.interactions:
                continue
            text = cassette.dump(importers.as_cassette(reading, path))
            if target.exists() and target.read_text(encoding="utf-8") != text:
                click.echo(f"{name}: not imported: {target} is there already, and another one", err=True)
                left += len(reading.interactions)
                continue
            cassette.write(target, text)
            made, count = made + 1, count + len(reading.interactions)
        click.echo(f"{count} interactions in {made} cassettes; {left} not imported")
        if left or not made:
            raise SystemExit(1)


@cassette_group.command("check")
@click.argument("paths", nargs=-1, required=True, type=PATH)
@click.option("--ignore", multiple=True, metavar="FIELD[=PATTERN]", help="What does not count in a comparison.")
@click.option("--unused", is_flag=True, help="Name what answered nothing in pytest's last run in this folder.")
@click.option("--max-age", type=click.IntRange(0), metavar="DAYS", help="Name cassettes that are older.")
@click.option("--json", "as_json", is_flag=True, help="A JSON list, for a program to read.")
def cassette_check(
    paths: tuple[Path, ...], ignore: tuple[str, ...], unused: bool, max_age: int | None, as_json: bool
) -> None:
    """Look for broken form, secrets, conflicts and violations of the contract; exit status 1 if something is to be mended."""
    with explained():
        used = _used_in_tests() if unused else None
        found = list(check.findings(paths, ignores=ignore, used=used, max_age_days=max_age))
    problems = sum(each.problem for each in found)
    if as_json:
        click.echo(json.dumps([asdict(each) for each in found], ensure_ascii=False, indent=2))
    else:
        for each in found:
            click.echo(f"{each}{'' if each.problem else '   (recorded so)'}")
        click.echo(f"{problems} to mend, {len(found) - problems} to know")
    if problems:
        raise SystemExit(1)


def _used_in_tests() -> list[str]:
    """The names of the stubs that answered in pytest's last run here.

    Raises:
        SetUpError: there was none.
    """
    path = Path(".pytest_cache", "v", "mockserver", "used")
    if not path.is_file():
        raise SetUpError(
            f"--unused looks at pytest's last run, and there is no {path}; run the tests first, from this folder"
        )
    used: list[str] = json.loads(path.read_text(encoding="utf-8"))
    return used
