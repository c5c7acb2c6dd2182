"""The `verdict` command: every fault against every surface of an app."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

import click

from mockserver.cli.errors import user_errors
from mockserver.cli.options import personas_option
from mockserver.cli.param_types import PATH, ApiType
from mockserver.cli.signals import stop_signal
from mockserver.contract.addresses import Backend
from mockserver.errors import count_of
from mockserver.harness.external_api import ExternalApi
from mockserver.harness.function_app import FunctionApp, api_environment
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import ApiOptions, ModelOptions, SiteOptions
from mockserver.harness.whole_app import WholeApp
from mockserver.swa.personas import load_personas
from mockserver.verdict.checks import Trial
from mockserver.verdict.expectations import EXPECTATIONS
from mockserver.verdict.report import Cell, write
from mockserver.verdict.surfaces import Surface, load_surfaces
from mockserver.verdict.trials import trials


@click.command()
@click.argument("surfaces", type=PATH, default="verdict.yaml", metavar="[FILE]")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    type=click.Choice(list(EXPECTATIONS)),
    metavar="KIND",
    help="Only this fault; may be repeated.",
)
@click.option("--surface", "names", multiple=True, metavar="NAME", help="Only this surface; may be repeated.")
@click.option("--webapp", type=PATH, default="webapp/dist", show_default=True, metavar="DIR", help="The built page.")
@click.option(
    "--api",
    type=ApiType(),
    default="api",
    show_default=True,
    metavar="DIR|URL",
    help="The Python function app, or where another API answers.",
)
@click.option(
    "--api-path",
    default="/api/chat/completions",
    show_default=True,
    metavar="PATH",
    help="Where the page asks its API.",
)
@click.option(
    "--backend",
    type=click.Choice([each.value for each in Backend]),
    default=Backend.OPENAI.value,
    show_default=True,
    help="The endpoint the app is configured for.",
)
@personas_option
@click.option(
    "--limit-s",
    type=click.FloatRange(1, 600),
    default=60,
    show_default=True,
    help="How many seconds an answer may take.",
)
@click.option(
    "--output",
    type=PATH,
    default="test-results/verdict",
    show_default=True,
    metavar="DIR",
    help="Where the reports go.",
)
def verdict(
    surfaces: Path,
    *,
    faults: Sequence[str],
    names: Sequence[str],
    webapp: Path,
    api: Path | str,
    api_path: str,
    backend: str,
    personas: Path,
    limit_s: float,
    output: Path,
) -> None:
    """Try every fault at every surface that FILE describes: a client's command, an API, a page. Exit status 0: nothing wrong, 1: something."""
    with user_errors(), stop_signal() as stopped:
        key = f"verdict-{secrets.token_hex(12)}"
        model = ModelEndpoint(ModelOptions(api_key=key))
        functions = (
            FunctionApp(model, ApiOptions(api, Backend(backend)), stopped=stopped)
            if isinstance(api, Path)
            else ExternalApi(api, Backend(backend))
        )
        with model, functions, WholeApp(model, functions, SiteOptions(webapp, load_personas(personas))) as app:
            environment = api_environment(model, Backend(backend))
            tried = _chosen(load_surfaces(surfaces, app, environment), names)
            cells = []
            try:
                for trial in trials(model, tried, faults or EXPECTATIONS, limit_s=limit_s, path=api_path):
                    cells.append(Cell.of(trial))
                    _say(cells[-1])
                    if stopped.is_set():
                        break
            finally:
                for surface in tried:
                    surface.close()
        write(output, cells)
    wrong = sum(bool(cell.found) for cell in cells)
    click.echo(f"{count_of(len(cells), 'trial')}, {wrong} with something wrong: {output / 'verdict.html'}")
    if wrong:
        raise SystemExit(1)


def _chosen(surfaces: Sequence[Surface], names: Sequence[str]) -> tuple[Surface, ...]:
    """The surfaces of these names, or all."""
    known = [surface.name for surface in surfaces]
    for name in names:
        if name not in known:
            raise click.BadParameter(f"no surface {name!r}; there are: {', '.join(known)}", param_hint="--surface")
    return tuple(surface for surface in surfaces if not names or surface.name in names)


def _say(cell: Cell) -> None:
    """One line for a trial, and one for each thing that is wrong."""
    trial: Trial = cell.trial
    mark = click.style("wrong", fg="red") if cell.found else click.style("ok", fg="green")
    click.echo(
        f"{mark:<5}  {trial.surface:<10} {trial.fault:<24} {trial.seen.took_s:5.1f} s  {count_of(len(trial.asked), 'request')}"
    )
    for each in cell.found:
        click.echo(f"         {each.check}: {each.words}")
