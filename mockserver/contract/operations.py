"""The operations of both backends: a table of their addresses and of the schemas of their bodies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


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
