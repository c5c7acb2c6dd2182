"""Which recording a request fits: hit when the model would see the same, otherwise the nearest one and its differences."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from contracts.operations import Address, address_of
from mockserver.exchange import Request

#: Keys of a request body that change nothing in what the model sees.
IGNORED_KEYS = frozenset(
    {"metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "store", "user"}
)

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that does not fit: where it is, what the recording has and what the request has, both as JSON text."""

    field: str
    wanted: str
    got: str


@dataclass(frozen=True, slots=True)
class Question:
    """What the model would see of a request; two requests with the same fingerprint get the same answer."""

    fingerprint: str
    content: dict[str, Any]

    def __str__(self) -> str:
        body = self.content["body"]
        facts = [str(self.content["model"])]
        if isinstance(messages := body.get("messages"), list):
            facts.append(f"{len(messages)} message{'s' * (len(messages) != 1)}")
        if body.get("stream"):
            facts.append("stream")
        return ", ".join(facts)


@dataclass(frozen=True, slots=True)
class Miss:
    """A request no stub fits. `nearest` is the closest stub's name, None where nothing is loaded for its backend."""

    request: Request
    question: Question
    nearest: str | None
    differences: tuple[Difference, ...]


def question_of(request: Request) -> Question:
    """The canonical form of a request.

    Key order, white space, a text given as one text part, keys that are null and the three Azure address forms of one
    deployment make no difference; OpenAI and Azure never meet.
    """
    address = address_of(request.method, request.raw_path, request.query)
    body = request.json_object()
    seen = {"text": request.body.decode("utf-8", "replace")} if body is None else _canonical_body(body)
    content = {
        "backend": address.backend.value,
        "operation": address.operation.name if address.operation else f"{request.method} {request.raw_path}",
        "model": model_of(address, body),
        "body": seen,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return Question(hashlib.sha256(text.encode()).hexdigest(), content)


def model_of(address: Address, body: dict[str, Any] | None) -> str:
    """The deployment where the address has one, else the model the body names; empty where neither does."""
    return address.deployment or address.model or str((body or {}).get("model", ""))


def last_prompt(body: dict[str, Any] | None) -> str | None:
    """The text of the last user message, None where there is none."""
    given = (body or {}).get("input")  # of a response: a text, or messages
    if isinstance(given, str):
        return given
    messages = (body or {}).get("messages", given)
    for message in reversed(messages if isinstance(messages, list) else []):
        if isinstance(message, dict) and message.get("role") == "user":
            content = _canonical_content(message.get("content"))
            return content if isinstance(content, str) else None
    return None


def differences(wanted: Question, got: Question) -> tuple[Difference, ...]:
    """Every field in which the two do not agree, in reading order; empty means they fit."""
    return tuple(_differences("", _readable(wanted), _readable(got)))


def nearest(
    got: Question, recorded: Iterable[tuple[str, Question]], said: Iterable[tuple[str, str]] = ()
) -> tuple[str | None, tuple[Difference, ...]]:
    """The name of what comes closest, and its differences; (None, ()) where nothing is of the same operation.

    `recorded` are interactions, `said` stubs with the last user message each waits for. Closest is not what differs in
    the fewest fields, but what differs least: a typing error in a long question is next to nothing.
    """
    prompt = last_prompt(got.content["body"])
    found: list[tuple[str, tuple[Difference, ...]]] = [
        (name, (Difference("last user message", _shown(wanted), _shown(prompt)),)) for name, wanted in said
    ]
    for name, question in recorded:
        if all(question.content[key] == got.content[key] for key in ("backend", "operation")):
            found.append((name, differences(question, got)))
    return min(found, key=lambda each: sum(map(_weight, each[1]))) if found else (None, ())


def _weight(difference: Difference) -> float:
    """How much a difference counts: from 0, the same text, to 1, another one; a little for any other value."""
    wanted, got = difference.wanted, difference.got
    if "nothing" in (wanted, got):
        return 1.0 if difference.field.startswith("messages") else 0.3
    if not (wanted.startswith('"') and got.startswith('"')):
        return 0.3
    return 1.0 - difflib.SequenceMatcher(None, wanted, got).ratio()


def _canonical_body(body: dict[str, Any]) -> dict[str, Any]:
    kept = {
        key: value for key, value in body.items() if key not in IGNORED_KEYS and key != "model" and value is not None
    }
    if kept.get("stream") is False:
        del kept["stream"]
    if isinstance(kept.get("messages"), list):
        kept["messages"] = [_canonical_message(message) for message in kept["messages"]]
    return kept


def _canonical_message(message: Any) -> Any:
    if not isinstance(message, dict):
        return message
    return {
        key: _canonical_content(value) if key == "content" else value
        for key, value in message.items()
        if value is not None
    }


def _canonical_content(content: Any) -> Any:
    """A text that came as a list of text parts, as one text where it is exactly one part."""
    match content:
        case [{"type": "text", "text": str(text), **rest}] if not rest:
            return text
    return content


def _readable(question: Question) -> dict[str, Any]:
    return {"model": question.content["model"], **question.content["body"]}


def _differences(field: str, wanted: Any, got: Any) -> Iterator[Difference]:
    if isinstance(wanted, dict) and isinstance(got, dict):
        for key in [*wanted, *(key for key in got if key not in wanted)]:
            yield from _differences(f"{field}.{key}" if field else key, wanted.get(key, _ABSENT), got.get(key, _ABSENT))
    elif (
        field == "messages"
        and isinstance(wanted, list)
        and isinstance(got, list)
        and _instructs(wanted) != _instructs(got)
    ):
        yield Difference(
            "messages[0]",
            _shown(_item(wanted, 0)) if _instructs(wanted) else "nothing",
            _shown(got[0]) if _instructs(got) else "nothing",
        )
        yield from _differences(field, wanted[_instructs(wanted) :], got[_instructs(got) :])
    elif isinstance(wanted, list) and isinstance(got, list):
        for index in range(max(len(wanted), len(got))):
            yield from _differences(f"{field}[{index}]", _item(wanted, index), _item(got, index))
    elif wanted != got or isinstance(wanted, bool) != isinstance(got, bool):
        yield Difference(field, _shown(wanted), _shown(got))


def _instructs(messages: list[Any]) -> bool:
    """Whether the messages begin with instructions; with them on one side only, the others are compared all the same."""
    return bool(messages) and isinstance(messages[0], dict) and messages[0].get("role") in ("system", "developer")


def _item(items: list[Any], index: int) -> Any:
    return items[index] if index < len(items) else _ABSENT


def _shown(value: Any) -> str:
    return "nothing" if value is _ABSENT else json.dumps(value, ensure_ascii=False)
