"""A miss in words: what was asked, why no recording fits, the nearest one field by field, and what to do."""

from __future__ import annotations

import json

from contracts.operations import address_of
from mockserver import tokens
from mockserver.carry import can_be_carried
from mockserver.matching import Miss
from mockserver.question import last_prompt
from mockserver.redact import clean


def same_reason(one: Miss, other: Miss) -> bool:
    """Whether two misses asked the same, or have the same single difference, whatever else they asked."""
    if one.question.fingerprint == other.question.fingerprint:
        return one.reason == other.reason
    return len(one.differences) == 1 and one.differences == other.differences


def explain(miss: Miss, alike: int = 1) -> str:
    """What was asked, why no recording fits, the nearest one field by field, and what to do, without secrets; `alike`
    counts the misses of this run that have this one reason."""
    return str(clean(_explained(miss, alike)))


def _explained(miss: Miss, alike: int) -> str:
    if miss.reason:
        return miss.reason
    asked = f"No recording fits {miss.request.method} {miss.request.raw_path} ({miss.question})."
    lines = [asked]
    if address_of(miss.request.method, miss.request.raw_path, miss.request.query).operation is None:
        return f"{asked}\nThis version does not answer that operation."
    if miss.nearest is None:
        lines.append("Nothing is loaded for this operation of this backend.")
    else:
        file, _, number = miss.nearest.rpartition("#")
        lines.append(f"Nearest: {file}, interaction {number}. It differs in")
        width = max(len(each.field) for each in miss.differences)
        lines += [
            f"  {each.field:<{width}}   wanted {_short(each.wanted)}   got {_short(each.got)}"
            for each in miss.differences[:5]
        ]
        if len(miss.differences) > 5:
            lines.append(f"  and {len(miss.differences) - 5} more")
    if miss.ignored:
        lines.append(f"Not compared: {', '.join(miss.ignored)}")
    if miss.would_help:
        options = " ".join(f"--ignore '{each}'" for each in miss.would_help)
        lines.append(f"It would have fitted with {options}")
    if alike > 1:
        lines.append(f"{alike} requests in this run miss for this one reason.")
    prompt = _short(json.dumps(last_prompt(miss.request.json_object()) or "…", ensure_ascii=False))
    ways = [
        (f"mock_server.say(…, to={prompt})", "answers it in a test"),
        (f"- {{when: {{prompt: {prompt}}}, say: …}}", "does in a YAML file of --cassettes"),
        ("dress-rehearsal record --missing …", f"asks the real model ({_tokens(miss) * alike:,} tokens or so to read)"),
    ]
    if can_be_carried(miss):
        file = (miss.nearest or "").rpartition("#")[0]
        ways.insert(
            0,
            (
                f"dress-rehearsal cassette accept {file}",
                "keeps the old answer for the new prompt, marked as carried over",
            ),
        )
    return "\n".join([*lines, *(f"  {way}   {what}" for way, what in ways)])


def _tokens(miss: Miss) -> int:
    body = miss.request.json_object() or {}
    model = str(miss.question.content["model"])
    return tokens.count_messages(body["messages"], model) if body.get("messages") else tokens.count_input(body, model)


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:60]}… ({len(text)} characters)"
