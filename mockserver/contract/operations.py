"""The operations of both backends: a table of their addresses and of the schemas of their bodies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qs, unquote


class Backend(StrEnum):
    """Whose wire format an address uses."""

    OPENAI = "openai"
    AZURE = "azure"


#: The host of requests in a cassette, in place of a tenant's resource or our own port.
CANONICAL_ORIGIN = {Backend.OPENAI: "https://api.openai.com", Backend.AZURE: "https://resource.openai.azure.com"}


@dataclass(frozen=True, slots=True)
class Operation:
    """One endpoint's verb, as OpenAI's specification names it.

    `request`, `answer` and `event` name schemas of OpenAI's specification, `azure_answer` and `azure_event` those of
    Azure's dated one where Azure differs; None if there is no such body. `event_union` replaces `event` where events
    have a `type`. `{model}` or `{id}` in the path is the name of one object. `more_keys` are request keys that the
    schema lacks; `defaults` are the values of absent keys. `in_deployment` says that Azure's dated address has the
    deployment in its path; `since` is the first dated api-version with the operation, None without any. `open_to_azure` says
    that Azure's dated addresses accept unknown keys.
    """

    name: str
    method: str
    path: str
    request: str | None = None
    answer: str | None = None
    event: str | None = None
    event_union: str | None = None
    azure_answer: str | None = None
    azure_event: str | None = None
    more_keys: frozenset[str] = frozenset()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    in_deployment: bool = False
    open_to_azure: bool = False
    since: str | None = "2022-12-01"

    @property
    def needs_model(self) -> bool:
        """Whether a request has to name its model, in its body or in its path."""
        return self.costs_tokens

    @property
    def costs_tokens(self) -> bool:
        """Whether a model reads or writes tokens for it."""
        return self.name in ("createChatCompletion", "createResponse", "createEmbedding")


#: Source: `default` in the published schemas, without those that depend on the model.
_DEFAULTS = {"parallel_tool_calls": True, "stream": False, "temperature": 1, "top_p": 1}

OPERATIONS = (
    Operation(
        "createChatCompletion",
        "POST",
        "chat/completions",
        request="CreateChatCompletionRequest",
        answer="CreateChatCompletionResponse",
        event="CreateChatCompletionStreamResponse",
        azure_answer="createChatCompletionResponse",
        azure_event="createChatCompletionStreamResponse",
        more_keys=frozenset({"data_sources"}),  # Azure's On Your Data
        defaults={**_DEFAULTS, "frequency_penalty": 0, "logprobs": False, "n": 1, "presence_penalty": 0},
        in_deployment=True,
        since="2023-03-15",
    ),
    Operation(
        "createResponse",
        "POST",
        "responses",
        request="CreateResponse",
        answer="Response",
        event_union="ResponseStreamEvent",
        defaults={**_DEFAULTS, "background": False, "truncation": "disabled"},
        since="2025-03-01",
    ),
    Operation(
        "createEmbedding",
        "POST",
        "embeddings",
        request="CreateEmbeddingRequest",
        answer="CreateEmbeddingResponse",
        defaults={"encoding_format": "float"},
        in_deployment=True,
        open_to_azure=True,  # `additionalProperties: true` in Azure's specification, 2024-10-21; recorded 2023-09-20
    ),
    Operation("listModels", "GET", "models", answer="ListModelsResponse"),
    Operation("retrieveModel", "GET", "models/{model}", answer="Model"),
    Operation("deleteModel", "DELETE", "models/{model}", answer="DeleteModelResponse", since=None),
    Operation("listChatCompletions", "GET", "chat/completions", answer="ChatCompletionList", since=None),
    Operation("getChatCompletion", "GET", "chat/completions/{id}", answer="CreateChatCompletionResponse", since=None),
    Operation(
        "updateChatCompletion",
        "POST",
        "chat/completions/{id}",
        request="UpdateChatCompletionRequest",
        answer="CreateChatCompletionResponse",
        since=None,
    ),
    Operation("deleteChatCompletion", "DELETE", "chat/completions/{id}", answer="ChatCompletionDeleted", since=None),
    Operation(
        "getChatCompletionMessages",
        "GET",
        "chat/completions/{id}/messages",
        answer="ChatCompletionMessageList",
        since=None,
    ),
    Operation(
        "getResponse",
        "GET",
        "responses/{id}",
        answer="Response",
        event_union="ResponseStreamEvent",
        since="2025-03-01",
    ),
    Operation("deleteResponse", "DELETE", "responses/{id}", since="2025-03-01"),
    Operation("cancelResponse", "POST", "responses/{id}/cancel", answer="Response", since="2025-03-01"),
    Operation("listInputItems", "GET", "responses/{id}/input_items", answer="ResponseItemList", since="2025-03-01"),
    Operation(
        "compactResponse",
        "POST",
        "responses/compact",
        request="CompactResponseMethodPublicBody",
        answer="CompactResource",
        since=None,
    ),
    Operation(
        "countInputTokens",
        "POST",
        "responses/input_tokens",
        request="TokenCountsBody",
        answer="TokenCountsResource",
        since=None,
    ),
)


class AddressForm(StrEnum):
    """How an address is written."""

    OPENAI = "/v1"
    AZURE_V1 = "/openai/v1"
    AZURE_DATED = "/openai/…?api-version="
    OTHER = "/"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a request goes. `operation` is None for a path or method that the form does not have; `deployment` and
    `resource` (a model or an id) are those in the path, `api_version` the one in the query, or None."""

    form: AddressForm
    operation: Operation | None = None
    deployment: str | None = None
    resource: str | None = None
    api_version: str | None = None

    @property
    def is_known(self) -> bool:
        """Whether this is an address of OpenAI or Azure OpenAI at all."""
        return self.form is not AddressForm.OTHER

    @property
    def backend(self) -> Backend:
        """The backend that has this address."""
        return Backend.OPENAI if self.form in (AddressForm.OPENAI, AddressForm.OTHER) else Backend.AZURE


#: Source: requests of openai 3.54.0's clients (2026-11-22) and of recordings from 2023 to 2026.
_PREFIXES = (
    (AddressForm.OPENAI, re.compile(r"/v1/(?P<path>.+)")),
    (AddressForm.AZURE_V1, re.compile(r"/openai/v1/(?P<path>.+)")),
    (AddressForm.AZURE_DATED, re.compile(r"/openai/(?:deployments/(?P<deployment>[^/]+)/)?(?P<path>.+)")),
)
_PATTERNS = {
    operation.name: re.compile(re.sub(r"\{\w+\}", "(?P<resource>[^/]+)", operation.path)) for operation in OPERATIONS
}


def address_of(method: str, raw_path: str, query: str) -> Address:
    """The address that a method, a raw path and a query string name; any path outside `/openai` is OpenAI's."""
    version = parse_qs(query).get("api-version", [None])[0]
    for form, prefix in _PREFIXES:
        if match := prefix.fullmatch(raw_path):
            deployment = match.groupdict().get("deployment")
            for operation in OPERATIONS:
                if form is AddressForm.AZURE_DATED and operation.since is None:
                    continue
                inside = operation.in_deployment and form is AddressForm.AZURE_DATED
                path = _PATTERNS[operation.name].fullmatch(match["path"])
                if path and method == operation.method and inside == (deployment is not None):
                    resource = path.groupdict().get("resource")
                    return Address(
                        form, operation, deployment and unquote(deployment), resource and unquote(resource), version
                    )
            return Address(form, None, deployment and unquote(deployment), None, version)
    return Address(
        AddressForm.AZURE_DATED if raw_path.startswith("/openai/") else AddressForm.OTHER, api_version=version
    )
