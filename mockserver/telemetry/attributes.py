"""An exchange in OpenTelemetry's words: those of HTTP, and of generative AI where a model was asked. No content, no secrets.

Source: OpenTelemetry's semantic conventions 1.43, `http`, `faas` and `gen_ai`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mockserver.contract.addresses import Backend
from mockserver.contract.answer_rules import an_object, objects
from mockserver.journal.entry import Entry, Place
from mockserver.journal.whole_answer import whole_answer
from mockserver.matching.call import Call
from mockserver.redaction.exchanges import shown_request
from mockserver.redaction.redaction import Redaction

#: What each operation is called.
_OPERATIONS = {
    "createChatCompletion": "chat",
    "createResponse": "chat",
    "createCompletion": "text_completion",
    "createEmbedding": "embeddings",
}
_PARAMETERS = {
    "max_tokens": "gen_ai.request.max_tokens",
    "max_completion_tokens": "gen_ai.request.max_tokens",
    "max_output_tokens": "gen_ai.request.max_tokens",
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "seed": "gen_ai.request.seed",
    "stream": "gen_ai.request.stream",
    "n": "gen_ai.request.choice.count",
}
_REASONS = "gen_ai.response.finish_reasons"


@dataclass(frozen=True, slots=True)
class Described:
    """The name and the attributes of an exchange's span; `is_model` where a model was asked, and the metrics count it."""

    name: str
    attributes: Mapping[str, Any]
    is_model: bool = False

    @property
    def error(self) -> str:
        """What went wrong; empty if nothing did."""
        return str(self.attributes.get("error.type", ""))


def described(entry: Entry) -> Described:
    """A span's words for an exchange that has ended, without secrets."""
    words, redaction = _words(entry), Redaction()
    shown = {
        name: redaction.text(value) if isinstance(value, str) else value for name, value in words.attributes.items()
    }
    if reasons := shown.get(_REASONS):
        shown[_REASONS] = [redaction.text(str(reason)) for reason in reasons]
    return Described(redaction.text(words.name), shown, words.is_model)


def _words(entry: Entry) -> Described:
    shown = shown_request(entry.request)
    attributes: dict[str, Any] = {"http.request.method": shown.method, "url.path": shown.raw_path}
    if entry.status:
        attributes["http.response.status_code"] = entry.status
    if request_id := shown.header("x-request-id"):
        attributes["http.request.header.x-request-id"] = [request_id]
    if error := _error(entry):
        attributes["error.type"] = error
    attributes |= {"dress_rehearsal.decided_by": entry.decided_by, "dress_rehearsal.end": entry.end}
    if entry.scope:
        attributes["dress_rehearsal.scope"] = entry.scope
    name = f"{shown.method} {shown.raw_path}"
    if entry.place is Place.SITE:
        attributes["dress_rehearsal.rule"] = entry.rule
        return Described(name, attributes)
    if entry.place is Place.HOST:
        if not entry.decided_by.isidentifier():  # a sentence, which may quote what the function wrote
            attributes["dress_rehearsal.decided_by"] = "function"
        return Described(entry.rule or name, {**attributes, "faas.trigger": "http"})
    call = Call(entry.request)
    operation = _OPERATIONS.get(call.operation.name) if call.operation else None
    if operation is None:
        return Described(name, attributes)
    return Described(f"{operation} {call.model}".strip(), {**attributes, **_model(entry, call, operation)}, True)


def _model(entry: Entry, call: Call, operation: str) -> dict[str, Any]:
    """The attributes of a question to a model, from what was asked and answered."""
    azure, body = call.address.backend is Backend.AZURE, call.body or {}
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": "azure.ai.openai" if azure else "openai",
        "gen_ai.request.model": call.model,
    }
    for parameter, name in _PARAMETERS.items():
        if isinstance(body.get(parameter), int | float):
            attributes[name] = body[parameter]
    if entry.attempt > 1:
        attributes["http.request.resend_count"] = entry.attempt - 1
    answer = entry.answer
    if answer is None:
        return attributes
    if answer.streams and entry.sent_ms:
        attributes["gen_ai.response.time_to_first_chunk"] = entry.sent_ms[0] / 1000
    whole = an_object(whole_answer(answer))
    for key in ("id", "model"):
        if isinstance(whole.get(key), str):
            attributes[f"gen_ai.response.{key}"] = whole[key]
    reasons = [choice["finish_reason"] for choice in objects(whole.get("choices")) if choice.get("finish_reason")]
    if reasons or isinstance(whole.get("status"), str):
        attributes[_REASONS] = reasons or [whole["status"]]
    return attributes | _tokens(an_object(whole.get("usage")))


def _tokens(usage: Mapping[str, Any]) -> dict[str, int]:
    """How many tokens of each kind, from the usage of either API."""
    read = an_object(usage.get("prompt_tokens_details") or usage.get("input_tokens_details"))
    written = an_object(usage.get("completion_tokens_details") or usage.get("output_tokens_details"))
    counts = {
        "gen_ai.usage.input_tokens": usage.get("prompt_tokens", usage.get("input_tokens")),
        "gen_ai.usage.output_tokens": usage.get("completion_tokens", usage.get("output_tokens")),
        "gen_ai.usage.cache_read.input_tokens": read.get("cached_tokens"),
        "gen_ai.usage.reasoning.output_tokens": written.get("reasoning_tokens"),
    }
    return {name: count for name, count in counts.items() if isinstance(count, int)}


def _error(entry: Entry) -> str:
    """Why an exchange failed: the code in the answer, else its status; or how the connection ended. Empty if it did not."""
    if entry.end != "eof":
        return entry.end.replace(" ", "_")
    if entry.status is None or entry.status < 400:
        return ""
    whole = an_object(whole_answer(entry.answer)) if entry.answer else {}
    code = an_object(whole.get("error")).get("code")
    return code if isinstance(code, str) else str(entry.status)
