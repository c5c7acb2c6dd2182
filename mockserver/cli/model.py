"""The `model` command: the model endpoint alone."""

from __future__ import annotations

from collections.abc import Sequence

import click

from mockserver.cli import console
from mockserver.cli.errors import user_errors
from mockserver.cli.options import ModelChoice, model_options
from mockserver.cli.param_types import PORT
from mockserver.cli.signals import stop_signal
from mockserver.cli.startup import (
    print_authority,
    print_recorded,
    print_violations,
    report_miss,
    settle,
    token_in_file,
    warn_of_other_machines,
)
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.journal.entry import Entry
from mockserver.simulation.settings import OnMiss


@click.command()
@model_options
@click.option("--port", type=PORT, default=4281, show_default=True)
@click.option("--api-key", metavar="KEY", help="The only key to accept. Default: any that is not empty.")
@click.option(
    "--deployment", "deployments", multiple=True, metavar="NAME=MODEL", help="Declare a deployment; may be repeated."
)
def model(choice: ModelChoice, *, port: int, api_key: str | None, deployments: tuple[str, ...]) -> None:
    """Start the model endpoint alone."""

    def report(entries: Sequence[Entry]) -> None:
        for entry in entries:
            report_miss(entry)
        console.say(*map(console.model_line, entries))

    with user_errors():  # it may ask for a key, and Ctrl-C must end that
        options = choice.options(port, "--port", api_key=api_key, deployments=deployments)
    with (
        user_errors(),
        stop_signal() as stopped,
        ModelEndpoint(options, report=report) as endpoint,
        token_in_file(endpoint) as token_file,
    ):
        print_violations(endpoint)
        click.echo(f"OPENAI_BASE_URL={endpoint.url}/v1   or azure_endpoint={endpoint.url}")
        print_authority(endpoint)
        warn_of_other_machines(choice.address, token_file)
        if options.on_miss is OnMiss.RECORD:
            click.echo(f'OPENAI_API_KEY="$(cat {token_file})"   while recording, no other key is accepted')
        count = len(endpoint.simulation.index)
        click.echo(
            f"{count} answers; on a miss: {choice.on_miss}; control: {endpoint.url}/__admin, token in {token_file}"
        )
        click.echo(f"ready {endpoint.url}")
        settle(counts_tokens=options.on_miss is OnMiss.GENERATE or bool(options.limits))
        stopped.wait()
    print_recorded(endpoint)
