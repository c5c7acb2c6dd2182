"""After a prompt was changed on purpose: carries old answers over to the new prompt, where only the prompt changed."""

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
from mockserver.redaction.exchanges import shown_request
from mockserver.redaction.redaction import Redaction


class AcceptError(UserError):
    """An answer cannot be carried over; the message says which, and why not."""


@dataclass(frozen=True, slots=True)
class RecordedMiss:
    """A request of the last run that no stub answered, the path and number of the nearest recording, and how the two differ.
    `cassette` is the file where its recording belongs; empty for any."""

    request: Request
    nearest: str
    differences: tuple[Difference, ...]
    cassette: str = ""


def miss_as_json(miss: Miss, *, nearest: str, cassette: str = "") -> dict[str, Any]:
    """A miss as pytest's cache keeps it from one run to the next: without secrets."""
    request = shown_request(miss.call.request)
    return {
        "method": request.method,
        "target": request.target,
        "body": Redaction().data(request.body).decode("utf-8", "replace"),
        "nearest": nearest,
        "differences": [[difference.field, difference.expected, difference.got] for difference in miss.differences],
        "cassette": cassette,
    }


def recorded_misses(entries: Iterable[Mapping[str, Any]]) -> tuple[RecordedMiss, ...]:
    """The misses of a run, from what `miss_as_json` wrote."""
    misses = []
    for entry in entries:
        path, _, query = entry["target"].partition("?")
        headers = (("content-type", "application/json"),)
        request = Request(entry["method"], path, query, headers, entry["body"].encode())
        differences = tuple(Difference(*row) for row in entry["differences"])
        misses.append(RecordedMiss(request, entry["nearest"], differences, entry["cassette"]))
    return tuple(misses)


def accept(cassette: Cassette, number: int, miss: RecordedMiss) -> Cassette:
    """The cassette with the new prompt in interaction `number`, from 1, and in every other one that had the same old text
    there; the answers are unchanged, and the cassette is marked as carried over.

    Raises:
        AcceptError: what changed is not only the prompt: a user's message, a tool's result, or how many messages there are.
    """
    if not miss.differences:
        raise AcceptError(f"{miss.nearest} has no difference that could be carried over")
    for difference in miss.differences:
        if reason := why_not_acceptable(difference, Call(miss.request).body):
            raise AcceptError(
                f"{miss.nearest}: {difference.field} changed from {difference.expected} to {difference.got}: {reason}. "
                "Record it again: dress-rehearsal record --missing"
            )
    nearest = cassette.interactions[number - 1]
    changed = tuple(
        _with_new_prompt(interaction, miss.differences)
        if interaction is nearest or _has_old_prompt(interaction, miss.differences)
        else interaction
        for interaction in cassette.interactions
    )
    if Call(changed[number - 1].request).canonical.fingerprint != Call(miss.request).canonical.fingerprint:
        raise AcceptError(
            f"{miss.nearest}: the new request has more differences than the last run noted; run the tests again"
        )
    return replace(cassette, interactions=changed, source=Source.CARRIED)


def _has_old_prompt(interaction: Interaction, differences: Iterable[Difference]) -> bool:
    """Whether an interaction has the old text in every place that changed."""
    body = Call(interaction.request).body or {}
    return all(_at(body, difference.field) == _value(difference.expected) for difference in differences)


def _with_new_prompt(interaction: Interaction, differences: Iterable[Difference]) -> Interaction:
    body: Any = Call(interaction.request).body or {}
    for difference in differences:
        *steps, last = _steps(difference.field)
        parent = body
        for step in steps:
            parent = parent[step]
        if difference.got == "nothing":
            del parent[last]
        else:
            parent[last] = json.loads(difference.got)
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
