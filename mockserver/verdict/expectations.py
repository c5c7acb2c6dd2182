"""What an app should do in each fault: whether to ask again, what to keep, when to say that something went wrong."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mockserver.simulation.fault import MODEL_FAULT_KINDS, SITE_FAULT_KINDS


class Ending(StrEnum):
    """What whoever asked should have in the end."""

    WHOLE = "the whole answer"
    WHOLE_OR_SAID = "the whole answer, or word that it failed"
    SAID = "word that it failed"
    PARTIAL = "what had come, and word that it is not all"
    ANY = "nothing"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What should happen in a fault. `asks_again` is whether another attempt may help; with `retry_after_s`, not before so many
    seconds. `at_site` faults meet only what asks through the site."""

    outcome: Ending
    asks_again: bool = False
    retry_after_s: float = 0
    at_site: bool = False


#: What passes by itself: another attempt may help.
_PASSING = Expectation(Ending.WHOLE_OR_SAID, asks_again=True)
_LIMITED = Expectation(Ending.WHOLE_OR_SAID, asks_again=True, retry_after_s=1)
#: What another attempt does not change.
_FINAL = Expectation(Ending.SAID)
_BROKEN = Expectation(Ending.PARTIAL)
_HARMLESS = Expectation(Ending.WHOLE)
_AT_SITE = Expectation(Ending.SAID, at_site=True)

#: No fault of the app's surroundings: whoever asked closes the page, or breaks off.
LEAVES = "who asks leaves"

EXPECTATIONS: dict[str, Expectation] = {
    **dict.fromkeys(("rate_limited", "rate_limited_2024"), _LIMITED),
    **dict.fromkeys(("server_error", "overloaded", "bad_gateway", "refused"), _PASSING),
    "quota_exceeded": _FINAL,
    **dict.fromkeys(("key_expired", "deployment_gone", "firewall", "role_missing", "token_expired"), _FINAL),
    "context_length_exceeded": _FINAL,
    **dict.fromkeys(("dropped", "stall", "truncated_event", "malformed_event", "rate_limited_in_stream"), _BROKEN),
    # All of the text has come, and only the end is missing: both are right.
    "cut_short": _PASSING,
    "empty": Expectation(Ending.WHOLE_OR_SAID, asks_again=True),
    **dict.fromkeys(("slow_first_token", "slow_events", "split_events", "merged_events"), _HARMLESS),
    "wrong_content_type": Expectation(Ending.WHOLE_OR_SAID),
    "cold_start": Expectation(Ending.WHOLE, at_site=True),
    **dict.fromkeys(("session_expired", "api_timeout", "api_unreachable", "host_starting"), _AT_SITE),
    **dict.fromkeys(("function_failed", "function_missing"), _AT_SITE),
    LEAVES: Expectation(Ending.ANY),
}
#: Details of a fault in a verdict: short waits, and breaks after some of the text.
DETAILS: dict[str, dict[str, int]] = {
    "slow_first_token": {"wait_ms": 1500},
    "cold_start": {"wait_ms": 1500},
    "slow_events": {"wait_ms": 100},
    **{kind: {"after": 6} for kind, expected in EXPECTATIONS.items() if expected is _BROKEN},
}

assert EXPECTATIONS.keys() == {*MODEL_FAULT_KINDS, *SITE_FAULT_KINDS, LEAVES}  # noqa: S101  a new fault needs its expectation
