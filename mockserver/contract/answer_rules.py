"""Answers that their request makes impossible: what no schema of an answer alone can see."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jsonschema_rs

from mockserver.contract.operations import Operation
from mockserver.contract.violations import Violation


def impossible(operation: Operation, asked: Mapping[str, Any], answer: Mapping[str, Any]) -> tuple[Violation, ...]:
    """What in a whole answer cannot be, given its request. Source of each rule: the API reference's words on the
    request's parameter."""
    judge = {"createChatCompletion": _completion, "createResponse": _response}.get(operation.name)
    return tuple(judge(asked, answer)) if judge else ()


def assembled(chunks: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The chat completion that a stream of chunks adds up to."""
    choices: dict[int, dict[str, Any]] = {}
    usage = None
    for chunk in chunks:
        usage = chunk.get("usage") or usage
        for part in chunk.get("choices", ()):
            choice = choices.setdefault(
                part.get("index", 0), {"message": {"content": "", "tool_calls": []}, "finish_reason": None}
            )
            choice["finish_reason"] = part.get("finish_reason") or choice["finish_reason"]
            delta = part.get("delta") or {}
            choice["message"]["content"] += delta.get("content") or ""
            calls = choice["message"]["tool_calls"]
            for call in delta.get("tool_calls") or ():
                if call["index"] >= len(calls):
                    calls.append({"function": {"name": call["function"].get("name", ""), "arguments": ""}})
                calls[call["index"]]["function"]["arguments"] += call["function"].get("arguments") or ""
    return {"choices": [choices[index] for index in sorted(choices)], **({"usage": usage} if usage else {})}


def _completion(asked: Mapping[str, Any], answer: Mapping[str, Any]) -> Iterator[Violation]:
    choices = answer.get("choices", [])
    wanted = asked.get("n") or 1
    if len(choices) != wanted:
        yield Violation("choices", "wrong-n", f"{len(choices)} choices where n is {wanted}")
    usage = answer.get("usage") or {}
    yield from _sum(usage, "prompt_tokens", "completion_tokens")
    limit = asked.get("max_completion_tokens") or asked.get("max_tokens")
    stopped = [choice for choice in choices if choice.get("finish_reason") == "stop"]
    if limit and stopped and usage.get("completion_tokens", 0) > limit * len(choices):
        written = usage["completion_tokens"]
        yield Violation(
            "choices[0].finish_reason",
            "longer-than-allowed",
            f"{written} tokens and `stop` where at most {limit} were asked for",
        )
    offered = {(tool.get("function") or {}).get("name") for tool in asked.get("tools") or ()}
    for index, choice in enumerate(choices):
        message = choice.get("message") or {}
        calls = message.get("tool_calls") or []
        for call in calls:
            yield from _offered(
                (call.get("function") or {}).get("name"), offered, f"choices[{index}].message.tool_calls"
            )
        if _demands_call(asked.get("tool_choice")) and not calls and choice.get("finish_reason") == "stop":
            yield Violation(
                f"choices[{index}].message.tool_calls", "no-call", "a text alone where tool_choice demands a call"
            )
        if choice.get("finish_reason") == "stop" and not calls:
            yield from _schema(
                asked.get("response_format"), message.get("content"), f"choices[{index}].message.content"
            )


def _demands_call(choice: Any) -> bool:
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        return bool((choice.get("allowed_tools") or {}).get("mode") == "required")
    return choice == "required" or isinstance(choice, dict)


def _response(asked: Mapping[str, Any], answer: Mapping[str, Any]) -> Iterator[Violation]:
    yield from _sum(answer.get("usage") or {}, "input_tokens", "output_tokens")
    offered = {tool.get("name") for tool in asked.get("tools") or ()}
    for index, item in enumerate(answer.get("output", ())):
        if item.get("type") == "function_call":
            yield from _offered(item.get("name"), offered, f"output[{index}].name")


def _sum(usage: Mapping[str, Any], *parts: str) -> Iterator[Violation]:
    total, added = usage.get("total_tokens"), sum(usage.get(part) or 0 for part in parts)
    if total is not None and total != added:
        yield Violation("usage.total_tokens", "usage-sum", f"{total} in total where the parts add up to {added}")


def _offered(name: Any, offered: set[Any], field: str) -> Iterator[Violation]:
    if name not in offered:
        known = ", ".join(sorted(map(str, offered))) or "none"
        yield Violation(field, "tool-not-offered", f"calls {name!r}; the request offers {known}")


def _schema(response_format: Any, content: Any, field: str) -> Iterator[Violation]:
    """JSON mode wants JSON, and a strict schema what it says."""
    kind = response_format.get("type") if isinstance(response_format, dict) else None
    if kind not in ("json_object", "json_schema"):
        return
    try:
        parsed = json.loads(content or "")
    except ValueError:
        yield Violation(field, "no-json", f"no JSON where response_format is {kind}")
        return
    described = response_format.get("json_schema") or {}
    if kind == "json_schema" and described.get("strict"):
        error = next(iter(jsonschema_rs.validator_for(described["schema"]).iter_errors(parsed)), None)
        if error is not None:
            yield Violation(field, "schema-broken", f"breaks the request's own schema: {error.message}")
