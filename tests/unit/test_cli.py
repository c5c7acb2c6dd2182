"""The command line: its commands, and how signals end them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from mockserver.cli import _Plain, console, main
from mockserver.cli.signals import stop_signal
from mockserver.exchange import Answer, Request
from mockserver.redaction.known import remember
from mockserver.simulation.cassette_index import BUNDLED_CASSETTES
from mockserver.simulation.simulation import Simulation

NUMBERS = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Restores the signal handlers of the test run."""
    before = [signal.getsignal(number) for number in NUMBERS]
    yield
    for number, handler in zip(NUMBERS, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.timeout(10)
def test_a_signal_ends_a_wait(number: signal.Signals) -> None:
    """A wait holds the event's lock at times; a handler that needs the lock would wait for ever."""
    with stop_signal() as stopped:
        with stopped._cond:  # type: ignore[attr-defined]  # as wait() does
            signal.raise_signal(number)
        assert stopped.wait(5)


def test_several_signals_print_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    errors: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", errors.append)
    with stop_signal() as stopped:
        for _ in range(3):
            signal.raise_signal(signal.SIGINT)
            assert stopped.wait(5)
    assert errors == []


def test_other_signals_do_not_set_the_event() -> None:
    """An app may use other signals."""
    before = signal.signal(signal.SIGFPE, lambda *_: None)
    with stop_signal() as stopped:
        signal.raise_signal(signal.SIGFPE)
        assert not stopped.wait(0.1)
    signal.signal(signal.SIGFPE, before)


FORGED = "x\n\x1b[2Jready http://127.0.0.1:1\u202e\x9b"


def test_no_name_forges_a_line_of_the_console(caplog: pytest.LogCaptureFixture) -> None:
    simulation = Simulation()
    body = json.dumps({"model": FORGED, "messages": [{"role": "user", "content": FORGED}]}).encode()
    request = Request("POST", "/v1/chat/completions", headers=(("authorization", "Bearer k"),), body=body)
    miss = simulation.answer(request)
    visit = replace(miss, persona=FORGED, rule=FORGED, answer=Answer(302, (("location", FORGED),), decided_by=FORGED))
    lines = [console.model_line(miss), str(console.visit_line(visit, ())), str(console.visit_line(visit, [miss]))]
    lines += [*str(console.miss_text(miss)).splitlines(), *map(_Plain().format, caplog.records)]
    assert len(lines) > 6
    for line in lines:
        assert line.isprintable(), ascii(line)
        assert not line.lstrip().startswith("ready"), line


def test_a_line_that_was_printed_before_hides_a_secret_that_is_known_since() -> None:
    entry = Simulation().answer(
        Request("GET", "/v1/models/it-became-a-secret", headers=(("authorization", "Bearer k"),))
    )
    assert "it-became-a-secret" in console.model_line(entry)
    remember(["it-became-a-secret"])
    assert "it-became-a-secret" not in console.model_line(entry)


def test_an_error_message_moves_no_cursor(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(r'{interactions: [{"\e[2J\x9b": 1}]}')
    result = CliRunner().invoke(main, ["cassette", "check", str(tmp_path)])
    assert result.exit_code == 1
    assert "\\x1b[2J" in result.output
    assert result.output.replace("\n", "").isprintable()


def test_each_command_has_the_name_under_which_it_is_registered() -> None:
    assert {name: command.name for name, command in main.commands.items()} == {name: name for name in main.commands}


def test_an_unknown_command_is_answered_with_the_nearest() -> None:
    assert "Did you mean 'model'?" in CliRunner().invoke(main, ["modle"]).output


def test_a_file_that_is_not_valid_utf_8_is_one_plain_message(tmp_path: Path) -> None:
    cassette, answer = tmp_path / "hello.yaml", tmp_path / "answer.md"
    cassette.write_bytes((BUNDLED_CASSETTES / "hello.yaml").read_bytes())
    answer.write_bytes("Hello\ngrüße".encode("latin-1"))
    result = CliRunner().invoke(main, ["cassette", "edit", str(cassette), "1", "--answer", str(answer)])
    assert result.output == "Error: a file is not valid UTF-8 (line 2): save it as UTF-8\n"
    assert cassette.read_bytes() == (BUNDLED_CASSETTES / "hello.yaml").read_bytes()


def test_the_functions_command_does_not_import_what_other_commands_need() -> None:
    """It restarts with every edit of the API."""
    code = "import sys; from mockserver.cli import main; main.commands['functions']; print(*sys.modules)"
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "mockserver.functions.host" in imported
    assert not {"flask", "yaml", "mockserver.harness"} & set(imported)
