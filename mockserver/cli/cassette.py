"""The commands that work on cassettes."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from mockserver.cassette_tools import check, diff, edit, importers
from mockserver.cassette_tools.accept import AcceptError, accept, recorded_misses
from mockserver.cassette_tools.last_run import MISSED, USED, last_run
from mockserver.cassette_tools.transcript import transcript
from mockserver.cassettes import cassette
from mockserver.cli.errors import user_errors
from mockserver.cli.param_types import PATH
from mockserver.contract.operations import Backend
from mockserver.exchange import Interaction
from mockserver.matching.call import Call


@click.group("cassette")
def cassette_group() -> None:
    """Work on cassettes."""


@cassette_group.command("fmt")
@click.argument("paths", nargs=-1, required=True, type=PATH)
def cassette_fmt(paths: tuple[Path, ...]) -> None:
    """Write cassettes in their one form, with waits that fit the events again after an edit by hand."""
    with user_errors():
        for name, path in cassette.files(paths):
            text = path.read_bytes()
            if cassette.is_scenario(text):
                continue
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
    with user_errors():
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
    with user_errors():
        used = last_run(USED) if unused else None
        found = list(check.check(paths, ignores=ignore, used=used, max_age_days=max_age))
    problems = sum(each.problem for each in found)
    if as_json:
        click.echo(json.dumps([asdict(each) for each in found], ensure_ascii=False, indent=2))
    else:
        for each in found:
            click.echo(f"{each}{'' if each.problem else '   (recorded so)'}")
        click.echo(f"{problems} to mend, {len(found) - problems} to know")
    if problems:
        raise SystemExit(1)


@cassette_group.command("show")
@click.argument("paths", nargs=-1, required=True, type=PATH)
def cassette_show(paths: tuple[Path, ...]) -> None:
    """Print cassettes as conversations; git can do so too, see the README."""
    with user_errors():
        for name, path in _named(paths):
            if cassette.is_scenario(path.read_bytes()):
                click.echo(f"{name}   a scenario\n{path.read_text(encoding='utf-8')}")
                continue
            loaded = cassette.load(path)
            notes = [loaded.date, loaded.upstream, loaded.tool, f"timing {loaded.timing}" if loaded.timing else ""]
            click.echo("   ".join(filter(None, [name, str(loaded.source), *notes])))
            for number, interaction in enumerate(loaded.interactions, 1):
                words = transcript(interaction)
                click.echo(f"\n#{number}  {words.title}")
                click.echo("\n".join(words.lines()))
            click.echo()


@cassette_group.command("diff")
@click.argument("before", type=PATH)
@click.argument("after", type=PATH)
@click.option("--markdown", is_flag=True, help="For a comment on a pull request.")
def cassette_diff(before: Path, after: Path, markdown: bool) -> None:
    """Compare two versions of a cassette or of a folder; exit status 1 if something changed."""
    with user_errors():
        old, new = (_interactions(each) for each in (before, after))
        if before.is_file() and after.is_file():
            old, new = ({after.name: next(iter(each.values()), ())} for each in (old, new))
        found = diff.differing(old, new)
    if not found:
        click.echo("Nothing changed.")
        return
    click.echo(diff.as_markdown(found) if markdown else diff.as_text(found))
    raise SystemExit(1)


@cassette_group.command("edit")
@click.argument("path", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("number", type=click.IntRange(1))
@click.option("--answer", type=PATH, required=True, metavar="FILE", help="The new answer, as text or markdown.")
def cassette_edit(path: Path, number: int, answer: Path) -> None:
    """Give interaction NUMBER another answer, cut into events and timed as before; the cassette is authored from then on."""
    with user_errors():
        edited = edit.with_answer(cassette.load(path), number, answer.read_text(encoding="utf-8"), path=path)
        cassette.write(path, cassette.dump(edited))
        click.echo(f"{path.name}#{number}: written anew; the cassette is `authored` now, as no model said all of it")


@cassette_group.command("accept")
@click.argument("paths", nargs=-1, required=True, type=PATH)
def cassette_accept(paths: tuple[Path, ...]) -> None:
    """Keep old answers for prompts that pytest's last run missed: marked as carried, never for another user message."""
    with user_errors():
        files, done, left = dict(_named(paths)), 0, 0
        for miss in recorded_misses(last_run(MISSED)):
            name, _, number = miss.nearest.rpartition("#")
            if name not in files or cassette.is_scenario(files[name].read_bytes()):
                continue
            loaded = cassette.load(files[name])
            if any(
                Call(each.request).canonical.fingerprint == Call(miss.request).canonical.fingerprint
                for each in loaded.interactions
            ):
                continue  # carried over together with another one
            try:
                cassette.write(files[name], cassette.dump(accept(loaded, int(number), miss)))
            except AcceptError as error:
                click.echo(f"not carried over: {error}", err=True)
                left += 1
                continue
            done += 1
            click.echo(
                f"{miss.nearest}: answers the new {', '.join(each.field for each in miss.differences)}; carried over"
            )
        click.echo(f"{done} carried over, {left} left")
        if left or not done:
            raise SystemExit(1)


def _named(paths: tuple[Path, ...]) -> list[tuple[str, Path]]:
    return list(cassette.files(paths))


def _interactions(path: Path) -> dict[str, tuple[Interaction, ...]]:
    """The interactions of each cassette below a path, by its name."""
    return {
        name: cassette.load(each).interactions
        for name, each in _named((path,))
        if not cassette.is_scenario(each.read_bytes())
    }
