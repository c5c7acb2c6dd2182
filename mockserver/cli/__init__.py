"""The command line."""

from __future__ import annotations

import logging

import click

from mockserver import __version__
from mockserver.cli.cassettes import cassette_group
from mockserver.cli.functions import functions
from mockserver.cli.model import model
from mockserver.cli.recording import drifted, record
from mockserver.cli.site import site
from mockserver.cli.up import up


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="dress-rehearsal")
def main() -> None:
    """Your whole Azure chat app on this machine: sign-in, roles, the real API, streamed model answers."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)


for _command in (up, model, site, functions, record, cassette_group, drifted):
    main.add_command(_command)
