"""What a model refuses: parameters, roles, parts and lengths that others take. The facts are in `contracts/models.toml`."""

from __future__ import annotations

from typing import Any

from mockserver.contract.rule import CHAT, EMBEDDINGS, RESPONSES, Asked, Refused, RequestRule, listed, mappings

#: Parameters of sampling: a model whose gate is the effort takes them while it does not reason.
_SAMPLING = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs")
#: Parameters that Responses does not have; its schema refuses them.
_CHAT_ONLY = (
    "max_tokens",
    "presence_penalty",
    "frequency_penalty",
    "logprobs",
    "logit_bias",
    "stop",
    "n",
    "seed",
    "prediction",
)
#: Models that refuse log probabilities with a 403. Source: deepeval#2184 (o4-mini), Mirascope's probes.
_WITHOUT_LOGPROBS = ("o1", "o3-mini", "o4-mini")


def _max_tokens(asked: Asked) -> Refused | None:
    if asked.body.get("max_tokens") is None or "max_tokens" not in asked.model.refuses:
        return None
    message = (
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    )
    return Refused("max_tokens", message, "unsupported_parameter")


def _unsupported(asked: Asked) -> Refused | None:
    """A parameter that the model does not take, or not in this value."""
    model = asked.model
    for name, value in asked.body.items():
        if value is None or name == "max_tokens" or (asked.operation == RESPONSES and name in _CHAT_ONLY):
            continue
        if name in _SAMPLING and model.gate == "effort" and not model.reasons_with(asked.effort):
            continue
        refused = name in model.refuses or (name in model.only_default and not _same(value, model.only_default[name]))
        if refused and not (name in ("logprobs", "top_logprobs") and not value):
            return _parameter(asked, name, value)
    return None


def _parameter(asked: Asked, name: str, value: Any) -> Refused:
    if asked.operation == RESPONSES:
        if name == "top_logprobs":
            return Refused(name, "logprobs are not supported with reasoning models.", "unsupported_parameter")
        return Refused(name, f"Unsupported parameter: '{name}' is not supported with this model.")
    if name == "logprobs" and asked.model.name in _WITHOUT_LOGPROBS:
        return Refused("", "You are not allowed to request logprobs from this model", status=403)
    if name == "n" or (name == "temperature" and asked.model.form == "value"):
        default = asked.model.only_default.get(name, 1)
        message = f"Unsupported value: '{name}' does not support {value} with this model. Only the default ({default}) value is supported."
        return Refused(name, message, "unsupported_value")
    return Refused(name, f"Unsupported parameter: '{name}' is not supported with this model.", "unsupported_parameter")


def _same(value: Any, default: Any) -> bool:
    return bool(value == default) and isinstance(value, bool) == isinstance(default, bool)


def _effort(asked: Asked) -> Refused | None:
    effort, model = asked.effort, asked.model
    if effort is None or model.foundry:
        return None
    responses = asked.operation == RESPONSES
    if not model.reasons:
        if responses:
            message = "Unsupported parameter: 'reasoning.effort' is not supported with this model."
            return Refused("reasoning.effort", message, "unsupported_parameter")
        return Refused("", "Unrecognized request argument supplied: reasoning_effort")
    if effort in model.efforts or not model.efforts:
        return None
    return _value(asked, "reasoning", "effort", effort, model.efforts)


def _value(asked: Asked, holder: str, key: str, value: str, known: tuple[str, ...]) -> Refused:
    """The refusal of a value that the model does not have, in the words of Responses or of chat completions."""
    if asked.operation == RESPONSES:
        words = f"Unsupported value: '{value}' is not supported with the '{asked.model_name}' model."
        return Refused(f"{holder}.{key}", f"{words} Supported values are: {listed(known)}.", "unsupported_value")
    field = f"{holder}_{key}" if holder == "reasoning" else key
    words = f"Unsupported value: '{field}' does not support '{value}' with this model."
    return Refused(field, f"{words} Supported values are: {listed(known)}.", "unsupported_value")


def _verbosity(asked: Asked) -> Refused | None:
    responses = asked.operation == RESPONSES
    verbosity = asked.mapping("text").get("verbosity") if responses else asked.body.get("verbosity")
    if not isinstance(verbosity, str) or verbosity == "medium" or "verbosity" not in asked.model.cannot:
        return None
    return _value(asked, "text", "verbosity", verbosity, ("medium",))


