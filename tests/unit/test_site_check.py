"""`site --check`: what it says, how it ends, and what a pipeline gets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from mockserver.cli import main

DUPLICATE = '{"routes": [\n  {"route": "/a"},\n  {"route": "/a/"}\n]}'


def check(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["site", "--check", *arguments])
    return result.exit_code, result.output


@pytest.fixture(autouse=True)
def outside_of_actions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)


def test_what_a_deployment_refuses_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "staticwebapp.config.json").write_text(DUPLICATE)
    status, output = check("--config", str(tmp_path))
    assert status == 1
    assert "error      rule 2 (/a/) has the route of rule 1 (/a)" in output
    assert "duplicate-route; source: reports of deployments since 2026-08" in output
    assert output.endswith("1 error, 0 warnings\n")


def test_what_only_surprises_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "staticwebapp.config.json").write_text('{"routes": [{"route": "/admin/*", "allowedRoles": ["x"]}]}')
    status, output = check("--app", str(tmp_path))
    assert (status, output.splitlines()[-1].rpartition(": ")[2]) == (0, "0 errors, 1 warning")


@pytest.mark.parametrize("text", ["{", '{"rutes": []}', '{"routes": [{"route": "/*/a"}]}'])
def test_what_cannot_be_read_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "staticwebapp.config.json").write_text(text)
    status, output = check("--config", str(tmp_path / "staticwebapp.config.json"))
    assert (status, "not-read" in output, "Traceback" in output) == (1, True, False)


def test_no_configuration_is_an_error(tmp_path: Path) -> None:
    status, output = check("--app", str(tmp_path))
    assert (status, "no staticwebapp.config.json in" in output) == (1, True)


def test_github_gets_annotations_at_the_rules_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    file = tmp_path / "staticwebapp.config.json"
    file.write_text(DUPLICATE)
    lines = [line for line in check("--config", str(tmp_path))[1].splitlines() if line.startswith("::")]
    assert len(lines) == 1
    assert lines[0].startswith(f"::error file={file},line=3,title=duplicate-route::rule 2 (/a/) has the route")


def test_the_place_is_the_official_clis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "client").mkdir()
    (tmp_path / "client" / "staticwebapp.config.json").write_text(DUPLICATE)
    (tmp_path / "swa-cli.config.json").write_text(json.dumps({"configurations": {"app": {"appLocation": "client"}}}))
    assert check()[0] == 1
