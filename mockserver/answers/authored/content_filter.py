"""The results of Azure's content filter: beside a text, as separate verdicts, or as a refused prompt."""

from __future__ import annotations

import json
from typing import Any

from mockserver.answers.authored.authored_answer import AuthoredAnswer, Filter
from mockserver.contract.addresses import Address
from mockserver.exchange import Answer, Event

# Source: default filter as recorded 2025-11 (api-version 2024-10-21); asynchronous filter as recorded 2024-12 to 2025-04
# (offsets, no `delta`, verdicts after `stop`); a stop in the middle, by either filter, as documented; filtered prompts as
# recorded, the one without `innererror` as reported.
SAFE = {"filtered": False, "severity": "safe"}
NOT_DETECTED = {"filtered": False, "detected": False}
CATEGORIES = dict.fromkeys(("hate", "self_harm", "sexual", "violence"), SAFE)
PROTECTED = {f"protected_material_{kind}": NOT_DETECTED for kind in ("code", "text")}
PROMPT_RESULTS = [
    {"prompt_index": 0, "content_filter_results": dict(sorted({**CATEGORIES, "jailbreak": NOT_DETECTED}.items()))}
]
_BLOCKED = {"details": [{"filtered": True, "id": "blocklist"}], "filtered": True}
_VIOLENT = {**CATEGORIES, "violence": {"filtered": True, "severity": "medium"}}


def verdicts(filter_: Filter, offset: int, end: int) -> list[dict[str, Any]]:
    """The verdicts of the asynchronous filter on the text so far, as chunks without a `delta`."""
    if filter_ is Filter.ASYNCHRONOUS_STOPPED:
        return [_annotation(_VIOLENT, offset, end, "content_filter")]
    lists = _BLOCKED if filter_ is Filter.ASYNCHRONOUS_BLOCKLIST else {"filtered": False}
    return [_annotation({"custom_blocklists": lists, **CATEGORIES}, offset, end), _annotation(PROTECTED, offset, end)]


def _annotation(results: dict[str, Any], offset: int, end: int, finish_reason: str | None = None) -> dict[str, Any]:
    offsets = {"check_offset": offset, "start_offset": offset, "end_offset": end}
    choice = {
        "content_filter_offsets": offsets,
        "content_filter_results": results,
        "finish_reason": finish_reason,
        "index": 0,
    }
    return {"choices": [choice], "created": 0, "id": "", "model": "", "object": ""}


def response_verdicts(filter_: Filter, text: str) -> list[dict[str, Any]]:
    """What a response of Azure says of its filter where that works asynchronously. Source: the shape as recorded 2026-02 and
    2026-08 beside answers that were not filtered; what a filtered one has is expected, not seen."""
    results: dict[str, Any] = {**CATEGORIES, **PROTECTED}
    if filter_ is Filter.ASYNCHRONOUS_STOPPED:
        results = _VIOLENT
    elif filter_ is Filter.ASYNCHRONOUS_BLOCKLIST:
        results = {"custom_blocklists": _BLOCKED, **CATEGORIES}
    prompt = PROMPT_RESULTS[0]["content_filter_results"]
    blocked = filter_ in (Filter.ASYNCHRONOUS_STOPPED, Filter.ASYNCHRONOUS_BLOCKLIST)
    return [_verdict("prompt", prompt, 0, blocked=False), _verdict("completion", results, len(text), blocked=blocked)]


def _verdict(source: str, results: Any, end: int, *, blocked: bool) -> dict[str, Any]:
    return {
        "blocked": blocked,
        "source_type": source,
        "content_filter_raw": [],
        "content_filter_results": results,
        "content_filter_offsets": {"start_offset": 0, "end_offset": end, "check_offset": 0},
    }


def filtered_prompt(authored: AuthoredAnswer, address: Address) -> Answer:
    """The 400 for a prompt that the filter stops, also where the request asks for a stream."""
    responses = address.operation is not None and address.operation.name == "createResponse"
    apostrophe = "\N{RIGHT SINGLE QUOTATION MARK}" if responses else "'"
    message = (
        f"The response was filtered due to the prompt triggering Azure OpenAI{apostrophe}s content management policy. "
        "Please modify your prompt and retry. To learn more about our content filtering policies please read our "
        "documentation: https://go.microsoft.com/fwlink/?linkid=2198766"
    )
    error: dict[str, Any] = {
        "message": message,
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
    }
    if responses:
        error |= {"type": "invalid_request_error"}
        del error["status"]
        body = json.dumps({"error": error}, indent=2, ensure_ascii=False)
    else:
        if authored.filter is Filter.PROMPT:
            results = dict(sorted({**_VIOLENT, "jailbreak": NOT_DETECTED}.items()))
            error["innererror"] = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": results}
        body = json.dumps({"error": error}, separators=(",", ":"))
    return Answer(
        400, (("content-type", "application/json"),), (Event(0, body.encode()),), head_after_ms=authored.pace.first_ms
    )
