"""Rules between the fields of a request, which a schema cannot express, each with its source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RequestRule:
    """A rule for requests: one that breaks it is refused with `message` and `code`; `field` is the 400's `param`.

    `broken` must accept any body, because it also sees requests that break the schema.
    """

    name: str
    operations: tuple[str, ...]
    field: str
    broken: Callable[[Body], bool]
    message: str
    code: str | None
    source: str


_CHAT = ("createChatCompletion",)
_CONVERSING = ("createResponse", "countInputTokens")


def _list(body: Body, key: str) -> list[Any]:
    value = body.get(key)
    return value if isinstance(value, list) else []


def _tool_without_call(body: Body) -> bool:
    """Whether a tool message answers no earlier tool call of an assistant message."""
    call_ids: set[Any] = set()
    for message in _list(body, "messages"):
        if isinstance(message, dict):
            call_ids |= {call.get("id") for call in _list(message, "tool_calls") if isinstance(call, dict)}
            if message.get("role") == "tool" and message.get("tool_call_id") not in call_ids:
                return True
    return False


def _call_without_tool(body: Body) -> bool:
    """Whether the messages after an assistant's tool call do not answer it."""
    unanswered: set[Any] = set()
    for message in _list(body, "messages"):
        if not isinstance(message, dict):
            continue
        if message.get("role") == "tool":
            unanswered.discard(message.get("tool_call_id"))
        elif unanswered:
            return True
        unanswered |= {call.get("id") for call in _list(message, "tool_calls") if isinstance(call, dict)}
    return bool(unanswered)


def _invalid_schema(body: Body) -> bool:
    """Whether the JSON schema for the answer is not a valid schema."""
    text = body.get("text")
    for text_format in (body.get("response_format"), text.get("format") if isinstance(text, dict) else None):
        if isinstance(text_format, dict) and text_format.get("type") == "json_schema":
            description = text_format.get("json_schema")
            holder = description if isinstance(description, dict) else text_format
            try:
                jsonschema_rs.validator_for(holder.get("schema") or {})
            except (ValueError, jsonschema_rs.ReferencingError):
                return True
    return False


RULES = (
    RequestRule(
        "no-schema",
        (*_CHAT, "createResponse"),
        "response_format",
        _invalid_schema,
        "Invalid schema for response_format.",
        None,
        "beginning of the wording from reports; the rest of it depends on the schema",
    ),
    RequestRule(
        "mutually-exclusive",
        _CONVERSING,
        "",
        lambda body: body.get("conversation") is not None and body.get("previous_response_id") is not None,
        "Mutually exclusive parameters. Ensure you are only providing one of: 'previous_response_id' or 'conversation'.",
        "mutually_exclusive_parameters",
        "API reference: cannot be used in conjunction with conversation; wording as in four servers that copy the service",
    ),
    RequestRule(
        "stream-options",
        (*_CHAT, "createResponse"),
        "stream_options",
        lambda body: body.get("stream_options") is not None and body.get("stream") is not True,
        "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        None,
        "API reference: only set this when you set stream: true; wording from reports",
    ),
    RequestRule(
        "two-token-limits",
        _CHAT,
        "max_tokens",
        lambda body: body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None,
        "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
        "invalid_parameter_combination",
        "wording from reports",
    ),
    RequestRule(
        "top-logprobs",
        _CHAT,
        "top_logprobs",
        lambda body: body.get("top_logprobs") is not None and body.get("logprobs") is not True,
        "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.",
        None,
        "API reference: logprobs must be set to true if this parameter is used",
    ),
    RequestRule(
        "tool-choice",
        _CHAT,
        "tool_choice",
        lambda body: body.get("tool_choice") not in (None, "none", "auto") and not body.get("tools"),
        "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
        None,
        "wording from reports",
    ),
    RequestRule(
        "parallel-tool-calls",
        _CHAT,
        "parallel_tool_calls",
        lambda body: body.get("parallel_tool_calls") is not None and not body.get("tools"),
        "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified.",
        None,
        "wording from reports",
    ),
    RequestRule(
        "tool-without-call",
        _CHAT,
        "messages",
        _tool_without_call,
        "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.",
        None,
        "wording (with its spelling) from reports",
    ),
    RequestRule(
        "call-without-tool",
        _CHAT,
        "messages",
        _call_without_tool,
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'.",
        None,
        "wording from reports",
    ),
)
