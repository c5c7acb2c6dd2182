"""The `drift` command."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from mockserver.cassette_tools.drift import DriftResult, Verdict, drift_results, markdown
from mockserver.cassettes import cassette
from mockserver.cassettes.real_endpoint import RealEndpoint
from mockserver.cli.credentials import credentials_for
from mockserver.cli.errors import user_errors
from mockserver.cli.param_types import PATH
from mockserver.cli.record import confirm, model_cassettes
from mockserver.clock import SystemClock
from mockserver.exchange import Interaction


@click.command("drift")
@click.option("--upstream", required=True, metavar="URL", help="The real endpoint to compare with.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of Markdown.")
@click.option("--yes", is_flag=True, help="Send the requests without asking first.")
@click.argument("paths", nargs=-1, required=True, type=PATH)
def drift(upstream: str, as_json: bool, yes: bool, paths: Sequence[Path]) -> None:
    """Compare recordings with a real endpoint, by shape. Exit status 0: no drift, 1: drift, 3: not all could be checked."""
    with user_errors():
        recordings = [
            (f"{name}#{number}", interaction)
            for name, path in model_cassettes(paths)
            for number, interaction in enumerate(cassette.load(path).interactions, 1)
        ]
        if not recordings:
            click.echo(f"No recording of a model in {', '.join(map(str, paths))}.", err=True)
            raise SystemExit(3)
        endpoint = RealEndpoint(upstream, credentials_for(upstream))
        confirm([interaction.request for _, interaction in recordings], upstream, yes=yes)
        results = asyncio.run(_results(endpoint, recordings))
    click.echo(json.dumps([asdict(result) for result in results], indent=2) if as_json else markdown(results))
    verdicts = {result.verdict for result in results}
    if Verdict.DRIFTED in verdicts or Verdict.NOT_CHECKED in verdicts:
        raise SystemExit(1 if Verdict.DRIFTED in verdicts else 3)


async def _results(endpoint: RealEndpoint, recordings: Sequence[tuple[str, Interaction]]) -> tuple[DriftResult, ...]:
    results = await drift_results(recordings, endpoint, SystemClock())
    await endpoint.close()
    return results
