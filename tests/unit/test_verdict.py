"""Each check of the verdict, with a trial in which all is well and one in which what it looks for is wrong; and the reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from mockserver.errors import UserError
from mockserver.exchange import Answer, Event
from mockserver.journal.entry import Entry
from mockserver.verdict.checks import CHECKS, Shown, Trial, findings
from mockserver.verdict.expectations import LEAVES
from mockserver.verdict.report import Cell, markdown, sarif, write
from mockserver.verdict.surfaces import load_surfaces
from mockserver.verdict.trials import ANSWER
from tests.unit.examples import chat

LIMIT = "Requests to this deployment have exceeded its rate limit."


def asked(*answers: tuple[int, float, int], end: str = "eof") -> tuple[Entry, ...]:
    """What the model was asked: of each answer its status, when it was asked for, and how many events left."""
    return tuple(
        Entry(number, at_s, chat(), Answer(status, (), (Event(0, b"x"),)), end=end, sent_ms=tuple(range(events)))
        for number, (status, at_s, events) in enumerate(answers)
    )


def trial(
    fault: str, text: str = ANSWER, *, failed: bool = False, ended: bool = True, left: bool = False, **fields: Any
) -> Trial:
    entries = fields.pop("entries", asked((200, 0, 9)))
    return Trial("api", fault, ANSWER, Shown(text, failed, ended, 1.5, left), entries, **fields)


PART = ANSWER[:20]
WELL = {
    "answered": trial("slow_events"),
    "answered, over several lines": trial("slow_events", ANSWER.replace(" ", "\n  ")),
    "asked again when it was time": trial("rate_limited", entries=asked((429, 0, 1), (200, 1.02, 9))),
    "asked again where that helps": trial("overloaded", entries=asked((503, 0, 1), (200, 0.1, 9))),
    "said": trial("key_expired", "Not set up.", failed=True, entries=asked((401, 0, 1))),
    "broken off, and said": trial("dropped", PART, failed=True, entries=asked((200, 0, 6))),
    "left, and stopped": trial(LEAVES, PART, entries=asked((200, 0, 3), end="client left"), left=True),
    "not left before its end": trial(LEAVES, PART),
}
WRONG = [
    ("ends in time", "had not ended", trial("stall", PART, failed=True, ended=False)),
    (
        "no retry where none helps",
        "asked 2 times",
        trial("key_expired", failed=True, entries=asked((401, 0, 1), (401, 1, 1))),
    ),
    ("waits as told", "after 0.20 s", trial("rate_limited", entries=asked((429, 0, 1), (200, 0.2, 9)))),
    ("one question, one answer", "2 answers had begun", trial("cut_short", entries=asked((200, 0, 6), (200, 1, 6)))),
    ("one question, one answer", "shown 2 times", trial("slow_events", f"{ANSWER} {ANSWER}")),
    ("answer or word of failure", "a part of the answer", trial("dropped", PART)),
    ("answer or word of failure", "no word that it failed", trial("context_length_exceeded", "")),
    ("answer or word of failure", "it failed", trial("slow_events", PART, failed=True)),
    ("answer or word of failure", "no answer, and no word", trial("overloaded", "")),
    ("keeps what had come", "is gone", trial("malformed_event", "Broken off.", failed=True)),
    ("safe words", "own words", trial("rate_limited", LIMIT, failed=True, words=(LIMIT,))),
    ("safe words", "inside of the program", trial("refused", "Traceback (most recent call last):", failed=True)),
    ("safe words", "inside of the program", trial("refused", "Error: x\n    at r (http://h/a.js:2:1431)", failed=True)),
    ("nothing secret", "a key", trial("refused", "No answer from 127.0.0.1:9.", failed=True, secrets=("127.0.0.1:9",))),
    ("stops the model", "went on to its end", trial(LEAVES, PART, left=True)),
    ("asks the model", "did not ask", trial("key_expired", "No key is set.", failed=True, entries=())),
]


@pytest.mark.parametrize("well", WELL.values(), ids=WELL)
def test_nothing_is_found_where_all_is_well(well: Trial) -> None:
    assert findings(well) == ()


@pytest.mark.parametrize(("check", "words", "wrong"), WRONG, ids=[f"{check}: {words}" for check, words, _ in WRONG])
def test_each_check_finds_what_it_looks_for_and_no_other_does(check: str, words: str, wrong: Trial) -> None:
    (found,) = findings(wrong)
    assert (found.check, words in found.words) == (check, True), found


def test_each_check_has_been_tried() -> None:
    assert {check for check, _, _ in WRONG} == set(CHECKS)


def test_the_reports_say_the_same(tmp_path: Path) -> None:
    cells = [Cell.of(each) for each in (*WELL.values(), *(each for _, _, each in WRONG))]
    write(tmp_path, cells)
    wrong = [cell for cell in cells if cell.found]
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == (str(len(cells)), str(len(wrong)))
    assert len(list(suite.iter("failure"))) == len(wrong)
    run = json.loads((tmp_path / "verdict.sarif").read_text())["runs"][0]
    assert [each["ruleId"] for each in run["results"]] == [found.check for cell in cells for found in cell.found]
    assert {each["id"] for each in run["tool"]["driver"]["rules"]} == set(CHECKS)
    page = (tmp_path / "verdict.html").read_text()
    assert all(f'href="{cell.timeline}"' in page for cell in cells)
    assert markdown(cells).count("\n**api, ") == len(wrong)


def test_no_secret_gets_into_a_report(tmp_path: Path) -> None:
    key = "sk-proj-" + "a1B2c3D4" * 5
    write(tmp_path, [Cell.of(trial("server_error", f"Wrong key: {key}", failed=True, words=(f"Wrong key: {key}",)))])
    assert [path.name for path in tmp_path.rglob("*") if path.is_file() and key in path.read_text()] == []


def test_a_result_says_in_which_file_it_was_found() -> None:
    written: Any = sarif([Cell.of(WRONG[0][2])])
    (location,) = written["runs"][0]["results"][0]["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "timelines/api-stall.html"


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("- {name: x}", "x: give it one of command, request or page"),
        ("- {name: x, command: [a], request: {path: /}}", "x: give it one of command, request or page"),
        ("- {name: x, command: []}", "x: give it one of command, request or page"),
        ("- {name: x, command: [a], failed: '('}", "x: failed is no regular expression"),
        ("- {name: x, comand: [a]}", "unknown key 'comand' (did you mean 'command'?)"),
        ("{name: x", "surfaces.yaml"),
    ],
)
def test_a_wrong_description_is_one_plain_message(tmp_path: Path, written: str, complaint: str) -> None:
    file = tmp_path / "surfaces.yaml"
    file.write_text(written)
    with pytest.raises(UserError) as raised:
        load_surfaces(file, None, {})  # type: ignore[arg-type]  # which is not asked
    assert complaint in str(raised.value)
