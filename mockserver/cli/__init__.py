"""The command line."""

from __future__ import annotations

import atexit
import gc
import logging
import sys
from collections import UserDict
from importlib import import_module
from typing import Any

import click

from mockserver import __version__
from mockserver.errors import printable


class _Plain(logging.Formatter):
    """The message alone, without control characters."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


class _Commands(UserDict[str, Any]):
    """Commands by name. Each is imported when it is asked for: what all of them import takes half a second."""

    def __getitem__(self, name: str) -> click.Command:
        module, _, attribute = super().__getitem__(name).partition(":")
        command: click.Command = getattr(import_module(f"mockserver.cli.{module}"), attribute)
        return command


_COMMANDS = _Commands(
    init="init:init",
    up="up:up",
    model="model:model",
    site="site:site",
    functions="functions:functions",
    record="record:record",
    drift="drift:drift",
    replay="replay:replay",
    cassette="cassette:cassette_group",
    doctor="doctor:doctor",
    schema="schema:schema",
    verdict="verdict:verdict",
)


@click.group(commands=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="dress-rehearsal")
def main() -> None:
    """Your whole Azure chat app on this machine: sign-in, roles, the real API, streamed model answers."""
    # Else the interpreter looks through all that was imported once more as it ends: 0.3 s of an API with the SDK (measured).
    sys.setswitchinterval(0.001)
    atexit.register(gc.freeze)
    handler = logging.StreamHandler()
    handler.setFormatter(_Plain())
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
