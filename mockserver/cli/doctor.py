"""The `doctor` command: what of this machine gets in the way, and the line that mends it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from mockserver.adoption.machine import Symptom, examine, table
from mockserver.functions.workers import why_not_microsofts
from mockserver.harness.environment import state_folder

_PORTS = {"--site-port": 4280, "--model-port": 4281, "--functions-port": 7071}


@click.command()
def doctor() -> None:
    """Look at this machine: packages, proxies, certificates, ports, folders. Exit status 1: something stops a rehearsal."""
    worker = why_not_microsofts() or "Microsoft's own worker runs functions"
    python = Symptom("Python", f"{sys.version.split()[0]}, {sys.executable}; {worker}")
    symptoms = [python, *examine(os.environ, state=state_folder(), here=Path.cwd(), ports=_PORTS)]
    click.echo(table(symptoms))
    if any(each.stops for each in symptoms):
        raise SystemExit(1)
