"""One broken rule of the contract."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken rule: the field, the rule's name, and the message, code and status of the backend's own refusal.

    `code` is None if the backend sends no code.
    """

    field: str
    rule: str
    message: str
    code: str | None = None
    status: int = 400

    def __str__(self) -> str:
        return f"{self.rule}, {self.field}: {self.message}" if self.field else f"{self.rule}: {self.message}"
