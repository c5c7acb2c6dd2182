"""`swa-cli.config.json`: what it may contain."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockserver.swa.swa_cli_config import SwaCliConfig, SwaCliConfigError, read_swa_cli_config


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


def test_other_keys_belong_to_the_official_cli(tmp_path: Path) -> None:
    path = tmp_path / "swa-cli.config.json"
    path.write_text(
        '{"$schema": "x", "configurations": {"app": {"verbose": "silly", "apiLocation": "api", "port": 0}}}'
    )
    assert read_swa_cli_config(path) == SwaCliConfig(tmp_path, "http://127.0.0.1:7071", port=0)
