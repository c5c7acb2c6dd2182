"""How long a generated answer takes: by a profile from the command line, or one fitted to recordings."""

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

_P95 = 1.6449  # standard deviations from the mean of a normal distribution to its 95th percentile
_TEXT = re.compile(rb'"content":"[^"]|"delta":"[^"]|"arguments":"[^"]')


class LatencyError(UserError):
    """A latency profile that cannot be read; the message shows how to write one."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds to the first token, as median and 95th percentile of a log-normal distribution, and tokens per
    second from then on. The same `seed` gives the same request the same wait."""

    first_ms: float = 600
    p95_ms: float = 2000
    rate_per_s: float = 45
    seed: int = 0

    def pace(self, fingerprint: str) -> Pace:
        """The pace of the answer to the request with this fingerprint."""
        spread = math.log(max(self.p95_ms / self.first_ms, 1)) / _P95 if self.first_ms else 0
        deviation = random.Random(f"{self.seed} {fingerprint}").gauss(0, spread)  # noqa: S311  no secret
        return Pace(round(self.first_ms * math.exp(deviation), 1), round(1000 / self.rate_per_s, 1))

    def __str__(self) -> str:
        return f"first={self.first_ms:g}ms,p95={self.p95_ms:g}ms,rate={self.rate_per_s:g}tok/s,seed={self.seed}"


def parse_latency(text: str) -> Latency:
    """The profile in `first=600ms,p95=2s,rate=45tok/s,seed=1`; with `first` and no `p95`, every wait is `first`.

    Raises:
        LatencyError: an unknown key, a value without a known unit, a rate of 0, or a p95 below first.
    """
    units = {"first": {"ms": 1, "s": 1000}, "p95": {"ms": 1, "s": 1000}, "rate": {"tok/s": 1}, "seed": {"": 1}}
    values: dict[str, float] = {}
    for part in text.split(","):
        key, _, value = part.strip().partition("=")
        match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([a-z/]*)", value.strip())
        if key not in units or not match or match[2] not in units[key]:
            raise LatencyError(
                f"--latency {text}: {part!r} is not understood; write first=600ms,p95=2s,rate=45tok/s,seed=1"
            )
        values[key] = float(match[1]) * units[key][match[2]]
    if values.get("rate") == 0:
        raise LatencyError(f"--latency {text}: rate must be more than 0 tok/s")
    default = Latency()
    first = values.get("first", default.first_ms)
    p95 = values.get("p95", first if "first" in values else default.p95_ms)
    if p95 < first:
        raise LatencyError(f"--latency {text}: p95 must be at least first ({first:g} ms), got {p95:g} ms")
    return Latency(first, p95, values.get("rate", default.rate_per_s), int(values.get("seed", default.seed)))


def fitted(answers: Iterable[Answer]) -> Latency:
    """The profile of recorded streams, from each stream's wait until its first text and its rate from then on.

    Raises:
        LatencyError: no answer is a stream with text.
    """
    firsts, rates = [], []
    for answer in answers:
        moment_ms, texts_at_ms = answer.head_after_ms, []
        for event in answer.events if answer.streams else ():
            moment_ms += event.after_ms
            if _TEXT.search(event.data):
                texts_at_ms.append(moment_ms)
        if texts_at_ms and texts_at_ms[-1] > 0:
            firsts.append(texts_at_ms[0])
            if texts_at_ms[-1] > texts_at_ms[0]:
                rates.append((len(texts_at_ms) - 1) / (texts_at_ms[-1] - texts_at_ms[0]) * 1000)
    if not rates:
        raise LatencyError("--latency fitted: needs a recorded stream with text, and none is loaded")
    p95 = statistics.quantiles(firsts, n=20, method="inclusive")[-1] if len(firsts) > 1 else firsts[0]
    median = statistics.median(firsts)
    return Latency(round(median, 1), round(max(p95, median), 1), round(statistics.median(rates), 1))
