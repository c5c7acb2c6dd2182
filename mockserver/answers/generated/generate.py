"""The answer to any request that no stub answers: generated from the request alone, and marked as generated."""

from __future__ import annotations

import json
from dataclasses import replace

from mockserver.answers.authored.authored_answer import Found
from mockserver.answers.authored.expand import AUTHORABLE, expand
from mockserver.answers.generated.compose import compose
from mockserver.answers.generated.embeddings import embeddings
from mockserver.answers.generated.images import Publish, images
from mockserver.answers.generated.moderations import moderation
from mockserver.answers.generated.speech import speech
from mockserver.answers.generated.stored_objects import STORED_OBJECTS, from_contract
from mockserver.answers.latency import Latency
from mockserver.exchange import BY_MOCK, Answer
from mockserver.matching.call import Call

#: Parameters that change how an answer is sent, and how much of it; not its content.
_FRAMING = frozenset(
    {"include", "logprobs", "max_completion_tokens", "max_output_tokens", "max_tokens", "n", "stop", "stream"}
    | {"stream_options", "top_logprobs"}
)


def generate(
    call: Call,
    model: str,
    *,
    at_s: float,
    latency: Latency | None = None,
    again: str = "",
    found: tuple[Found, ...] = (),
    publish: Publish = lambda _data, _kind: "",
) -> Answer:
    """The answer to a request that no stub answers: the same each time, streamed or not, cut off or whole.

    `again` makes its ids others than those of the same request before. `model` is the model that answers; `latency` None is the default profile; `found` is what a search in files found.
    """
    operation, body = call.operation, call.body or {}
    assert operation is not None  # noqa: S101  a request without an operation was refused earlier
    content = call.canonical.as_json()
    lasting = {key: value for key, value in call.canonical.body.items() if key not in _FRAMING}
    seed = json.dumps({**content, "body": lasting}, sort_keys=True)
    pace = (latency or Latency()).pace(seed)
    if operation.name in AUTHORABLE:
        authored = replace(compose(body, model or "mock", seed=seed, found=found), pace=pace)
        answer = expand(authored, call, seed=seed + again, model=model or "mock", at_s=at_s)
    elif operation.name == "createEmbedding":
        answer = embeddings(body, model or "mock")
    elif operation.name == "createModeration":
        answer = moderation(body, seed)
    elif operation.name == "createSpeech":
        answer = speech(body, model, pace)
    elif operation.name in ("createImage", "createImageEdit", "createImageVariation"):
        answer = images(body, model or "dall-e-2", at_s, pace, publish, edit=operation.name == "createImageEdit")
    elif operation.name in STORED_OBJECTS:
        answer = STORED_OBJECTS[operation.name](call, model or "mock", at_s)
    else:
        answer = from_contract(call, seed)
    return replace(answer, headers=(*answer.headers, (BY_MOCK, "made up")), decided_by="made up")
