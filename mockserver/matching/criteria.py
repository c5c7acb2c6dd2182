"""Criteria: which requests a stub answers, and which exchanges a question to the journal is about."""

from __future__ import annotations

from dataclasses import dataclass

from mockserver.matching.call import Call


@dataclass(frozen=True, slots=True)
class Criteria:
    """Which requests are meant; None fits all.

    `prompt` is the last user message, exactly; `model` the model or deployment; `path` the address without its query.
    """

    prompt: str | None = None
    model: str | None = None
    path: str | None = None

    @property
    def specific(self) -> bool:
        """Whether anything is required of a request."""
        return (self.prompt, self.model, self.path) != (None, None, None)

    def fits(self, call: Call) -> bool:
        """Whether a request is meant; its body is read only where that is needed."""
        if self.path is not None and call.request.raw_path != self.path:
            return False
        if self.prompt is not None and call.prompt != self.prompt:
            return False
        return self.model is None or self.model in (call.address.deployment, (call.body or {}).get("model"))


#: Every request.
ANY = Criteria()
