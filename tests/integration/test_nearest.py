"""The nearest recording among many is the one that was edited; every edit against every recording, which takes a while."""

from __future__ import annotations

from mockserver.matching.call import Call
from mockserver.matching.differences import nearest
from tests.unit.examples import chat
from tests.unit.test_matching import conversations, edits


def test_the_nearest_is_the_one_that_was_edited() -> None:
    bodies = conversations()[:24]
    recorded = [(f"c#{index}", Call(chat(**body)).canonical) for index, body in enumerate(bodies)]
    tried, wrong = 0, []
    for index, body in enumerate(bodies):
        for edited in edits(body):
            name, found = nearest(Call(chat(**edited)).canonical, recorded)
            tried += 1
            if name != f"c#{index}":
                wrong.append((f"c#{index}", name, found))
    assert tried > 500
    assert wrong == []
