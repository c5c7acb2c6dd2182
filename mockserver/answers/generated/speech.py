"""Generated speech: audio as long as the text would take to say."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from mockserver import tokens
from mockserver.answers.authored.authored_answer import Pace
from mockserver.answers.generated.audio import CONTENT_TYPES, audio
from mockserver.exchange import Answer, Event

_WORD_S, _LONGEST_S = 0.4, 20.0
#: Source: `minimum` and `maximum` of `speed` in the published schema; `--lenient` lets others through.
_SLOWEST, _FASTEST = 0.25, 4.0
_PART_BYTES = 16_384


def speech(body: Mapping[str, Any], model: str, pace: Pace) -> Answer:
    """The answer to a request for speech: bytes as they come, or events with base64."""
    text, kind = str(body.get("input") or ""), body.get("response_format")
    kind = kind if kind in CONTENT_TYPES else "mp3"
    speed = max(_SLOWEST, min(body.get("speed") or 1, _FASTEST))
    duration_s = min(_LONGEST_S, max(0.4, len(text.split()) * _WORD_S / speed))
    data = audio(kind, duration_s)
    parts = [data[start : start + _PART_BYTES] for start in range(0, len(data), _PART_BYTES)]
    if body.get("stream_format") != "sse":
        headers = (("content-type", CONTENT_TYPES[kind]),)
        return Answer(200, headers, tuple(Event(0, part) for part in parts), head_after_ms=pace.first_ms)
    asked, said = tokens.count(text, model), int(duration_s * 20)
    usage = {"input_tokens": asked, "output_tokens": said, "total_tokens": asked + said}
    events = [
        Event(pace.each_ms, _event({"type": "speech.audio.delta", "audio": base64.b64encode(part).decode()}))
        for part in parts
    ]
    events.append(Event(0, _event({"type": "speech.audio.done", "usage": usage})))
    headers = (("content-type", "text/event-stream; charset=utf-8"),)
    return Answer(200, headers, tuple(events), head_after_ms=pace.first_ms)


def _event(payload: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(payload)}\n\n".encode()
