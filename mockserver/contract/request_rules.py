"""Rules between the fields of a request, which a schema cannot express, each with its source."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mockserver.contract.item_rules import ITEM_RULES
from mockserver.contract.model_rules import MODEL_RULES
from mockserver.contract.rule import CHAT, RESPONSES, Asked, Refused, RequestRule, listed, mappings
from mockserver.contract.strict_schemas import SCHEMA_RULES

_CONVERSING = (RESPONSES, "countInputTokens")
_BOTH = (CHAT, RESPONSES)
_PROBED = "probes of api.openai.com, 2026-08-30 to 2026-09-04 (local-OAuth-CLI-API-adapter)"
_NAME = re.compile(r"[a-zA-Z0-9_-]+")
_LONGEST_NAME = 64
_MOST_TOOLS = 128


def when(
    broken: Callable[[Mapping[str, Any]], bool], field: str, message: str, code: str | None = None
) -> Callable[[Asked], Refused | None]:
    """A check that refuses every body for which `broken` is true, in the same words."""
    return lambda asked: Refused(field, message, code) if broken(asked.body) else None


def _call_ids(message: Mapping[str, Any]) -> list[str]:
    return [str(call.get("id")) for _, call in mappings(message, "tool_calls")]


def _tool_without_call(asked: Asked) -> Refused | None:
    """A tool message that answers no earlier tool call of an assistant message."""
    call_ids: set[str] = set()
    for index, message in asked.messages:
        call_ids |= set(_call_ids(message))
        if message.get("role") == "tool" and str(message.get("tool_call_id")) not in call_ids:
            words = "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
            return Refused(f"messages.[{index}].role", words)
    return None


def _call_without_tool(asked: Asked) -> Refused | None:
    """An assistant's tool call that the messages after it do not answer."""
    unanswered: list[str] = []
    for index, message in [*asked.messages, (len(asked.items("messages")), {"role": ""})]:
        if message.get("role") == "tool":
            unanswered = [call_id for call_id in unanswered if call_id != str(message.get("tool_call_id"))]
        elif unanswered:
            words = (
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
                f"The following tool_call_ids did not have response messages: {', '.join(unanswered)}"
            )
            return Refused(f"messages.[{index}].role", words)
        unanswered += _call_ids(message)
    return None


def _names(asked: Asked) -> Iterator[tuple[str, Any]]:
    """Every name of a function, a speaker or a schema, with its field."""
    for field, holder in (
        ("response_format.json_schema.name", asked.mapping("response_format").get("json_schema")),
        ("text.format.name", asked.mapping("text").get("format")),
    ):
        if isinstance(holder, Mapping):
            yield field, holder.get("name")
    for index, tool in mappings(asked.body, "tools"):
        function = tool.get("function")
        if asked.operation == CHAT and isinstance(function, Mapping):
            yield f"tools[{index}].function.name", function.get("name")
    for index, message in asked.messages:
        if asked.operation == CHAT and message.get("role") in ("user", "assistant", "system"):
            yield f"messages[{index}].name", message.get("name")
        for number, call in mappings(message, "tool_calls"):
            if isinstance(called := call.get("function"), Mapping):
                yield f"messages[{index}].tool_calls[{number}].function.name", called.get("name")


def _name(asked: Asked) -> Refused | None:
    for field, name in _names(asked):
        if not isinstance(name, str):
            continue
        if len(name) > _LONGEST_NAME:
            words = f"Expected a string with maximum length {_LONGEST_NAME}, but got a string with length {len(name)} instead."
            return Refused(field, f"Invalid '{field}': string too long. {words}", "string_above_max_length")
        if name and not _NAME.fullmatch(name):
            words = f"Invalid '{field}': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
            return Refused(field, words, "invalid_value")
    return None


_IMAGES = ("createImage", "createImageEdit", "createImageVariation")
#: The sizes of images by how their models' names begin. Source: API reference, 2026-11; newer models take any.
_SIZES = {
    "dall-e-2": ("256x256", "512x512", "1024x1024"),
    "dall-e-3": ("1024x1024", "1792x1024", "1024x1792"),
    "gpt-image-1": ("1024x1024", "1024x1536", "1536x1024", "auto"),
}
_ANY_SIZE, _LONGEST_SIDE = re.compile(r"auto|(\d{2,4})x(\d{2,4})"), 4096


