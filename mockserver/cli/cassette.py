"""The commands that work on cassettes."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from mockserver.cassette_tools import check, diff, edit, importers, redact
from mockserver.cassette_tools.accept import AcceptError, accept, recorded_misses
from mockserver.cassette_tools.last_run import MISSED, USED, last_run, partial_run, require_whole_run
from mockserver.cassette_tools.merge import merge
from mockserver.cassette_tools.prune import prunings
from mockserver.cassette_tools.transcript import transcript
from mockserver.cassettes import cassette
from mockserver.cli.errors import user_errors
from mockserver.cli.param_types import PATH
from mockserver.contract.addresses import Backend
from mockserver.errors import count_of
from mockserver.exchange import Interaction
from mockserver.matching.call import Call


@click.group("cassette")
def cassette_group() -> None:
    """Work on cassettes."""


@cassette_group.command("fmt", short_help="Rewrite cassettes in their one form.")
@click.argument("paths", nargs=-1, required=True, type=PATH)
def cassette_fmt(paths: tuple[Path, ...]) -> None:
    """Rewrite cassettes in their one form, with a wait for each event, also after an edit by hand."""
    with user_errors():
        for name, path in cassette.files(paths):
            text = path.read_bytes()
            if cassette.is_scenario(text):
                continue
            formatted = cassette.dump(cassette.parse(path, text, fit_waits=True))
            if formatted.encode() != text:
                cassette.write(path, formatted)
                click.echo(f"{name}: rewritten")


@cassette_group.command("redact", short_help="Take out secrets that an older version wrote.")
@click.argument("paths", nargs=-1, required=True, type=PATH)
@click.option("--allow", multiple=True, metavar="TEXT", help="Keep this, and write that into the file; * is any part.")
def cassette_redact(paths: tuple[Path, ...], allow: tuple[str, ...]) -> None:
    """Take secrets and people out of cassettes, as the recorder does. Their answers stay as they are in everything else."""
    with user_errors():
        for name, path in cassette.files(paths):
            if cassette.is_scenario(path.read_bytes()):
                continue
            loaded = cassette.load(path)
            clean, secrets = redact.without_secrets(loaded, allow)
            for kind, count in secrets.items():
                click.echo(f"{name}: taken out: {kind}, {count_of(count, 'time')}")
            if clean != loaded:
                cassette.write(path, cassette.dump(clean))


@cassette_group.command("prune", short_help="Remove what the last run did not use.")
@click.argument("paths", nargs=-1, required=True, type=PATH)
@click.option("--yes", is_flag=True, help="Remove without asking first.")
def cassette_prune(paths: tuple[Path, ...], yes: bool) -> None:
    """Remove from cassettes what answered no request in pytest's last run in this folder, which must be of all tests."""
    with user_errors():
        found = list(prunings(paths, last_run(USED)))
        require_whole_run()
        for pruning in found:
            whole = "" if pruning.after else ", and with that the file"
            click.echo(f"{pruning.name}: {pruning.removed} of {len(pruning.before.interactions)} removed{whole}")
        if not found:
            click.echo("Everything answered a request.")
            return
        if not yes:
            click.confirm("Remove them?", abort=True, err=True)
        for pruning in found:
            pruning.carry_out()
        click.echo(f"{sum(pruning.removed for pruning in found)} removed")


@cassette_group.command("merge", short_help="Merge two versions, as git's merge driver.")
@click.argument("base", type=PATH)
@click.argument("ours", type=PATH)
@click.argument("theirs", type=PATH)
def cassette_merge(base: Path, ours: Path, theirs: Path) -> None:
    """Merge THEIRS into the file OURS; both came from BASE, which may be empty. Exit status 1 where both changed one answer.

    For git: git config merge.cassette.driver "dress-rehearsal cassette merge %O %A %B", and in .gitattributes
    `recordings/**/*.yaml merge=cassette`.
    """
    with user_errors():
        ancestor = cassette.load(base) if base.exists() and base.stat().st_size else None
        mine, yours = cassette.load(ours), cassette.load(theirs)
        if mine.source is not yours.source:
            raise AcceptError(
                f"one side is {mine.source}, the other {yours.source}: choose one, with git checkout --ours or --theirs"
            )
        merged, conflicts = merge(ancestor, mine, yours)
        cassette.write(ours, cassette.dump(merged))
        for number in conflicts:
            title = transcript(merged.interactions[number - 1]).title
            click.echo(f"#{number}: both sides changed it, ours stands: {title}; or record it again", err=True)
        if conflicts:
            raise SystemExit(1)


