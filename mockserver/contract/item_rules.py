"""How the items of a response's input have to fit together: calls with their outputs, reasoning with what follows it."""

from __future__ import annotations

from collections.abc import Callable

from mockserver.contract.rule import RESPONSES, Asked, Refused, RequestRule

_CALLS = {
    "function_call": "function call",
    "custom_tool_call": "custom tool call",
    "local_shell_call": "local shell call",
}


def _continues(asked: Asked) -> bool:
    """Whether earlier items are kept by the service and not known here, so that the input alone does not show everything."""
    return not asked.earlier and _names_earlier(asked)


def _names_earlier(asked: Asked) -> bool:
    return asked.body.get("previous_response_id") is not None or asked.body.get("conversation") is not None


def _output_without_call(asked: Asked) -> Refused | None:
    if _continues(asked):
        return None
    open_calls = {str(item.get("call_id")) for item in asked.earlier if item.get("type") == "function_call"}
    for _, item in asked.messages:
        kind = item.get("type")
        if kind == "function_call":
            open_calls.add(str(item.get("call_id")))
        elif kind == "item_reference":
            return None  # it may be the call
        elif kind == "function_call_output":
            if str(item.get("call_id")) not in open_calls:
                message = f"No tool call found for function call output with call_id {item.get('call_id')}."
                return Refused("input", message)
            open_calls.discard(str(item.get("call_id")))
    return None


def _call_without_output(asked: Asked) -> Refused | None:
    items = (*asked.earlier, *(item for _, item in asked.messages))
    answered = {str(item.get("call_id")) for item in items if str(item.get("type")).endswith("_output")}
    for item in items:
        noun = _CALLS.get(str(item.get("type")))
        if noun is not None and str(item.get("call_id")) not in answered:
            return Refused("input", f"No tool output found for {noun} {item.get('call_id')}.")
    return None


def _reasoning_alone(asked: Asked) -> Refused | None:
    """A stored reasoning item whose next item is not the model's own. Without a store, the service takes it."""
    if asked.body.get("store") is False:
        return None
    items = [item for _, item in asked.messages]
    for item, following in zip(items, [*items[1:], None], strict=False):
        if item.get("type") != "reasoning" or "id" not in item:
            continue
        own = following is not None and (
            ("id" in following and following.get("role") == "assistant") or str(following.get("type")).endswith("_call")
        )
        references = following is not None and following.get("type") in ("reasoning", "item_reference")
        if not own and not references:
            words = f"Item '{item['id']}' of type 'reasoning' was provided without its required following item."
            return Refused("input", words)
    return None


def _rule(name: str, check: Callable[[Asked], Refused | None], grade: str, source: str) -> RequestRule:
    return RequestRule(name, (RESPONSES,), check, grade, source)


ITEM_RULES = (
    _rule(
        "output-without-call",
        _output_without_call,
        "I",
        "vscode#320060 (2026-06-05, whole), cline#9288, azure-sdk-for-python#46092",
    ),
    _rule(
        "call-without-output",
        _call_without_output,
        "I",
        "codex#93 (2025-04-16), agent-framework#4677 (Azure, 2026-03-13)",
    ),
    _rule("reasoning-alone", _reasoning_alone, "R", "recorded 2025-09 from gpt-5; codex#6375"),
)
