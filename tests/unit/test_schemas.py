"""The published JSON Schemas agree with what is read: whatever one takes the other takes, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from mockserver.cassettes import cassette
from mockserver.cassettes.cassette import CassetteError
from mockserver.cli.schema import KINDS, json_schema
from mockserver.errors import UserError
from mockserver.simulation.cassette_index import BUNDLED_CASSETTES
from mockserver.simulation.stub import load_stubs
from mockserver.swa.personas import BUNDLED_PERSONAS, load_personas
from mockserver.swa.states import load_states

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "mockserver" / "data" / "schemas"
BUNDLED = sorted(BUNDLED_CASSETTES.rglob("*.yaml"))
READ: dict[str, Any] = {
    "cassette": cassette.load,
    "personas": load_personas,
    "scenario": lambda path: load_stubs(path, path.read_text(encoding="utf-8")),
    "states": load_states,
}


def valid(kind: str, text: str) -> bool:
    document = json.loads(json.dumps(yaml.load(text, Loader=yaml.CSafeLoader), default=str))
    return jsonschema_rs.Draft202012Validator(json.loads(json_schema(kind))).is_valid(document)


@pytest.mark.parametrize("kind", KINDS)
def test_the_published_file_is_what_the_code_says(kind: str) -> None:
    text = (FOLDER / f"{kind}.schema.json").read_text(encoding="utf-8")
    assert text == json_schema(kind), "run: make schemas"


@pytest.mark.parametrize(
    "path", [*BUNDLED, BUNDLED_PERSONAS, ROOT / "webapp" / "states.yaml"], ids=lambda path: path.name
)
def test_every_file_of_ours_fits_its_schema(path: Path) -> None:
    text = path.read_bytes()
    kind = path.stem if path.stem in KINDS else "scenario" if cassette.is_scenario(text) else "cassette"
    assert valid(kind, text.decode())
    if kind != "cassette":
        modeline = text.decode().splitlines()[0].partition("$schema=")[2]
        assert (path.parent / modeline).resolve() == FOLDER / f"{kind}.schema.json"


@pytest.mark.parametrize(
    ("kind", "text", "fits"),
    [
        ("scenario", "- {say: x}", True),
        ("scenario", "- {sai: x}", False),
        ("scenario", "- {say: 5}", False),
        ("scenario", "- {fault: droped}", False),
        ("scenario", "- {fault: dropped, after: -1}", False),
        ("scenario", "- {say: x, times: 0}", False),
        ("scenario", "- {say: x, when: {promt: y}}", False),
        ("scenario", "say: x", False),
        ("scenario", "- {call: {f: {x: 1}}}", True),
        ("scenario", "- {call: {f: 1}}", False),
        ("personas", "ada: {roles: [invited]}", True),
        ("personas", "ada: {rolls: [invited]}", False),
        ("personas", "ada: {roles: [a b]}", False),
        ("personas", "ada: {expires_in_s: 0}", False),
        ("states", "- {name: A, state: a, ask: q, cause: c}", True),
        ("states", "- {name: A}", False),
        ("states", "- {name: A, state: a, ask: q, cause: c, color: red}", False),
        ("cassette", "interactions: []", False),
        ("cassette", "interactions: [{request: {method: GET, uri: /}, response: {status: {code: 200}}}]", True),
        ("cassette", "interactions: [{request: {method: GET}, response: {status: {code: 200}}}]", False),
        ("cassette", "interactions: [{request: {method: GET, uri: /}, response: {status: {code: 99}}}]", False),
    ],
)
def test_the_schema_and_the_reader_agree(kind: str, text: str, fits: bool, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    if fits:
        READ[kind](path)
    else:
        with pytest.raises((UserError, CassetteError)):
            READ[kind](path)
    assert valid(kind, text) is fits
