"""What a client may ask of the model: each parameter of a chat completion is passed on, or refused by name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chat_api import errors
from chat_api.errors import ApiError
from chat_api.settings import Settings

#: Source: the longest `messages` that OpenAI takes; how many tokens it takes is the model's to say.
MAX_MESSAGES = 2048
#: The longest body: what passes the gate, with whatever it adds. Source: Static Web Apps' quotas, request size 30 MB; Functions
#: take 100 MB, and models at least as much as the gate (Azure OpenAI: 20 MB an image; OpenAI's guide to images: 50 MB a request).
MAX_BYTES = 30_000_000
#: So many answers to one question, at most: each is paid for.
MAX_CHOICES = 8

Check = Callable[[object], bool]


def _number(low: float, high: float) -> Check:
    return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _whole(low: int, high: int) -> Check:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is(*kinds: type) -> Check:
    return lambda value: isinstance(value, kinds)


_MUCH = 10_000_000
#: Parameters that are passed on as they are, each with what it must be. Source: OpenAI's API reference, chat completions.
_PASSED: Mapping[str, tuple[Check, str]] = {
    "frequency_penalty": (_number(-2, 2), "a number from -2 to 2"),
    "function_call": (_is(str, dict), "a string or an object"),
    "functions": (_is(list), "a list"),
    "logit_bias": (_is(dict), "an object"),
    "logprobs": (_is(bool), "true or false"),
    "max_completion_tokens": (_whole(1, _MUCH), "a whole number from 1"),
    "max_tokens": (_whole(1, _MUCH), "a whole number from 1"),
    "n": (_whole(1, MAX_CHOICES), f"a whole number from 1 to {MAX_CHOICES}"),
    "parallel_tool_calls": (_is(bool), "true or false"),
    "prediction": (_is(dict), "an object"),
    "presence_penalty": (_number(-2, 2), "a number from -2 to 2"),
    "prompt_cache_key": (_is(str), "a string"),
    "prompt_cache_retention": (_is(str), "a string"),
    "reasoning_effort": (_is(str), "a string"),
    "response_format": (_is(dict), "an object"),
    "safety_identifier": (_is(str), "a string"),
    "seed": (_whole(-(2**63), 2**63 - 1), "a whole number"),
    "stop": (_is(str, list), "a string or a list"),
    "temperature": (_number(0, 2), "a number from 0 to 2"),
    "tool_choice": (_is(str, dict), "a string or an object"),
    "tools": (_is(list), "a list"),
    "top_logprobs": (_whole(0, 20), "a whole number from 0 to 20"),
    "top_p": (_number(0, 1), "a number from 0 to 1"),
    "user": (_is(str), "a string"),
    "verbosity": (_is(str), "a string"),
}
_OF_TOOLS = ("tools", "tool_choice", "parallel_tool_calls", "functions", "function_call")
_LENGTHS = ("max_completion_tokens", "max_tokens")
#: Values of others that ask for nothing besides what is done anyway.
_USUAL: Mapping[str, tuple[object, ...]] = {
    "store": (False,),
    "metadata": ({},),
    "service_tier": ("auto", "default"),
    "modalities": (["text"],),
}
_OWN = frozenset({"messages", "model", "stream", "stream_options"})
_STREAM_OPTIONS = frozenset({"include_usage", "include_obfuscation"})
#: The fields of a message, by its role.
_FIELDS: Mapping[str, frozenset[str]] = {
    "system": frozenset({"name"}),
    "developer": frozenset({"name"}),
    "user": frozenset({"name"}),
    "assistant": frozenset({"name", "tool_calls", "function_call", "refusal"}),
    "tool": frozenset({"tool_call_id", "name"}),
    "function": frozenset({"name"}),
}
#: What a client sends back with the model's own message, and no request needs.
_ECHOED = frozenset({"annotations", "audio", "context", "id", "reasoning", "reasoning_content"})
#: What a client may repeat in a part of it. Source: @openai/agents 0.20, extractAllAssistantContent.
_REPEATED = _ECHOED | _FIELDS["assistant"] | {"role"}
_PROMPTS = ("system", "developer")


def upstream_request(body: object, settings: Settings, *, own_prompt: bool = False) -> dict[str, Any]:
    """The arguments of the request to the model, from a client's request body.

    The system prompt is the app's, unless the client may send its own; the model is one of the app's; usage is always
    requested. What the app does not offer is refused, never left out.

    Raises:
        ApiError: 400 `bad_request`, with the field, 400 `context_length_exceeded`, or 400 `images_not_supported`.
    """
    if not isinstance(body, dict):
        raise _bad("The body must be a JSON object.")
    messages = _messages(body.get("messages"), settings, own_prompt=own_prompt)
    parameters = _parameters(body, settings)
    stream, options = body.get("stream"), body.get("stream_options") or {}
    if not isinstance(stream, bool | None):
        raise _bad("stream must be true or false.", "stream")
    if not isinstance(options, dict):
        raise _bad("stream_options must be an object.", "stream_options")
    if unknown := options.keys() - _STREAM_OPTIONS:
        raise _bad(f"This app does not offer {min(unknown)} in stream_options.", "stream_options")
    request = {"model": _model(body.get("model"), settings), "messages": messages, **parameters}
    if stream:
        request |= {"stream": True, "stream_options": {**options, "include_usage": True}}
    try:
        json.dumps(request, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError) as error:  # half of a surrogate pair, which JSON can spell
        raise _bad("The body has text that cannot be encoded.") from error
    return request


def _parameters(body: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """The parameters to pass on; one that is null counts as missing."""
    given = {name: value for name, value in body.items() if value is not None and name not in _OWN}
    for name, value in given.items():
        if name in _USUAL and value in _USUAL[name]:
            continue
        if name not in _PASSED:
            raise _bad(f"This app does not offer {name}.", name)
        fits, words = _PASSED[name]
        if not fits(value):
            raise _bad(f"{name} must be {words}.", name)
        if name in _OF_TOOLS:
            _check_tools(name, value, settings)
        if name in _LENGTHS and settings.longest_answer and value > settings.longest_answer:
            raise _bad(f"{name} must be at most {settings.longest_answer} in this app.", name)
    passed = {name: value for name, value in given.items() if name in _PASSED}
    if settings.longest_answer and not passed.keys() & set(_LENGTHS):
        passed["max_completion_tokens"] = settings.longest_answer
    return passed


def _check_tools(name: str, value: Any, settings: Settings) -> None:
    """Only functions, which the client runs itself: what a provider runs costs, and reads what its account may read."""
    if not settings.tools:
        raise _bad(f"This app does not offer {name}: tools are off.", name)
    for index, tool in enumerate(value if isinstance(value, list) else [value]):
        if isinstance(tool, str) and name in ("tool_choice", "function_call"):
            continue
        where = f"{name}[{index}]" if isinstance(value, list) else name
        match tool:
            case {"type": "function", "function": {"name": str(), **described}, **rest} if not rest:
                known = {"description", "parameters", "strict"}
            case {"name": str(), **described} if name in ("functions", "function_call"):
                known = {"description", "parameters"}
            case bool() if name == "parallel_tool_calls":
                continue
            case _:
                raise _bad(f"{where} must be a function: tools that the provider runs are not offered.", where)
        if unknown := described.keys() - known:
            raise _bad(f"{where}: a function has no {min(map(str, unknown))}.", where)


def _model(requested: object, settings: Settings) -> str:
    """The requested model where it is one of the app's; the first where none is requested or the app has only one."""
    if requested in settings.models:
        return str(requested)
    if not requested or len(settings.models) <= 1:
        return next(iter(settings.models), "")
    raise _bad(f"model must be one of: {', '.join(settings.models)}.", "model")