def _role(asked: Asked) -> Refused | None:
    for index, message in asked.messages:
        if message.get("role") in asked.model.refuses_roles:
            field = f"messages[{index}].role"
            words = f"Unsupported value: '{field}' does not support '{message['role']}' with this model."
            return Refused(field, words, "unsupported_value")
    return None


def _tools(asked: Asked) -> Refused | None:
    if "tools" not in asked.model.cannot or not asked.items("tools"):
        return None
    message = (
        "tools is not supported in this model. For a list of supported models, refer to "
        "https://platform.openai.com/docs/guides/function-calling#models-supporting-function-calling."
    )
    return Refused("", message, status=404)


def _tools_with_effort(asked: Asked) -> Refused | None:
    rule, effort = asked.model.tools_in_chat, asked.effort
    if not rule or effort == "none" or (rule == "effort-unset" and effort is None):
        return None
    if not any(tool.get("type") == "function" for _, tool in mappings(asked.body, "tools")):
        return None
    message = (
        f"Function tools with reasoning_effort are not supported for {asked.model_name} in /v1/chat/completions. To use function "
        "tools, use /v1/responses or set reasoning_effort to 'none'."
    )
    return Refused("reasoning_effort", message)


def _text_format(asked: Asked) -> Refused | None:
    if asked.operation == RESPONSES:
        return None  # its words are not known
    kind = asked.mapping("response_format").get("type")
    if kind not in ("json_schema", "json_object") or kind not in asked.model.cannot:
        return None
    message = f"Invalid parameter: 'response_format' of type '{kind}' is not supported with this model."
    if kind == "json_object":
        return Refused("response_format", message)
    guide = "https://platform.openai.com/docs/guides/structured-outputs"
    return Refused("", f"{message} Learn more about supported models at the Structured Outputs guide: {guide}")


def _image(asked: Asked) -> Refused | None:
    """An image in an input that the model cannot read."""
    if "images" not in asked.model.cannot:
        return None
    parts = [part for _, item in asked.messages for _, part in mappings(item, "content")]
    if not any(part.get("type") == "input_image" for part in parts):
        return None
    message = (
        f"Model '{asked.model_name}' does not support image inputs. Try again with a vision model. To find out which models are "
        "vision-enabled, visit our models documentation: https://platform.openai.com/docs/models"
    )
    return Refused("input", message)


def _part(asked: Asked) -> Refused | None:
    """A part of a message that the model cannot read."""
    for index, message in asked.messages:
        for place, part in mappings(message, "content"):
            kind = part.get("type")
            if kind == "image_url" and "images" in asked.model.cannot:
                field = f"messages.[{index}].content.[{place}].type"
                return Refused(field, "Invalid content type. image_url is only supported by certain models.")
            if kind == "input_audio" and "audio" not in asked.model.name and not asked.model.foundry:
                words = f"Invalid 'messages[{index}]'. Content blocks are expected to be either text or image_url type."
                return Refused(f"messages[{index}]", words, "invalid_value")
    return None


def _web_search(asked: Asked) -> Refused | None:
    if asked.body.get("web_search_options") is None or "search" in asked.model.name or asked.model.foundry:
        return None
    return Refused("web_search_options", "Web search options not supported with this model.")


def _stream(asked: Asked) -> Refused | None:
    if asked.body.get("stream") is not True or not asked.azure or "azure_stream" not in asked.model.cannot:
        return None
    message = "Unsupported value: 'stream' does not support true with this model. Supported values are: false."
    return Refused("stream", message, "unsupported_value")


def _output_limit(asked: Asked) -> Refused | None:
    for name in ("max_tokens", "max_completion_tokens"):
        asked_for, most = asked.body.get(name), asked.model.output
        if isinstance(asked_for, int) and most is not None and most < asked_for and not asked.model.foundry:
            message = f"{name} is too large: {asked_for}. This model supports at most {most} completion tokens, whereas you provided {asked_for}."
            return Refused(name, message, "invalid_value")
    return None


