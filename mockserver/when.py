"""What a request must be to be meant: of a stub's `when`, and of a question to the journal."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.operations import address_of
from mockserver.exchange import Request
from mockserver.question import last_prompt

#: The headers by which exchanges can be joined.
JOINING = ("x-request-id", "traceparent")


@dataclass(frozen=True, slots=True)
class When:
    """Which requests are meant; None means all.

    `prompt` is the last user message, to the letter; `model` the model or deployment that is asked; `path` the address without its query.
    """

    prompt: str | None = None
    model: str | None = None
    path: str | None = None

    @property
    def names_something(self) -> bool:
        """Whether not every request is meant."""
        return (self.prompt, self.model, self.path) != (None, None, None)

    def fits(self, request: Request) -> bool:
        """Whether the request is meant."""
        if self.path is not None and request.raw_path != self.path:
            return False
        if self.prompt is None and self.model is None:
            return True
        body = request.json_object()
        if self.prompt is not None and last_prompt(body) != self.prompt:
            return False
        return self.model is None or self.model in (_deployment(request), (body or {}).get("model"))


#: Every request.
ANY = When()


def ids(request: Request) -> frozenset[str]:
    """What one visit's exchanges share: `x-request-id`, and the trace of a `traceparent`. Source: W3C Trace Context."""
    trace = (request.header("traceparent") or "").split("-")
    given = (request.header("x-request-id"), trace[1] if len(trace) == 4 and len(trace[1]) == 32 else None)
    return frozenset(filter(None, given))


def _deployment(request: Request) -> str | None:
    return address_of(request.method, request.raw_path, request.query).deployment
