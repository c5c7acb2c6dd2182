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
    have a `type`. `form` names the schema of a request that is a multipart form. `{model}` or `{id}` in the path is the name of
    one object, `{item}` of one inside it. `public` says that nobody needs a key. `more_keys` are request keys that the schema lacks; `defaults` are the values of absent keys.
    `in_deployment` says that Azure's dated address has the deployment in its path; `since` is the first dated api-version
    with the operation, None without any. `on_azure` says that `/openai/v1` has it, `on_foundry` that `/models` has, and
    `on_openai` that OpenAI has. `open_to_azure` says that Azure's dated addresses accept unknown keys.
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
    form: str | None = None
    more_keys: frozenset[str] = frozenset()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    in_deployment: bool = False
    open_to_azure: bool = False
    since: str | None = "2022-12-01"
    on_azure: bool = True
    on_foundry: bool = False
    on_openai: bool = True
    public: bool = False

    @property
    def needs_model(self) -> bool:
        """Whether a request has to name its model, in its body or in its path."""
        return self.costs_tokens

    @property
    def asks_model(self) -> bool:
        """Whether a model answers it, so that it counts towards the limit of requests."""
        return self.costs_tokens or self.name in _MEDIA_OPERATIONS

    @property
    def costs_tokens(self) -> bool:
        """Whether a model reads or writes tokens for it."""
        return self.name in _MODEL_OPERATIONS


_MODEL_OPERATIONS = frozenset(
    {"createChatCompletion", "createResponse", "createEmbedding", "createCompletion", "createRealtimeResponse"}
)
_MEDIA_OPERATIONS = frozenset(
    {"createTranscription", "createTranslation", "createSpeech", "createModeration"}
    | {"createImage", "createImageEdit", "createImageVariation"}
)

#: Source: `default` in the published schemas, without those that depend on the model.
_DEFAULTS = {"parallel_tool_calls": True, "stream": False, "temperature": 1, "top_p": 1}

