"""Violations that only an answer and its request together show, and no schema of the answer alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jsonschema_rs

from mockserver.contract.operations import Operation
from mockserver.contract.violation import Violation


def impossible(operation: Operation, request: Mapping[str, Any], answer: Mapping[str, Any]) -> tuple[Violation, ...]:
    """Everything in a complete answer that its request rules out. Source of each rule: the API reference on the
    request's parameter."""
    check = {"createChatCompletion": _completion, "createResponse": _response}.get(operation.name)
    return tuple(check(request, answer)) if check else ()


def assembled(chunks: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The chat completion that a stream of chunks makes together."""
    choices: dict[int, dict[str, Any]] = {}
    usage = None
    for chunk in chunks:
        usage = chunk.get("usage") or usage
        for part in chunk.get("choices", ()):
            index = part.get("index", 0)
            message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
            choice = choices.setdefault(
                index, {"index": index, "message": message, "logprobs": None, "finish_reason": None}
            )
            choice["finish_reason"] = part.get("finish_reason") or choice["finish_reason"]
            message, delta = choice["message"], part.get("delta") or {}
            for key in ("content", "refusal"):
                if delta.get(key) is not None:
                    message[key] = (message[key] or "") + delta[key]
            for call in delta.get("tool_calls") or ():
                calls = message.setdefault("tool_calls", [])
                if call["index"] >= len(calls):
                    function = {"name": call["function"].get("name", ""), "arguments": ""}
                    calls.append({"id": call.get("id"), "type": "function", "function": function})
                calls[call["index"]]["function"]["arguments"] += call["function"].get("arguments") or ""
    return {"choices": [choices[index] for index in sorted(choices)], **({"usage": usage} if usage else {})}


def _completion(request: Mapping[str, Any], answer: Mapping[str, Any]) -> Iterator[Violation]:
    choices, usage = answer.get("choices", []), answer.get("usage") or {}
    n = request.get("n") or 1
    if len(choices) != n:
        yield Violation("choices", "wrong-n", f"the number of choices must be n = {n}, got {len(choices)}")
    yield from _sum(usage, "prompt_tokens", "completion_tokens")
    limit = request.get("max_completion_tokens") or request.get("max_tokens")
    tokens = usage.get("completion_tokens", 0)
    if limit and tokens > limit * len(choices) and any(choice.get("finish_reason") == "stop" for choice in choices):
        problem = f"must not be 'stop' after {tokens} tokens, because the request allows {limit}"
        yield Violation("choices[0].finish_reason", "longer-than-allowed", problem)
    offered = {(tool.get("function") or {}).get("name") for tool in request.get("tools") or ()}
    for index, choice in enumerate(choices):
        message, field = choice.get("message") or {}, f"choices[{index}].message"
        calls = message.get("tool_calls") or []
        for call in calls:
            yield from _offered((call.get("function") or {}).get("name"), offered, f"{field}.tool_calls")
        if choice.get("finish_reason") == "stop" and not calls:
            if _requires_call(request.get("tool_choice")):
                yield Violation(f"{field}.tool_calls", "no-call", "must hold a call, because tool_choice requires one")
            if not message.get("refusal"):  # a refusal is no JSON
                yield from _schema(request.get("response_format"), message.get("content"), f"{field}.content")


def _requires_call(choice: Any) -> bool:
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        return bool((choice.get("allowed_tools") or {}).get("mode") == "required")
    return choice == "required" or isinstance(choice, dict)


def _response(request: Mapping[str, Any], answer: Mapping[str, Any]) -> Iterator[Violation]:
    yield from _sum(answer.get("usage") or {}, "input_tokens", "output_tokens")
    offered = {tool.get("name") for tool in request.get("tools") or ()}
    for index, item in enumerate(answer.get("output", ())):
        if item.get("type") == "function_call":
            yield from _offered(item.get("name"), offered, f"output[{index}].name")


def _sum(usage: Mapping[str, Any], *parts: str) -> Iterator[Violation]:
    total, expected = usage.get("total_tokens"), sum(usage.get(part) or 0 for part in parts)
    if total is not None and total != expected:
        yield Violation("usage.total_tokens", "usage-sum", f"must be {' + '.join(parts)} = {expected}, got {total}")


def _offered(name: Any, offered: set[Any], field: str) -> Iterator[Violation]:
    if name not in offered:
        known = ", ".join(sorted(map(str, offered))) or "none"
        yield Violation(field, "tool-not-offered", f"calls {name!r}; the request offers {known}")


def _schema(response_format: Any, content: Any, field: str) -> Iterator[Violation]:
    """JSON mode requires JSON, and a strict schema a value that it allows."""
    kind = response_format.get("type") if isinstance(response_format, dict) else None
    if kind not in ("json_object", "json_schema"):
        return
    try:
        value = json.loads(content or "")
    except ValueError:
        yield Violation(field, "no-json", f"must be JSON, because response_format is {kind}")
        return
    described = response_format.get("json_schema") or {}
    if kind == "json_schema" and described.get("strict"):
        try:
            validator = jsonschema_rs.validator_for(described["schema"])
        except (ValueError, jsonschema_rs.ReferencingError):
            return  # no valid schema, which `--lenient` or a recording let through: it binds nobody
        error = next(iter(validator.iter_errors(value)), None)
        if error is not None:
            yield Violation(field, "schema-broken", f"breaks the request's own schema: {error.message}")
