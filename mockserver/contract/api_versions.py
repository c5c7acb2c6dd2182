"""Azure's api-versions: which there are, and which operations, models and parameters each of them knows."""

from __future__ import annotations

import json
import re

from mockserver.contract.addresses import AddressForm
from mockserver.contract.refusals import Refusal, unknown_path
from mockserver.contract.rule import CHAT, Asked

_DATED = re.compile(r"\d{4}-\d{2}-\d{2}(?:-preview)?")
_HEADERS = (("content-type", "application/json"),)
#: The versions that `/openai/v1` takes. Source: Microsoft's page on the lifecycle of api-versions, 2026.
_OF_V1 = (None, "preview", "latest", "v1")
#: The first dated version with a parameter of chat completions. Source: Azure's specifications, where reports agree with them:
#: stream_options (openai-python#1469, agno#1066), parallel_tool_calls (openai-python#1492), reasoning_effort (llama_index#17731),
#: tools (llama_index#9037).
SINCE = {
    "functions": "2023-07-01",
    "tools": "2023-12-01",
    "tool_choice": "2023-12-01",
    "seed": "2023-12-01",
    "response_format": "2023-12-01",
    "stream_options": "2024-08-01",
    "parallel_tool_calls": "2024-08-01",
    "reasoning_effort": "2024-12-01",
    "modalities": "2025-01-01",
    "audio": "2025-01-01",
    "prediction": "2025-01-01",
}
_JSON_SCHEMA_SINCE = "2024-08-01-preview"


def version_refusal(asked: Asked) -> Refusal | None:
    """The refusal of an api-version that is missing, unknown, or too old for what is asked; None if it is fine.

    Source: pasted: v1 goai#54 (2026-05-03), json_schema ruby_llm#600 (2026-02-08), o1 chatwise#258 (2025-02-19), Responses
    2026-09-18; recorded: the 404 for a wrong version.
    """
    address = asked.address
    if address.operation is None:
        return None
    version = address.api_version
    if address.project is not None and address.form is AddressForm.AZURE_V1 and version is not None:
        return _bad("api-version query parameter is not allowed when using /v1 path", f"api-version {version}")
    if address.form is AddressForm.AZURE_V1:
        return None if version in _OF_V1 else _bad("API version not supported", f"api-version {version}")
    if address.form is not AddressForm.AZURE_DATED:
        return None
    if version is None or not _DATED.fullmatch(version):
        return _not_found(asked, version)
    dated = version.removesuffix("-preview")
    if dated < (address.operation.since or ""):
        if address.operation.path.startswith("responses"):
            since = f"{address.operation.since}-preview"
            return _too_old(f"Azure OpenAI Responses API is enabled only for api-version {since} and later")
        return _not_found(asked, version)
    if asked.model.since and dated < asked.model.since.removesuffix("-preview"):
        return _too_old(f"Model {{modelName}} is enabled only for api versions {asked.model.since} and later")
    if asked.operation != CHAT:
        return None
    json_schema = asked.mapping("response_format").get("type") == "json_schema"
    if json_schema and dated < _JSON_SCHEMA_SINCE.removesuffix("-preview"):
        return _too_old(
            f"response_format value as json_schema is enabled only for api versions {_JSON_SCHEMA_SINCE} and later"
        )
    return None


#: Models on older servers, which know no more than their api-version. Newer ones were recorded accepting stream_options with
#: 2024-02-15-preview and reasoning_effort with 2024-02-01. Source: also azure-sdk-for-net#45719, openai-python#1469.
OLD_SERVERS = frozenset({"gpt-3.5-turbo", "gpt-35-turbo", "gpt-4", "gpt-4-32k", "gpt-4-turbo"})
_NEWER_SERVERS_FROM = "2024-02-01"


def unknown_to_version(asked: Asked) -> list[str]:
    """The parameters of a chat completion that its dated api-version does not know."""
    if asked.operation != CHAT or asked.address.form is not AddressForm.AZURE_DATED:
        return []
    dated = (asked.address.api_version or "").removesuffix("-preview")
    if asked.model.name not in OLD_SERVERS and dated >= _NEWER_SERVERS_FROM:
        return []
    return [key for key, value in asked.body.items() if value is not None and dated < SINCE.get(key, "")]


def _not_found(asked: Asked, version: str | None) -> Refusal:
    refusal = unknown_path(asked.address, "", "")
    return Refusal(refusal.status, refusal.headers, refusal.body, f"api-version {version or 'missing'}")


def _too_old(message: str) -> Refusal:
    return _bad(message, "api-version too old")


def _bad(message: str, because: str) -> Refusal:
    body = json.dumps({"error": {"code": "BadRequest", "message": message}}, separators=(",", ":")).encode()
    return Refusal(400, _HEADERS, body, because)
