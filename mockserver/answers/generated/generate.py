"""The answer to any request that no stub answers: generated from the request alone, and marked as generated."""

from __future__ import annotations

import json
from dataclasses import replace

from mockserver.answers.authored.expand import AUTHORABLE, expand
from mockserver.answers.generated.compose import compose
from mockserver.answers.generated.embeddings import embeddings
from mockserver.answers.generated.stored_objects import STORED_OBJECTS
from mockserver.answers.latency import Latency
from mockserver.exchange import BY_MOCK, Answer
from mockserver.matching.call import Call

#: Parameters that change how an answer is sent, and how much of it; not its content.
_FRAMING = frozenset(
    {"include", "logprobs", "max_completion_tokens", "max_output_tokens", "max_tokens", "n", "stop", "stream"}
    | {"stream_options", "top_logprobs"}
)


def generate(call: Call, model: str, *, at_s: float, latency: Latency | None = None) -> Answer:
    """The answer to a request that no stub answers: the same each time, streamed or not, cut off or whole.

    `model` is the model that answers; `latency` None is the default profile.
    """
    operation = call.operation
    assert operation is not None  # noqa: S101  a request without an operation was refused earlier
    content = call.canonical.as_json()
    body = {key: value for key, value in call.canonical.body.items() if key not in _FRAMING}
    seed = json.dumps({**content, "body": body}, sort_keys=True)
    model = model or "mock"
    if operation.name in AUTHORABLE:
        pace = (latency or Latency()).pace(seed)
        authored = replace(compose(call.body or {}, model, seed=seed), pace=pace)
        answer = expand(authored, call, seed=seed, model=model, at_s=at_s)
    elif operation.name == "createEmbedding":
        answer = embeddings(call.body or {}, model)
    else:
        answer = STORED_OBJECTS[operation.name](call, model, at_s)
    return replace(answer, headers=(*answer.headers, (BY_MOCK, "made up")), decided_by="made up")
