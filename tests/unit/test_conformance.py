"""How `make conformance` compares outcomes: it reports every unexpected one."""

from __future__ import annotations

import conformance
import pytest

from mockserver.contract.request_rules import RULES

TEST = "chat/test_completions.py::T::test_x"
MESSAGE = next(rule.message for rule in RULES if rule.name == "two-token-limits")


def outcome(kind: str, message: str = "") -> list[dict[str, str]]:
    return [{"test": f"tests/api_resources/{TEST}[loose]", "outcome": kind, "message": message}]


@pytest.mark.parametrize(
    ("outcomes", "allowed", "problems"),
    [
        (outcome("passed"), {}, 0),
        (outcome("refused", f"Error code: 400 - {{'message': \"{MESSAGE}\"}}"), {TEST: "two-token-limits"}, 0),
        (outcome("refused", MESSAGE), {}, 1),
        (outcome("refused", MESSAGE), {TEST: "stream-options"}, 1),
        (outcome("failed", "TypeError()"), {TEST: "two-token-limits"}, 1),
        (outcome("not accepted", "Did not match any variants"), {TEST: "sdk-compaction"}, 0),
        (outcome("not accepted", "Did not match any variants"), {TEST: "sdk-base64"}, 1),
        (outcome("passed"), {TEST: "two-token-limits"}, 1),
        ([], {TEST: "two-token-limits"}, 1),
    ],
)
def test_an_outcome_that_is_not_listed_is_reported(
    outcomes: list[dict[str, str]], allowed: dict[str, str], problems: int
) -> None:
    assert len(list(conformance.unexpected(outcomes, allowed))) == problems


def test_every_refusal_names_an_existing_rule() -> None:
    listed = dict(conformance.refusals(conformance.REFUSED.read_text()))
    assert len(listed) == 18
    assert set(listed.values()) <= {rule.name for rule in RULES} | set(conformance.NOT_ACCEPTED)