def _context(asked: Asked) -> Refused | None:
    longest = asked.model.context
    if longest is None or asked.size <= longest or (count := asked.count()) <= longest:
        return None
    if asked.operation == RESPONSES:
        message = "Your input exceeds the context window of this model. Please adjust your input and try again."
        return Refused("input", message, "context_length_exceeded")
    message = (
        f"This model's maximum context length is {longest} tokens. However, your messages resulted in {count} tokens. "
        "Please reduce the length of the messages."
    )
    return Refused("messages", message, "context_length_exceeded")


def _embedded_length(asked: Asked) -> Refused | None:
    longest = asked.model.context or 0
    if asked.model.kind != "embedding" or asked.size <= longest or isinstance(asked.body.get("input"), list):
        return None
    if (count := asked.count()) <= longest:
        return None
    message = (
        f"This model's maximum context length is {longest} tokens, however you requested {count} tokens ({count} in your "
        "prompt; 0 for the completion). Please reduce your prompt; or completion length."
    )
    return Refused("", message)


def _dimensions(asked: Asked) -> Refused | None:
    if asked.body.get("dimensions") is None or "dimensions" not in asked.model.cannot:
        return None
    return Refused("", "This model does not support specifying dimensions.")


def _deep_research(asked: Asked) -> Refused | None:
    offered = {str(tool.get("type")) for _, tool in mappings(asked.body, "tools")}
    if "deep-research" not in asked.model.name or offered & {"web_search_preview", "web_search", "mcp", "file_search"}:
        return None
    message = "Deep research models require at least one of 'web_search_preview', 'mcp', or 'file_search' tools."
    return Refused("tools", message)


_BOTH = (CHAT, RESPONSES)
_REASONING = (
    "opencode#37964, dify#9746, litellm#13397, deepeval#3015, llama_index#20865, crewAI#1633; models.toml names more"
)

MODEL_RULES = (
    RequestRule("model-max-tokens", (CHAT,), _max_tokens, "R", f"both services, 2025-12-22; {_REASONING}"),
    RequestRule("model-parameter", _BOTH, _unsupported, "R", f"gpt-5-mini and o1-mini, 2025; {_REASONING}"),
    RequestRule("model-effort", _BOTH, _effort, "R", "litellm#16704, big-AGI#944, Laisky/one-api#266"),
    RequestRule(
        "model-verbosity", _BOTH, _verbosity, "R", "Responses: codex#9035, big-AGI#947; chat: by the same pattern"
    ),
    RequestRule("model-role", (CHAT,), _role, "R", "recorded from o1-mini, 2025-02 and later"),
    RequestRule("model-tools", (CHAT,), _tools, "R", "pasted for o1-mini, 2024"),
    RequestRule(
        "model-tools-with-effort", (CHAT,), _tools_with_effort, "R", "pipecat#4043, crush#2913, Vane#1173, onyx#15008"
    ),
    RequestRule("model-text-format", (CHAT,), _text_format, "R", "Mirascope's probes, 2025-12; stride-gpt#19"),
    RequestRule("model-part", (CHAT,), _part, "R", "recorded from gpt-5-mini, 2026-01-27; pasted for images"),
    RequestRule(
        "model-image",
        (RESPONSES,),
        _image,
        "I",
        "pasted from a DeepSeek model of Foundry, 2026; codex-rs' tests have its beginning",
    ),
    RequestRule("model-web-search", (CHAT,), _web_search, "R", "recorded from gpt-4o, 177 bytes"),
    RequestRule("model-stream", (CHAT,), _stream, "R", "Azure's o1: litellm#7693, dify#13207"),
    RequestRule(
        "model-output-limit", (CHAT,), _output_limit, "R", "catwalk#41 (Azure, 2025-08-12), ExtractThinker#346"
    ),
    RequestRule("model-context", _BOTH, _context, "R", "Responses recorded 2026-08-19; chat: openai-python#1094"),
    RequestRule("model-embedded-length", (EMBEDDINGS,), _embedded_length, "R", "autoflow#265 (2024-09-09)"),
    RequestRule("model-dimensions", (EMBEDDINGS,), _dimensions, "R", "R2R#768, WrenAI#583 (Azure, 2024-08)"),
    RequestRule("model-deep-research", (RESPONSES,), _deep_research, "R", "Mirascope's probes, 2025-12"),
)
