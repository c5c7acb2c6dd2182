"""Requests and tokens a minute, counted as the services count them: a pure sliding window over the clock."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from mockserver.contract.addresses import Backend
from mockserver.contract.throttling import Exceeded
from mockserver.errors import UserError
from mockserver.exchange import Headers

#: A minute's requests are granted in portions. Source: Azure OpenAI's quota documentation: "1 or 10 seconds" for
#: requests a minute, a minute for tokens.
REQUESTS_WINDOW_S = 10.0
TOKENS_WINDOW_S = 60.0


class LimitError(UserError):
    """A limit that cannot be read: what was given, and how it is written."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What a deployment may do in a minute; None is no limit."""

    requests: int | None = None
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class LimitVerdict:
    """What became of a request: `exceeded` None admits it. `window` is what counts from now on."""

    window: LimitWindow
    exceeded: Exceeded | None
    headers: Headers


@dataclass(frozen=True, slots=True)
class LimitWindow:
    """The requests admitted in the last minute: when each started, and the tokens it counted."""

    limit: Limit
    admitted: tuple[tuple[float, int], ...] = ()

    def admit(self, at_s: float, tokens: int, backend: Backend) -> LimitVerdict:
        """The verdict on a request at that moment that may cost so many tokens, prompt and longest answer together.

        A request that alone costs more than a minute's tokens is never admitted. A client that waits as long as the verdict
        says is admitted, if nothing else is meanwhile.
        """
        recent = tuple(request for request in self.admitted if request[0] > at_s - TOKENS_WINDOW_S)
        window = replace(self, admitted=recent)
        exceeded = window._exceeded(at_s, tokens)
        if exceeded is None:
            window = replace(window, admitted=(*recent, (at_s, tokens)))
        return LimitVerdict(window, exceeded, window.headers(at_s, backend))

    def _exceeded(self, at_s: float, tokens: int) -> Exceeded | None:
        """The limit that is in the way, the one with the longest wait where both are."""
        limits = (self._exceeded_requests(at_s), self._exceeded_tokens(at_s, tokens))
        return max(filter(None, limits), key=lambda limit: limit.wait_s, default=None)

    def _exceeded_requests(self, at_s: float) -> Exceeded | None:
        most, starts = self.limit.requests, [start for start, _ in self.admitted]
        if most is None:
            return None
        recent = [start for start in starts if start > at_s - REQUESTS_WINDOW_S]
        portion = max(1, int(most * REQUESTS_WINDOW_S / 60))
        waits = [recent[-portion] + REQUESTS_WINDOW_S - at_s] if len(recent) >= portion else []
        waits += [starts[-most] + TOKENS_WINDOW_S - at_s] if len(starts) >= most else []
        return Exceeded("requests", most, len(starts), 1, _rounded_up(max(waits))) if waits else None

    def _exceeded_tokens(self, at_s: float, tokens: int) -> Exceeded | None:
        most, used = self.limit.tokens, self._tokens()
        if most is None or used + tokens <= most:
            return None
        over, wait_s = used + tokens - most, TOKENS_WINDOW_S
        for start, cost in self.admitted:
            over -= cost
            if over <= 0:
                wait_s = start + TOKENS_WINDOW_S - at_s
                break
        return Exceeded("tokens", most, used, tokens, _rounded_up(wait_s))

    def left(self, now_s: float) -> tuple[int | None, int | None]:
        """How many requests and tokens are left of the minute that ends now; None without a limit."""
        recent = replace(self, admitted=tuple(each for each in self.admitted if each[0] > now_s - TOKENS_WINDOW_S))
        requests, tokens = self.limit.requests, self.limit.tokens
        return (
            None if requests is None else max(0, requests - len(recent.admitted)),
            None if tokens is None else max(0, tokens - recent._tokens()),
        )

    def headers(self, at_s: float, backend: Backend) -> Headers:
        """What is left of the minute, as the backend says it: Azure in whole seconds, OpenAI in Go's durations."""
        headers: list[tuple[str, str]] = []
        reset = _duration(self.admitted[0][0] + TOKENS_WINDOW_S - at_s if self.admitted else 0, backend)
        used = {"requests": len(self.admitted), "tokens": self._tokens()}
        for unit, limit in (("requests", self.limit.requests), ("tokens", self.limit.tokens)):
            if limit is not None:
                left = max(0, limit - used[unit])
                headers += [(f"x-ratelimit-limit-{unit}", str(limit)), (f"x-ratelimit-remaining-{unit}", str(left))]
                headers.append((f"x-ratelimit-reset-{unit}", reset))
        return tuple(headers)

    def _tokens(self) -> int:
        return sum(cost for _, cost in self.admitted)


def parse_limits(texts: Iterable[str]) -> Mapping[str, Limit]:
    """The limit of each model or deployment, from `NAME=6rpm,1000tpm`; `*` is every name without a limit of its own.

    Raises:
        LimitError: anything else.
    """
    limits: dict[str, Limit] = {}
    for text in texts:
        name, _, amounts = text.partition("=")
        parts = [re.fullmatch(r"(\d{1,12})(rpm|tpm)", part.strip()) for part in amounts.split(",")]
        by_unit = {part[2]: int(part[1]) for part in parts if part}
        if not name or len(by_unit) != len(parts) or 0 in by_unit.values():
            raise LimitError(
                f"--limit must be NAME=6rpm,1000tpm, or one of the two, and * for every name; got {text!r}"
            )
        limits[name] = Limit(by_unit.get("rpm"), by_unit.get("tpm"))
    return limits


def _rounded_up(seconds: float) -> float:
    """The next whole millisecond, so that a client that waits as long is never too early."""
    return math.ceil(seconds * 1000 + 1e-3) / 1000


def _duration(seconds: float, backend: Backend) -> str:
    seconds = max(0.0, seconds)
    if backend is Backend.AZURE:
        return str(math.ceil(seconds))
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    if seconds >= 60:
        return f"{int(seconds // 60)}m{int(seconds % 60)}s"
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"
