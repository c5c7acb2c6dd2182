"""Which tools a generated answer calls: those that `tool_choice` requires, or those that the prompt names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mockserver.answers.authored.authored_answer import ToolCall
from mockserver.answers.generated.constraints import Constraints, Tool
from mockserver.answers.generated.schema_instance import instance


def tool_calls(constraints: Constraints, seed: str) -> tuple[ToolCall, ...]:
    """The calls that the request requires; where it leaves the choice, calls of the tools that the prompt names.

    After a tool's result there are no optional calls, and of those required the ones not made yet come first, so that loops end.
    """
    required = constraints.required_tools
    if required is not None:
        left = tuple(tool for tool in required if tool.name not in constraints.called) or required
        tools = _in_prompt(left, constraints.prompt) or left[:1]
    else:
        tools = () if constraints.after_tool_result else _in_prompt(constraints.tools, constraints.prompt)
    tools = tools if constraints.parallel_calls else tools[:1]
    return tuple(ToolCall(tool.name, instance(tool.schema, f"{seed} {tool.name}")) for tool in tools)


def _in_prompt(tools: Sequence[Tool], prompt: str) -> tuple[Tool, ...]:
    """The tools that the prompt names, in any spelling: getWeather, get_weather, get weather."""
    prompt_words = _as_words(prompt)
    return tuple(tool for tool in tools if _as_words(tool.name) in prompt_words)


def _as_words(text: str) -> str:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower()
    words = " ".join(re.findall(r"[^\W_]+", spaced))
    return f" {words} "
