"""Requests and tokens a minute, counted as the services count them: a pure sliding window over the clock."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from mockserver.contract.operations import Backend
from mockserver.contract.throttling import Exceeded
from mockserver.errors import UserError
from mockserver.exchange import Headers

#: A minute's requests are granted in portions. Source: Azure OpenAI's quota documentation: "1 or 10 seconds" for
#: requests a minute, a minute for tokens.
REQUESTS_WINDOW_S = 10.0
TOKENS_WINDOW_S = 60.0


class LimitError(UserError):
    """A limit that cannot be read; says what was given and how it is written."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What a deployment may do in a minute; None where there is no such limit."""

    requests: int | None = None
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class LimitVerdict:
    """What became of a request: `exceeded` None lets it through."""

    window: LimitWindow
    exceeded: Exceeded | None
    headers: Headers


@dataclass(frozen=True, slots=True)
class LimitWindow:
    """The requests of the last minute that were let through: when each began, and the tokens it was counted with."""

    limit: Limit
    begun: tuple[tuple[float, int], ...] = ()

    def admit(self, at_s: float, tokens: int, backend: Backend) -> LimitVerdict:
        """What becomes of a request at that moment which may cost so many tokens, prompt and longest answer together.

        A request that alone costs more than a minute's tokens is never let through. Waiting as long as is said always
        helps, if nothing else is let through meanwhile.
        """
        kept = tuple(each for each in self.begun if each[0] > at_s - TOKENS_WINDOW_S)
        window = replace(self, begun=kept)
        exceeded = window._exceeded(at_s, tokens)
        if exceeded is None:
            window = replace(window, begun=(*kept, (at_s, tokens)))
        return LimitVerdict(window, exceeded, window.headers(at_s, backend))

    def _exceeded(self, at_s: float, tokens: int) -> Exceeded | None:
        """Of the limits that are in the way, the one that is longest."""
        found = [each for each in (self._too_many(at_s), self._too_costly(at_s, tokens)) if each]
        return max(found, key=lambda each: each.wait_s, default=None)

    def _too_many(self, at_s: float) -> Exceeded | None:
        requests, begun = self.limit.requests, [began for began, _ in self.begun]
        if requests is None:
            return None
        recent = [began for began in begun if began > at_s - REQUESTS_WINDOW_S]
        portion = max(1, int(requests * REQUESTS_WINDOW_S / 60))
        waits = [recent[-portion] + REQUESTS_WINDOW_S - at_s] if len(recent) >= portion else []
        waits += [begun[-requests] + TOKENS_WINDOW_S - at_s] if len(begun) >= requests else []
        return Exceeded("requests", requests, len(begun), 1, _up(max(waits))) if waits else None

    def _too_costly(self, at_s: float, tokens: int) -> Exceeded | None:
        most, used = self.limit.tokens, sum(cost for _, cost in self.begun)
        if most is None or used + tokens <= most:
            return None
        over, wait_s = used + tokens - most, TOKENS_WINDOW_S
        for began, cost in self.begun:
            over -= cost
            if over <= 0:
                wait_s = began + TOKENS_WINDOW_S - at_s
                break
        return Exceeded("tokens", most, used, tokens, _up(wait_s))

    def headers(self, at_s: float, backend: Backend) -> Headers:
        """What is left of the minute, as the backend says it: Azure in whole seconds, OpenAI in Go's durations."""
        found: list[tuple[str, str]] = []
        reset = _duration(self.begun[0][0] + TOKENS_WINDOW_S - at_s if self.begun else 0, backend)
        used = {"requests": len(self.begun), "tokens": sum(cost for _, cost in self.begun)}
        for what, limit in (("requests", self.limit.requests), ("tokens", self.limit.tokens)):
            if limit is not None:
                left = max(0, limit - used[what])
                found += [(f"x-ratelimit-limit-{what}", str(limit)), (f"x-ratelimit-remaining-{what}", str(left))]
                found.append((f"x-ratelimit-reset-{what}", reset))
        return tuple(found)


def _up(seconds: float) -> float:
    """The next whole millisecond, so that whoever waits as long is never a hair too early."""
    return math.ceil(seconds * 1000 + 1e-3) / 1000


def parse_limits(texts: tuple[str, ...]) -> Mapping[str, Limit]:
    """The limit of each model or deployment, from `NAME=6rpm,1000tpm`; the name `*` is for all that have none of their own.

    Raises:
        LimitError: something else.
    """
    found: dict[str, Limit] = {}
    for text in texts:
        name, _, given = text.partition("=")
        parts = [re.fullmatch(r"(\d+)(rpm|tpm)", part.strip()) for part in given.split(",")]
        amounts = {part[2]: int(part[1]) for part in parts if part}
        if not name or not all(parts) or len(amounts) != len(parts) or 0 in amounts.values():
            raise LimitError(
                f"--limit {text}: write NAME=6rpm,1000tpm, with one of the two or both, and * for every name"
            )
        found[name] = Limit(amounts.get("rpm"), amounts.get("tpm"))
    return found


def _duration(seconds: float, backend: Backend) -> str:
    seconds = max(0.0, seconds)
    if backend is Backend.AZURE:
        return str(math.ceil(seconds))
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    return (
        f"{int(seconds // 60)}m{int(seconds % 60)}s"
        if seconds >= 60
        else f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"
    )
