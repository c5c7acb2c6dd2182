"""What a server prints at its start, and the file with its token while it runs."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from mockserver import tokens
from mockserver.cli import console
from mockserver.errors import count_of
from mockserver.harness.environment import state_folder, trusting
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.journal.entry import Entry
from mockserver.wire.server import LOOPBACK


@contextmanager
def token_in_file(endpoint: ModelEndpoint) -> Iterator[Path]:
    """A file with the control token of this run while it runs; only this user can read it."""
    folder = state_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"token-{endpoint.url.rpartition(':')[2]}"
    path.unlink(missing_ok=True)
    path.touch(0o600)
    path.write_text(endpoint.token, encoding="ascii")
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def warn_of_other_machines(address: str, token_file: Path) -> None:
    """Print a warning if other machines can connect."""
    if address != LOOPBACK:
        text = f"listening on {address}; other machines need the token in {token_file}, as API key or as ?token=… in a browser"
        click.secho(f"warning    {text}", fg="yellow", err=True)


def print_authority(model: ModelEndpoint) -> None:
    """How clients come to trust the endpoint's certificate, where it has one."""
    for name, value in trusting(model.authority_file).items():
        click.echo(f"{name}={value}")


def print_violations(model: ModelEndpoint) -> None:
    """List the rules that recorded answers break: how often each, and where first."""
    first: dict[str, tuple[str, int]] = {}
    for name, violation in model.simulation.index.violations:
        where, count = first.get(violation.rule, (f"{name}, {violation.field}: {violation.message}", 0))
        first[violation.rule] = (where, count + 1)
    for rule, (where, count) in first.items():
        click.echo(f"contract   recorded answers break {rule} {count_of(count, 'time')}, first {where}")


def print_recorded(model: ModelEndpoint) -> None:
    """Say what was recorded, file by file; nothing where nothing was to be."""
    recorder = model.recorder
    if recorder is None:
        return
    for path, numbers in sorted(recorder.written.items()):
        click.echo(f"recorded   {len(numbers):>4}  {path}")
    total = count_of(sum(map(len, recorder.written.values())), "answer")
    click.echo(f"{total} recorded. Look: dress-rehearsal cassette show {recorder.folder}")


def settle(*, counts_tokens: bool, at_once: bool = False) -> None:
    """Make the first requests as fast as later ones; what takes long in the background, or `at_once`."""
    gc.collect()
    gc.freeze()  # what is loaded stays: looking through 10,000 recordings again makes a pause of 80 ms (measured)
    if counts_tokens and at_once:
        tokens.load()
    elif counts_tokens:
        threading.Thread(target=tokens.load, daemon=True).start()


def report_miss(entry: Entry) -> None:
    """Print the request if no stub answered it, and the nearest recording."""
    if text := console.miss_text(entry):
        click.secho(text, fg="yellow", err=True)
