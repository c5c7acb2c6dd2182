"""What a request wants of an answer, in either API's words, and an answer that gives it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mockserver import tokens
from mockserver.generate.demo import demo
from mockserver.generate.schema import instance
from mockserver.question import last_prompt
from mockserver.say import Call, Said


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that is offered, and the schema of its arguments."""

    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request says about the answer.

    `must_call` are the tools of which one has to be called; None leaves it to the model. `schema` is what the text
    has to be JSON for, None where it is prose. `limit` counts tokens, None has no end. `answered` says that the last
    message is a tool's result.
    """

    prompt: str
    tools: tuple[Tool, ...]
    must_call: tuple[Tool, ...] | None
    parallel: bool
    schema: Mapping[str, Any] | None
    limit: int | None
    stop: tuple[str, ...]
    answered: bool


def written(body: Mapping[str, Any], model: str, *, seed: str) -> Said:
    """An answer that gives what a chat completion's or a response's request wants."""
    wanted = _wanted_of_response(body) if "messages" not in body else _wanted_of_chat(body)
    if calls := _calls(wanted, seed):
        return Said(None, calls)
    if wanted.schema is not None:
        text = json.dumps(instance(wanted.schema, seed), ensure_ascii=False)
    else:
        text = demo(wanted.prompt, seed)
    for stop in filter(None, wanted.stop):
        text = text.partition(stop)[0]
    parts = tokens.split(text, model)
    cut = wanted.limit is not None and len(parts) > wanted.limit
    parts = parts[: wanted.limit] if cut else parts
    return Said("".join(parts), parts=tuple(filter(None, parts)), cut=cut)


def _calls(wanted: Wanted, seed: str) -> tuple[Call, ...]:
    """The tools the request demands; where it leaves the choice, those the prompt names, once: after a result, none."""
    if wanted.must_call is not None:
        chosen = _named(wanted.must_call, wanted.prompt) or wanted.must_call[:1]
    else:
        chosen = () if wanted.answered else _named(wanted.tools, wanted.prompt)
    chosen = chosen if wanted.parallel else chosen[:1]
    return tuple(Call(each.name, instance(each.schema, f"{seed} {each.name}")) for each in chosen)


def _named(tools: Sequence[Tool], prompt: str) -> tuple[Tool, ...]:
    """The tools whose names are in the prompt, written as they are or as words: getWeather, get_weather, get weather."""
    said = _as_words(prompt)
    return tuple(each for each in tools if _as_words(each.name) in said)


def _as_words(text: str) -> str:
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower()
    words = " ".join(re.findall(r"[^\W_]+", apart))
    return f" {words} "


def _wanted_of_chat(body: Mapping[str, Any]) -> Wanted:
    described = (each.get("function") or {} for each in body.get("tools") or ())
    tools = tuple(_tool(each) for each in described if "name" in each)
    format_ = body.get("response_format") or {}
    stop = body.get("stop") or ()
    messages = body.get("messages") or [{}]
    choice = body.get("tool_choice")
    name = choice.get("function", {}).get("name") if isinstance(choice, dict) else None
    return Wanted(
        last_prompt(body) or "",
        () if choice == "none" else tools,
        _demanded(tools, choice, name),
        body.get("parallel_tool_calls") is not False,
        _schema(format_.get("type"), format_.get("json_schema") or {}),
        body.get("max_completion_tokens") or body.get("max_tokens"),
        (stop,) if isinstance(stop, str) else tuple(stop),
        messages[-1].get("role") in ("tool", "function"),
    )


def _wanted_of_response(body: Mapping[str, Any]) -> Wanted:
    tools = tuple(_tool(each) for each in body.get("tools") or () if each.get("type") == "function")
    format_ = (body.get("text") or {}).get("format") or {}
    choice = body.get("tool_choice")
    given = body.get("input") or ()
    last = given[-1] if isinstance(given, list) and given else {}
    return Wanted(
        last_prompt(body) or "",
        () if choice == "none" else tools,
        _demanded(tools, choice, choice.get("name") if isinstance(choice, dict) else None),
        body.get("parallel_tool_calls") is not False,
        _schema(format_.get("type"), format_),
        body.get("max_output_tokens"),
        (),
        last.get("type") == "function_call_output",
    )


def _tool(described: Mapping[str, Any]) -> Tool:
    return Tool(described["name"], described.get("parameters") or {"type": "object", "properties": {}})


def _demanded(tools: tuple[Tool, ...], choice: Any, name: str | None) -> tuple[Tool, ...] | None:
    """The tools of which `tool_choice` demands one: all, the one it names, or those it allows."""
    if choice == "required":
        return tools or None
    if not isinstance(choice, dict):
        return None
    allowed = choice.get("allowed_tools", choice) if choice.get("type") == "allowed_tools" else {}
    if allowed and allowed.get("mode") != "required":
        return None
    names = [(each.get("function") or each).get("name") for each in allowed.get("tools", ())] or [name]
    return tuple(each for each in tools if each.name in names) or None


def _schema(kind: str | None, described: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if kind == "json_object":
        return {"type": "object", "properties": {"answer": {"type": "string"}, "made_up": {"const": True}}}
    return (described.get("schema") or {}) if kind == "json_schema" else None
