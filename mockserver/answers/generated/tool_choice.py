"""Which tools a generated answer calls: those `tool_choice` requires, or those the prompt names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mockserver.answers.authored.authored_answer import ToolCall
from mockserver.answers.generated.constraints import Constraints, Tool
from mockserver.answers.generated.schema_instance import instance


def tool_calls(constraints: Constraints, seed: str) -> tuple[ToolCall, ...]:
    """The calls the request requires; where it leaves the choice, the tools the prompt names, once: none after a result."""
    required = constraints.required_tools
    if required is not None:
        tools = _in_prompt(required, constraints.prompt) or required[:1]
    else:
        tools = () if constraints.after_tool_result else _in_prompt(constraints.tools, constraints.prompt)
    tools = tools if constraints.parallel_calls else tools[:1]
    return tuple(ToolCall(tool.name, instance(tool.schema, f"{seed} {tool.name}")) for tool in tools)


def _in_prompt(tools: Sequence[Tool], prompt: str) -> tuple[Tool, ...]:
    """The tools the prompt names, as they are written or as words: getWeather, get_weather, get weather."""
    words = _as_words(prompt)
    return tuple(tool for tool in tools if _as_words(tool.name) in words)


def _as_words(text: str) -> str:
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower()
    words = " ".join(re.findall(r"[^\W_]+", apart))
    return f" {words} "
