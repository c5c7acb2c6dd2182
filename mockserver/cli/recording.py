"""The commands that ask a real endpoint: record, and whether recordings have drifted."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from contracts.operations import address_of
from mockserver import cassette, console, drift, tokens
from mockserver.carry import missed
from mockserver.cassette import Cassette, Source
from mockserver.cli.explained import PATH, explained
from mockserver.clock import SystemClock
from mockserver.drift import Verdict
from mockserver.exchange import Interaction, Request
from mockserver.journal import Entry
from mockserver.last_run import MISSED, last_run
from mockserver.question import model_of
from mockserver.recorder import Credentials, Endpoint, Recorder, readable, require_url
from mockserver.rehearsal import Model, ModelOptions, SetUpError, credentials_of, without_proxy
from mockserver.relay import UpstreamError
from mockserver.simulation import OnMiss

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def credentials_for(upstream: str) -> Credentials:
    """What opens an upstream: from the environment, else asked for at a terminal; nothing for a server on this machine.

    Raises:
        RecordingError: it is no URL.
        SetUpError: there is nothing, and nobody to ask.
    """
    require_url(upstream)
    found = credentials_of(os.environ)
    host = urlsplit(upstream).hostname or ""
    azure = host.endswith((".azure.com", ".azure.us"))
    if host in _LOOPBACK or (found.azure_key or found.azure_token if azure else found.openai_key):
        return found
    names = "AZURE_OPENAI_API_KEY or AZURE_OPENAI_AD_TOKEN" if azure else "OPENAI_API_KEY"
    if not sys.stdin.isatty():
        raise SetUpError(f"{upstream} wants a key, and {names} is not set; keys are never given on the command line")
    key = click.prompt(f"Key for {host} ({names} is not set)", hide_input=True)
    return replace(found, **{"azure_key" if azure else "openai_key": key})


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
    with explained():
        upstream = options["upstream"]
        endpoint = Endpoint(upstream, credentials_for(upstream))
        if command:
            raise SystemExit(_record_command(endpoint, folder, command, keep_errors=options["keep_errors"]))
        files = {} if options["missing"] else {path: cassette.load(path) for _, path in _recorded_files([folder])}
        recorder = Recorder(endpoint, folder, keep_errors=options["keep_errors"])
        asked = missed(last_run(MISSED)) if options["missing"] else ()
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


def _record_command(endpoint: Endpoint, folder: Path, command: Sequence[str], *, keep_errors: bool) -> int:
    """Run a command against a recording endpoint and report; the command's exit status."""
    entries: list[Entry] = []

    def report(entry: Entry) -> None:
        entries.append(entry)
        click.echo(console.model_line(entry), err=True)

    upstream, credentials = endpoint.upstream.base_url, endpoint.credentials
    options = ModelOptions((folder,), OnMiss.RECORD, upstream, credentials=credentials, keep_errors=keep_errors)
    with Model(options, report=report) as model:
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
    total = 0
    for each in requests:
        body = each.json_object() or {}
        model = model_of(address_of(each.method, each.raw_path, each.query), body)
        messages = body.get("messages")
        total += tokens.count_messages(messages, model) if messages else tokens.count_input(body, model)
    return f"{total:,}" if total < 10_000 else f"{round(total / 1000)}k"


@click.command("drift")
@click.option("--upstream", required=True, metavar="URL", help="The real endpoint to compare with.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of Markdown.")
@click.option("--yes", is_flag=True, help="Do not ask before asking the model.")
@click.argument("paths", nargs=-1, required=True, type=PATH)
def drifted(upstream: str, as_json: bool, yes: bool, paths: Sequence[Path]) -> None:
    """Ask recordings again and compare by shape: 0 as recorded, 1 drifted, 3 something could not be checked."""
    with explained():
        recordings = [
            (f"{name}#{number}", each)
            for name, path in _recorded_files(paths)
            for number, each in enumerate(cassette.load(path).interactions, 1)
        ]
        if not recordings:
            click.echo(f"Nothing that a model answered is in {', '.join(map(str, paths))}.", err=True)
            raise SystemExit(3)
        endpoint = Endpoint(upstream, credentials_for(upstream))
        _ask_whether([each.request for _, each in recordings], upstream, yes=yes)
        results = asyncio.run(_checked(endpoint, recordings))
    click.echo(json.dumps([asdict(each) for each in results], indent=2) if as_json else drift.markdown(results))
    verdicts = {each.verdict for each in results}
    if Verdict.DRIFTED in verdicts or Verdict.NOT_CHECKED in verdicts:
        raise SystemExit(1 if Verdict.DRIFTED in verdicts else 3)


async def _checked(endpoint: Endpoint, recordings: Sequence[tuple[str, Interaction]]) -> tuple[drift.Checked, ...]:
    results = await drift.checked(recordings, endpoint, SystemClock())
    await endpoint.upstream.close()
    return results
