"""`dress-rehearsal init`: what is found in somebody's project, what it lacks, and that nothing of it is lost."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mockserver.adoption.changes import changes, next_steps
from mockserver.adoption.project import look
from mockserver.cli import main

EVERYTHING = {
    "web/staticwebapp.config.json": "{}",
    "api/function_app.py": "",
    "api/requirements.txt": "azure-functions\nopenai>=2\n",
    "package.json": '{"devDependencies": {"@playwright/test": "1.65.1"}}',
    "pyproject.toml": '[project]\nname = "x"\n[tool.pytest.ini_options]\naddopts = "-q"\n',
    "test/test_app.py": "",
    ".github/workflows/ci.yml": "",
    "azure-pipelines.yml": "",
}


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def init(folder: Path, *arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(main, ["init", str(folder), *arguments], input=answer)


def test_what_is_there_is_found(tmp_path: Path) -> None:
    found = dict(look(written(tmp_path, EVERYTHING)).found)
    assert found == {
        "a Static Web App": "web/staticwebapp.config.json",
        "a Python function app": "api/function_app.py",
        "the OpenAI client": "api/requirements.txt",
        "pytest": "pyproject.toml",
        "Playwright": "package.json",
        "GitHub Actions": ".github/workflows/",
        "Azure Pipelines": "azure-pipelines.yml",
    }


@pytest.mark.parametrize("folder", ["node_modules/x", ".venv/lib", "dist", "a/b/c/d/e"])
def test_others_code_and_what_is_built_is_not_the_project(tmp_path: Path, folder: str) -> None:
    assert look(written(tmp_path, {f"{folder}/function_app.py": "", f"{folder}/package.json": "openai"})).found == ()


def test_everything_is_shown_and_nothing_is_written_unasked(tmp_path: Path) -> None:
    before = {path: path.read_text() for path in written(tmp_path, EVERYTHING).rglob("*") if path.is_file()}
    result = init(tmp_path, answer="n\n")
    assert (result.exit_code, "Nothing was written." in result.output) == (0, True)
    assert {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert all(change.path in result.output for change in changes(look(tmp_path)))
    assert '+mockserver_cassettes = ["rehearsal"]' in result.output
    assert "a new file of" in result.output


def test_a_second_time_nothing_is_lacking(tmp_path: Path) -> None:
    assert init(written(tmp_path, EVERYTHING), "--yes").exit_code == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert "Nothing is lacking." in init(tmp_path).output
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_the_files_fit_what_is_there(tmp_path: Path) -> None:
    init(written(tmp_path, EVERYTHING), "--yes")
    assert (tmp_path / "test" / "test_rehearsal.py").exists()
    options = tomllib.loads((tmp_path / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert options == {"mockserver_cassettes": ["rehearsal"], "addopts": "-q"}
    workflow = (tmp_path / ".github" / "workflows" / "rehearsal.yml").read_text()
    assert "pip install dress-rehearsal pytest -r api/requirements.txt\n" in workflow
    assert "dress-rehearsal site --check --app web\n" in workflow
    assert [step.split()[0] for step in next_steps(look(tmp_path))] == ["pytest", "dress-rehearsal", "npm"]


@pytest.mark.parametrize(
    ("name", "text", "after"),
    [
        ("pytest.ini", "[pytest]\naddopts = -q\n", "[pytest]\nmockserver_cassettes = rehearsal\naddopts = -q\n"),
        ("pytest.ini", "# ours\n", "# ours\n[pytest]\nmockserver_cassettes = rehearsal\n"),
        ("setup.cfg", "[tool:pytest]", "[tool:pytest]\nmockserver_cassettes = rehearsal\n"),
        ("tox.ini", "[tox]\n[pytest]\nx = 1\n", "[tox]\n[pytest]\nmockserver_cassettes = rehearsal\nx = 1\n"),
    ],
)
def test_pytests_options_keep_their_file_and_their_words(tmp_path: Path, name: str, text: str, after: str) -> None:
    init(written(tmp_path, {name: text}), "--yes")
    assert (tmp_path / name).read_text() == after


def test_what_somebody_has_told_pytest_stays(tmp_path: Path) -> None:
    files = {"pytest.ini": "[pytest]\nmockserver_cassettes = ours\n", "tests/test_rehearsal.py": "# ours\n"}
    init(written(tmp_path, files), "--yes")
    assert {name: (tmp_path / name).read_text() for name in files} == files


def test_no_folder_is_one_plain_message(tmp_path: Path) -> None:
    result = init(tmp_path / "nowhere")
    assert (result.exit_code, "no folder at" in result.output) == (2, True)