def _image_size(asked: Asked) -> Refused | None:
    size = asked.body.get("size")
    if not isinstance(size, str):
        return None
    name = asked.model_name or ("gpt-image-1.5" if asked.operation == "createImageEdit" else "dall-e-2")
    sizes = next((sizes for start, sizes in _SIZES.items() if name.startswith(start)), None)
    any_size = _ANY_SIZE.fullmatch(size)
    small = any_size is not None and all(int(side) <= _LONGEST_SIDE for side in any_size.groups() if side)
    if size in sizes if sizes is not None else small:
        return None
    return Refused(
        "size",
        f"Invalid value: '{size}'. Supported values are: {listed(sizes or ('1024x1024', 'auto'))}.",
        "invalid_value",
    )


def _one_image(asked: Asked) -> Refused | None:
    if not asked.model_name.startswith("dall-e-3") or asked.body.get("n") in (None, 1):
        return None
    return Refused("n", "You must provide n=1 for this model.")


#: The last token of cl100k_base, which all models of legacy completions have.
_LAST_TOKEN = 100_257


def _prompt_token(asked: Asked) -> Refused | None:
    for prompt in asked.items("prompt"):
        for token in prompt if isinstance(prompt, list) else [prompt]:
            if isinstance(token, int) and not 0 <= token <= _LAST_TOKEN:
                words = f"Minimum value is 0, maximum value is {_LAST_TOKEN} (inclusive)."
                return Refused("", f"Invalid token in prompt: {token}. {words}")
    return None


def _too_many_tools(asked: Asked) -> Refused | None:
    if (count := len(asked.items("tools"))) <= _MOST_TOOLS:
        return None
    words = f"Expected an array with maximum length {_MOST_TOOLS}, but got an array with length {count} instead."
    return Refused("tools", f"Invalid 'tools': array too long. {words}", "array_above_max_length")


def _empty_tools(asked: Asked) -> Refused | None:
    if asked.body.get("tools") != [] or asked.azure:  # Azure's specification drops the minimum, 2024-12-01-preview
        return None
    words = "Expected an array with minimum length 1, but got an empty array instead."
    return Refused("tools", f"Invalid 'tools': empty array. {words}", "empty_array")


def _absent_tool(asked: Asked) -> Refused | None:
    """A `tool_choice` that names a function which is not offered."""
    choice = asked.mapping("tool_choice")
    chat, offered = asked.operation == CHAT, [tool for _, tool in mappings(asked.body, "tools")]
    if choice.get("type") != "function" or not offered:
        return None
    holder = choice.get("function") if chat else choice
    name = holder.get("name") if isinstance(holder, Mapping) else None
    functions = [tool.get("function") if chat else tool for tool in offered]
    names = [function.get("name") for function in functions if isinstance(function, Mapping)]
    if not isinstance(name, str) or name in names:
        return None
    if chat:
        words = (
            f"Invalid value for 'function_call': no function named '{name}' was specified in the 'functions' parameter."
        )
        return Refused("function_call", words)
    return Refused("tool_choice", f"Tool choice '{name}' not found in 'tools' parameter.")


def _without_json(asked: Asked) -> Refused | None:
    """JSON mode without the word in a message; in Responses the instructions do not count."""
    chat = asked.operation == CHAT
    holder = asked.mapping("response_format") if chat else asked.mapping("text").get("format")
    if not isinstance(holder, Mapping) or holder.get("type") != "json_object":
        return None
    if asked.body.get("previous_response_id") or asked.body.get("conversation") or asked.body.get("prompt"):
        return None
    if "json" in json.dumps(asked.body.get("messages" if chat else "input")).lower():
        return None
    if chat:
        words = "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
        return Refused("messages", words)
    return Refused(
        "input",
        "Response input messages must contain the word 'json' in some form to use 'text.format' of type 'json_object'.",
    )


