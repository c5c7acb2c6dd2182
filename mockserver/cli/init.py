"""The `init` command: the few files with which somebody's project is rehearsed."""

from __future__ import annotations

from pathlib import Path

import click

from mockserver.adoption.changes import changes, next_steps
from mockserver.adoption.project import look
from mockserver.cli.errors import user_errors
from mockserver.cli.param_types import PATH


@click.command()
@click.argument("folder", type=PATH, default=".", metavar="[DIR]")
@click.option("--yes", is_flag=True, help="Write without asking.")
def init(folder: Path, *, yes: bool) -> None:
    """Look at the project in DIR, show the few files that it lacks for rehearsing, and write them."""
    with user_errors():
        if not folder.is_dir():
            raise click.BadParameter(f"no folder at {folder}", param_hint="DIR")
        project = look(folder)
        for what, where in project.found:
            click.echo(f"found  {what}: {where}")
        lacking = changes(project)
        if not lacking:
            click.echo("Nothing is lacking.")
            return
        for change in lacking:
            click.echo(f"\n{click.style(change.path, bold=True)}: {change.why}\n{change.diff}", nl=False)
        names = ", ".join(change.path for change in lacking)
        if not (yes or click.confirm(f"\nWrite {names}?")):
            click.echo("Nothing was written.")
            return
        for change in lacking:
            path = folder / change.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(change.after, encoding="utf-8")
        click.echo(f"\nWritten: {names}\nNext:")
        for step in next_steps(project):
            click.echo(f"  {step}")