# --- messages --------------------------------------------------------------------------------------------------------


def _messages(given: object, settings: Settings, *, own_prompt: bool) -> list[dict[str, Any]]:
    if not isinstance(given, list) or not given:
        raise _bad("messages must be a list of at least one message.", "messages")
    if len(given) > MAX_MESSAGES:
        raise ApiError(400, "context_length_exceeded", "This conversation is too long for the model.")
    messages = [_message(message, f"messages[{index}]") for index, message in enumerate(given)]
    if not settings.images and (image := _first_image(messages)):
        raise errors.no_images(image)
    prompts = [index for index, message in enumerate(messages) if message["role"] in _PROMPTS]
    if prompts and not own_prompt:
        words = "The system prompt is the app's; leave out system and developer messages."
        raise _bad(words, f"messages[{prompts[0]}].role")
    if len(prompts) == len(messages):
        raise _bad("messages must have at least one message other than a system prompt.", "messages")
    if not prompts and settings.system_prompt:
        return [{"role": "system", "content": settings.system_prompt}, *messages]
    return messages


def _first_image(messages: Sequence[Mapping[str, Any]]) -> str | None:
    """Where the first image is."""
    for index, message in enumerate(messages):
        content = message.get("content")
        for place, part in enumerate(content if isinstance(content, list) else ()):
            if part["type"] == "image_url":
                return f"messages[{index}].content[{place}]"
    return None


