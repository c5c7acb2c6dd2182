"""A miss in words: what was asked, why no recording fits, the nearest one field by field, and what to do."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Protocol, TypeVar

from mockserver import tokens
from mockserver.matching.differences import Difference
from mockserver.matching.miss import Miss
from mockserver.redaction.exchanges import shown_request
from mockserver.redaction.redaction import clean

_MAX_DIFFERENCES = 5


class Reasoned(Protocol):
    """What a miss is grouped by."""

    @property
    def fingerprint(self) -> str: ...  # noqa: D102
    @property
    def reason(self) -> str: ...  # noqa: D102
    @property
    def differences(self) -> tuple[Difference, ...]: ...  # noqa: D102


_Missed = TypeVar("_Missed", bound=Reasoned)


def same_reason(one: Reasoned, other: Reasoned) -> bool:
    """Whether two misses asked the same, or have the same single difference, whatever else they asked."""
    if one.fingerprint == other.fingerprint:
        return one.reason == other.reason
    return len(one.differences) == 1 and one.differences == other.differences


def miss_report(miss: Miss, alike: int = 1) -> str:
    """The whole explanation, without secrets; `alike` counts the misses of this run that have this one reason."""
    return str(clean(_report(miss, alike)))


def miss_reports(misses: Iterable[Miss]) -> tuple[str, ...]:
    """The report of some misses, once for each reason."""
    return tuple(miss_report(group[0], len(group)) for group in by_reason(misses))


def by_reason(misses: Iterable[_Missed]) -> list[list[_Missed]]:
    """The misses in groups, each of one reason, in the order in which each reason came first."""
    groups: list[list[_Missed]] = []
    for miss in misses:
        alike = next((group for group in groups if same_reason(group[0], miss)), None)
        if alike is None:
            groups.append([miss])
        else:
            alike.append(miss)
    return groups


def _report(miss: Miss, alike: int) -> str:
    if miss.reason:
        return miss.reason
    request = shown_request(miss.call.request)
    lines = [f"No recording fits {request.method} {request.raw_path} ({miss.call.canonical})."]
    if miss.call.operation is None:
        lines.append("No such operation of OpenAI or Azure OpenAI is known; it can be recorded: dress-rehearsal record")
        if miss.nearest is None:
            return "\n".join(lines)
    lines += _nearest(miss)
    if miss.ignored:
        lines.append(f"Not compared: {', '.join(miss.ignored)}")
    if miss.helpful_ignores:
        options = " ".join(f"--ignore '{option}'" for option in miss.helpful_ignores)
        lines.append(f"It would fit with {options}")
    if alike > 1:
        lines.append(f"{alike} requests in this run miss for this one reason.")
    lines += [f"  {command}   {effect}" for command, effect in _ways_out(miss, alike)]
    return "\n".join(line.replace("\n", "\\n") for line in lines)


def _nearest(miss: Miss) -> list[str]:
    if miss.nearest is None:
        return ["Nothing is loaded for this operation of this backend."]
    file, _, number = miss.nearest.rpartition("#")
    width = max((len(difference.field) for difference in miss.differences), default=0)
    shown = [
        f"  {difference.field:<{width}}   wanted {_short(clean(difference.expected))}   got {_short(clean(difference.got))}"
        for difference in miss.differences[:_MAX_DIFFERENCES]
    ]
    if more := len(miss.differences) - len(shown):
        shown.append(f"  and {more} more")
    return [f"Nearest: {file}, interaction {number}. It differs in", *shown]


def _ways_out(miss: Miss, alike: int) -> list[tuple[str, str]]:
    """Commands, each with what it does."""
    prompt = _short(json.dumps(clean(miss.call.prompt or "…"), ensure_ascii=False))
    count = tokens.count_request(miss.call.body or {}, miss.call.model) * alike
    ways = [
        (f"mock_server.say(…, to={prompt})", "answers it in a test"),
        (f"- {{when: {{prompt: {prompt}}}, say: …}}", "answers it from a YAML file in --cassettes"),
        ("dress-rehearsal record --missing …", f"asks the real model (about {count:,} tokens to read)"),
        ("pytest --record=missing …", "asks it while the tests run, all turns at once"),
    ]
    if miss.acceptable:
        file = os.path.relpath(miss.file) if miss.file else (miss.nearest or "").rpartition("#")[0]
        command = f"dress-rehearsal cassette accept {file}"
        ways.insert(0, (command, "keeps the old answer for the new prompt, marked as carried over"))
    return ways


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:60]}… ({len(text)} characters)"
