"""The `model` command: the model endpoint alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from mockserver.cli import console
from mockserver.cli.errors import user_errors
from mockserver.cli.options import ModelChoice, model_options
from mockserver.cli.param_types import PORT, redis_url
from mockserver.cli.signals import signal_socket, stop_signal
from mockserver.cli.startup import (
    print_authority,
    print_recorded,
    print_violations,
    report_miss,
    settle,
    token_in_file,
    warn_of_other_machines,
)
from mockserver.errors import count_of
from mockserver.harness.environment import TOKEN_VARIABLE
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import ModelOptions
from mockserver.journal.entry import Entry
from mockserver.simulation.settings import OnMiss
from mockserver.workers.processes import Processes


@click.command()
@model_options
@click.option("--port", type=PORT, default=4281, show_default=True)
@click.option("--api-key", metavar="KEY", help="The only key to accept. Default: any that is not empty.")
@click.option(
    "--deployment", "deployments", multiple=True, metavar="NAME=MODEL", help="Declare a deployment; may be repeated."
)
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes behind the port; Linux only."
)
@click.option(
    "--redis",
    envvar="DRESS_REHEARSAL_REDIS",
    callback=redis_url,
    metavar="URL",
    help=f"Share limits, counts, scopes and what is said among all processes with the same {TOKEN_VARIABLE}. "
    "As redis://127.0.0.1:6379; also from DRESS_REHEARSAL_REDIS.",
)
def model(
    choice: ModelChoice, *, port: int, api_key: str | None, deployments: tuple[str, ...], workers: int, redis: str
) -> None:
    """Start the model endpoint alone."""

    def report(entries: Sequence[Entry]) -> None:
        for entry in entries:
            report_miss(entry)
        console.say(*map(console.model_line, entries))

    with user_errors():  # it may ask for a key, and Ctrl-C must end that
        options = choice.options(port, "--port", api_key=api_key, deployments=deployments, workers=workers, redis=redis)
    if workers == 1:
        with (
            user_errors(),
            stop_signal() as stopped,
            ModelEndpoint(options, report=report) as endpoint,
            _announced(endpoint, options),
        ):
            stopped.wait()
        print_recorded(endpoint)
        return
    with user_errors(), signal_socket() as signals:
        endpoint = ModelEndpoint(options, report=report)
        _settle(options)  # before the processes part, so that they have it in common
        with Processes(workers, endpoint.worker) as processes, _announced(endpoint, options):
            processes.watch(signals)


@contextmanager
def _announced(endpoint: ModelEndpoint, options: ModelOptions) -> Iterator[None]:
    """Say where the endpoint is, that has started, and keep its token in a file meanwhile."""
    with token_in_file(endpoint) as token_file:
        print_violations(endpoint)
        click.echo(f"OPENAI_BASE_URL={endpoint.url}/v1   or azure_endpoint={endpoint.url}")
        print_authority(endpoint)
        warn_of_other_machines(options.address, token_file)
        if options.on_miss is OnMiss.RECORD:
            click.echo(f'OPENAI_API_KEY="$(cat {token_file})"   while recording, no other key is accepted')
        count = len(endpoint.simulation.index)
        click.echo(
            f"{count} answers; on a miss: {options.on_miss}; control: {endpoint.url}/__admin, token in {token_file}"
        )
        if options.workers > 1 or options.redis:
            shared = (
                "share through Redis" if options.redis else "share nothing; --redis URL for limits, scopes, the journal"
            )
            click.echo(f"{count_of(options.workers, 'worker')}, {shared}")
        click.echo(f"ready {endpoint.url}")
        if options.workers == 1:
            _settle(options)
        yield


def _settle(options: ModelOptions) -> None:
    settle(counts_tokens=options.on_miss is OnMiss.GENERATE or bool(options.limits), at_once=options.workers > 1)
