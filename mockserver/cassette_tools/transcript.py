"""An interaction as people read it: who said what, how it ended, how much and how long."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mockserver.contract.answer_rules import assembled
from mockserver.exchange import Interaction
from mockserver.matching.call import Call
from mockserver.sse import event_json


@dataclass(frozen=True, slots=True)
class Transcript:
    """One exchange in words. `turns` are roles and texts of what was asked; `tokens` is None where the answer has no usage."""

    title: str
    turns: tuple[tuple[str, str], ...]
    answer: str
    finish: str
    tokens: int | None
    seconds: float

    def lines(self, *, timed: bool = True) -> Iterator[str]:
        """The transcript as text; what is answered comes last. Not `timed`, it does not say how long that took."""
        for role, text in (*self.turns, ("answer", self.answer)):
            yield f"{role}:"
            yield from (f"    {line}".rstrip() for line in text.splitlines() or [""])
        counted = "" if self.tokens is None else f", {self.tokens} tokens"
        yield f"    -- {self.finish}{counted}{f', {self.seconds:.1f} s' * timed}"


def transcript(interaction: Interaction) -> Transcript:
    """The interaction in words; what is neither a chat nor a response stands there as its JSON."""
    request, answer = interaction.request, interaction.answer
    call = Call(request)
    address, asked = call.address, call.body or {}
    model = address.deployment or address.resource or asked.get("model") or ""
    name = address.operation.name if address.operation else f"{request.method} {request.raw_path}"
    text, finish, tokens = _answered(interaction)
    if answer.end != "eof":
        finish = str(answer.end)
    milliseconds = answer.head_after_ms + sum(event.after_ms for event in answer.events)
    kind = "streamed" if answer.streams else "JSON"
    title = f"{name}, {model}, {answer.status}, {kind}" if model else f"{name}, {answer.status}, {kind}"
    return Transcript(title, tuple(_turns(asked)), text, finish, tokens, milliseconds / 1000)


def _turns(asked: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if asked.get("instructions"):
        yield "instructions", str(asked["instructions"])
    given = asked.get("messages") or asked.get("input") or ()
    messages: list[Any] = (
        [{"role": "user", "content": given}] if isinstance(given, str) else given if isinstance(given, list) else []
    )
    for message in messages:
        if isinstance(message, dict):
            calls = "".join(f"\n{_call(each)}" for each in message.get("tool_calls") or ())
            content = message.get("content", message.get("output", message.get("arguments")))
            yield message.get("role") or message.get("type") or "?", (_text(content) + calls).strip("\n")
        else:
            yield "input", str(message)


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(str(part.get("text") or f"({part.get('type')})") for part in content if isinstance(part, dict))
    return "" if content is None else str(content)


def _call(call: Mapping[str, Any]) -> str:
    function: Mapping[str, Any] = call.get("function") or call
    return f"calls {function.get('name')}({function.get('arguments')})"


def whole_answer(interaction: Interaction) -> Any:
    """The answer's JSON; of a stream, what its events add up to. None where it is no JSON."""
    answer = interaction.answer
    if not answer.streams:
        try:
            return json.loads(answer.body)
        except ValueError:
            return None
    events = [parsed for event in answer.events if (parsed := event_json(event.data)) is not None]
    ends = ("response.completed", "response.incomplete", "response.failed")
    final = next((event for event in reversed(events) if event.get("type") in ends), None)
    return final["response"] if final else assembled(events)


def _answered(interaction: Interaction) -> tuple[str, str, int | None]:
    """Text, how it ended, and tokens in all."""
    whole = whole_answer(interaction)
    if not isinstance(whole, dict):
        return interaction.answer.body.decode("utf-8", "replace"), "no JSON", None
    usage = whole.get("usage") or {}
    if error := whole.get("error"):
        return str(error.get("message") if isinstance(error, dict) else error), "refused", None
    if choices := whole.get("choices"):
        texts = [_spoken(choice.get("message") or {}) for choice in choices]
        return "\n---\n".join(texts), str(choices[0].get("finish_reason")), usage.get("total_tokens")
    if "output" in whole and whole.get("object") == "response":
        texts = [
            _text(item.get("content")) if item.get("type") == "message" else _call(item) for item in whole["output"]
        ]
        return "\n".join(texts), str(whole.get("status")), usage.get("total_tokens")
    return json.dumps(whole, ensure_ascii=False)[:500], "JSON", usage.get("total_tokens")


def _spoken(message: Mapping[str, Any]) -> str:
    calls = [_call(each) for each in message.get("tool_calls") or ()]
    return "\n".join(filter(None, [_text(message.get("content")), str(message.get("refusal") or ""), *calls]))
