"""`swa-cli.config.json`: what it may contain."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockserver.swa.swa_cli_config import SwaCliConfig, SwaCliConfigError, read_swa_cli_config, startup_command


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "the key 'configurations' is required"),
        ("[", "not valid JSON"),
        ("[]", r"must be a mapping, got \[\]"),
        ('{"configurations": {"app": 1}}', "configurations.app must be a mapping, got 1"),
        ('{"configurations": {"app": {"port": "4395"}}}', "app: port must be an integer, got '4395'"),
        ('{"configurations": {"app": {"appLocation": 1}}}', "app: appLocation must be a string, got 1"),
        ('{"configurations": {}}', "`configurations` is empty"),
        ('{"configurations": {"app": {"port": 99999}}}', "app: port must be an integer <= 65535, got 99999"),
        (
            '{"configurations": {"app": {"apiDevserverUrl": "localhost:1"}}}',
            "the URL of an API must be as http://localhost:7071, got 'localhost:1'",
        ),
    ],
)
def test_error_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "swa-cli.config.json"
    path.write_text(text)
    with pytest.raises(SwaCliConfigError, match=message):
        read_swa_cli_config(path)


@pytest.mark.parametrize("name", ["x" * 5000, "\\u0000", "\\ud800"], ids=["long", "zero", "half-a-pair"])
@pytest.mark.parametrize("key", ["run", "outputLocation", "appLocation", "apiLocation"])
def test_a_name_that_no_file_has_is_one_that_does_not_exist(tmp_path: Path, key: str, name: str) -> None:
    path = tmp_path / "swa-cli.config.json"
    path.write_text(f'{{"configurations": {{"app": {{"run": "start me", "{key}": "{name}"}}}}}}')
    if "\\ud" in name:
        with pytest.raises(SwaCliConfigError, match=f"{key}: not valid Unicode"):
            read_swa_cli_config(path)
    else:
        assert read_swa_cli_config(path).api_url is None


def test_other_keys_belong_to_the_official_cli(tmp_path: Path) -> None:
    path = tmp_path / "swa-cli.config.json"
    path.write_text(
        '{"$schema": "x", "configurations": {"app": {"verbose": "silly", "apiLocation": "api", "port": 0}}}'
    )
    (tmp_path / "api").mkdir()
    assert read_swa_cli_config(path) == SwaCliConfig(
        tmp_path, "http://127.0.0.1:7071", search=tmp_path, run_in=tmp_path, port=0
    )


def test_the_file_is_read_as_the_official_cli_reads_it(tmp_path: Path) -> None:
    """As @azure/static-web-apps-cli 2.0.10 reads it; tests/integration/test_swa_cli.py compares with its own source."""
    (tmp_path / "client").mkdir()
    path = tmp_path / "swa-cli.config.json"
    path.write_text(
        '\ufeff{"configurations": {"app": {"appLocation": "client", "outputLocation": "dist", "run": "npm:dev",'
        ' "apiLocation": "api", "start": {"outputLocation": "build"}}, "other": {}}}',
        encoding="utf-8",
    )
    read = read_swa_cli_config(path)
    assert read == SwaCliConfig(
        tmp_path / "build",
        None,
        "npm run dev --if-present",
        search=tmp_path / "client",
        run_in=tmp_path / "client",
        notes=read.notes,
    )
    assert [note.partition(": ")[2] for note in read.notes] == [
        "app, the first of several; --configuration chooses: other",
        "app: there is no folder api, so there is no API",
    ]


@pytest.mark.parametrize(
    ("run", "command"),
    [
        ("npm start", "npm start"),
        ("npm:dev", "npm run dev --if-present"),
        ("yarn:dev:hot", "yarn run dev:hot --if-present"),
        ("npx:vite", "npx vite"),
        ("npm run dev:hot", "npm run dev:hot --if-present"),
        ("ng serve --host localhost:4200", None),
        ("start.sh", "start.sh"),
    ],
)
def test_a_command_may_be_a_shortcut(tmp_path: Path, run: str, command: str | None) -> None:
    assert startup_command(run, tmp_path) == command


def test_a_command_may_be_a_file_of_the_app(tmp_path: Path) -> None:
    (tmp_path / "start.sh").touch()
    assert startup_command("start.sh", tmp_path) == str(tmp_path.resolve() / "start.sh")
