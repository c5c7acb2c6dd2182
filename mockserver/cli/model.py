"""The model endpoint alone, and what it shares with the whole app: the options, who gets in, what is said."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from mockserver import console, tokens
from mockserver.cli.explained import PATH, PORT, explained, stoppable
from mockserver.cli.recording import credentials_for
from mockserver.functions.process import READY
from mockserver.journal import Entry
from mockserver.library import SHIPPED
from mockserver.rehearsal import TOKEN_VARIABLE, Model, ModelOptions, SetUpError, state_folder
from mockserver.server import LOOPBACK
from mockserver.simulation import OnMiss


def model_options(command: Callable[..., None]) -> Callable[..., None]:
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
@model_options
@click.option("--port", type=PORT, default=4281, show_default=True)
@click.option("--api-key", metavar="KEY", help="The only key to accept. Default: any that is not empty.")
@click.option(
    "--deployment", "deployments", multiple=True, metavar="NAME=MODEL", help="A deployment there is; may be repeated."
)
def model(port: int, api_key: str | None, deployments: tuple[str, ...], **options: Any) -> None:
    """Start the model endpoint alone."""

    def report(entry: Entry) -> None:
        report_miss(entry)
        click.echo(console.model_line(entry))

    with explained():  # it may ask for a key, and Ctrl-C has to end that
        chosen = settings(options, port, "--port", api_key=api_key, deployments=_named(deployments))
    with (
        explained(),
        stoppable() as stopped,
        Model(chosen, report=report) as endpoint,
        token_in_file(endpoint) as token_file,
    ):
        say_findings(endpoint)
        click.echo(f"OPENAI_BASE_URL={endpoint.url}/v1   or azure_endpoint={endpoint.url}")
        say_who_gets_in(options["address"], token_file)
        if options["on_miss"] == OnMiss.RECORD:
            click.echo(f'OPENAI_API_KEY="$(cat {token_file})"   while recording, no other key is accepted')
        click.echo(
            f"{len(endpoint.simulation.library)} answers; on a miss: {options['on_miss']}; control: {endpoint.url}/__admin, token in {token_file}"
        )
        click.echo(f"{READY}{endpoint.url}")
        tokens.load_early()
        stopped.wait()


def settings(options: dict[str, Any], port: int, port_option: str, **more: Any) -> ModelOptions:
    """What the options of `model_options` ask for; `port_option` is what to name where the port is taken."""
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


def _named(deployments: tuple[str, ...]) -> dict[str, str]:
    """The model behind each deployment's name, from NAME=MODEL."""
    broken = next((each for each in deployments if not all(each.partition("="))), None)
    if broken is not None:
        raise SetUpError(f"--deployment {broken}: NAME=MODEL is needed, as in chat=gpt-4o-2024-11-20")
    return {name: model for name, _, model in (each.partition("=") for each in deployments)}


@contextmanager
def token_in_file(running: Model) -> Iterator[Path]:
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


def say_who_gets_in(address: str, token_file: Path) -> None:
    """Warn where other machines do."""
    if address != LOOPBACK:
        click.secho(
            f"open       to other machines at {address}, for who brings the token in {token_file}: as API key, or once as ?token=… in a browser",
            fg="yellow",
            err=True,
        )


def say_findings(model: Model) -> None:
    """List the rules that recorded answers break, each with how often and where first."""
    first: dict[str, tuple[str, int]] = {}
    for name, violation in model.simulation.library.findings:
        where, count = first.get(violation.rule, (f"{name}, {violation.field}: {violation.message}", 0))
        first[violation.rule] = (where, count + 1)
    for rule, (where, count) in first.items():
        click.echo(f"contract   recorded answers break {rule} {count} time{'s' * (count != 1)}, first {where}")


def report_miss(entry: Entry) -> None:
    """Say what no stub fitted, and what came nearest."""
    if text := console.miss_text(entry):
        click.secho(text, fg="yellow", err=True)
