"""A miss: a request that no stub answers, and what came nearest to it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mockserver.matching.call import Call
from mockserver.matching.differences import Difference
from mockserver.matching.ignore import VOLATILE
from mockserver.redaction.exchanges import without_credentials


@dataclass(frozen=True, slots=True)
class Miss:
    """A request that no stub answers.

    `nearest` is the closest stub's name, None if nothing is loaded for its operation; `ignored` is what the project
    says does not count, and `file` the path of the nearest one's file. `reason` is set where a stub fits and cannot be used.
    """

    call: Call
    nearest: str | None = None
    differences: tuple[Difference, ...] = ()
    ignored: tuple[str, ...] = ()
    reason: str = ""
    stored_fingerprint: str = ""
    file: str = ""

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the canonical request."""
        return self.stored_fingerprint or self.call.canonical.fingerprint

    def for_storage(self) -> Miss:
        """The same with nothing but the bytes of its request, without credentials: what is parsed takes several times as much."""
        call = Call(without_credentials(self.call.request), self.call.ignores)
        return replace(self, call=call, stored_fingerprint=self.fingerprint)

    @property
    def helpful_ignores(self) -> tuple[str, ...]:
        """What to ignore so that the nearest would fit; empty if more than that differs."""
        options = [_volatile_field(difference) for difference in self.differences]
        return tuple(options) if all(options) else ()

    @property
    def acceptable(self) -> bool:
        """Whether the nearest stub's answer may be kept for the new request."""
        return bool(self.nearest and self.differences and self.call.operation) and not any(
            why_not_acceptable(difference, self.call.body) for difference in self.differences
        )


def why_not_acceptable(difference: Difference, body: Mapping[str, Any] | None) -> str:
    """Why an old answer would not answer the request with this body; empty if it may."""
    if "nothing" in (difference.expected, difference.got) and difference.field.startswith(("messages", "input")):
        return "there are more messages, or fewer"
    if place := re.match(r"(messages|input)\[(\d+)\]", difference.field):
        message = ((body or {}).get(place[1]) or [])[int(place[2])]
        role = message.get("role") if isinstance(message, dict) else None
        return "" if role in ("system", "developer") else f"a message of the {role or 'user'} asks something else"
    if difference.field == "stream":
        return "the answer would have another form"
    if difference.field == "model":
        return "another model would answer differently"
    return "it asks something else" if difference.field in ("input", "last user message", "text") else ""


def _volatile_field(difference: Difference) -> str:
    """`FIELD=NAME` where two texts differ only in a date, a uuid or an id; else empty."""
    for name, pattern in VOLATILE.items():
        expected, got = (re.sub(pattern, "[]", text) for text in (difference.expected, difference.got))
        if expected == got:
            field = re.sub(r"\[\d+\]", "[*]", difference.field)
            return f"{field}={name}"
    return ""
