"""The whole app."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from contracts.operations import Backend
from mockserver import console, tokens
from mockserver.cli.explained import PATH, PORT, explained, stoppable
from mockserver.cli.model import model_options, report_miss, say_findings, say_who_gets_in, settings, token_in_file
from mockserver.cli.site import DELIVERY, AppType, notes, running
from mockserver.functions.process import StartError
from mockserver.gate import Delivery
from mockserver.journal import Entry, Place
from mockserver.rehearsal import ApiOptions, Functions, Model, Rehearsal, SiteOptions, Topology
from mockserver.swa.personas import SHIPPED, load_personas
from mockserver.swa.states import State, load_states


@click.command()
@model_options
@click.option(
    "--backend",
    type=click.Choice([each.value for each in Backend]),
    default=Backend.OPENAI.value,
    show_default=True,
    help="Which endpoint the API is set up for.",
)
@click.option(
    "--webapp",
    type=AppType(),
    default="webapp/dist",
    show_default=True,
    metavar="DIR|URL",
    help="The built page, or its dev server.",
)
@click.option("--config", type=PATH, metavar="FILE", help="Its staticwebapp.config.json, where that lies elsewhere.")
@click.option(
    "--states",
    type=PATH,
    default="webapp/states.yaml",
    metavar="FILE",
    help="The states of the page, for /__mock/states. Default: webapp/states.yaml, where there is one.",
)
@click.option("--run", "command", metavar="COMMAND", help="Starts the page's dev server, and ends it.")
@click.option("--api", type=PATH, default="api", show_default=True, metavar="DIR", help="The function app.")
@click.option("--personas", type=PATH, default=SHIPPED, metavar="FILE", help="Whom one can sign in as.")
@DELIVERY
@click.option("--site-port", type=PORT, default=4280, show_default=True)
@click.option("--model-port", type=PORT, default=4281, show_default=True)
@click.option("--functions-port", type=PORT, default=7071, show_default=True)
@click.option("--direct-port", type=PORT, default=7072, show_default=True, help="With --topology direct.")
@click.option(
    "--topology",
    type=click.Choice([each.value for each in Topology]),
    default=Topology.LINKED.value,
    show_default=True,
    help="How the API is reached: managed functions, which do not stream; a linked back end; directly, with tickets.",
)
@click.option(
    "--instances",
    type=click.IntRange(1, 16),
    default=1,
    show_default=True,
    help="How many processes of the API stand behind the gate.",
)
@click.option("--debug", is_flag=True, help="Let a debugger attach to the API; it is not started anew then.")
def up(**options: Any) -> None:
    """Start the whole app; the last line says where it is."""
    topology = Topology(options["topology"])

    def report_model(entry: Entry) -> None:
        report_miss(entry)
        through_gate = endpoint.simulation.journal.joined(entry).only(place=Place.SITE)
        if not through_gate or topology is Topology.DIRECT:
            click.echo(console.model_line(entry))

    with explained():  # it may ask for a key, and Ctrl-C has to end that
        chosen = settings(options, options["model_port"], "--model-port")
    with explained(), stoppable() as stopped:
        endpoint = Model(chosen, report=report_model)
        served = ApiOptions(
            options["api"],
            Backend(options["backend"]),
            topology,
            port=options["functions_port"],
            direct_port=options["direct_port"],
            instances=options["instances"],
            debug=options["debug"],
            reload=not options["debug"],
        )
        functions = Functions(endpoint, served, stopped=stopped)
        site = SiteOptions(
            options["webapp"],
            load_personas(options["personas"]),
            port=options["site_port"],
            delivery=Delivery(options["delivery"]),
            config=options["config"],
            states=_states(options["states"]),
            address=options["address"],
        )
        rehearsal = Rehearsal(endpoint, functions, site, report=_report_visit)
        dev_server = running(options["command"], options["webapp"], stopped)
        with dev_server, endpoint, functions, rehearsal, token_in_file(endpoint) as token_file:
            _say_started(rehearsal, functions, token_file, options)
            tokens.load_early()
            while not stopped.wait(0.3):
                if functions.failed:
                    raise StartError("The Functions host ended by itself; the reason stands above.")


def _say_started(rehearsal: Rehearsal, functions: Functions, token_file: Path, options: dict[str, Any]) -> None:
    model, site = rehearsal.model, rehearsal.site
    say_findings(model)
    for line in notes(site):
        click.echo(line)
    answers, scenario = f"{len(model.simulation.library)} answers", model.simulation.scenario
    laid_over = f"; scenario: {scenario}" if scenario else ""
    click.echo(f"model      {model.url}/v1 and /openai   {answers}; on a miss: {options['on_miss']}{laid_over}")
    click.echo(f"control    {model.url}/__admin   token in {token_file}")
    say_who_gets_in(options["address"], token_file)
    how = f"{options['topology']}, set up for {options['backend']}"
    click.echo(f"functions  {', '.join(functions.urls)}   {options['api']}, {how}")
    if functions.direct_url:
        click.echo(f"direct     {functions.direct_url}   the model's answers, past the gate, with the site's tickets")
    click.echo(f"site       {options['webapp']}   sign in as {', '.join(site.personas)}")
    click.echo(rehearsal.url)


def _states(path: Path) -> tuple[State, ...]:
    given = click.get_current_context().get_parameter_source("states") is not ParameterSource.DEFAULT
    return load_states(path) if given or path.is_file() else ()


def _report_visit(visit: Entry, asked: Sequence[Entry]) -> None:
    if line := console.visit_line(visit, asked):
        click.echo(line)
