"""Answers said by hand, expanded into what the backend would really send."""

from __future__ import annotations

from contracts.operations import Backend, address_of
from mockserver.exchange import Answer, Request
from mockserver.say.chat import chat_completion
from mockserver.say.filters import filtered_prompt
from mockserver.say.responses import response
from mockserver.say.said import Call, Filter, Ids, Pace, Said, pieces

__all__ = ["Call", "Filter", "Pace", "Said", "expand", "pieces"]


def expand(said: Said, request: Request, *, seed: str, model: str, at_s: float) -> Answer:
    """The answer to a request for a chat completion or a response, streamed or not as it asks.

    `model` is what stands behind the deployment's name; the same `seed` gives the same ids.
    """
    address = address_of(request.method, request.raw_path, request.query)
    azure = address.backend is Backend.AZURE
    if azure and said.filter in (Filter.PROMPT, Filter.PROMPT_WITHOUT_DETAILS):
        return filtered_prompt(said, address)
    asked, ids = request.json_object() or {}, Ids(seed)
    if address.operation is not None and address.operation.name == "createResponse":
        return response(said, asked, ids, model=model, at_s=at_s, azure=azure)
    return chat_completion(said, asked, ids, model=model, at_s=at_s, azure=azure)