#: What the services have besides, by the first step of the path: nothing here answers it but a recording or a raw answer.
UNANSWERED = frozenset(
    {
        "assistants",
        "chatkit",
        "containers",
        "evals",
        "fine_tuning",
        "organization",
        "realtime",
        "skills",
        "threads",
        "uploads",
    }
    | {"videos", "voices"}
)

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
        on_foundry=True,
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
        on_foundry=True,
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
    # Its published schema allows assistants' messages alone, and its own example has a user's.
    Operation("getChatCompletionMessages", "GET", "chat/completions/{id}/messages", since=None),
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
    Operation(
        "createCompletion",
        "POST",
        "completions",
        request="CreateCompletionRequest",
        answer="CreateCompletionResponse",
        event="CreateCompletionResponse",
        in_deployment=True,
    ),
    Operation(
        "createModeration",
        "POST",
        "moderations",
        request="CreateModerationRequest",
        answer="CreateModerationResponse",
        since=None,
        on_azure=False,
    ),
    Operation(
        "createConversation", "POST", "conversations", "CreateConversationBody", "ConversationResource", since=None
    ),
    Operation("getConversation", "GET", "conversations/{id}", answer="ConversationResource", since=None),
    Operation(
        "updateConversation", "POST", "conversations/{id}", "UpdateConversationBody", "ConversationResource", since=None
    ),
    Operation("deleteConversation", "DELETE", "conversations/{id}", answer="DeletedConversationResource", since=None),
    Operation(
        "createConversationItems",
        "POST",
        "conversations/{id}/items",
        "CreateConversationItemsRequest",
        "ConversationItemList",
        since=None,
    ),
    Operation("listConversationItems", "GET", "conversations/{id}/items", answer="ConversationItemList", since=None),
    Operation("getConversationItem", "GET", "conversations/{id}/items/{item}", answer="ConversationItem", since=None),
    Operation(
        "deleteConversationItem", "DELETE", "conversations/{id}/items/{item}", answer="ConversationResource", since=None
    ),
    Operation("createFile", "POST", "files", answer="OpenAIFile", form="CreateFileRequest"),
    Operation("listFiles", "GET", "files", answer="ListFilesResponse"),
    Operation("retrieveFile", "GET", "files/{id}", answer="OpenAIFile"),
    Operation("deleteFile", "DELETE", "files/{id}", answer="DeleteFileResponse"),
    Operation("downloadFile", "GET", "files/{id}/content"),
    Operation(
        "createVectorStore",
        "POST",
        "vector_stores",
        "CreateVectorStoreRequest",
        "VectorStoreObject",
        since="2024-05-01",
    ),
    Operation("listVectorStores", "GET", "vector_stores", answer="ListVectorStoresResponse", since="2024-05-01"),
    Operation("getVectorStore", "GET", "vector_stores/{id}", answer="VectorStoreObject", since="2024-05-01"),
    Operation(
        "modifyVectorStore",
        "POST",
        "vector_stores/{id}",
        "UpdateVectorStoreRequest",
        "VectorStoreObject",
        since="2024-05-01",
    ),
    Operation(
        "deleteVectorStore", "DELETE", "vector_stores/{id}", answer="DeleteVectorStoreResponse", since="2024-05-01"
    ),
    Operation(
        "searchVectorStore",
        "POST",
        "vector_stores/{id}/search",
        "VectorStoreSearchRequest",
        "VectorStoreSearchResultsPage",
        since=None,
    ),
    Operation(
        "createVectorStoreFile",
        "POST",
        "vector_stores/{id}/files",
        "CreateVectorStoreFileRequest",
        "VectorStoreFileObject",
        since="2024-05-01",
    ),
    Operation(
        "listVectorStoreFiles",
        "GET",
        "vector_stores/{id}/files",
        answer="ListVectorStoreFilesResponse",
        since="2024-05-01",
    ),
    Operation(
        "getVectorStoreFile",
        "GET",
        "vector_stores/{id}/files/{item}",
        answer="VectorStoreFileObject",
        since="2024-05-01",
    ),
    Operation(
        "updateVectorStoreFileAttributes",
        "POST",
        "vector_stores/{id}/files/{item}",
        "UpdateVectorStoreFileAttributesRequest",
        "VectorStoreFileObject",
        since=None,
    ),
    Operation(
        "deleteVectorStoreFile",
        "DELETE",
        "vector_stores/{id}/files/{item}",
        answer="DeleteVectorStoreFileResponse",
        since="2024-05-01",
    ),
    Operation(
        "retrieveVectorStoreFileContent",
        "GET",
        "vector_stores/{id}/files/{item}/content",
        answer="VectorStoreFileContentResponse",
        since=None,
    ),
    Operation(
        "createVectorStoreFileBatch",
        "POST",
        "vector_stores/{id}/file_batches",
        "CreateVectorStoreFileBatchRequest",
        "VectorStoreFileBatchObject",
        since="2024-05-01",
    ),
    Operation(
        "getVectorStoreFileBatch",
        "GET",
        "vector_stores/{id}/file_batches/{item}",
        answer="VectorStoreFileBatchObject",
        since="2024-05-01",
    ),
    Operation(
        "cancelVectorStoreFileBatch",
        "POST",
        "vector_stores/{id}/file_batches/{item}/cancel",
        answer="VectorStoreFileBatchObject",
        since="2024-05-01",
    ),
    Operation(
        "listFilesInVectorStoreBatch",
        "GET",
        "vector_stores/{id}/file_batches/{item}/files",
        answer="ListVectorStoreFilesResponse",
        since="2024-05-01",
    ),
    Operation("createBatch", "POST", "batches", "CreateBatchRequest", "Batch", since="2024-07-01"),
    Operation("listBatches", "GET", "batches", answer="ListBatchesResponse", since="2024-07-01"),
    Operation("retrieveBatch", "GET", "batches/{id}", answer="Batch", since="2024-07-01"),
    Operation("cancelBatch", "POST", "batches/{id}/cancel", answer="Batch", since="2024-07-01"),
    Operation(
        "createTranscription",
        "POST",
        "audio/transcriptions",
        event_union="CreateTranscriptionResponseStreamEvent",
        form="CreateTranscriptionRequest",
        in_deployment=True,
        since="2023-09-01",
    ),
    Operation(
        "createTranslation",
        "POST",
        "audio/translations",
        form="CreateTranslationRequest",
        in_deployment=True,
        since="2023-09-01",
    ),
    Operation(
        "createSpeech",
        "POST",
        "audio/speech",
        request="CreateSpeechRequest",
        event_union="CreateSpeechResponseStreamEvent",
        in_deployment=True,
        since="2024-02-15",
    ),
    Operation(
        "createImage",
        "POST",
        "images/generations",
        request="CreateImageRequest",
        answer="ImagesResponse",
        event_union="ImageGenStreamEvent",
        in_deployment=True,
        since="2023-12-01",
    ),
    Operation(
        "createImageEdit",
        "POST",
        "images/edits",
        request="EditImageBodyJsonParam",
        answer="ImagesResponse",
        event_union="ImageEditStreamEvent",
        form="CreateImageEditRequest",
        in_deployment=True,
        since="2025-04-01",
    ),
    Operation(
        "createImageVariation",
        "POST",
        "images/variations",
        answer="ImagesResponse",
        form="CreateImageVariationRequest",
        since=None,
        on_azure=False,
    ),
    Operation("createRealtimeResponse", "WEBSOCKET", "realtime", event_union="ResponseStreamEvent", since="2024-10-01"),
    Operation("getGeneratedImage", "GET", "images/generated/{id}", since=None, on_azure=False, public=True),
    Operation("getModelInfo", "GET", "info", since=None, on_azure=False, on_foundry=True, on_openai=False),
)
