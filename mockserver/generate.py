"""Answers made up where none was recorded: from the request alone, and saying so."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import random
import struct
from dataclasses import replace

from mockserver.exchange import Answer, Request, json_answer
from mockserver.question import Question, last_prompt
from mockserver.say import Pace, Said, expand, pieces

#: About a hosted model's pace; a profile, not a measurement.
PACE = Pace(first_ms=600, each_ms=22)
_DIMENSIONS = 1536  # text-embedding-3-small and -ada-002


def generate(request: Request, question: Question, model: str, *, at_s: float) -> Answer:
    """An answer to a request no stub fits, the same one each time it is asked; `model` is what answers it."""
    if question.content["operation"] == "createEmbedding":
        answer = _embeddings(request, model)
    else:
        answer = expand(_said(request), request, seed=question.fingerprint, model=model, at_s=at_s)
    return replace(answer, headers=(*answer.headers, ("x-mockserver-answer", "made up")), decided_by="made up")


def _said(request: Request) -> Said:
    prompt = (last_prompt(request.json_object()) or "").strip()
    asked = f"You asked: “{prompt[:200]}{'…' * (len(prompt) > 200)}”" if prompt else "You asked nothing"
    text = (
        f"{asked}\n\nNo recording fits this question, so here is an answer **made up by the mock**: "
        "it has the shape of a real one and nothing of its sense.\n\n"
        "To get a real answer, record one or say one by hand:\n\n"
        f"```yaml\n- when: {{prompt: {_quoted(prompt[:60])}}}\n  say: What it should answer\n```\n"
    )
    return Said(text, pace=PACE)


def _embeddings(request: Request, model: str) -> Answer:
    """A vector of length 1 for every input: the same text, the same vector; nothing of its sense."""
    asked = request.json_object() or {}
    inputs = (
        asked["input"]
        if isinstance(asked["input"], list) and asked["input"] and not isinstance(asked["input"][0], int)
        else [asked["input"]]
    )
    size = asked.get("dimensions", _DIMENSIONS)
    vectors = [_vector(json.dumps(each, ensure_ascii=False), size) for each in inputs]
    if asked.get("encoding_format") == "base64":
        shown: list[object] = [base64.b64encode(struct.pack(f"<{size}f", *vector)).decode() for vector in vectors]
    else:
        shown = list(vectors)
    tokens = sum(len(pieces(json.dumps(each))) for each in inputs)
    data = [{"object": "embedding", "index": index, "embedding": each} for index, each in enumerate(shown)]
    return json_answer(
        200,
        {"object": "list", "data": data, "model": model, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}},
    )


def _vector(text: str, size: int) -> list[float]:
    source = random.Random(hashlib.sha256(text.encode()).digest())  # noqa: S311  no secret
    raw = [source.gauss(0, 1) for _ in range(size)]
    length = math.sqrt(sum(each * each for each in raw))
    return [each / length for each in raw]


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