def _message(message: object, where: str) -> dict[str, Any]:
    """A message with the fields that its role may have; those that are null or empty count as missing."""
    role = message.get("role") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(role, str) or role not in _FIELDS:
        raise _bad(f"{where} must have a role: {', '.join(_FIELDS)}.", f"{where}.role")
    echoed = _ECHOED if role == "assistant" else frozenset[str]()
    given = {
        name: value
        for name, value in message.items()
        if name == "content" or (name not in echoed and (value or isinstance(value, int | dict)))
    }
    if unknown := next((name for name in given if name not in {"role", "content", *_FIELDS[role]}), None):
        raise _bad(f"{where}: this app does not offer {unknown} in a message of the role {role}.", f"{where}.{unknown}")
    if role == "tool" and not isinstance(given.get("tool_call_id"), str):
        raise _bad(f"{where}.tool_call_id must be a string.", f"{where}.tool_call_id")
    for name in given.keys() & {"name", "refusal"}:
        if not isinstance(given[name], str):
            raise _bad(f"{where}.{name} must be a string.", f"{where}.{name}")
    match given.get("function_call"):
        case None | {"name": str(), "arguments": str()}:
            pass
        case _:
            raise _bad(f"{where}.function_call must have a name and arguments.", f"{where}.function_call")
    calls = given.get("tool_calls", [])
    if not isinstance(calls, list) or not all(map(_is_call, calls)):
        raise _bad(f"{where}.tool_calls must be a list of calls of functions.", f"{where}.tool_calls")
    may_be_missing = role == "assistant" and bool(given.keys() & {"tool_calls", "function_call", "refusal"})
    content = given.get("content")
    if not (content is None and may_be_missing):
        given["content"] = _content(content, f"{where}.content", role)
    return given


def _is_call(call: object) -> bool:
    match call:
        case {"id": str(), "type": "function", "function": {"name": str(), "arguments": str()}}:
            return True
    return False


def _content(content: object, where: str, role: str) -> str | list[dict[str, Any]]:
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not content:
        raise _bad(f"{where} must be a string or a list of parts.", where)
    return [_part(part, f"{where}[{index}]", role) for index, part in enumerate(content)]


def _part(part: object, where: str, role: str) -> dict[str, Any]:
    given = {name: value for name, value in part.items() if value is not None} if isinstance(part, dict) else {}
    if role == "assistant":
        given = {
            name: value for name, value in given.items() if name in ("type", given.get("type")) or name not in _REPEATED
        }
    match given:
        case {"type": "text", "text": str()}:
            known = {"type", "text"}
        case {"type": "refusal", "refusal": str()} if role == "assistant":
            known = {"type", "refusal"}
        case {"type": "image_url", "image_url": {"url": str(url), **how}} if role == "user":
            known = {"type", "image_url"}
            if not url.lower().startswith(("https://", "data:image/")):
                raise _bad(f"{where}.image_url.url must begin with https:// or data:image/.", f"{where}.image_url.url")
            detail = {name: value for name, value in how.items() if value is not None}
            if not detail.keys() <= {"detail"} or not isinstance(detail.get("detail", ""), str):
                raise _bad(f"{where}.image_url has a url and a detail.", f"{where}.image_url")
            given["image_url"] = {"url": url, **detail}
        case _:
            kinds: Sequence[str] = ("text", "image_url") if role == "user" else ("text",)
            raise _bad(f"{where} must be a part of the type {' or '.join(kinds)}.", where)
    if unknown := given.keys() - known:
        raise _bad(f"{where}: this app does not offer {min(unknown)} in a part of the type {given['type']}.", where)
    return given


def is_parameter(name: object) -> bool:
    """Whether it names a field of a request, as `tools[0].function`."""
    found = re.fullmatch(r"([a-z_]+)(?:[.\[][\w.\[\]]{0,80})?", name) if isinstance(name, str) else None
    return found is not None and found[1] in {*_PASSED, *_OWN}


def _bad(message: str, parameter: str | None = None) -> ApiError:
    return ApiError(400, "bad_request", message, parameter=parameter)