def _empty_input(asked: Asked) -> Refused | None:
    if asked.body.get("input") not in ("", []) or any(
        asked.body.get(key) for key in ("previous_response_id", "prompt", "conversation")
    ):
        return None
    words = "One of \"input\" or \"previous_response_id\" or 'prompt' or 'conversation' must be provided."
    return Refused("", words, "missing_required_parameter")


def _without_content(asked: Asked) -> Refused | None:
    """A message that says nothing at all; the service looks at this last."""
    for index, message in asked.messages:
        if message.get("content") is None and not any(
            message.get(key) for key in ("tool_calls", "function_call", "refusal", "audio")
        ):
            return Refused(f"messages.[{index}].content", "Invalid value for 'content': expected a string, got null.")
    return None


REQUEST_RULES = (
    *SCHEMA_RULES,
    RequestRule("empty-input", (RESPONSES,), _empty_input, "P", _PROBED),
    RequestRule(
        "mutually-exclusive",
        _CONVERSING,
        when(
            lambda body: body.get("conversation") is not None and body.get("previous_response_id") is not None,
            "",
            "Mutually exclusive parameters: ''. Ensure you are only providing one of: 'previous_response_id' or 'conversation'.",
            "mutually_exclusive_parameters",
        ),
        "P",
        _PROBED,
    ),
    RequestRule(
        "stream-options",
        _BOTH,
        when(
            lambda body: body.get("stream_options") is not None and body.get("stream") is not True,
            "stream_options",
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        ),
        "I",
        "API reference: only set this when you set stream: true; wording from reports",
    ),
    RequestRule(
        "two-token-limits",
        (CHAT,),
        when(
            lambda body: body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None,
            "max_tokens",
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
            "invalid_parameter_combination",
        ),
        "I",
        "wording from reports",
    ),
    RequestRule(
        "top-logprobs",
        (CHAT,),
        when(
            lambda body: body.get("top_logprobs") is not None and body.get("logprobs") is not True,
            "top_logprobs",
            "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.",
        ),
        "P",
        _PROBED,
    ),
    RequestRule(
        "tool-choice",
        (CHAT,),
        when(
            lambda body: body.get("tool_choice") is not None and body.get("tools") is None,
            "tool_choice",
            "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
        ),
        "S",
        "a client that removes it, and says why",
    ),
    RequestRule(
        "parallel-tool-calls",
        (CHAT,),
        when(
            lambda body: body.get("parallel_tool_calls") is not None and not body.get("tools"),
            "parallel_tool_calls",
            "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified.",
        ),
        "S",
        "wording from reports; accepted by gpt-5.6-terra, 2026-09",
    ),
    RequestRule("too-many-tools", (CHAT,), _too_many_tools, "I", "Tools4AI#16, claude-code-router#686 (2025-08)"),
    RequestRule("empty-tools", (CHAT,), _empty_tools, "I", "pasted in two clients' sources"),
    RequestRule(
        "name",
        (CHAT, RESPONSES),
        _name,
        "I",
        "llama_index#16093, mcp-use#90, llmcompiler#1; agno#5835 (Azure, 2025-12-23)",
    ),
    RequestRule("absent-tool", _BOTH, _absent_tool, "P", f"chat: {_PROBED}; Responses: two clients' sources"),
    RequestRule(
        "without-json",
        _BOTH,
        _without_json,
        "I",
        "xray.koplugin#33 (2026-05-09, whole), mem0#3008; Responses: pydantic-ai",
    ),
    RequestRule("tool-without-call", (CHAT,), _tool_without_call, "I", "sdcb/chats#132 (2026-04-23, whole)"),
    RequestRule(
        "call-without-tool",
        (CHAT,),
        _call_without_tool,
        "I",
        "sdcb/chats#132 (2026-04-23, whole); the index is not certain",
    ),
    *ITEM_RULES,
    *MODEL_RULES,
    RequestRule("image-size", _IMAGES, _image_size, "D", "API reference; the words as for other enumerations"),
    RequestRule("one-image", _IMAGES, _one_image, "I", "reports on dall-e-3 since 2023-11"),
    RequestRule("prompt-token", ("createCompletion",), _prompt_token, "R", "recorded 2025-08-13"),
    RequestRule("without-content", (CHAT,), _without_content, "P", _PROBED),
)
