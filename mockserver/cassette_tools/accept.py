"""A prompt changed on purpose: old answers carried over to the new prompt, as far as that is honest."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mockserver.cassettes.cassette import Cassette, Source
from mockserver.errors import UserError
from mockserver.exchange import Interaction, Request
from mockserver.matching.call import Call
from mockserver.matching.differences import Difference
from mockserver.matching.miss import Miss, why_not_acceptable
from mockserver.redact import Redaction, shown


class AcceptError(UserError):
    """An answer cannot be carried over; says which, and why not."""


@dataclass(frozen=True, slots=True)
class RecordedMiss:
    """A request of a past run that no stub fitted, the name of what came nearest, and how that differs. `cassette` is the
    file it belongs into, empty where that does not matter."""

    request: Request
    nearest: str
    differences: tuple[Difference, ...]
    cassette: str = ""


def miss_as_json(miss: Miss, *, cassette: str = "") -> dict[str, Any]:
    """A miss as it is kept between two runs: without secrets."""
    request = shown(miss.call.request)
    return {
        "method": request.method,
        "target": request.target,
        "body": Redaction().data(request.body).decode("utf-8", "replace"),
        "nearest": miss.nearest or "",
        "differences": [[each.field, each.expected, each.got] for each in miss.differences],
        "cassette": cassette,
    }


def recorded_misses(kept: Iterable[Mapping[str, Any]]) -> tuple[RecordedMiss, ...]:
    """The misses of a run, from what `as_json` made of them."""
    found = []
    for each in kept:
        path, _, query = each["target"].partition("?")
        headers = (("content-type", "application/json"),)
        request = Request(each["method"], path, query, headers, each["body"].encode())
        differences = tuple(Difference(*row) for row in each["differences"])
        found.append(RecordedMiss(request, each["nearest"], differences, each["cassette"]))
    return tuple(found)


def accept(cassette: Cassette, number: int, miss: RecordedMiss) -> Cassette:
    """The cassette with the missed prompt in interaction `number`, from 1, and in every other one that had the same old
    text there; its answers are as they were, marked as carried over.

    Raises:
        CarryError: what changed is not only the prompt: a user's message, a tool's result, or how many messages there are.
    """
    if not miss.differences:
        raise AcceptError(f"{miss.nearest} differs in nothing that could be carried over")
    for difference in miss.differences:
        if reason := why_not_acceptable(difference, Call(miss.request).body):
            raise AcceptError(
                f"{miss.nearest}: {difference.field} changed from {difference.expected} to {difference.got}: {reason}. "
                "Ask the model again: dress-rehearsal record --missing"
            )
    changed = tuple(
        _with_new_prompt(each, miss.differences)
        if each is cassette.interactions[number - 1] or _shares(each, miss.differences)
        else each
        for each in cassette.interactions
    )
    if Call(changed[number - 1].request).canonical.fingerprint != Call(miss.request).canonical.fingerprint:
        raise AcceptError(f"{miss.nearest}: the new request differs in more than was kept of it; run the tests again")
    return replace(cassette, interactions=changed, source=Source.CARRIED)


def _shares(interaction: Interaction, differences: Iterable[Difference]) -> bool:
    """Whether an interaction has the old text in every place that changed."""
    body = Call(interaction.request).body or {}
    return all(_at(body, each.field) == _value(each.expected) for each in differences)


def _with_new_prompt(interaction: Interaction, differences: Iterable[Difference]) -> Interaction:
    body: Any = Call(interaction.request).body or {}
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
