"""An interaction in words: who said what, how it ended, how many tokens it took and how long."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mockserver.contract.answer_rules import an_object, objects
from mockserver.exchange import Interaction, first, shortened
from mockserver.journal.whole_answer import whole_answer
from mockserver.matching.call import Call


@dataclass(frozen=True, slots=True)
class Transcript:
    """One exchange in words. `turns` are the roles and texts of the request; `tokens` is None if the answer has no usage."""

    title: str
    turns: tuple[tuple[str, str], ...]
    answer: str
    finish: str
    tokens: int | None
    seconds: float

    def lines(self, *, timed: bool = True) -> Iterator[str]:
        """The transcript as text, the answer last; `timed` adds how long the answer took."""
        for role, text in (*self.turns, ("answer", self.answer)):
            yield f"{role}:"
            yield from (f"    {line}".rstrip() for line in text.splitlines() or [""])
        counted = "" if self.tokens is None else f", {self.tokens} tokens"
        yield f"    -- {self.finish}{counted}{f', {self.seconds:.1f} s' * timed}"


def transcript(interaction: Interaction) -> Transcript:
    """The interaction in words; an answer that is neither a chat completion nor a response is shown as JSON."""
    request, answer = interaction.request, interaction.answer
    call = Call(request)
    address, body = call.address, call.body or {}
    model = address.deployment or address.resource or body.get("model") or ""
    name = address.operation.name if address.operation else f"{request.method} {request.raw_path}"
    text, finish, tokens = _answer(interaction)
    if answer.end != "eof":
        finish = str(answer.end)
    milliseconds = answer.head_after_ms + sum(event.after_ms for event in answer.events)
    plain = (first(answer.headers, "content-type") or "").partition(";")[0]
    kind = "streamed" if answer.streams else "JSON" if finish != "not JSON" else plain or "no body"
    title = f"{name}, {model}, {answer.status}, {kind}" if model else f"{name}, {answer.status}, {kind}"
    return Transcript(title, tuple(_turns(body)), text, finish, tokens, milliseconds / 1000)


def _turns(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if body.get("instructions"):
        yield "instructions", str(body["instructions"])
    messages: Any = body.get("messages") or body.get("input")
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, dict):
            calls = "".join(f"\n{_call(call)}" for call in objects(message.get("tool_calls")))
            content = message.get("content", message.get("output", message.get("arguments")))
            yield message.get("role") or message.get("type") or "?", (_text(content) + calls).strip("\n")
        else:
            yield "input", str(message)


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(_part(part) for part in content if isinstance(part, dict))
    return "" if content is None else str(content)


def _part(part: Mapping[str, Any]) -> str:
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else image
    return str(part.get("text") or f"({part.get('type')}{f' {shortened(url)}' if isinstance(url, str) else ''})")


def _call(call: Mapping[str, Any]) -> str:
    function = an_object(call.get("function")) or call
    return f"calls {function.get('name')}({function.get('arguments')})"


def _answer(interaction: Interaction) -> tuple[str, str, int | None]:
    """The answer's text, how it ended, and its total of tokens."""
    whole = whole_answer(interaction.answer)
    if not isinstance(whole, dict):
        try:
            return interaction.answer.body.decode(), "not JSON", None
        except UnicodeDecodeError:
            return f"({len(interaction.answer.body):,} bytes)", "not JSON", None
    usage = an_object(whole.get("usage"))
    if error := whole.get("error"):
        return str(error.get("message") if isinstance(error, dict) else error), "refused", None
    if choices := objects(whole.get("choices")):
        texts = [_message(an_object(choice.get("message"))) for choice in choices]
        return "\n---\n".join(texts), str(choices[0].get("finish_reason")), usage.get("total_tokens")
    if "output" in whole and whole.get("object") == "response":
        texts = [
            _text(item.get("content")) if item.get("type") == "message" else _call(item)
            for item in objects(whole["output"])
        ]
        return "\n".join(texts), str(whole.get("status")), usage.get("total_tokens")
    return json.dumps(whole, ensure_ascii=False)[:500], "JSON", usage.get("total_tokens")


def _message(message: Mapping[str, Any]) -> str:
    calls = [_call(call) for call in objects(message.get("tool_calls"))]
    return "\n".join(filter(None, [_text(message.get("content")), str(message.get("refusal") or ""), *calls]))
