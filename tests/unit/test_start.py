"""`swa-cli.config.json`: what it may say."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockserver.swa.swa_cli_config import SwaCliConfigError, read_swa_cli_config


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{}", "there is no `configurations`"),
        ("[", "no JSON object"),
        ('{"configurations": {"app": 1}}', "does not map names to objects"),
        ('{"configurations": {"app": {"port": "4395"}}}', 'app: port is a number; this is "4395"'),
        ('{"configurations": {"app": {"appLocation": 1}}}', "app: appLocation is a text; this is 1"),
        ('{"configurations": {}}', "no configuration in"),
        ('{"configurations": {"app": {"port": 99999}}}', "app: port is 99999; a port is at most 65535"),
        ('{"configurations": {"app": {"apiDevserverUrl": "localhost:1"}}}', "'localhost:1' is no API's URL"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "swa-cli.config.json"
    path.write_text(text)
    with pytest.raises(SwaCliConfigError, match=complaint):
        read_swa_cli_config(path)
