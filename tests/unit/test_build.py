"""What is built and uploaded, by which commands: with secrets in their environment alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from infra.deploy import SWA_CLI, BuildOutput, build, upload_site


class Commands:
    """Runs nothing, and keeps each command with its environment."""

    def __init__(self) -> None:
        self.run: list[tuple[list[str], Mapping[str, str]]] = []

    def __call__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.run.append((list(command), environment))

    @property
    def programs(self) -> list[str]:
        return [Path(command[0]).name.partition("3")[0] for command, _ in self.run]


@pytest.mark.parametrize(
    ("topology", "programs"),
    [
        ("managed", ["npm", "npm", "uv"]),
        ("linked", ["npm", "npm", "python"]),
        ("direct", ["npm", "npm", "python", "uv"]),
    ],
)
def test_a_topology_builds_what_it_needs(tmp_path: Path, topology: str, programs: list[str]) -> None:
    commands, output = Commands(), BuildOutput(tmp_path)
    build(commands, output, topology, "https://chat-x-api.azurewebsites.example", ["203.0.113.0/24", "198.51.100.7/32"])
    assert commands.programs == programs
    page = {
        "DIRECT_ORIGIN": "https://chat-x-api.azurewebsites.example",
        "SITE_IP_RANGES": "203.0.113.0/24,198.51.100.7/32",
    }
    assert commands.run[1][1] == page
    assert (output.managed_api / "function_app.py").exists() is (topology != "linked")
    if topology != "linked":
        packed = " ".join(commands.run[-1][0])
        assert "--python-version 3.11 --python-platform x86_64-manylinux2014 --only-binary :all:" in packed


def test_the_token_of_an_upload_is_no_word_of_a_command(tmp_path: Path) -> None:
    commands, output = Commands(), BuildOutput(tmp_path)
    output.managed_api.mkdir()
    upload_site(commands, output, "the-sites-token", "pr12")
    ((command, environment),) = commands.run
    assert command[:4] == ["npx", "--yes", SWA_CLI, "deploy"]
    assert " --env pr12 --api-location " in " ".join(command)
    assert "--swa-config-location" in command
    assert (environment, "the-sites-token" in " ".join(command)) == (
        {"SWA_CLI_DEPLOYMENT_TOKEN": "the-sites-token"},
        False,
    )
