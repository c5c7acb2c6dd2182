"""The commands that start something and run until they are stopped."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from contracts.operations import Backend
from mockserver import console
from mockserver.cli.explained import PATH, explained, stoppable
from mockserver.cli.recording import credentials_for
from mockserver.cli.site import DELIVERY, AppType, notes, running
from mockserver.functions.process import READY, StartError, tell
from mockserver.functions.workers import WorkerKind
from mockserver.gate import Delivery
from mockserver.journal import Entry, Place
from mockserver.library import SHIPPED
from mockserver.rehearsal import (
    TOKEN_VARIABLE,
    ApiOptions,
    Functions,
    Model,
    ModelOptions,
    Rehearsal,
    SetUpError,
    SiteOptions,
    Topology,
    state_folder,
)
from mockserver.server import LOOPBACK, Servers, bind, url_of
from mockserver.simulation import OnMiss
from mockserver.swa.personas import SHIPPED as SHIPPED_PERSONAS
from mockserver.swa.personas import load_personas
from mockserver.swa.states import State, load_states

_PORT = click.IntRange(0, 65535)


def _model_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of everything that answers as a model."""
    for option in (
        click.option(
            "--ignore",
            multiple=True,
            metavar="FIELD[=PATTERN]",
            help="What does not count in a comparison, as messages[*].content=date; may be repeated.",
        ),
        click.option(
            "--speed",
            type=click.FloatRange(min=0, min_open=True),
            default=1.0,
            metavar="X",
            help="Play answers X times as fast.",
        ),
        click.option(
            "--latency",
            default="",
            metavar="PROFILE",
            help="The pace of made-up answers: first=600ms,p95=2s,rate=45tok/s,seed=1, or `fitted` to the cassettes.",
        ),
        click.option(
            "--upstream",
            metavar="URL",
            help="The real endpoint to record from. Its key: OPENAI_API_KEY or AZURE_OPENAI_API_KEY.",
        ),
        click.option(
            "--limit",
            "limits",
            multiple=True,
            metavar="NAME=6rpm,1000tpm",
            help="Requests and tokens a minute of a model or deployment, * for every one; may be repeated.",
        ),
        click.option(
            "--scenario", metavar="NAME", help="A scenario of a `scenarios` folder to lay over the cassettes."
        ),
        click.option(
            "--bind",
            "address",
            default=LOOPBACK,
            show_default=True,
            metavar="ADDR",
            help=f"An address of this machine, or 0.0.0.0: others get in with the run's token, or the one in {TOKEN_VARIABLE}.",
        ),
        click.option("--keep-errors", is_flag=True, help="Record a 401, 403, 429, 5xx and what broke off, too."),
        click.option(
            "--on-miss",
            type=click.Choice([each.value for each in OnMiss]),
            default=OnMiss.ERROR.value,
            show_default=True,
            help="For a request that no stub fits.",
        ),
        click.option(
            "--cassettes",
            type=PATH,
            multiple=True,
            metavar="DIR",
            help="Cassettes and scenarios; may be repeated. Default: those that come along.",
        ),
    ):
        command = option(command)
    return command


@click.command()
@_model_options
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
@click.option("--personas", type=PATH, default=SHIPPED_PERSONAS, metavar="FILE", help="Whom one can sign in as.")
@DELIVERY
@click.option("--site-port", type=_PORT, default=4280, show_default=True)
@click.option("--model-port", type=_PORT, default=4281, show_default=True)
@click.option("--functions-port", type=_PORT, default=7071, show_default=True)
@click.option("--direct-port", type=_PORT, default=7072, show_default=True, help="With --topology direct.")
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
def up(webapp: Path | str, api: Path, personas: Path, **options: Any) -> None:
    """Start the whole app; the last line says where it is."""
    backend = Backend(options["backend"])

    def report_model(entry: Entry) -> None:
        _report_miss(entry)
        through_gate = endpoint.simulation.journal.joined(entry).only(place=Place.SITE)
        if not through_gate or options["topology"] == Topology.DIRECT:
            _say(console.model_line(entry))

    with explained(), stoppable() as stopped:
        endpoint = Model(_model(options, options["model_port"], "--model-port"), report=report_model)
        topology = Topology(options["topology"])
        ports = {"port": options["functions_port"], "direct_port": options["direct_port"]}
        served = ApiOptions(
            api,
            backend,
            topology,
            **ports,
            instances=options["instances"],
            debug=options["debug"],
            reload=not options["debug"],
        )
        functions = Functions(endpoint, served, stopped=stopped)
        delivery = Delivery(options["delivery"])
        site = SiteOptions(
            webapp,
            load_personas(personas),
            options["site_port"],
            delivery,
            options["config"],
            _states(options["states"]),
            options["address"],
        )
        rehearsal = Rehearsal(endpoint, functions, site, report=_report_visit)
        dev_server = running(options["command"], webapp, stopped)
        with dev_server, endpoint, functions, rehearsal, _token_file(endpoint) as token_file:
            _say_findings(endpoint)
            for line in notes(rehearsal.site):
                _say(line)
            answers = endpoint.simulation.library
            _say(
                f"model      {endpoint.url}/v1 and /openai   {len(answers)} answers; on a miss: {options['on_miss']}{_laid_over(endpoint)}"
            )
            _say(f"control    {endpoint.url}/__admin   token in {token_file}")
            _say_who_gets_in(options["address"], token_file)
            _say(f"functions  {', '.join(functions.urls)}   {api}, {topology}, set up for {backend}")
            if functions.direct_url:
                _say(f"direct     {functions.direct_url}   the model's answers, past the gate, with the site's tickets")
            _say(f"site       {webapp}   sign in as {', '.join(rehearsal.site.personas)}")
            click.echo(rehearsal.url)
            _wait(stopped, lambda: functions.failed)


