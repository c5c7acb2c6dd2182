"""Criteria: which requests a stub answers, and which exchanges a question to the journal is about."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import TypedDict

from mockserver.contract.operations import OPERATIONS
from mockserver.errors import did_you_mean
from mockserver.matching.call import Call


class When(TypedDict, total=False):
    """Which requests are meant, as `Criteria` explains; all of what is given must be so."""

    prompt: str
    contains: str
    pattern: str
    turn: int
    images: bool
    tool_result: str
    system: str
    operation: str
    model: str
    path: str


@dataclass(frozen=True, slots=True)
class Criteria:
    """Which requests are meant: all of what is given must be so; None fits all.

    `prompt` is the last user message, exactly, or one of its text parts; `contains` is in it, and `pattern`, a regular
    expression, is found in it. `turn` counts the user's messages, from 1. `images` is whether any of the user's
    messages has an image. The request ends with a tool's result that
    contains `tool_result`; its system text contains `system`. `operation` is a name as `createResponse`, `model` the model or
    deployment, `path` the address without its query.
    """

    prompt: str | None = None
    contains: str | None = None
    pattern: str | None = None
    turn: int | None = None
    images: bool | None = None
    tool_result: str | None = None
    system: str | None = None
    operation: str | None = None
    model: str | None = None
    path: str | None = None

    @property
    def specific(self) -> bool:
        """Whether anything is required of a request."""
        return self != ANY

    @property
    def words(self) -> str:
        """What is required, as `prompt 'Hi', turn 2`; empty where nothing is."""
        given = ((field.name, getattr(self, field.name)) for field in fields(self))
        return ", ".join(f"{name} {value!r}" for name, value in given if value is not None)

    def fits(self, call: Call) -> bool:
        """Whether a request is meant; its body is read only where that is needed."""
        if self.path is not None and call.request.raw_path != self.path:
            return False
        if self.operation is not None and (call.operation is None or call.operation.name != self.operation):
            return False
        if self.model is not None and self.model not in (call.address.deployment, (call.body or {}).get("model")):
            return False
        return self._fits_prompt(call) and self._fits_conversation(call)

    def _fits_prompt(self, call: Call) -> bool:
        if self.prompt is self.contains is self.pattern is None:
            return True
        text = call.prompt
        if text is None:
            return False
        if self.prompt is not None and self.prompt not in (text, *(call.conversation.last_prompt or ())):
            return False
        if self.contains is not None and self.contains not in text:
            return False
        return self.pattern is None or re.search(self.pattern, text) is not None

    def _fits_conversation(self, call: Call) -> bool:
        if self.turn is not None and len(call.conversation.prompts) != self.turn:
            return False
        if self.images is not None and call.conversation.has_images != self.images:
            return False
        if self.tool_result is not None and not any(self.tool_result in each for each in call.conversation.results):
            return False
        return self.system is None or self.system in call.conversation.system


#: Every request.
ANY = Criteria()
#: What a request can be asked for by.
NAMES = tuple(field.name for field in fields(Criteria))
_OPERATIONS = tuple(operation.name for operation in OPERATIONS)


def problem(name: str, value: object) -> str | None:
    """What is wrong with a value that no request can have, after the criterion's name; None if a request can have it."""
    if name == "turn":
        valid = isinstance(value, int) and not isinstance(value, bool) and value >= 1
        return None if valid else f"must be an integer >= 1, got {value!r}"
    if name == "images":
        return None if isinstance(value, bool) else f"must be true or false, got {value!r}"
    if not isinstance(value, str):
        return f"must be a string, got {value!r}"
    if name == "operation" and value not in _OPERATIONS:
        return f"must be an operation, got {value!r}{did_you_mean(value, _OPERATIONS)}; operations: {', '.join(_OPERATIONS)}"
    if name == "pattern":
        try:
            re.compile(value)
        except re.error as error:
            return f"is not a regular expression: {error}"
    return None
