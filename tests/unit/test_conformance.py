"""How `make conformance` compares outcomes: it reports every unexpected one."""

from __future__ import annotations

import conformance
import pytest

from mockserver.contract.request_check import RULE_NAMES

TEST = "chat/test_completions.py::T::test_x"


def outcome(kind: str, message: str = "", rule: str | None = None) -> list[dict[str, str | None]]:
    return [{"test": f"tests/api_resources/{TEST}[loose]", "outcome": kind, "message": message, "rule": rule}]


@pytest.mark.parametrize(
    ("outcomes", "allowed", "problems"),
    [
        (outcome("passed"), {}, 0),
        (outcome("refused", "Error code: 400", "two-token-limits"), {TEST: "two-token-limits"}, 0),
        (outcome("refused", "Error code: 400", "two-token-limits"), {}, 1),
        (outcome("refused", "Error code: 400", "two-token-limits"), {TEST: "stream-options"}, 1),
        (outcome("failed", "TypeError()"), {TEST: "two-token-limits"}, 1),
        (outcome("not accepted", "Did not match any variants"), {TEST: "sdk-compaction"}, 0),
        (outcome("not accepted", "Did not match any variants"), {TEST: "sdk-base64"}, 1),
        (outcome("passed"), {TEST: "two-token-limits"}, 1),
        ([], {TEST: "two-token-limits"}, 1),
    ],
)
def test_an_outcome_that_is_not_listed_is_reported(
    outcomes: list[dict[str, str | None]], allowed: dict[str, str], problems: int
) -> None:
    assert len(list(conformance.unexpected(outcomes, allowed))) == problems


def test_every_refusal_names_an_existing_rule() -> None:
    listed = dict(conformance.refusals(conformance.REFUSED.read_text()))
    assert len(listed) == 57
    assert set(listed.values()) <= set(RULE_NAMES) | set(conformance.NOT_ACCEPTED)
