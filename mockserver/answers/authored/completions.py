"""An authored legacy completion: one JSON body, or a stream of chunks."""

from __future__ import annotations

import json
from typing import Any

from mockserver import tokens
from mockserver.answers.authored.authored_answer import AnswerContext, AuthoredAnswer, Finish, count_of_choices
from mockserver.exchange import Answer, Event


def completion(authored: AuthoredAnswer, context: AnswerContext) -> Answer:
    """The answer to a request for a legacy completion: every choice of every prompt has the same text.

    Source: API reference and Azure's specification 2024-10-21.
    """
    body, ids = context.body, context.ids
    prompt = body.get("prompt")
    prompts = prompt if isinstance(prompt, list) and all(isinstance(each, str) for each in prompt) else [prompt]
    each = count_of_choices(body)
    count = len(prompts) * each
    shared = {
        "id": f"cmpl-{ids.letters(29)}",
        "object": "text_completion",
        "created": int(context.at_s),
        "model": context.model,
    }
    echoed = [prompt if body.get("echo") and isinstance(prompt, str) else "" for prompt in prompts for _ in range(each)]
    text, finish = authored.text or "", authored.finish or Finish.STOP
    used = _usage(prompts, authored, context, count)
    if body.get("stream") is not True:
        choices = [_choice(index, echo + text, finish) for index, echo in enumerate(echoed)]
        data = json.dumps({**shared, "choices": choices, "usage": used}, ensure_ascii=False).encode()
        headers = ids.headers("application/json", azure=context.azure)
        return Answer(200, headers, (Event(0, data),), head_after_ms=authored.pace.first_ms)
    events = [
        Event(0, _event({**shared, "choices": [_choice(index, echo, None)]}))
        for index, echo in enumerate(echoed)
        if echo
    ]
    events += [
        Event(authored.pace.each_ms, _event({**shared, "choices": [_choice(index, piece, None)]}))
        for piece in authored.pieces
        for index in range(count)
    ]
    events += [Event(0, _event({**shared, "choices": [_choice(index, "", finish)]})) for index in range(count)]
    if (body.get("stream_options") or {}).get("include_usage"):
        events.append(Event(0, _event({**shared, "choices": [], "usage": used})))
    events.append(Event(0, b"data: [DONE]\n\n"))
    headers = ids.headers("text/event-stream", azure=context.azure)
    return Answer(200, headers, tuple(events), head_after_ms=authored.pace.first_ms)


def _choice(index: int, text: str, finish: str | None) -> dict[str, Any]:
    return {"text": text, "index": index, "logprobs": None, "finish_reason": finish}


def _usage(prompts: list[Any], authored: AuthoredAnswer, context: AnswerContext, count: int) -> dict[str, int]:
    asked = sum(
        tokens.count(prompt, context.model) if isinstance(prompt, str) else len(prompt or ()) for prompt in prompts
    )
    asked = authored.usage.input if authored.usage.input is not None else asked
    said = authored.output_tokens(context.model) * count
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


def _event(payload: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(payload, ensure_ascii=False).encode() + b"\n\n"
