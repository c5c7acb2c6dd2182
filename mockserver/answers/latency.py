"""How long a made-up answer takes: a profile that is stated, or fitted to what was recorded."""

from __future__ import annotations

import math
import random
import re
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from mockserver.answers.authored.authored_answer import Pace
from mockserver.errors import UserError
from mockserver.exchange import Answer

_P95 = 1.6449  # standard deviations from the middle of a normal distribution to its 95th percentile
_TEXT = re.compile(rb'"content":"[^"]|"delta":"[^"]|"arguments":"[^"]')


class LatencyError(UserError):
    """A profile that cannot be read; says what was given and how it is written."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds to the first token, in the middle and at the 95th percentile of a log-normal distribution, and
    tokens a second from then on. The same `seed` gives the same wait to the same question."""

    first_ms: float = 600
    p95_ms: float = 2000
    rate_per_s: float = 45
    seed: int = 0

    def pace(self, fingerprint: str) -> Pace:
        """The pace of the answer to one question."""
        spread = math.log(max(self.p95_ms / self.first_ms, 1)) / _P95 if self.first_ms else 0
        drawn = random.Random(f"{self.seed} {fingerprint}").gauss(0, spread)  # noqa: S311  no secret
        return Pace(round(self.first_ms * math.exp(drawn), 1), round(1000 / self.rate_per_s, 1))

    def __str__(self) -> str:
        return f"first={self.first_ms:g}ms,p95={self.p95_ms:g}ms,rate={self.rate_per_s:g}tok/s,seed={self.seed}"


def parse_latency(text: str) -> Latency:
    """What `first=600ms,p95=2s,rate=45tok/s,seed=1` says; what it leaves out is the default; `first` alone is every wait.

    Raises:
        LatencyError: an unknown key or a value in no known unit.
    """
    units = {"first": {"ms": 1, "s": 1000}, "p95": {"ms": 1, "s": 1000}, "rate": {"tok/s": 1}, "seed": {"": 1}}
    given: dict[str, float] = {}
    for part in text.split(","):
        key, _, value = part.strip().partition("=")
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([a-z/]*)", value.strip())
        if key not in units or not found or found[2] not in units[key]:
            raise LatencyError(
                f"--latency {text}: {part!r} is not understood; write first=600ms,p95=2s,rate=45tok/s,seed=1"
            )
        given[key] = float(found[1]) * units[key][found[2]]
    if given.get("rate") == 0:
        raise LatencyError(f"--latency {text}: at 0 tokens a second no answer ends")
    usual = Latency()
    first = given.get("first", usual.first_ms)
    p95 = given.get("p95", first if "first" in given else usual.p95_ms)
    if p95 < first:
        raise LatencyError(f"--latency {text}: the 95th percentile ({p95:g} ms) is below the middle ({first:g} ms)")
    return Latency(first, p95, given.get("rate", usual.rate_per_s), int(given.get("seed", 0)))


def fitted(answers: Iterable[Answer]) -> Latency:
    """The profile that recorded streams give: each counts with its wait until the first text, and with its rate after.

    Raises:
        LatencyError: there is no stream with text among them.
    """
    firsts, rates = [], []
    for answer in answers:
        waited, at = answer.head_after_ms, []
        for event in answer.events if answer.streams else ():
            waited += event.after_ms
            if _TEXT.search(event.data):
                at.append(waited)
        if at and at[-1] > 0:
            firsts.append(at[0])
            if at[-1] > at[0]:
                rates.append((len(at) - 1) / (at[-1] - at[0]) * 1000)
    if not rates:
        raise LatencyError("--latency fitted: no stream with text is loaded that it could be fitted to")
    p95 = statistics.quantiles(firsts, n=20, method="inclusive")[-1] if len(firsts) > 1 else firsts[0]
    middle = statistics.median(firsts)
    return Latency(round(middle, 1), round(max(p95, middle), 1), round(statistics.median(rates), 1))
