"""`dress-rehearsal doctor`: each thing that gets in the way is found, and nothing where there is none."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from mockserver.adoption.machine import Symptom, examine, table
from mockserver.cli import main


def examined(tmp_path: Path, environment: dict[str, str], **ports: int) -> dict[str, Symptom]:
    symptoms = examine(environment, state=tmp_path / "state", here=tmp_path, ports=ports)
    return {each.name: each for each in symptoms}


@pytest.mark.parametrize(
    ("environment", "name", "state", "cure"),
    [
        (
            {"HTTP_PROXY": "http://proxy.example:8080"},
            "HTTP_PROXY",
            "gets what your tests send to 127.0.0.1",
            "export NO_PROXY=127.0.0.1,localhost",
        ),
        (
            {"https_proxy": "http://p", "no_proxy": ".corp"},
            "HTTPS_PROXY",
            "http://p",
            "export NO_PROXY=.corp,127.0.0.1,localhost",
        ),
        (
            {"ALL_PROXY": "socks5://p:1080", "NO_PROXY": "*"},
            "ALL_PROXY",
            "HTTPX fails at once",
            "pip install socksio, or unset it",
        ),
        ({"PAC_URL": "http://p/x.pac"}, "PAC_URL", "not read", "export HTTPS_PROXY"),
        ({"SSL_CERT_FILE": "/no/such.pem"}, "SSL_CERT_FILE", "/no/such.pem is not there", "unset SSL_CERT_FILE"),
        (
            {"OPENAI_API_BASE": "https://api.example/v1"},
            "OPENAI_API_BASE",
            "leads to api.example",
            "base_url=mock_server.base_url",
        ),
        (
            {"AZURE_OPENAI_ENDPOINT": "https://x.openai.azure.com"},
            "AZURE_OPENAI_ENDPOINT",
            "leads to x.openai.azure.com",
            "unset AZURE_OPENAI_ENDPOINT",
        ),
    ],
)
def test_what_gets_in_the_way_is_found(
    tmp_path: Path, environment: dict[str, str], name: str, state: str, cure: str
) -> None:
    found = examined(tmp_path, environment)[name]
    assert state in found.state
    assert cure in found.cure


@pytest.mark.parametrize(
    "environment",
    [
        {"HTTP_PROXY": "http://p:8080", "NO_PROXY": "localhost,127.0.0.1"},
        {"HTTPS_PROXY": "http://p:8080", "NO_PROXY": "*"},
        {"OPENAI_BASE_URL": "http://127.0.0.1:4281/v1"},
        {"SSL_CERT_FILE": __file__},
        {},
    ],
)
def test_what_is_fine_needs_no_cure(tmp_path: Path, environment: dict[str, str]) -> None:
    found = examined(tmp_path, environment)
    assert [each for name, each in found.items() if name in environment and each.cure] == []
    assert [each for each in found.values() if each.stops] == []


def test_a_taken_port_and_a_folder_that_is_a_file_stop_a_rehearsal(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (tmp_path / "state").write_text("a file")
        found = examined(tmp_path, {}, **{"--model-port": port})
    assert "stop what has it, or --model-port another" in found[f"port {port}"].cure
    assert found["the token of a run"].stops


def test_a_proxys_password_is_not_shown(tmp_path: Path) -> None:
    url = "http://user:hunter2@proxy.example:8080"
    assert "hunter2" not in table(examined(tmp_path, {"HTTPS_PROXY": url}).values())


def test_the_command_says_whether_something_stops_a_rehearsal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such.pem")
    result = CliRunner().invoke(main, ["doctor"])
    assert (result.exit_code, "x  SSL_CERT_FILE" in result.output) == (1, True)