@cassette_group.command("import", short_help="Import recordings of other tools.")
@click.argument("paths", nargs=-1, required=True, type=PATH)
@click.option("--to", "folder", type=PATH, required=True, metavar="DIR", help="The folder for the new cassettes.")
@click.option(
    "--backend",
    type=click.Choice([backend.value for backend in Backend]),
    help="The backend of requests whose address does not tell.",
)
def cassette_import(paths: tuple[Path, ...], folder: Path, backend: str | None) -> None:
    """Make cassettes from recordings of vcrpy, Ruby's VCR, LangChain or Datadog's test agent."""
    with user_errors():
        cassettes, interactions, refused = 0, 0, 0
        for name, path in importers.files(paths):
            imported = importers.read(path, Backend(backend) if backend else None)
            target = folder / f"{name}.yaml"
            for refusal in imported.refused:
                where = f"{name}#{refusal.entry}" if refusal.entry else name
                click.echo(f"{where}: not imported: {refusal.reason}", err=True)
            for kind, count in imported.secrets.items():
                click.echo(f"{name}: taken out: {kind}, {count_of(count, 'time')}")
            refused += len(imported.refused)
            if not imported.interactions:
                continue
            text = cassette.dump(importers.as_cassette(imported, path))
            if target.exists() and target.read_text(encoding="utf-8") != text:
                click.echo(f"{name}: not imported: {target} already exists and is different", err=True)
                refused += len(imported.interactions)
                continue
            cassette.write(target, text)
            cassettes, interactions = cassettes + 1, interactions + len(imported.interactions)
        total = f"{count_of(interactions, 'interaction')} in {count_of(cassettes, 'cassette')}"
        click.echo(f"{total}; {refused} not imported")
        if refused or not cassettes:
            raise SystemExit(1)


@cassette_group.command("check", short_help="Check form, secrets, conflicts, contract.")
@click.argument("paths", nargs=-1, required=True, type=PATH)
@click.option(
    "--ignore", multiple=True, metavar="FIELD[=PATTERN]", help="A field, or a part of it, to ignore in a comparison."
)
@click.option(
    "--unused", is_flag=True, help="Also report what answered no request in pytest's last run in this folder."
)
@click.option("--max-age", type=click.IntRange(0), metavar="DAYS", help="Also report cassettes that are older.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def cassette_check(
    paths: tuple[Path, ...], ignore: tuple[str, ...], unused: bool, max_age: int | None, as_json: bool
) -> None:
    """Check the form, and look for secrets, conflicts and violations of the contract; exit status 1 if there are errors."""
    with user_errors():
        used = last_run(USED) if unused else None
        if unused and (why := partial_run()):
            click.echo(f"The last run was not of all tests: {why}.", err=True)
        findings = list(check.check(paths, ignores=ignore, used=used, max_age_days=max_age))
    errors = sum(finding.problem for finding in findings)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False, indent=2))
    else:
        for finding in findings:
            recorded = not finding.problem and finding.kind == "contract"
            click.echo(f"{finding}{'   (warning: recorded like this)' if recorded else ''}")
        click.echo(f"{count_of(errors, 'error')}, {count_of(len(findings) - errors, 'warning')}")
        if any(finding.kind == "secret" and finding.problem for finding in findings):
            click.echo(f"Take secrets out: dress-rehearsal cassette redact {' '.join(map(str, paths))}")
    if errors:
        raise SystemExit(1)


