"""Violations that only an answer and its request together show, and no schema of the answer alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jsonschema_rs

from mockserver.contract.operations import Operation
from mockserver.contract.violation import Violation

#: More are asked for only with `--lenient`. Source: `maximum` of `n` in the published schema.
_MOST_CHOICES = 128


def impossible(operation: Operation, request: Mapping[str, Any], answer: Mapping[str, Any]) -> tuple[Violation, ...]:
    """Everything in a complete answer that its request rules out. Source of each rule: the API reference on the
    request's parameter."""
    check = {"createChatCompletion": _completion, "createResponse": _response}.get(operation.name)
    return tuple(check(request, answer)) if check else ()


def an_object(value: Any) -> Mapping[str, Any]:
    """The JSON object that a value is; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> list[Mapping[str, Any]]:
    """The JSON objects in the list that a value is; none for anything else."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def assembled(chunks: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The chat completion that a stream of chunks makes together; what is in no chunk's form adds nothing to it."""
    choices: dict[int, dict[str, Any]] = {}
    whole: dict[str, Any] = {}
    for chunk in chunks:
        whole |= {key: chunk[key] for key in ("id", "model", "usage") if chunk.get(key)}
        for part in objects(chunk.get("choices")):
            index = part.get("index", 0)
            if not isinstance(index, int):
                continue
            message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
            choice = choices.setdefault(
                index, {"index": index, "message": message, "logprobs": None, "finish_reason": None}
            )
            choice["finish_reason"] = part.get("finish_reason") or choice["finish_reason"]
            message, delta = choice["message"], an_object(part.get("delta"))
            for key in ("content", "refusal"):
                if isinstance(delta.get(key), str):
                    message[key] = (message[key] or "") + delta[key]
            for call in objects(delta.get("tool_calls")):
                _add_call(message.setdefault("tool_calls", []), call)
    return {"choices": [choices[index] for index in sorted(choices)], **whole}


def _add_call(calls: list[dict[str, Any]], part: Mapping[str, Any]) -> None:
    """Add a part of a call to those so far; one of no call so far begins another."""
    place, function = part.get("index"), an_object(part.get("function"))
    if not isinstance(place, int) or not 0 <= place < len(calls):
        place = len(calls)
        named = {"name": function.get("name", ""), "arguments": ""}
        calls.append({"id": part.get("id"), "type": "function", "function": named})
    arguments = function.get("arguments")
    calls[place]["function"]["arguments"] += arguments if isinstance(arguments, str) else ""


def _completion(request: Mapping[str, Any], answer: Mapping[str, Any]) -> Iterator[Violation]:
    choices, usage = objects(answer.get("choices")), an_object(answer.get("usage"))
    n = request.get("n") or 1
    if isinstance(n, int) and 1 <= n <= _MOST_CHOICES and len(choices) != n:
        yield Violation("choices", "wrong-n", f"the number of choices must be n = {n}, got {len(choices)}")
    yield from _sum(usage, "prompt_tokens", "completion_tokens")
    limit = request.get("max_completion_tokens") or request.get("max_tokens")
    tokens = _count(usage, "completion_tokens")
    if (
        isinstance(limit, int)
        and limit
        and tokens > limit * len(choices)
        and any(choice.get("finish_reason") == "stop" for choice in choices)
    ):
        problem = f"must not be 'stop' after {tokens} tokens, because the request allows {limit}"
        yield Violation("choices[0].finish_reason", "longer-than-allowed", problem)
    offered = {str(an_object(tool.get("function")).get("name")) for tool in objects(request.get("tools"))}
    for index, choice in enumerate(choices):
        message, field = an_object(choice.get("message")), f"choices[{index}].message"
        calls = objects(message.get("tool_calls"))
        for call in calls:
            yield from _offered(an_object(call.get("function")).get("name"), offered, f"{field}.tool_calls")
        if choice.get("finish_reason") == "stop" and not calls:
            if _requires_call(request.get("tool_choice")):
                yield Violation(f"{field}.tool_calls", "no-call", "must hold a call, because tool_choice requires one")
            if not message.get("refusal"):  # a refusal is no JSON
                yield from _schema(request.get("response_format"), message.get("content"), f"{field}.content")


def _requires_call(choice: Any) -> bool:
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        return bool(an_object(choice.get("allowed_tools")).get("mode") == "required")
    return choice == "required" or isinstance(choice, dict)


def _response(request: Mapping[str, Any], answer: Mapping[str, Any]) -> Iterator[Violation]:
    yield from _sum(an_object(answer.get("usage")), "input_tokens", "output_tokens")
    offered = {str(tool.get("name")) for tool in objects(request.get("tools"))}
    for index, item in enumerate(objects(answer.get("output"))):
        if item.get("type") == "function_call":
            yield from _offered(item.get("name"), offered, f"output[{index}].name")


def _sum(usage: Mapping[str, Any], *parts: str) -> Iterator[Violation]:
    total, expected = usage.get("total_tokens"), sum(_count(usage, part) for part in parts)
    if total is not None and total != expected:
        yield Violation("usage.total_tokens", "usage-sum", f"must be {' + '.join(parts)} = {expected}, got {total}")


def _count(usage: Mapping[str, Any], part: str) -> int:
    count = usage.get(part)
    return count if isinstance(count, int) else 0


def _offered(name: Any, offered: set[str], field: str) -> Iterator[Violation]:
    if str(name) not in offered:
        known = ", ".join(sorted(offered)) or "none"
        yield Violation(field, "tool-not-offered", f"calls {name!r}; the request offers {known}")


def _schema(response_format: Any, content: Any, field: str) -> Iterator[Violation]:
    """JSON mode requires JSON, and a strict schema a value that it allows."""
    kind = response_format.get("type") if isinstance(response_format, dict) else None
    if kind not in ("json_object", "json_schema"):
        return
    try:
        value = json.loads(content or "")
    except (ValueError, RecursionError):
        yield Violation(field, "no-json", f"must be JSON, because response_format is {kind}")
        return
    described = an_object(response_format.get("json_schema"))
    if kind == "json_schema" and described.get("strict"):
        try:
            validator = jsonschema_rs.validator_for(described.get("schema") or {})
            error = next(iter(validator.iter_errors(value)), None)
        except (ValueError, TypeError, jsonschema_rs.ReferencingError):
            return  # no valid schema, which `--lenient` or a recording let through: it binds nobody
        if error is not None:
            yield Violation(field, "schema-broken", f"breaks the request's own schema: {error.message}")
