"""An authored transcription or translation of audio, in every format that the services send."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from mockserver import tokens
from mockserver.answers.authored.authored_answer import AnswerContext, AuthoredAnswer
from mockserver.exchange import Answer, Event

#: How long a word takes to say.
_WORD_S = 0.4
_SEGMENT_WORDS = 8
_SUBTITLES = {
    "text": "text/plain; charset=utf-8",
    "srt": "text/plain; charset=utf-8",
    "vtt": "text/plain; charset=utf-8",
}


def transcription(authored: AuthoredAnswer, context: AnswerContext) -> Answer:
    """The answer to a transcription request: JSON, text, subtitles, or a stream of events.

    Source: API reference, 2026-11. whisper-1 does not stream; its usage is a duration, that of the others is tokens.
    """
    text, kind = authored.text or "", context.body.get("response_format") or "json"
    headers = context.ids.headers(_SUBTITLES.get(kind, "application/json"), azure=context.azure)
    first_ms = authored.pace.first_ms
    if context.body.get("stream") is True and not context.model.startswith("whisper"):
        headers = context.ids.headers("text/event-stream; charset=utf-8", azure=context.azure)
        events = (Event(authored.pace.each_ms, data) for data in _stream(text, context))
        return Answer(200, headers, tuple(events), head_after_ms=first_ms)
    if kind in _SUBTITLES:
        body = {"text": _text, "srt": _srt, "vtt": _vtt}[kind](text)
    else:
        body = json.dumps(_json(kind, text, context), ensure_ascii=False).encode()
    return Answer(200, headers, (Event(0, body),), head_after_ms=first_ms)


def _segments(text: str) -> list[tuple[float, float, str]]:
    words = text.split()
    parts = [words[start : start + _SEGMENT_WORDS] for start in range(0, len(words), _SEGMENT_WORDS)]
    starts = [number * _SEGMENT_WORDS * _WORD_S for number in range(len(parts))]
    return [
        (round(start, 2), round(start + len(part) * _WORD_S, 2), " ".join(part))
        for start, part in zip(starts, parts, strict=True)
    ]


def _duration_s(text: str) -> float:
    return round(len(text.split()) * _WORD_S, 2)


def _usage(text: str, context: AnswerContext) -> dict[str, Any]:
    if context.model.startswith("whisper"):
        return {"type": "duration", "seconds": _duration_s(text)}
    heard, written = int(_duration_s(text) * 10), tokens.count(text, context.model)
    details = {"text_tokens": 0, "audio_tokens": heard}
    counts = {"input_tokens": heard, "input_token_details": details, "output_tokens": written}
    return {"type": "tokens", **counts, "total_tokens": heard + written}


def _json(kind: str, text: str, context: AnswerContext) -> dict[str, Any]:
    segments = _segments(text)
    if kind == "diarized_json":
        spoken = [
            {"type": "transcript.text.segment", "id": f"seg_{number}", "start": start, "end": end, "text": part}
            | {"speaker": "A"}
            for number, (start, end, part) in enumerate(segments)
        ]
        about = {"task": "transcribe", "duration": _duration_s(text), "text": text, "segments": spoken}
        return {**about, "usage": _usage(text, context)}
    if kind != "verbose_json":
        return {"text": text, "usage": _usage(text, context)}
    about = {"task": "transcribe", "language": _language(context), "duration": _duration_s(text), "text": text}
    granularities = context.body.get("timestamp_granularities") or ["segment"]
    if "word" in granularities:
        about["words"] = [
            {"word": word, "start": round(number * _WORD_S, 2), "end": round((number + 1) * _WORD_S, 2)}
            for number, word in enumerate(text.split())
        ]
    if "segment" in granularities:
        about["segments"] = [_segment(number, *segment) for number, segment in enumerate(segments)]
    return {**about, "usage": {"type": "duration", "seconds": _duration_s(text)}}


def _language(context: AnswerContext) -> str:
    return "english" if context.body.get("language") in (None, "en") else str(context.body["language"])


def _segment(number: int, start: float, end: float, text: str) -> dict[str, Any]:
    place = {"id": number, "seek": 0, "start": start, "end": end, "text": f" {text}", "tokens": []}
    return {**place, "temperature": 0.0, "avg_logprob": -0.2, "compression_ratio": 1.1, "no_speech_prob": 0.01}


def _stream(text: str, context: AnswerContext) -> Iterator[bytes]:
    for piece in tokens.words(text):
        yield _event({"type": "transcript.text.delta", "delta": piece})
    yield _event({"type": "transcript.text.done", "text": text, "usage": _usage(text, context)})


def _event(payload: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(payload, ensure_ascii=False)}\n\n".encode()


def _text(text: str) -> bytes:
    return f"{text}\n".encode()


def _srt(text: str) -> bytes:
    parts = (
        f"{number}\n{_time(start, ',')} --> {_time(end, ',')}\n{part}\n\n"
        for number, (start, end, part) in enumerate(_segments(text), 1)
    )
    return "".join(parts).encode()


def _vtt(text: str) -> bytes:
    parts = (f"{_time(start, '.')} --> {_time(end, '.')}\n{part}\n\n" for start, end, part in _segments(text))
    return ("WEBVTT\n\n" + "".join(parts)).encode()


def _time(seconds: float, point: str) -> str:
    whole, rest = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{point}{rest:03}"
