"""The npm packages say what the Python package says."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import msgspec

from mockserver.simulation.stub_entry import StubEntry

ROOT = Path(__file__).parents[2]
PLAYWRIGHT = ROOT / "packages" / "dress-rehearsal-playwright"
TYPES = (PLAYWRIGHT / "index.d.ts").read_text(encoding="utf-8")


def test_a_stub_has_the_keys_of_a_scenarios_entry() -> None:
    body = re.search(r"export interface Stub \{\n(.*?)\n\}", TYPES, re.DOTALL)
    assert body
    keys = re.findall(r"^  (\w+)\?:", body[1], re.MULTILINE)
    assert sorted(keys) == sorted(field.encode_name for field in msgspec.structs.fields(StubEntry))


def test_the_version_is_that_of_the_python_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert json.loads((PLAYWRIGHT / "package.json").read_text(encoding="utf-8"))["version"] == project["version"]


def test_what_is_packed_is_there() -> None:
    package = json.loads((PLAYWRIGHT / "package.json").read_text(encoding="utf-8"))
    named = {*package["files"], *(path.removeprefix("./") for path in package["exports"]["."].values())}
    assert named == {path.name for path in PLAYWRIGHT.iterdir()} - {"package.json", "node_modules", "tsconfig.json"}
