"""The commands that ask a real endpoint: record, and whether recordings have drifted."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from mockserver import tokens
from mockserver.cassette_tools.accept import recorded_misses
from mockserver.cassette_tools.last_run import MISSED, last_run
from mockserver.cassettes import cassette
from mockserver.cassettes.cassette import Cassette, Source
from mockserver.cassettes.real_endpoint import RealEndpoint
from mockserver.cassettes.recorder import Recorder, readable
from mockserver.cli import console
from mockserver.cli.credentials import credentials_for
from mockserver.cli.errors import user_errors
from mockserver.cli.param_types import PATH
from mockserver.clock import SystemClock
from mockserver.exchange import Interaction, Request
from mockserver.harness.environment import without_proxy
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import ModelOptions
from mockserver.journal.entry import Entry
from mockserver.matching.call import Call
from mockserver.simulation.settings import OnMiss
from mockserver.wire.upstream import UpstreamError


@click.command()
@click.option("--upstream", required=True, metavar="URL", help="The real endpoint to record from.")
@click.option(
    "--cassettes", "folder", type=PATH, required=True, metavar="DIR", help="Where cassettes are, and are written."
)
@click.option("--missing", is_flag=True, help="Ask what pytest's last run in this folder found no recording for.")
@click.option("--refresh", is_flag=True, help="Ask everything again that the cassettes hold.")
@click.option("--keep-errors", is_flag=True, help="Keep a 401, 403, 429, 5xx and what broke off, too.")
@click.option("--yes", is_flag=True, help="Do not ask before asking the model.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def record(folder: Path, command: Sequence[str], **options: Any) -> None:
    """Record from a real endpoint: what a COMMAND asks (after --), what is missing, or everything anew.

    COMMAND gets OPENAI_BASE_URL and AZURE_OPENAI_ENDPOINT, and a key for them. The real key is read from OPENAI_API_KEY,
    AZURE_OPENAI_API_KEY or AZURE_OPENAI_AD_TOKEN, or asked for.
    """
    if options["missing"] + options["refresh"] + bool(command) != 1:
        raise click.UsageError("Say what to record: -- COMMAND, --missing or --refresh.")
    with user_errors():
        upstream = options["upstream"]
        endpoint = RealEndpoint(upstream, credentials_for(upstream))
        if command:
            raise SystemExit(_record_command(endpoint, folder, command, keep_errors=options["keep_errors"]))
        files = {} if options["missing"] else {path: cassette.load(path) for _, path in _recorded_files([folder])}
        recorder = Recorder(endpoint, folder, keep_errors=options["keep_errors"])
        asked = recorded_misses(last_run(MISSED)) if options["missing"] else ()
        into = {each.request: Path(each.cassette) for each in asked if each.cassette}
        requests = [
            *(each.request for each in asked),
            *(one.request for each in files.values() for one in each.interactions),
        ]
        if not requests:
            click.echo("Nothing to ask.")
            return
        _ask_whether(requests, upstream, yes=options["yes"])
        if not asyncio.run(_refreshed(recorder, files) if files else _asked(recorder, requests, into)):
            raise SystemExit(1)


def _ask_whether(requests: Sequence[Request], upstream: str, *, yes: bool) -> None:
    """Say what it will cost before anything is asked."""
    count = f"{len(requests)} request{'s' * (len(requests) != 1)}"
    click.echo(f"{count}, about {_tokens(requests)} tokens to read, to {upstream}", err=True)
    if not yes:
        click.confirm("Ask the model?", abort=True, err=True)


def _record_command(endpoint: RealEndpoint, folder: Path, command: Sequence[str], *, keep_errors: bool) -> int:
    """Run a command against a recording endpoint and report; the command's exit status."""
    entries: list[Entry] = []

    def report(entry: Entry) -> None:
        entries.append(entry)
        click.echo(console.model_line(entry), err=True)

    upstream, credentials = endpoint.upstream.base_url, endpoint.credentials
    options = ModelOptions((folder,), OnMiss.RECORD, upstream, credentials=credentials, keep_errors=keep_errors)
    with ModelEndpoint(options, report=report) as model:
        ours = {
            "OPENAI_BASE_URL": f"{model.url}/v1",
            "OPENAI_API_KEY": model.api_key,
            "AZURE_OPENAI_ENDPOINT": model.url,
            "AZURE_OPENAI_API_KEY": model.api_key,
        }
        status = subprocess.run(command, env={**os.environ, **without_proxy(), **ours}, check=False).returncode
    kinds = Counter(_outcome(entry) for entry in entries)
    click.echo(", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "Nothing was asked.")
    return status


def _outcome(entry: Entry) -> str:
    said = entry.decided_by
    if said.startswith("recorded as"):
        return "recorded"
    if said.startswith("not "):
        return "not kept"
    return "failed" if entry.answer is None or entry.answer.status >= 400 else "answered from cassettes"


async def _asked(recorder: Recorder, requests: Sequence[Request], into: Mapping[Request, Path]) -> bool:
    """Ask and keep each, `into` its file where it has one; whether all was kept."""
    kept = 0
    for request in requests:
        try:
            answer = await recorder.endpoint.asked(request, SystemClock())
            if refusal := recorder.refusal(answer):
                click.echo(f"not kept: {request.method} {request.raw_path}: {refusal}", err=True)
                continue
            click.echo(str(await recorder.keep(request, answer, into=into.get(request))))
            kept += 1
        except UpstreamError as error:
            click.echo(f"not asked: {error}", err=True)
    await recorder.close()
    return kept == len(requests)


async def _refreshed(recorder: Recorder, files: dict[Path, Cassette]) -> bool:
    """Ask each file's requests again and put the new answers in place, file by file; whether all could be."""
    whole = True
    for path, loaded in files.items():
        fresh: list[Interaction] = []
        try:
            for each in loaded.interactions:
                answer = await recorder.endpoint.asked(each.request, SystemClock())
                if answer.status >= 400 and answer.status != each.answer.status:
                    raise UpstreamError(f"it answered {answer.status}")
                if refusal := recorder.refusal(answer):
                    raise UpstreamError(refusal)
                fresh.append(recorder.redacted(Interaction(readable(each.request), answer)))
        except UpstreamError as error:
            click.echo(f"{path.name}: left as it was: {error}", err=True)
            whole = False
            continue
        made = cassette.recorded(fresh, upstream=recorder.endpoint.kind(fresh[-1].answer))
        cassette.write(path, cassette.dump(made))
        click.echo(f"{path.name}: {len(fresh)} recorded anew")
    await recorder.close()
    return whole


def _recorded_files(paths: Sequence[Path]) -> list[tuple[str, Path]]:
    """The cassettes that a model answered once, each with its name: no scenario, and nothing authored."""
    return [
        (name, path)
        for name, path in cassette.files(paths)
        if not cassette.is_scenario(path.read_bytes()) and cassette.load(path).source is not Source.AUTHORED
    ]


def _tokens(requests: Sequence[Request]) -> str:
    """About how many tokens the model reads for these."""
    calls = map(Call, requests)
    total = sum(tokens.count_request(call.body or {}, call.model) for call in calls)
    return f"{total:,}" if total < 10_000 else f"{round(total / 1000)}k"
