"""The nearest recording among many is the one that was edited; every edit against every recording, which takes a while."""

from __future__ import annotations

from mockserver.matching import nearest
from mockserver.question import question_of
from tests.unit.examples import chat
from tests.unit.test_matching import conversations, edits


def test_the_nearest_is_the_one_that_was_edited() -> None:
    bodies = conversations()[:24]
    recorded = [(f"c#{index}", question_of(chat(**body))) for index, body in enumerate(bodies)]
    tried, wrong = 0, []
    for index, body in enumerate(bodies):
        for edited in edits(body):
            name, found = nearest(question_of(chat(**edited)), recorded)
            tried += 1
            if name != f"c#{index}":
                wrong.append((f"c#{index}", name, found))
    assert tried > 500
    assert wrong == []
