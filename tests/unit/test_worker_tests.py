"""How the run of the worker's own tests compares outcomes: it reports every unexpected one."""

from __future__ import annotations

import pytest
import worker_tests

LIST = """
# A comment
It needs what is not imitated.
  a.py
  b.py::Whole
  inprocess b.py::Part::test_x
"""
REASON = "It needs what is not imitated."


def test_a_listed_test_has_the_reason_above_it_for_the_workers_it_names() -> None:
    assert worker_tests.listed(LIST, "microsoft") == {"a.py": REASON, "b.py::Whole": REASON}
    assert list(worker_tests.listed(LIST, "inprocess")) == ["a.py", "b.py::Whole", "b.py::Part::test_x"]


@pytest.mark.parametrize(
    ("outcomes", "problems"),
    [
        ({"b.py::Whole::test_a": "failed", "b.py::Part::test_x": "failed", "b.py::Part::test_y": "passed"}, []),
        ({"b.py::Whole::test_a": "failed"}, ["b.py::Part::test_x: is listed, but there is none"]),
        (
            {"b.py::Whole::test_a": "passed", "b.py::Part::test_x": "skipped", "b.py::Part::test_y": "failed"},
            ["b.py::Whole::test_a: is listed, but passes", "b.py::Part::test_y: has failed"],
        ),
    ],
    ids=["as listed", "an entry without a test", "not as listed"],
)
def test_an_outcome_that_is_not_listed_is_reported(outcomes: dict[str, str], problems: list[str]) -> None:
    allowed = worker_tests.listed(LIST, "inprocess")
    assert list(worker_tests.unexpected(outcomes, allowed, whole=True)) == problems


def test_everything_that_is_listed_has_a_reason() -> None:
    for worker in worker_tests.WORKERS:
        listed = worker_tests.listed(worker_tests.LISTED.read_text(encoding="utf-8"), worker)
        assert listed
        assert all(reason.endswith(".") for reason in listed.values())
