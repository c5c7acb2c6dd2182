"""One exchange as it was seen at the site, the Functions host or the model."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mockserver.errors import count_of
from mockserver.exchange import Answer, Request, whole_number
from mockserver.matching.miss import Miss
from mockserver.redaction.exchanges import shown_request


class Place(StrEnum):
    """Where an exchange was seen."""

    SITE = "site"
    HOST = "host"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class Entry:
    """One exchange.

    `answer` is None while an upstream is being asked. `end` is "open" while the answer plays, then what happened on
    the wire: "eof", "reset", "stall", or "client left". `miss` is set where no stub answered the request. `sent_ms` are
    the milliseconds from the request to each event as it really left. `visit_ids` are shared by the exchanges of one
    visit; `scope` is empty for everybody's. At the site, `persona` is who asked, None if nobody is signed in, and
    `rule` why the gate decided as it did; at the host `rule` is the function. `span_id` is the exchange's own span, where its
    trace was passed on.
    """

    number: int
    at_s: float
    request: Request
    answer: Answer | None
    miss: Miss | None = None
    place: Place = Place.MODEL
    scope: str = ""
    persona: str | None = None
    rule: str = ""
    end: str = "open"
    sent_ms: tuple[float, ...] = ()
    took_s: float = 0.0
    visit_ids: frozenset[str] = frozenset()
    span_id: str = ""

    def seen_as(self, request: Request, miss: Miss | None) -> Entry:
        """The entry with another form of its request."""
        if request is self.request and miss is self.miss:
            return self
        return Entry(
            self.number, self.at_s, request, self.answer, miss, self.place, self.scope, self.persona, self.rule,
            self.end, self.sent_ms, self.took_s, self.visit_ids, self.span_id,
        )  # fmt: skip  # dataclasses.replace takes five times as long, and each exchange needs three

    def ended(self, end: str, took_s: float, sent_ms: tuple[float, ...], answer: Answer | None) -> Entry:
        """The entry as it ended."""
        return Entry(
            self.number, self.at_s, self.request, answer, self.miss, self.place, self.scope, self.persona, self.rule,
            end, sent_ms, took_s, self.visit_ids, self.span_id,
        )  # fmt: skip

    @property
    def events_sent(self) -> int:
        """How many events left."""
        return len(self.sent_ms)

    @property
    def decided_by(self) -> str:
        """The stub, the rule or the action that answered; empty while an upstream is being asked."""
        return self.answer.decided_by if self.answer else ""

    @property
    def status(self) -> int | None:
        """The answer's status; None while an upstream is being asked."""
        return self.answer.status if self.answer else None

    @property
    def failed(self) -> bool:
        """Whether it was refused, ended early, or no stub answered it."""
        return (self.status or 0) >= 400 or self.end not in ("eof", "open") or self.miss is not None

    @property
    def attempt(self) -> int:
        """Which attempt of its client this was, from 1. Source: `x-stainless-retry-count`, sent by the official SDKs."""
        return 1 + (whole_number(self.request.header("x-stainless-retry-count") or "0") or 0)

    def __str__(self) -> str:
        parts = [
            f"{self.place} #{self.number}",
            self.persona or "",
            f"{self.request.method} {shown_request(self.request).target}",
        ]
        parts += [self.rule, self.decided_by, str(self.status or "-"), count_of(self.events_sent, "event"), self.end]
        return "  ".join(part for part in parts if part)
