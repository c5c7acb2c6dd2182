"""An answer that meets the constraints of its request: tool calls, JSON that fits a schema, or prose."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mockserver import tokens
from mockserver.answers.authored.authored_answer import AuthoredAnswer
from mockserver.answers.generated.constraints import constraints_of
from mockserver.answers.generated.prose import prose
from mockserver.answers.generated.schema_instance import instance
from mockserver.answers.generated.tool_choice import tool_calls


def compose(body: Mapping[str, Any], model: str, *, seed: str) -> AuthoredAnswer:
    """An answer to a request for a chat completion or a response; the same for the same seed."""
    constraints = constraints_of(body)
    if calls := tool_calls(constraints, seed):
        return AuthoredAnswer(None, calls)
    if constraints.schema is not None:
        text = json.dumps(instance(constraints.schema, seed), ensure_ascii=False)
    else:
        text = prose(constraints.prompt, seed)
    for stop in filter(None, constraints.stop):
        text = text.partition(stop)[0]
    pieces = tokens.split(text, model)
    cut = constraints.max_tokens is not None and len(pieces) > constraints.max_tokens
    pieces = pieces[: constraints.max_tokens] if cut else pieces
    return AuthoredAnswer("".join(pieces), parts=tuple(filter(None, pieces)), cut=cut)
