"""Answers made up where none was recorded: from the request alone, true to the contract, and saying that they are."""

from __future__ import annotations

import json
from dataclasses import replace

from contracts.operations import address_of
from mockserver.exchange import BY_MOCK, Answer, Request
from mockserver.generate.embeddings import embeddings
from mockserver.generate.stored import STORED
from mockserver.generate.wanted import written
from mockserver.latency import Latency
from mockserver.question import Question
from mockserver.say import SAYABLE, expand

__all__ = ["generate"]

#: What a request says about how much of the answer it gets, and how; not about what the answer is.
_FRAMING = frozenset(
    {"include", "logprobs", "max_completion_tokens", "max_output_tokens", "max_tokens", "n", "stop", "stream"}
    | {"stream_options", "top_logprobs"}
)


def generate(
    request: Request, question: Question, model: str, *, at_s: float, latency: Latency | None = None
) -> Answer:
    """An answer to a request no stub fits, the same one each time it is asked, streamed or not, cut or whole; `model` is
    what answers.

    It comes at the pace `latency` gives, the default one where it is None.
    """
    operation = address_of(request.method, request.raw_path, request.query).operation
    assert operation is not None  # noqa: S101  what no operation is, is refused before
    body = {key: each for key, each in question.content["body"].items() if key not in _FRAMING}
    seed = json.dumps({**question.content, "body": body}, sort_keys=True)
    pace = (latency or Latency()).pace(seed)
    model = model or "mock"
    if operation.name in SAYABLE:
        said = replace(written(request.json_object() or {}, model, seed=seed), pace=pace)
        answer = expand(said, request, seed=seed, model=model, at_s=at_s)
    elif operation.name == "createEmbedding":
        answer = embeddings(request.json_object() or {}, model)
    else:
        answer = STORED[operation.name](request, model, at_s)
    return replace(answer, headers=(*answer.headers, (BY_MOCK, "made up")), decided_by="made up")
