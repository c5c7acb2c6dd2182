"""A fault: something that goes wrong on purpose, by its kind."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from mockserver.errors import UserError, did_you_mean

#: What can go wrong at the model; `model_faults` has a function for each.
ModelFaultKind = Literal[
    "rate_limited",
    "rate_limited_2024",
    "rate_limited_in_stream",
    "quota_exceeded",
    "server_error",
    "overloaded",
    "bad_gateway",
    "refused",
    "key_expired",
    "deployment_gone",
    "firewall",
    "role_missing",
    "token_expired",
    "context_length_exceeded",
    "slow_first_token",
    "slow_events",
    "stall",
    "dropped",
    "cut_short",
    "truncated_event",
    "malformed_event",
    "split_events",
    "merged_events",
    "empty",
    "wrong_content_type",
]
#: What can go wrong before the model is asked; `site_faults` has a function for each.
SiteFaultKind = Literal[
    "session_expired",
    "api_timeout",
    "api_unreachable",
    "cold_start",
    "host_starting",
    "function_failed",
    "function_missing",
]
FaultKind = ModelFaultKind | SiteFaultKind

MODEL_FAULT_KINDS: tuple[str, ...] = get_args(ModelFaultKind)
SITE_FAULT_KINDS: tuple[str, ...] = get_args(SiteFaultKind)

#: How `retry_after` is written: seconds, milliseconds, a date that many seconds ahead, or not at all.
RETRY_AFTER = re.compile(r"(?P<number>\d{1,9}(?:\.\d{1,9})?) ?(?P<unit>s|ms|s as a date)?|never")


class FaultError(UserError):
    """A fault that does not exist, or one of its details has a wrong value."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault to apply.

    `after` counts the events that still arrive, `wait_ms` is how long it makes the client wait, `retry_after` is when
    the service says to come back; None takes the default of the kind.

    Raises:
        FaultError: an unknown kind or a wrong value.
    """

    kind: str
    after: int | None = None
    wait_ms: int | None = None
    retry_after: str | None = None

    def __post_init__(self) -> None:
        kinds = (*MODEL_FAULT_KINDS, *SITE_FAULT_KINDS)
        if self.kind not in kinds:
            hint = did_you_mean(self.kind, kinds)
            raise FaultError(f"unknown fault {self.kind!r}{hint}; known faults: {', '.join(kinds)}")
        if self.after is not None and self.after < 0:
            raise FaultError(f"after must be 0 or more events, got {self.after}")
        if self.wait_ms is not None and self.wait_ms < 0:
            raise FaultError(f"wait_ms must be 0 or more milliseconds, got {self.wait_ms}")
        if self.retry_after is not None and not RETRY_AFTER.fullmatch(self.retry_after):
            raise FaultError(f"retry_after must be like 3s, 250ms, '3s as a date' or never, got {self.retry_after!r}")

    @property
    def at_site(self) -> bool:
        """Whether it happens before the model is asked."""
        return self.kind in SITE_FAULT_KINDS
