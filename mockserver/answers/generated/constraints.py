"""What a request requires of its answer, read from a chat completion's or a response's parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mockserver.matching.conversation import Conversation


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the request offers, and the schema of its arguments."""

    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Constraints:
    """What a request requires of its answer.

    The answer must call one of `required_tools`; None leaves the choice to the model. `schema` describes the JSON that
    the text must be; None for prose. `max_tokens` is None without a limit. `after_tool_result` says that the last
    message is a tool's result. `effort` is that of reasoning, None for the model's own. `called` are the tools that were called
    since the user's last message.
    """

    prompt: str
    tools: tuple[Tool, ...]
    required_tools: tuple[Tool, ...] | None
    parallel_calls: bool
    schema: Mapping[str, Any] | None
    max_tokens: int | None
    stop: tuple[str, ...]
    after_tool_result: bool
    effort: str | None
    called: frozenset[str] = frozenset()


def constraints_of(body: Mapping[str, Any]) -> Constraints:
    """The constraints in the body of a request that a text can answer."""
    if "messages" in body:
        return _of_chat_completion(body)
    return _of_completion(body) if "prompt" in body and "input" not in body else _of_response(body)


def _of_completion(body: Mapping[str, Any]) -> Constraints:
    prompt, stop = body["prompt"], body.get("stop") or ()
    texts = [prompt] if isinstance(prompt, str) else prompt if isinstance(prompt, list) else []
    asked = next((text for text in texts if isinstance(text, str)), "")
    limit = body.get("max_tokens", 16)  # the service's own default
    stops = (stop,) if isinstance(stop, str) else tuple(stop)
    return Constraints(asked, (), None, True, None, limit, stops, False, None)


def _of_chat_completion(body: Mapping[str, Any]) -> Constraints:
    functions = (tool.get("function") or {} for tool in body.get("tools") or ())
    tools = tuple(_tool(function) for function in functions if "name" in function)
    text_format = body.get("response_format") or {}
    stop = body.get("stop") or ()
    messages = body.get("messages") or [{}]
    choice = body.get("tool_choice")
    name = choice.get("function", {}).get("name") if isinstance(choice, dict) else None
    return Constraints(
        _prompt(body),
        () if choice == "none" else tools,
        _required_tools(tools, choice, name),
        body.get("parallel_tool_calls") is not False,
        _schema(body, text_format.get("type"), text_format.get("json_schema") or {}),
        body.get("max_completion_tokens") or body.get("max_tokens"),
        (stop,) if isinstance(stop, str) else tuple(stop),
        messages[-1].get("role") in ("tool", "function"),
        body.get("reasoning_effort"),
        _called(body),
    )


def _of_response(body: Mapping[str, Any]) -> Constraints:
    tools = tuple(_tool(tool) for tool in body.get("tools") or () if tool.get("type") == "function")
    text_format = (body.get("text") or {}).get("format") or {}
    choice = body.get("tool_choice")
    items = body.get("input") or ()
    last = items[-1] if isinstance(items, list) and items else {}
    return Constraints(
        _prompt(body),
        () if choice == "none" else tools,
        _required_tools(tools, choice, choice.get("name") if isinstance(choice, dict) else None),
        body.get("parallel_tool_calls") is not False,
        _schema(body, text_format.get("type"), text_format),
        body.get("max_output_tokens"),
        (),
        last.get("type") == "function_call_output",
        (body.get("reasoning") or {}).get("effort"),
        _called(body),
    )


def _prompt(body: Mapping[str, Any]) -> str:
    return "\n".join(Conversation(body).last_prompt or ())


def _called(body: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(name for name, _ in Conversation(body).calls)


def _tool(function: Mapping[str, Any]) -> Tool:
    return Tool(function["name"], function.get("parameters") or {"type": "object", "properties": {}})


def _required_tools(tools: tuple[Tool, ...], choice: Any, name: str | None) -> tuple[Tool, ...] | None:
    """The tools of which `tool_choice` requires one: all tools, the one that it names, or those that it allows."""
    if choice == "required":
        return tools or None
    if not isinstance(choice, dict):
        return None
    allowed = choice.get("allowed_tools", choice) if choice.get("type") == "allowed_tools" else {}
    if allowed and allowed.get("mode") != "required":
        return None
    names = [(tool.get("function") or tool).get("name") for tool in allowed.get("tools", ())] or [name]
    return tuple(tool for tool in tools if tool.name in names) or None


def _schema(body: Mapping[str, Any], kind: str | None, text_format: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The schema of the request's format; in JSON mode and without a format the one that its system text has, as libraries
    write it there for models that know no formats."""
    if kind == "json_schema":
        return text_format.get("schema") or {}
    if (described := _described(Conversation(body).system)) is not None:
        return described
    if kind == "json_object":
        return {"type": "object", "properties": {"answer": {"type": "string"}, "made_up": {"const": True}}}
    return None


def _described(text: str) -> Mapping[str, Any] | None:
    """The first JSON Schema of an object in a text; None without one."""
    start = text.find("{") if '"properties"' in text else -1
    while start >= 0:
        try:
            found, _ = json.JSONDecoder().raw_decode(text, start)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict) and isinstance(found.get("properties"), dict):
            return found
        start = text.find("{", start + 1)
    return None
