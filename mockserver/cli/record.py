"""The `record` command."""

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
from mockserver.cassettes.real_endpoint import Credentials, RealEndpoint, below
from mockserver.cassettes.recorder import Recorder, readable
from mockserver.cli import console
from mockserver.cli.credentials import credentials_for
from mockserver.cli.errors import user_errors
from mockserver.cli.options import split_upstreams
from mockserver.cli.param_types import PATH
from mockserver.cli.signals import stop_signal
from mockserver.clock import SystemClock
from mockserver.errors import count_of
from mockserver.exchange import Interaction, Request, shown_url
from mockserver.harness.environment import without_proxy
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import ModelOptions
from mockserver.journal.entry import Entry
from mockserver.matching.call import Call
from mockserver.redaction.exchanges import redacted
from mockserver.redaction.redaction import Redaction
from mockserver.simulation.settings import OnMiss
from mockserver.wire.upstream import UpstreamError

#: How long a command may take to end when it is asked to.
_STOP_S = 5


@click.command(short_help="Record from a real endpoint.")
@click.option(
    "--upstream",
    "upstreams",
    required=True,
    multiple=True,
    metavar="URL|NAME=URL",
    help="The real endpoint to record from; with a NAME, another server that COMMAND finds in that variable.",
)
@click.option(
    "--cassettes",
    "folder",
    type=PATH,
    required=True,
    metavar="DIR",
    help="The folder of cassettes to read and to write.",
)
@click.option("--missing", is_flag=True, help="Record what pytest's last run in this folder had no recording for.")
@click.option("--refresh", is_flag=True, help="Record everything in the cassettes again.")
@click.option("--keep-errors", is_flag=True, help="Also keep a 401, 403, 429 or 5xx, and an answer that broke off.")
@click.option("--pass-token", is_flag=True, help="Send COMMAND's own Entra tokens on to Azure, in place of a key.")
@click.option(
    "--ignore",
    "ignores",
    multiple=True,
    metavar="FIELD[=PATTERN]",
    help="Ignore this when requests are compared, as in messages[*].content=date. May be repeated.",
)
@click.option("--allow", multiple=True, metavar="TEXT", help="Keep this, and note it in the file; * is any part.")
@click.option("--yes", is_flag=True, help="Send the requests without asking first.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def record(folder: Path, command: Sequence[str], **options: Any) -> None:
    """Record from a real endpoint: the requests of a COMMAND (after --), what is missing, or everything again.

    COMMAND gets OPENAI_BASE_URL and AZURE_OPENAI_ENDPOINT, and a key for them; the addresses of other servers are in the
    variables that --upstream NAME=URL names. The real key comes from OPENAI_API_KEY,
    AZURE_OPENAI_API_KEY or AZURE_OPENAI_AD_TOKEN, or from a prompt.
    """
    if options["missing"] + options["refresh"] + bool(command) != 1:
        raise click.UsageError("Say what to record: -- COMMAND, --missing or --refresh.")
    if not command and (options["pass_token"] or options["ignores"]):
        raise click.UsageError("--pass-token and --ignore are about the requests of a COMMAND.")
    with user_errors():
        upstream, others = split_upstreams(options["upstreams"])
        credentials = Credentials() if options["pass_token"] else credentials_for(upstream)
        if command:
            model_options = ModelOptions(
                (folder,),
                OnMiss.RECORD,
                upstream,
                ignores=options["ignores"],
                credentials=credentials,
                keep_errors=options["keep_errors"],
                other_upstreams=others,
                pass_token=options["pass_token"],
                allowed=options["allow"],
            )
            raise SystemExit(_record_command(model_options, command))
        endpoint = RealEndpoint(upstream, credentials, others=others)
        files = {} if options["missing"] else {path: cassette.load(path) for _, path in model_cassettes([folder])}
        recorder = Recorder(endpoint, folder, keep_errors=options["keep_errors"], allowed=options["allow"])
        misses = recorded_misses(last_run(MISSED)) if options["missing"] else ()
        wanted = [(miss.request, Path(miss.cassette) if miss.cassette else None) for miss in misses]
        requests = [request for request, _ in wanted]
        requests += [interaction.request for loaded in files.values() for interaction in loaded.interactions]
        if not requests:
            click.echo("Nothing to record.")
            return
        confirm(requests, upstream, yes=options["yes"])
        if not asyncio.run(_record_again(recorder, files) if files else _record_missing(recorder, wanted)):
            raise SystemExit(1)


def confirm(requests: Sequence[Request], upstream: str, *, yes: bool) -> None:
    """Print how much will be sent, and ask the user whether to send it; with `yes`, only print."""
    size = f"{count_of(len(requests), 'request')}, about {_tokens(requests)} tokens to read"
    click.echo(f"{size}, to {shown_url(upstream)}", err=True)
    if not yes:
        click.confirm("Send to the model?", abort=True, err=True)


def _record_command(options: ModelOptions, command: Sequence[str]) -> int:
    """Run a command against a recording endpoint and report; the command's exit status."""
    entries: list[Entry] = []

    def report(ended: Sequence[Entry]) -> None:
        entries.extend(ended)
        for entry in ended:
            click.echo(console.model_line(entry), err=True)

    with ModelEndpoint(options, report=report) as model:
        variables = {
            "OPENAI_BASE_URL": f"{model.url}/v1",
            "OPENAI_API_KEY": model.api_key,
            "AZURE_OPENAI_ENDPOINT": model.url,
            "AZURE_OPENAI_API_KEY": model.api_key,
            **{name: model.url + below(name).rstrip("/") for name in options.other_upstreams},
        }
        environment = {**os.environ, **without_proxy(), **variables}
        environment.pop("AZURE_OPENAI_AD_TOKEN", None)  # the SDK would prefer it to this run's key
        status = _run(command, environment)
        if model.unwritten:
            click.echo(f"Waiting for {count_of(model.unwritten, 'answer')} to be written …", err=True)
    outcomes = Counter(_outcome(entry) for entry in entries)
    summary = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
    click.echo(summary or "The command sent no requests.")
    for status_code, count in sorted(Counter(map(_recorded_error, entries)).items()):
        if status_code:
            click.echo(f"{count} of them with status {status_code}: is that what is to be replayed?", err=True)
    return status


def _run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command to its end, and return its exit status. Ctrl-C and SIGTERM end it, and are passed on to it."""
    with stop_signal() as stopped, subprocess.Popen(command, env=environment) as process:
        while True:
            try:
                status = process.wait(0.1)
                return 128 + stopped.number if stopped.is_set() else status if status >= 0 else 128 - status
            except subprocess.TimeoutExpired:
                if stopped.is_set():
                    process.terminate()
                    try:
                        process.wait(_STOP_S)
                    except subprocess.TimeoutExpired:
                        process.kill()


def _recorded_error(entry: Entry) -> int:
    """The status of a recorded refusal; 0 for anything else."""
    status = entry.status or 0
    return status if status >= 400 and entry.decided_by.startswith("recorded as") else 0


def _outcome(entry: Entry) -> str:
    if entry.decided_by.startswith("recorded as"):
        return "recorded"
    for outcome in ("not kept", "not recorded", "not written"):
        if entry.decided_by.startswith(outcome):
            return outcome
    return "failed" if entry.answer is None or entry.answer.status >= 400 else "answered from cassettes"


async def _record_missing(recorder: Recorder, wanted: Sequence[tuple[Request, Path | None]]) -> bool:
    """Record every request, in the file beside it or in that of its conversation; whether all were kept."""
    count = 0
    for request, into in wanted:
        try:
            answer = await recorder.endpoint.answer(request, SystemClock())
            if refusal := recorder.refusal(request, answer):
                click.echo(f"not kept: {request.method} {request.raw_path}: {refusal}", err=True)
                continue
            click.echo(str(await recorder.keep(request, answer, into=into)))
            count += 1
        except UpstreamError as error:
            click.echo(f"not recorded: {error}", err=True)
    await recorder.close()
    return count == len(wanted)


async def _record_again(recorder: Recorder, files: dict[Path, Cassette]) -> bool:
    """Record each file's requests again and replace the file if all were answered; whether all files were replaced."""
    complete = True
    for path, loaded in files.items():
        recordings: list[Interaction] = []
        redaction = Redaction((*loaded.allowed, *recorder.allowed))
        try:
            for old in loaded.interactions:
                answer = await recorder.endpoint.answer(old.request, SystemClock())
                if answer.status >= 400 and answer.status != old.answer.status:
                    raise UpstreamError(f"the upstream answered {answer.status}")
                if refusal := recorder.refusal(old.request, answer):
                    raise UpstreamError(refusal)
                recordings.append(redacted(Interaction(readable(old.request), answer), redaction).interaction)
        except UpstreamError as error:
            click.echo(f"{path.name}: unchanged: {error}", err=True)
            complete = False
            continue
        upstream = recorder.endpoint.kind(recordings[-1].answer)
        allowed = tuple(text for text in redaction.allowed if text in redaction.used)
        cassette.write(path, cassette.dump(cassette.new_recording(recordings, upstream=upstream, allowed=allowed)))
        click.echo(f"{path.name}: {len(recordings)} recorded again")
    await recorder.close()
    return complete


def model_cassettes(paths: Sequence[Path]) -> list[tuple[str, Path]]:
    """The cassettes whose answers came from a model, each with its name: no scenarios, nothing authored."""
    return [
        (name, path)
        for name, path in cassette.files(paths)
        if not cassette.is_scenario(path.read_bytes()) and cassette.load(path).source is not Source.AUTHORED
    ]


def _tokens(requests: Sequence[Request]) -> str:
    """About how many tokens the model reads for these requests."""
    calls = map(Call, requests)
    total = sum(tokens.count_request(call.body or {}, call.model) for call in calls)
    return f"{total:,}" if total < 10_000 else f"{round(total / 1000)}k"
