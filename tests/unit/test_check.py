"""`cassette check`: its errors, its warnings and its exit status."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from mockserver.cassette_tools.check import CassetteFinding, check
from mockserver.cassettes import cassette
from mockserver.cli import main
from mockserver.exchange import Interaction
from mockserver.simulation.cassette_index import BUNDLED_CASSETTES
from tests.unit.examples import answered, chat

GOOD = (
    '{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop",'
    '"logprobs":null,"message":{"role":"assistant","content":"TEXT","refusal":null}}]}'
)


def put(
    folder: Path, name: str, text: str, *, prompt: str = "x", source: str = "recorded", day: str = "2026-01-01"
) -> None:
    request = chat(prompt)
    if "sk-" not in prompt:
        request = replace(request, headers=())
    interaction = Interaction(request, answered(text))
    new = cassette.Cassette(cassette.Source(source), (interaction,), date=day)
    (folder / name).write_text(cassette.dump(new))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def findings(folder: Path, **options: object) -> list[str]:
    return [str(finding) for finding in check([folder], **options)]  # type: ignore[arg-type]


def test_the_bundled_cassettes_have_no_findings() -> None:
    assert findings(BUNDLED_CASSETTES) == []


def test_broken_form_is_reported_for_every_file(folder: Path) -> None:
    (folder / "a.yaml").write_text("interactions: [")
    (folder / "b.yaml").write_text("- {sya: x}")
    (folder / "c.yaml").write_text("version: 1\ninteractions: []")
    first, second, third = findings(folder)
    assert first.startswith("a.yaml: form: not valid YAML:")
    assert second.startswith("b.yaml: form: b.yaml#1: unknown key 'sya'")
    assert third == "c.yaml: form: interactions must be a list of length >= 1, got []"


def test_a_secret_is_named_by_its_kind_and_never_shown(folder: Path) -> None:
    key = "sk-proj-" + "a1" * 20
    put(folder, "a.yaml", GOOD.replace("TEXT", key), prompt=key)
    assert findings(folder) == [
        "a.yaml#1: secret: OpenAI key, 2 times",
        "a.yaml#1: secret: header authorization",
    ]


def test_two_cassettes_that_answer_differently_are_a_conflict(folder: Path) -> None:
    put(folder, "a.yaml", GOOD)
    put(folder, "b.yaml", GOOD.replace("TEXT", "else"))
    (finding,) = findings(folder)
    assert finding.startswith("b.yaml#1: conflict: a.yaml#1 and b.yaml#1 hold the same request")
    assert findings(folder, ignores=["messages[*].content"]) == [finding]


@pytest.mark.parametrize(("source", "problem"), [("recorded", False), ("imported", False), ("authored", True)])
def test_a_violation_is_an_error_only_in_an_authored_cassette(folder: Path, source: str, problem: bool) -> None:
    put(folder, "a.yaml", GOOD.replace('"created":1,', ""), source=source)
    (finding,) = check([folder])
    assert (finding.kind, finding.problem) == ("contract", problem)


def test_a_stub_that_answered_no_request_is_unused(folder: Path) -> None:
    put(folder, "a.yaml", GOOD)
    put(folder, "b.yaml", GOOD, prompt="y")
    (folder / "s.yaml").write_text("- {say: x}\n- {say: y}")
    assert findings(folder, used={f"{folder / 'a.yaml'}#1", f"{folder / 's.yaml'}#2"}) == [
        "b.yaml#1: unused: answered no request in the last run",
        "s.yaml#1: unused: answered no request in the last run",
    ]


def test_an_old_cassette_is_named(folder: Path) -> None:
    put(folder, "a.yaml", GOOD, day="2025-12-31")
    put(folder, "b.yaml", GOOD, prompt="y", day="")
    today = date(2026, 1, 31)
    assert findings(folder, max_age_days=31, today=today) == [
        "b.yaml: age: unknown: the date must be like 2026-11-28, got ''"
    ]
    assert findings(folder, max_age_days=30, today=today)[0] == "a.yaml: age: recorded 31 days ago, on 2025-12-31"


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["cassette", "check", *arguments])
    return result.exit_code, result.output


def test_the_command_fails_only_for_errors(folder: Path) -> None:
    put(folder, "a.yaml", GOOD.replace('"created":1,', ""))
    status, text = run(str(folder))
    assert (status, text.splitlines()[-1]) == (0, "0 errors, 1 warning")
    (folder / "b.yaml").write_text("")
    assert run(str(folder))[0] == 1
    assert run(str(folder / "nowhere")) == (1, f"Error: no folder of cassettes at {folder / 'nowhere'}\n")
    assert run(str(folder), "--ignore", "%")[0] == 1


def test_the_commands_json_has_every_finding(folder: Path) -> None:
    (folder / "b.yaml").write_text("")
    assert [CassetteFinding(**finding) for finding in json.loads(run(str(folder), "--json")[1])] == list(
        check([folder])
    )


def test_unused_needs_a_run_of_the_tests(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert "run the tests first" in run(str(folder), "--unused")[1]
    used = tmp_path / ".pytest_cache" / "v" / "mockserver"
    used.mkdir(parents=True)
    (used / "used").write_text(json.dumps([f"{folder / 'hello.yaml'}#1"]))
    shutil.copy(BUNDLED_CASSETTES / "hello.yaml", folder)
    assert run(str(folder), "--unused") == (0, "0 errors, 0 warnings\n")


def test_redact_takes_out_what_check_finds_and_keeps_what_is_allowed(folder: Path) -> None:
    key = "sk-proj-" + "a1" * 20
    put(folder, "a.yaml", GOOD.replace("TEXT", f"Key:\\n{key}, ada@corp-x.com"), prompt=f"sk- info@corp-x.com\n{key}")
    status = CliRunner().invoke(main, ["cassette", "check", str(folder)])
    assert (status.exit_code, status.output.splitlines()[-1]) == (
        1,
        f"Take secrets out: dress-rehearsal cassette redact {folder}",
    )
    result = CliRunner().invoke(main, ["cassette", "redact", str(folder), "--allow", "info@*", "--allow", "nowhere"])
    assert (result.exit_code, result.output) == (
        0,
        "a.yaml: taken out: OpenAI key, 2 times\na.yaml: taken out: e-mail address, 1 time\n",
    )
    text = (folder / "a.yaml").read_text()
    assert (key in text, "ada@" in text, "info@corp-x.com" in text) == (False, False, True)
    assert cassette.load(folder / "a.yaml").allowed == ("info@*",)
    assert findings(folder) == []
    assert CliRunner().invoke(main, ["cassette", "redact", str(folder)]).output == ""


def test_other_peoples_rules_have_a_second_opinion(folder: Path) -> None:
    put(
        folder,
        "a.yaml",
        GOOD.replace("TEXT", f"Token:\\n{'AKCp8' + 'hyqnwMt1jHXHBcmvqcTjPdVLvPvQc2mDQDZQ3N4PJzYnKnQb'}"),
    )
    assert findings(folder) == ["a.yaml#1: secret: Artifactory Credentials, 1 time, says detect-secrets"]
    assert run(str(folder))[0] == 0