@click.command()
@_model_options
@click.option("--port", type=_PORT, default=4281, show_default=True)
@click.option("--api-key", metavar="KEY", help="The only key to accept. Default: any that is not empty.")
@click.option(
    "--deployment", "deployments", multiple=True, metavar="NAME=MODEL", help="A deployment there is; may be repeated."
)
def model(port: int, api_key: str | None, deployments: tuple[str, ...], **options: Any) -> None:
    """Start the model endpoint alone."""

    def report(entry: Entry) -> None:
        _report_miss(entry)
        _say(console.model_line(entry))

    with (
        explained(),
        stoppable() as stopped,
        Model(
            _model(options, port, "--port", api_key=api_key, deployments=_named(deployments)), report=report
        ) as endpoint,
        _token_file(endpoint) as token_file,
    ):
        _say_findings(endpoint)
        _say(f"OPENAI_BASE_URL={endpoint.url}/v1   or azure_endpoint={endpoint.url}")
        _say_who_gets_in(options["address"], token_file)
        if options["on_miss"] == OnMiss.RECORD:
            _say(f'OPENAI_API_KEY="$(cat {token_file})"   while recording, no other key is accepted')
        _say(
            f"{len(endpoint.simulation.library)} answers; on a miss: {options['on_miss']}; control: {endpoint.url}/__admin, token in {token_file}"
        )
        click.echo(f"{READY}{endpoint.url}")
        stopped.wait()


@click.command()
@click.option("--app", type=PATH, required=True, metavar="DIR", help="The folder of function_app.py.")
@click.option("--port", type=_PORT, default=7071, show_default=True)
@click.option(
    "--worker",
    type=click.Choice([each.value for each in WorkerKind]),
    default=WorkerKind.AUTO.value,
    show_default=True,
    help="Microsoft's own needs Python 3.13; auto takes it where it can.",
)
@click.option(
    "--key", metavar="KEY", help="What opens functions that are not anonymous. Default: nothing is asked for."
)
@click.option(
    "--cors", "origins", multiple=True, metavar="ORIGIN", help="A site whose pages may ask it; may be repeated."
)
@click.option("--reload", is_flag=True, help="Start anew whenever a file of the app changes.")
@click.option("--debug", is_flag=True, help="Let a debugger attach.")
@click.option("--stop-on-eof", is_flag=True, hidden=True, help="End when standard input does, and tell of every call.")
def functions(app: Path, port: int, **options: Any) -> None:
    """Start a function app alone."""
    from mockserver.functions.app import LoadError, open_app
    from mockserver.functions.debug import listen
    from mockserver.functions.host import FunctionsHost
    from mockserver.functions.reload import changed, start_anew, started_anew
    from mockserver.functions.workers import start_worker

    app, here = app.resolve(), Path.cwd()
    # Bytecode is compared by the second: an app that is edited twice in one would be loaded as it was.
    sys.dont_write_bytecode |= options["reload"]
    with explained(), stoppable() as stopped:
        socket = bind(port, "the Functions host")
        port = socket.getsockname()[1]
        if options["stop_on_eof"]:
            threading.Thread(target=_stop_at_eof, args=(stopped,), daemon=True).start()
        report = tell if options["stop_on_eof"] else lambda _call: None
        try:
            opened = open_app(app)
            if options["debug"]:
                listen()
            worker, which = start_worker(opened, WorkerKind(options["worker"]))
        except LoadError as error:
            if not options["reload"] or not started_anew():
                raise click.ClickException(str(error)) from error
            click.secho(f"{error}\nWaiting for it to be mended.", fg="yellow", err=True)
            changed(app, stopped)
            if not stopped.is_set():
                start_anew(port, here)
            return
        host = FunctionsHost(worker, key=options["key"], origins=opened.origins | {*options["origins"]}, report=report)
        servers = Servers((host, socket), at_end=worker.close)
        servers.start()
        _say(f"functions  {len(worker.functions)} on {which}")
        click.echo(f"{READY}{url_of(socket)}")
        sys.stdout.flush()
        try:
            changed(app, stopped) if options["reload"] else stopped.wait()
        finally:
            servers.stop()
        if not stopped.is_set():
            _say("functions  a file of the app has changed: starting anew")
            start_anew(port, here)


