"""The `schema` command: JSON Schemas of the files that people write, for editors to complete and check them."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from mockserver.cassettes.cassette_file import CassetteFile
from mockserver.simulation.stub_entry import StubEntry
from mockserver.swa.personas import PersonasFile
from mockserver.swa.states import StatesFile

#: What each kind of file is read as.
KINDS: dict[str, Any] = {
    "cassette": CassetteFile,
    "personas": PersonasFile,
    "scenario": list[StubEntry],
    "states": StatesFile,
}


def json_schema(kind: str) -> str:
    """The JSON Schema of a kind of file, laid out for people."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(KINDS[kind])}
    return msgspec.json.format(msgspec.json.encode(schema), indent=2).decode() + "\n"


@click.command(short_help="Print a JSON Schema, for editors.")
@click.argument("kind", type=click.Choice(list(KINDS)))
def schema(kind: str) -> None:
    """Print the JSON Schema of a kind of file, for an editor to complete and check it."""
    click.echo(json_schema(kind), nl=False)
