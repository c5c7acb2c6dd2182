"""The report of a run: its numbers, its merge, and what never stands in it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mockserver.exchange import Answer
from mockserver.journal.entry import Entry, Place
from mockserver.matching.call import Call
from mockserver.matching.differences import Difference
from mockserver.matching.miss import Miss
from mockserver.run_report import figures
from mockserver.run_report.facts import Facts, MissFact, VisitFact, facts_from_json, facts_of
from mockserver.run_report.page import ReportError, check_path, report, write_report
from mockserver.run_report.run import MAX_TESTS, Run, RunSource
from tests.unit.canaries import CANARIES, CORES
from tests.unit.examples import chat, recording


def entry(number: int, *, ids: tuple[str, ...] = (), took_s: float = 1.0, **more: object) -> Entry:
    fields = {"answer": Answer(200), "end": "eof", **more}
    return Entry(number, float(number), chat(), visit_ids=frozenset(ids), took_s=took_s, **fields)  # type: ignore[arg-type]


def missed(prompt: str, *differences: Difference, nearest: str | None = "a.yaml#3") -> Miss:
    call = Call(chat(messages=[{"role": "user", "content": prompt}]))
    return Miss(call, nearest, differences)


def test_a_visit_counts_once_as_what_it_was_where_it_was_seen_first() -> None:
    facts = facts_of(
        [
            entry(1, ids=("a",), place=Place.SITE, rule="route /api/*", took_s=3),
            entry(2, ids=("a",), place=Place.HOST, rule="chat"),
            entry(3, ids=("a",), answer=Answer(429)),
            entry(4, ids=("a",)),
            entry(5, answer=Answer(500)),
        ]
    )
    assert (facts.visits, facts.model_requests) == (2, 3)
    assert facts.statuses == (("model", "", 500, 1), ("site", "route /api/*", 200, 1))
    assert facts.slowest[0] == VisitFact(3, "POST /v1/chat/completions", 200)
    assert facts.operations == (("openai", "createChatCompletion", 3),)


def test_faults_are_counted_by_what_the_answers_say_of_themselves() -> None:
    broken = Answer(200, faults=("slow_events", "dropped"))
    facts = facts_of([entry(1, answer=broken), entry(2, answer=Answer(429, faults=("slow_events",))), entry(3)])
    assert facts.faults == (("dropped", 1), ("slow_events", 2))
    uses = {use.kind: use for use in figures.fault_uses({"b": facts, "a": facts})}
    assert (uses["slow_events"].count, uses["slow_events"].tests) == (4, ("a", "b"))
    assert (uses["cold_start"].count, uses["cold_start"].tests) == (0, ())
    assert uses["cold_start"].text.startswith("At the host: ")


def test_misses_of_one_reason_are_one_group_over_all_tests() -> None:
    one = Difference("temperature", "0", "1")
    asked = [missed("Hi", one), missed("Ho", one), missed("Hi", one, Difference("top_p", "1", "0"))]
    facts = {
        name: facts_of([entry(number, miss=miss) for number, miss in enumerate(misses, 1)])
        for name, misses in (("b", asked[:2]), ("a", asked[1:2]), ("c", [asked[2], asked[2]]))
    }
    groups = figures.miss_groups(facts)
    assert [(group.count, group.tests) for group in groups] == [(3, ("a", "b")), (2, ("c",))]
    facts["d"] = facts_of([entry(1, miss=missed("He", Difference("seed", "nothing", "7"), nearest=None))])
    groups = figures.miss_groups(facts)
    assert [(group.count, group.first.nearest) for group in groups] == [(3, "a.yaml#3"), (2, "a.yaml#3"), (1, "")]


def test_of_long_texts_the_place_where_they_part_is_kept() -> None:
    before = "same words " * 500
    difference = Difference("last user message", before + "old" + before, before + "new" + before)
    (miss,) = facts_of([entry(1, miss=missed("Hi", difference))]).misses
    assert "words old" in miss.differences[0].expected
    assert "words new" in miss.differences[0].got
    assert len(miss.differences[0].got) < 300


def test_one_test_has_bounded_facts_and_counts_the_rest() -> None:
    entries = [
        entry(number, rule=f"rule {number}", miss=missed(f"{number}", Difference("seed", "1", f"{number}")))
        for number in range(1, 3001)
    ]
    facts = facts_of(entries)
    assert sum(count for *_, count in facts.statuses) == facts.visits == 3000
    assert sum(miss.count for miss in facts.misses) + facts.more_misses == 3000
    assert len(json.dumps(facts.as_json())) < 20_000


def test_operations_never_asked_are_those_the_backend_has() -> None:
    facts = Facts(operations=(("azure", "createChatCompletion", 2), ("openai", "", 1)))
    openai, azure = figures.backend_uses({"a": facts, "b": facts})
    assert (openai.touched, openai.unknown) == ((), 2)
    assert azure.touched == (("createChatCompletion", 4),)
    assert "createModeration" in openai.untouched
    assert "createModeration" not in azure.untouched
    assert "createChatCompletion" not in azure.untouched


def some_run(order: int = 1) -> Run:
    """A run of two workers, handed over in one order or the other."""
    main = Run()
    workers = {"gw0": Run(), "gw1": Run()}
    miss = MissFact("f", "POST /v1/x", nearest="a.yaml#1", differences=(Difference("seed", "1", "2"),))
    workers["gw0"].add(
        "test_b", Facts(visits=1, misses=(miss,), faults=(("dropped", 1),), slowest=(VisitFact(1, "GET /", 200),))
    )
    workers["gw1"].add("test_a", Facts(visits=2, statuses=(("site", "", None, 2),), timeline="test-results/a b.html"))
    for name in sorted(workers)[::order]:
        main.take(name, json.loads(json.dumps(workers[name].as_json())))
    for test in ("test_b", "test_a", "test_c")[::order]:
        main.phase(test, "setup", "passed", 1)
        main.phase(test, "call", "failed" if test == "test_a" else "passed", 1)
        main.phase(test, "teardown", "passed", 1)
    return main


def test_the_page_does_not_depend_on_the_order_in_which_workers_end(tmp_path: Path) -> None:
    pages = {report(some_run(order), RunSource(tmp_path), folder=tmp_path / "out") for order in (1, -1)}
    assert len(pages) == 1
    (page,) = pages
    assert page.index("test_a") < page.index("test_b")  # what failed comes first
    assert 'href="../test-results/a%20b.html"' in page
    assert "3 tests: " in page


def test_facts_come_out_of_a_worker_as_they_went_in() -> None:
    run = some_run()
    for facts in run.facts.values():
        assert facts_from_json(json.loads(json.dumps(facts.as_json()))) == facts


@pytest.mark.parametrize(
    ("phases", "outcome"),
    [
        ([("setup", "passed"), ("call", "passed"), ("teardown", "passed")], "passed"),
        ([("setup", "passed"), ("call", "failed"), ("teardown", "failed")], "failed"),
        ([("setup", "failed"), ("teardown", "passed")], "error"),
        ([("setup", "skipped"), ("teardown", "passed")], "skipped"),
        ([("setup", "passed"), ("call", "passed"), ("teardown", "failed")], "error"),
        ([("setup", "passed"), ("call", "failed"), ("setup", "passed"), ("call", "passed")], "passed"),
    ],
)
def test_a_test_ends_as_its_worst_phase(phases: list[tuple[str, str]], outcome: str) -> None:
    run = Run()
    for when, each in phases:
        run.phase("t", when, each, 0.5)
    assert run.ended["t"].outcome == outcome


def test_an_expected_failure_is_none() -> None:
    run = Run()
    for test, each in (("a", "skipped"), ("b", "passed")):
        run.phase(test, "setup", "passed", 0)
        run.phase(test, "call", each, 0, xfail=True)
    assert [run.ended[test].outcome for test in "ab"] == ["xfailed", "xpassed"]


def test_a_worker_that_says_nothing_and_tests_that_are_too_many_are_named(tmp_path: Path) -> None:
    run = Run()
    for number in range(MAX_TESTS + 3):
        run.add(f"{number}", Facts())
    run.take("gw3", None)
    run.facts = {"one": Facts()}
    page = report(run, RunSource(tmp_path, partial="2 tests were deselected"), folder=tmp_path)
    assert "1 worker ended without handing over what its tests did (gw3)" in page
    assert "What 3 tests did was too much to keep" in page
    assert "not a run of all tests to their end (2 tests were deselected)" in page


def test_a_run_without_the_mock_says_so(tmp_path: Path) -> None:
    run = Run()
    run.phase("test_plain", "call", "passed", 0.1)
    page = report(run, RunSource(tmp_path), folder=tmp_path)
    assert "No test used the mock server" in page
    assert "1 test: " in page


def test_recordings_are_named_by_file_and_interaction_used_or_not(tmp_path: Path) -> None:
    (tmp_path / "cassettes").mkdir()
    path = tmp_path / "cassettes" / "a.yaml"
    (tmp_path / "cassettes" / "broken.yaml").write_text("source: nobody\ninteractions: []\n")
    (tmp_path / "cassettes" / "scenario.yaml").write_text("- {say: Hi}\n")
    path.write_text(recording("Hello", "And then?", "Last"))
    first, broken = figures.cassette_uses((path.parent,), (), [f"{path.resolve()}#2"], tmp_path)
    assert (first.name, broken.name) == ("cassettes/a.yaml", "cassettes/broken.yaml")
    assert [each.used for each in first.recordings][:3] == [False, True, False]
    assert first.unused == len(first.recordings) - 1
    assert first.recordings[0].text.startswith("createChatCompletion · ")
    assert broken.trouble


@pytest.mark.parametrize("name", CORES)
def test_no_secret_stands_in_a_report(name: str, tmp_path: Path) -> None:
    secret = CANARIES[name]
    miss = missed(secret, Difference("last user message", "nothing", json.dumps(secret)))
    noted = entry(1, rule=secret, place=Place.SITE, miss=replace(miss, nearest=f"{secret}#1"))
    run = Run()
    run.add(f"test_it[{secret}]", facts_of([noted, entry(2, miss=replace(miss, reason=secret))]))
    assert CORES[name] not in report(run, RunSource(tmp_path, partial=secret), folder=tmp_path)


def test_what_a_test_says_is_no_markup(tmp_path: Path) -> None:
    run = Run()
    run.add("test_it[<script>alert(1)</script>]", facts_of([entry(1, rule="<img src=x>", place=Place.SITE)]))
    page = report(run, RunSource(tmp_path), folder=tmp_path)
    assert "<script" not in page
    assert "<img" not in page
    assert "default-src 'none'; style-src 'unsafe-inline'\"" in page


def test_a_path_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError, match=r"cannot write .*report\.html: .*Give it another path"):
        check_path(tmp_path / "file" / "report.html")
    with pytest.raises(ReportError, match="cannot write"):
        write_report(tmp_path / "file" / "report.html", Run(), RunSource(tmp_path))
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(ReportError, match="cannot write"):
        check_path(tmp_path / "folder.html")


def test_a_tests_own_file_is_never_taken_for_the_path(tmp_path: Path) -> None:
    path = tmp_path / "test_mine.py"
    path.write_text("kept")
    with pytest.raises(ReportError, match=r"ends in \.html"):
        check_path(path)
    assert path.read_text() == "kept"


def test_the_report_of_an_earlier_run_is_not_taken_for_this_one(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.html"
    check_path(path)
    path.write_text("old")
    check_path(path)
    assert not path.exists()
