"""A prompt changed on purpose: old answers carried over to the new prompt, as far as that is honest."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mockserver.cassette import Cassette, Source
from mockserver.exchange import Interaction, Request
from mockserver.matching import Difference, Miss
from mockserver.mendable import MendableError
from mockserver.question import question_of
from mockserver.redact import Redaction, shown


class CarryError(MendableError):
    """An answer cannot be carried over; says which, and why not."""


@dataclass(frozen=True, slots=True)
class Missed:
    """A request of a past run that no stub fitted, the name of what came nearest, and how that differs. `cassette` is the
    file it belongs into, empty where that does not matter."""

    request: Request
    nearest: str
    differences: tuple[Difference, ...]
    cassette: str = ""


def as_json(miss: Miss, *, cassette: str = "") -> dict[str, Any]:
    """A miss as it is kept between two runs: without secrets."""
    request = shown(miss.request)
    return {
        "method": request.method,
        "target": request.target,
        "body": Redaction().data(request.body).decode("utf-8", "replace"),
        "nearest": miss.nearest or "",
        "differences": [[each.field, each.wanted, each.got] for each in miss.differences],
        "cassette": cassette,
    }


def missed(kept: Iterable[Mapping[str, Any]]) -> tuple[Missed, ...]:
    """The misses of a run, from what `as_json` made of them."""
    found = []
    for each in kept:
        path, _, query = each["target"].partition("?")
        headers = (("content-type", "application/json"),)
        request = Request(each["method"], path, query, headers, each["body"].encode())
        differences = tuple(Difference(*row) for row in each["differences"])
        found.append(Missed(request, each["nearest"], differences, each["cassette"]))
    return tuple(found)


def can_be_carried(miss: Miss) -> bool:
    """Whether an old answer may answer the request that was missed."""
    return bool(miss.nearest and miss.differences) and not any(
        _dishonest(each, miss.request) for each in miss.differences
    )


def carried(cassette: Cassette, number: int, miss: Missed) -> Cassette:
    """The cassette with the missed prompt in interaction `number`, from 1, and in every other one that had the same old
    text there; its answers are as they were, marked as carried over.

    Raises:
        CarryError: what changed is not only the prompt: a user's message, a tool's result, or how many messages there are.
    """
    if not miss.differences:
        raise CarryError(f"{miss.nearest} differs in nothing that could be carried over")
    for difference in miss.differences:
        if reason := _dishonest(difference, miss.request):
            raise CarryError(
                f"{miss.nearest}: {difference.field} changed from {difference.wanted} to {difference.got}: {reason}. "
                "Ask the model again: dress-rehearsal record --missing"
            )
    changed = tuple(
        _changed(each, miss.differences)
        if each is cassette.interactions[number - 1] or _shares(each, miss.differences)
        else each
        for each in cassette.interactions
    )
    if question_of(changed[number - 1].request).fingerprint != question_of(miss.request).fingerprint:
        raise CarryError(f"{miss.nearest}: the new request differs in more than was kept of it; run the tests again")
    return replace(cassette, interactions=changed, source=Source.CARRIED)


def _dishonest(difference: Difference, request: Request) -> str:
    """Why an old answer would not answer the new request; empty where it may."""
    if "nothing" in (difference.wanted, difference.got) and difference.field.startswith(("messages", "input")):
        return "there are more messages, or fewer"
    found = re.match(r"(messages|input)\[(\d+)\]", difference.field)
    if found:
        message = ((request.json_object() or {}).get(found[1]) or [])[int(found[2])]
        role = message.get("role") if isinstance(message, dict) else None
        return "" if role in ("system", "developer") else f"a message of the {role or 'user'} asks something else"
    if difference.field in ("input", "last user message", "text", "model"):
        return "it asks something else" if difference.field != "model" else "another model would answer otherwise"
    return ""


def _shares(interaction: Interaction, differences: Iterable[Difference]) -> bool:
    """Whether an interaction has the old text in every place that changed."""
    body = interaction.request.json_object() or {}
    return all(_at(body, each.field) == _value(each.wanted) for each in differences)


def _changed(interaction: Interaction, differences: Iterable[Difference]) -> Interaction:
    body: Any = interaction.request.json_object() or {}
    for each in differences:
        *way, last = _steps(each.field)
        holder = body
        for step in way:
            holder = holder[step]
        if each.got == "nothing":
            del holder[last]
        else:
            holder[last] = json.loads(each.got)
    text = json.dumps(body, ensure_ascii=False, indent=2) + "\n"
    return replace(interaction, request=replace(interaction.request, body=text.encode()))


def _at(body: Any, field: str) -> Any:
    for step in _steps(field):
        try:
            body = body[step]
        except (KeyError, IndexError, TypeError):
            return None
    return body


def _value(text: str) -> Any:
    return None if text == "nothing" else json.loads(text)


def _steps(field: str) -> list[str | int]:
    return [int(index) if index else name for index, name in re.findall(r"\[(\d+)\]|([^.\[\]]+)", field)]
