"""The `up` command: the whole app."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import click
from click.core import ParameterSource

from mockserver.cli import console
from mockserver.cli.dev_server import running
from mockserver.cli.errors import user_errors
from mockserver.cli.options import ModelChoice, delivery_option, model_options, personas_option
from mockserver.cli.param_types import PATH, PORT, ApiType, AppType
from mockserver.cli.signals import stop_signal
from mockserver.cli.site import config_notes
from mockserver.cli.startup import (
    print_authority,
    print_recorded,
    print_violations,
    report_miss,
    settle,
    token_in_file,
    warn_of_other_machines,
)
from mockserver.contract.addresses import Backend
from mockserver.fronts.gate import Delivery
from mockserver.functions.process import StartError
from mockserver.harness.environment import without_real_settings
from mockserver.harness.external_api import ExternalApi
from mockserver.harness.function_app import FunctionApp, api_environment
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import ApiOptions, OptionsError, SiteOptions, Topology
from mockserver.harness.whole_app import WholeApp
from mockserver.journal.entry import Entry, Place
from mockserver.journal.journal import Journal
from mockserver.swa.personas import load_personas
from mockserver.swa.states import State, load_states


@click.command()
@model_options
@click.option(
    "--backend",
    type=click.Choice([backend.value for backend in Backend]),
    default=Backend.OPENAI.value,
    show_default=True,
    help="The endpoint the API is configured for.",
)
@click.option(
    "--webapp",
    type=AppType(),
    default="webapp/dist",
    show_default=True,
    metavar="DIR|URL",
    help="The built page, or its dev server.",
)
@click.option("--config", type=PATH, metavar="FILE", help="Its staticwebapp.config.json, if that is elsewhere.")
@click.option(
    "--states",
    type=PATH,
    default="webapp/states.yaml",
    metavar="FILE",
    help="The states of the page, for /__mock/states. Default: webapp/states.yaml, if there is one.",
)
@click.option("--run", "command", metavar="COMMAND", help="Start the page's dev server with this, and stop it.")
@click.option(
    "--api",
    type=ApiType(),
    default="api",
    show_default=True,
    metavar="DIR|URL",
    help="The Python function app, or where another API answers: func start, Node, .NET.",
)
@click.option(
    "--run-api",
    "api_command",
    metavar="COMMAND",
    help="Start that other API with this, its model's address in its environment.",
)
@personas_option
@delivery_option
@click.option("--site-port", type=PORT, default=4280, show_default=True)
@click.option("--model-port", type=PORT, default=4281, show_default=True)
@click.option("--functions-port", type=PORT, default=7071, show_default=True)
@click.option("--direct-port", type=PORT, default=7072, show_default=True, help="With --topology direct.")
@click.option(
    "--topology",
    type=click.Choice([topology.value for topology in Topology]),
    default=Topology.LINKED.value,
    show_default=True,
    help="How the API is reached: managed functions, which do not stream; a linked back end; directly, with tickets.",
)
@click.option(
    "--instances",
    type=click.IntRange(1, 16),
    default=1,
    show_default=True,
    help="The number of API processes behind the gate.",
)
@click.option("--debug", is_flag=True, help="Let a debugger attach to the API, which then does not restart on changes.")
def up(
    choice: ModelChoice,
    *,
    backend: str,
    webapp: Path | str,
    config: Path | None,
    states: Path,
    command: str | None,
    api: Path | str,
    api_command: str | None,
    personas: Path,
    delivery: str,
    site_port: int,
    model_port: int,
    functions_port: int,
    direct_port: int,
    topology: str,
    instances: int,
    debug: bool,
) -> None:
    """Start the whole app; the last line is its address."""

    with user_errors():  # it may ask for a key, and Ctrl-C must end that
        endpoint_options = choice.options(model_port, "--model-port")
    with user_errors(), stop_signal() as stopped:
        endpoint = ModelEndpoint(
            endpoint_options, report=lambda ended: _report_model(endpoint.simulation.journal, topology, ended)
        )
        api_options = ApiOptions(
            Path(api),
            Backend(backend),
            Topology(topology),
            port=functions_port,
            direct_port=direct_port,
            instances=instances,
            debug=debug,
            reload=not debug,
        )
        functions = _api(endpoint, api, api_options, stopped)
        site_options = SiteOptions(
            webapp,
            load_personas(personas),
            port=site_port,
            delivery=Delivery(delivery),
            config=config,
            states=_states(states, endpoint.simulation.index.scenarios.names),
            address=choice.address,
        )
        app = WholeApp(endpoint, functions, site_options, report=_report_visit)
        served = running(command, webapp, stopped, "--webapp URL")
        api_served = _running_api(api_command, api, endpoint, Backend(backend), stopped)
        with served, endpoint, api_served as api_status, functions, app, token_in_file(endpoint) as token_file:
            _print_started(app, functions, api_options, choice.address, token_file)
            settle(counts_tokens=True)
            while not stopped.wait(0.3):
                if functions.failed:
                    raise StartError("The Functions host stopped; its own output says why.")
                if (status := api_status()) is not None:
                    raise StartError(f"--run-api {api_command!r} ended with status {status}; its own output says why.")
        print_recorded(endpoint)


def _api(
    model: ModelEndpoint, api: Path | str, options: ApiOptions, stopped: threading.Event
) -> FunctionApp | ExternalApi:
    """The API: a function app that is started here, or one that answers at a URL.

    Raises:
        OptionsError: options for what is not started here.
    """
    if isinstance(api, Path):
        return FunctionApp(model, options, stopped=stopped)
    if options.topology is Topology.DIRECT or options.instances > 1 or options.debug:
        raise OptionsError(
            "--topology direct, --instances and --debug are for a function app that is started here: --api DIR"
        )
    return ExternalApi(api, options.backend)


def _running_api(
    command: str | None, api: Path | str, model: ModelEndpoint, backend: Backend, stopped: threading.Event
) -> AbstractContextManager[Callable[[], int | None]]:
    """The command that starts the API at a URL, with the settings that point it at the model.

    Raises:
        OptionsError: a command without a URL.
    """
    if command is not None and isinstance(api, Path):
        raise OptionsError("--run-api needs the URL at which the API will answer: --api http://localhost:PORT")
    # The blank ones too: a settings file of its own must not name another model, nor where telemetry goes.
    settings = {**without_real_settings(), **api_environment(model, backend)}
    return running(command, api, stopped, "--api URL", option="--run-api", environment=settings)


def _print_started(
    app: WholeApp, functions: FunctionApp | ExternalApi, options: ApiOptions, address: str, token_file: Path
) -> None:
    model, site = app.model, app.site
    simulation = model.simulation
    print_violations(model)
    for line in config_notes(site):
        click.echo(line)
    scenario = simulation.scopes.everybody.scenario
    facts = f"{len(simulation.index)} answers; on a miss: {simulation.settings.on_miss}"
    click.echo(f"model      {model.url}/v1 and /openai   {facts}{f'; scenario: {scenario}' if scenario else ''}")
    click.echo(f"control    {model.url}/__admin   token in {token_file}")
    print_authority(model)
    warn_of_other_machines(address, token_file)
    if isinstance(functions, ExternalApi):
        settings = {
            name: value for name, value in api_environment(model, options.backend).items() if value and "OPENAI" in name
        }
        click.echo(
            f"api        {functions.url}   for it: {' '.join(f'{name}={value}' for name, value in settings.items())}"
        )
    else:
        click.echo(f"functions  {', '.join(functions.urls)}   {options.app}, {options.topology}, for {options.backend}")
    if functions.direct_url:
        click.echo(f"direct     {functions.direct_url}   the model's answers, past the gate, with the site's tickets")
    click.echo(f"console    {app.url}/__mock/   what happens, and the next answer for you")
    click.echo(f"site       {site.app_url or site.folder}   sign in as {', '.join(site.personas)}")
    click.echo(app.url)


def _states(path: Path, scenarios: Collection[str]) -> tuple[State, ...]:
    """The states of a file; of the default one, only those whose scenario is there: `--cassettes` may leave it out."""
    if click.get_current_context().get_parameter_source("states") is not ParameterSource.DEFAULT:
        return load_states(path)
    states = load_states(path) if path.is_file() else ()
    return tuple(state for state in states if state.scenario is None or state.scenario in scenarios)


def _report_model(journal: Journal, topology: str, ended: Sequence[Entry]) -> None:
    """Print what no visit at the gate, which has a line of its own, has caused."""
    for entry in ended:
        report_miss(entry)
        if topology == Topology.DIRECT or not journal.joined(entry).only(place=Place.SITE):
            console.say(console.model_line(entry))


def _report_visit(visit: Entry, model_entries: Sequence[Entry]) -> None:
    if line := console.visit_line(visit, model_entries):
        console.say(line)