@cassette_group.command("show", short_help="Print cassettes as conversations.")
@click.argument("paths", nargs=-1, required=True, type=PATH)
def cassette_show(paths: tuple[Path, ...]) -> None:
    """Print cassettes as conversations; git can do this too, see docs/recording.md."""
    with user_errors():
        for name, path in cassette.files(paths):
            if cassette.is_scenario(path.read_bytes()):
                click.echo(f"{name}   a scenario\n{path.read_text(encoding='utf-8')}")
                continue
            loaded = cassette.load(path)
            notes = [loaded.date, loaded.upstream, loaded.tool, f"timing {loaded.timing}" if loaded.timing else ""]
            click.echo("   ".join(filter(None, [name, str(loaded.source), *notes])))
            for number, interaction in enumerate(loaded.interactions, 1):
                script = transcript(interaction)
                click.echo(f"\n#{number}  {script.title}")
                click.echo("\n".join(script.lines()))
            click.echo()


@cassette_group.command("diff", short_help="Compare two versions.")
@click.argument("before", type=PATH)
@click.argument("after", type=PATH)
@click.option("--markdown", is_flag=True, help="Print Markdown, for a comment on a pull request.")
def cassette_diff(before: Path, after: Path, markdown: bool) -> None:
    """Compare two versions of a cassette or of a folder; exit status 1 if something changed."""
    with user_errors():
        old, new = _interactions(before), _interactions(after)
        if before.is_file() and after.is_file():
            old, new = ({after.name: next(iter(cassettes.values()), ())} for cassettes in (old, new))
        diffs = diff.interaction_diffs(old, new)
    if not diffs:
        click.echo("Nothing changed.")
        return
    click.echo(diff.as_markdown(diffs, _facts(before), _facts(after)) if markdown else diff.as_text(diffs))
    raise SystemExit(1)


@cassette_group.command("edit", short_help="Replace an answer.")
@click.argument("path", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("number", type=click.IntRange(1))
@click.option("--answer", type=PATH, required=True, metavar="FILE", help="The new answer, as text or Markdown.")
def cassette_edit(path: Path, number: int, answer: Path) -> None:
    """Replace the answer of interaction NUMBER, cut into events and timed as before; this makes the cassette `authored`."""
    with user_errors():
        edited = edit.with_answer(cassette.load(path), number, answer.read_text(encoding="utf-8"), path=path)
        cassette.write(path, cassette.dump(edited))
        click.echo(f"{path.name}#{number}: rewritten; the cassette is now `authored`, because a person wrote an answer")


@cassette_group.command("accept", short_help="Keep old answers for changed prompts.")
@click.argument("paths", nargs=-1, required=True, type=PATH)
def cassette_accept(paths: tuple[Path, ...]) -> None:
    """Keep old answers for prompts that pytest's last run missed: marked as carried, never for another user message."""
    with user_errors():
        files = {str(path.resolve()): (name, path) for name, path in cassette.files(paths)}
        accepted, refused = 0, 0
        for miss in recorded_misses(last_run(MISSED)):
            file, _, number = miss.nearest.rpartition("#")
            name, path = files.get(file, ("", Path()))
            if not name or cassette.is_scenario(path.read_bytes()):
                continue
            loaded = cassette.load(path)
            fingerprint = Call(miss.request).canonical.fingerprint
            if any(Call(old.request).canonical.fingerprint == fingerprint for old in loaded.interactions):
                continue  # already carried over together with another one
            try:
                cassette.write(path, cassette.dump(accept(loaded, int(number), miss)))
            except AcceptError as error:
                click.echo(f"not carried over: {error}", err=True)
                refused += 1
                continue
            accepted += 1
            fields = ", ".join(difference.field for difference in miss.differences)
            click.echo(f"{name}#{number}: answers the new {fields}; carried over")
        click.echo(f"{accepted} carried over, {refused} not")
        if refused or not accepted:
            raise SystemExit(1)


def _facts(path: Path) -> dict[str, diff.FileFacts]:
    """The facts of each cassette below a path, by the cassette's name."""
    files = [(name, file) for name, file in cassette.files((path,)) if not cassette.is_scenario(file.read_bytes())]
    return {name: diff.file_facts(name, file) for name, file in files}


def _interactions(path: Path) -> dict[str, tuple[Interaction, ...]]:
    """The interactions of each cassette below a path, by the cassette's name."""
    return {
        name: cassette.load(file).interactions
        for name, file in cassette.files((path,))
        if not cassette.is_scenario(file.read_bytes())
    }
