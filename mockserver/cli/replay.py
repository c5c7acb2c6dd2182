"""The `replay` command."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from mockserver.cassette_tools.har_calls import HarCall, har_calls
from mockserver.cassette_tools.replay import ReplayResult, ReplayVerdict, replay_results
from mockserver.cassettes.real_endpoint import Credentials, RealEndpoint, in_ci, require_url
from mockserver.cli.credentials import credentials_for, is_here
from mockserver.cli.errors import user_errors
from mockserver.cli.param_types import PATH
from mockserver.cli.record import confirm
from mockserver.clock import SystemClock
from mockserver.errors import printable
from mockserver.exchange import shown_url
from mockserver.harness.options import OptionsError
from mockserver.redaction.exchanges import shown_request


@click.command("replay")
@click.option(
    "--upstream", required=True, metavar="URL", help="Who is asked again: a running mock, or a real endpoint."
)
@click.option("--yes", is_flag=True, help="Send the requests without asking first.")
@click.argument("file", type=PATH)
def replay(file: Path, upstream: str, yes: bool) -> None:
    """Ask the model calls of a HAR again, in order, and say in what the answers differ.

    FILE is the journal's, or one saved from a browser's network panel. Exit status 0: all say the same, 1: something differs,
    3: not all could be compared.
    """
    with user_errors():
        calls = har_calls(file)
        if not calls:
            click.echo(f"No call of a model in {file}.", err=True)
            raise SystemExit(3)
        require_url(upstream)
        if in_ci() and not is_here(upstream):
            raise OptionsError(
                f"CI does not ask {shown_url(upstream)} again, which costs: it replays against a mock on the same machine. (CI is set.)"
            )
        endpoint = RealEndpoint(upstream, _credentials(upstream))
        _confirm(calls, upstream, yes=yes)
        results = asyncio.run(_results(endpoint, calls))
    for result in results:
        click.echo(printable(str(result)))
    counts = Counter(result.verdict for result in results)
    click.echo(", ".join(f"{counts[verdict]} {verdict}" for verdict in ReplayVerdict))
    if counts[ReplayVerdict.SAME] < len(results):
        raise SystemExit(1 if counts[ReplayVerdict.DIFFERS] else 3)


def _credentials(upstream: str) -> Credentials:
    """Those for the upstream; a mock on this machine takes any key, but not none."""
    given, any_key = credentials_for(upstream), "any" if is_here(upstream) else ""
    return replace(given, openai_key=given.openai_key or any_key, azure_key=given.azure_key or any_key)


def _confirm(calls: Sequence[HarCall], upstream: str, *, yes: bool) -> None:
    """Say how much will be sent, and what of it deletes something, and ask whether to send it."""
    requests = [call.interaction.request for call in calls if not call.missing]
    for request in requests:
        if request.method == "DELETE":
            click.echo(f"deletes: {printable(shown_request(request).target)}", err=True)
    if requests:
        confirm(requests, upstream, yes=yes)


async def _results(endpoint: RealEndpoint, calls: Sequence[HarCall]) -> tuple[ReplayResult, ...]:
    results = await replay_results(calls, endpoint, SystemClock())
    await endpoint.close()
    return results
