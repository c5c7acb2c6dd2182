"""Answers said by hand, expanded into what the backend would really send."""

from __future__ import annotations

from contracts.operations import Backend, address_of
from mockserver.exchange import Answer, Request
from mockserver.say.chat import chat_completion
from mockserver.say.filters import filtered_prompt
from mockserver.say.responses import response
from mockserver.say.said import Asked, Call, Filter, Ids, Pace, Said

__all__ = ["SAYABLE", "Call", "Filter", "Pace", "Said", "expand"]

#: The operations that answer with a text or with calls.
SAYABLE = {"createChatCompletion": chat_completion, "createResponse": response}


def expand(said: Said, request: Request, *, seed: str, model: str, at_s: float) -> Answer:
    """The answer to a request for a chat completion or a response, streamed or not as it asks.

    `model` is what stands behind the deployment's name; the same `seed` gives the same ids.
    """
    address = address_of(request.method, request.raw_path, request.query)
    azure = address.backend is Backend.AZURE
    if azure and said.filter in (Filter.PROMPT, Filter.PROMPT_WITHOUT_DETAILS):
        return filtered_prompt(said, address)
    asked = Asked(request.json_object() or {}, azure, model, at_s, Ids(seed))
    return SAYABLE[address.operation.name if address.operation else "createChatCompletion"](said, asked)