# --- shared by the commands ------------------------------------------------------------------------------------------


def _model(options: dict[str, Any], port: int, port_option: str, **more: Any) -> ModelOptions:
    on_miss = OnMiss(options["on_miss"])
    folders = options["cassettes"] or (() if on_miss is OnMiss.RECORD else (SHIPPED,))
    return ModelOptions(
        folders,
        on_miss,
        options["upstream"],
        port,
        speed=options["speed"],
        ignores=options["ignore"],
        latency=options["latency"],
        limits=options["limits"],
        scenario=options["scenario"],
        keep_errors=options["keep_errors"],
        address=options["address"],
        token=_token() if options["address"] != LOOPBACK else "",
        credentials=credentials_for(options["upstream"]) if on_miss is OnMiss.RECORD and options["upstream"] else None,
        port_option=port_option,
        **more,
    )


def _token() -> str:
    """The token that was chosen for this run, if one was."""
    token = os.environ.pop(TOKEN_VARIABLE, "")  # what is started from here has no use for it
    if token and not re.fullmatch(r"[\w-]{16,}", token, re.ASCII):
        raise SetUpError(f"{TOKEN_VARIABLE}: 16 or more letters, digits, - and _ are needed")
    return token


def _say_who_gets_in(address: str, token_file: Path) -> None:
    if address != LOOPBACK:
        click.secho(
            f"open       to other machines at {address}, for who brings the token in {token_file}: as API key, or once as ?token=… in a browser",
            fg="yellow",
            err=True,
        )


def _states(path: Path) -> tuple[State, ...]:
    given = click.get_current_context().get_parameter_source("states") is not ParameterSource.DEFAULT
    return load_states(path) if given or path.is_file() else ()


def _named(deployments: tuple[str, ...]) -> dict[str, str]:
    """The model behind each deployment's name, from NAME=MODEL."""
    broken = next((each for each in deployments if not all(each.partition("="))), None)
    if broken is not None:
        raise SetUpError(f"--deployment {broken}: NAME=MODEL is needed, as in chat=gpt-4o-2024-11-20")
    return {name: model for name, _, model in (each.partition("=") for each in deployments)}


@contextmanager
def _token_file(running: Model) -> Iterator[Path]:
    """The control token of this run, in a file for this user alone while it runs."""
    folder = state_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"token-{running.url.rpartition(':')[2]}"
    path.unlink(missing_ok=True)
    path.touch(0o600)
    path.write_text(running.token, encoding="ascii")
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _wait(stopped: threading.Event, failed: Callable[[], bool]) -> None:
    """Return once it is stopped.

    Raises:
        StartError: something ended by itself.
    """
    while not stopped.wait(0.3):
        if failed():
            raise StartError("The Functions host ended by itself; the reason stands above.")


def _stop_at_eof(stopped: threading.Event) -> None:
    sys.stdin.read()
    stopped.set()


def _say_findings(model: Model) -> None:
    """List the rules that recorded answers break, each with how often and where first."""
    first: dict[str, tuple[str, int]] = {}
    for name, violation in model.simulation.library.findings:
        where, count = first.get(violation.rule, (f"{name}, {violation.field}: {violation.message}", 0))
        first[violation.rule] = (where, count + 1)
    for rule, (where, count) in first.items():
        _say(f"contract   recorded answers break {rule} {count} time{'s' * (count != 1)}, first {where}")


def _laid_over(model: Model) -> str:
    chosen = model.simulation.scenario
    return f"; scenario: {chosen}" if chosen else ""


def _report_miss(entry: Entry) -> None:
    if text := console.miss_text(entry):
        click.secho(text, fg="yellow", err=True)


def _report_visit(visit: Entry, asked: Sequence[Entry]) -> None:
    if line := console.visit_line(visit, asked):
        _say(line)


def _say(text: str) -> None:
    click.echo(text)
