"""Refusals as the backends send them: status, headers and body, byte for byte where recordings show it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from mockserver.contract.addresses import Address, AddressForm, Backend
from mockserver.contract.models import Model
from mockserver.contract.violation import Violation

_JSON = (("content-type", "application/json"),)
_UTF8 = (("content-type", "application/json; charset=utf-8"),)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the client gets; `because` is the reason in a few words, `rule` the name of a rule that can be turned off."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    because: str
    rule: str = ""


def missing_key(address: Address) -> Refusal:
    """The 401 for a request without a key. Source: Azure's recorded 2024-12 to 2025-07 (compact); OpenAI's wording documented."""
    if address.backend is Backend.AZURE:
        text = (
            "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key "
            "for an active subscription and use a correct regional API endpoint for your resource."
        )
        return Refusal(401, _JSON, _compact({"error": {"code": "401", "message": text}}), "no key")
    text = (
        "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
        "(i.e. Authorization: Bearer YOUR_KEY). You can obtain an API key from "
        "https://platform.openai.com/account/api-keys."
    )
    return Refusal(401, (*_JSON, ("www-authenticate", 'Bearer realm="OpenAI API"')), _pretty(text), "no key")


def wrong_key(address: Address, key: str) -> Refusal:
    """The 401 for a wrong key. Source: recorded for both backends; Azure sends the same as without a key."""
    if address.backend is Backend.AZURE or not key:
        return missing_key(address)
    shown = f"{key[:4]}***{key[-3:]}" if len(key) > 8 else "*" * len(key)
    text = f"Incorrect API key provided: {shown}. You can find your API key at https://platform.openai.com/account/api-keys."
    return Refusal(401, _JSON, _pretty(text, code="invalid_api_key"), "wrong key")


def unknown_path(address: Address, method: str, path: str) -> Refusal:
    """The 404 for a path or method that the backend does not have. Source: Azure's recorded 2025-02-07, 56 bytes, a space after
    `"message":`; OpenAI's wording documented."""
    if address.backend is Backend.AZURE:
        return Refusal(404, _JSON, b'{"error":{"code":"404","message": "Resource not found"}}', "unknown path")
    return Refusal(404, _UTF8, _pretty(f"Invalid URL ({method} {path})"), "unknown path")


def unknown_model(address: Address, model: str) -> Refusal:
    """The refusal of an unknown model or deployment. Source: recorded for each: OpenAI's 404 and, for Responses, 400;
    Azure's dated 404 without content-type, and the 400 of its `/openai/v1`."""
    if address.form is AddressForm.AZURE_DATED:
        text = (
            "The API deployment for this resource does not exist. If you created the deployment within the last 5 "
            "minutes, please wait a moment and try again."
        )
        error = {"type": "invalid_request_error", "code": "DeploymentNotFound", "message": text}
        return Refusal(404, (), json.dumps({"error": error}, indent=2).encode(), "unknown deployment")
    if address.form is AddressForm.AZURE_V1:
        text = f"Unknown model: {model}"
        return Refusal(
            400,
            _UTF8,
            _compact({"error": {"code": "unknown_model", "message": text, "details": text}}),
            "unknown model",
        )
    if address.operation is not None and address.operation.name == "createResponse":
        body = _pretty(f"The requested model '{model}' does not exist.", "model", "model_not_found")
        return Refusal(400, _JSON, body, "unknown model")
    body = _pretty(f"The model `{model}` does not exist or you do not have access to it.", code="model_not_found")
    return Refusal(404, _UTF8, body, "unknown model")


def missing_model(address: Address) -> Refusal:
    """The 400 for a request that names no model. Source: Azure's recorded 2026-03-11, without content-type; OpenAI's probed
    2026-09 (local-OAuth-CLI-API-adapter)."""
    if address.backend is Backend.AZURE:
        return Refusal(
            400, (), json.dumps({"error": {"message": "Missed model deployment"}}, indent=2).encode(), "no model"
        )
    if address.operation is not None and address.operation.name == "createChatCompletion":
        return Refusal(400, _JSON, _pretty("you must provide a model parameter"), "no model")
    body = _pretty("Missing required parameter: 'model'.", "model", "missing_required_parameter")
    return Refusal(400, _JSON, body, "no model")


#: Azure's words for its operations, where it refuses a model.
_AZURE_OPERATIONS = {
    "createChatCompletion": "chatCompletion",
    "createResponse": "responses",
    "createEmbedding": "embeddings",
    "createCompletion": "completion",
}


def wrong_operation(address: Address, model: Model, name: str) -> Refusal | None:
    """The refusal of an operation that the model cannot do; None if it can. `name` is the model's as asked for.

    Source: Azure's code OperationNotSupported recorded 2023-12 and 2024-02; OpenAI's words by operation from probes of 120
    models by Mirascope, 2025-12.
    """
    operation = address.operation.name if address.operation is not None else ""
    if model.foundry or not _cannot(operation, model):
        return None
    if address.backend is Backend.AZURE:
        text = (
            f"The {_AZURE_OPERATIONS[operation]} operation does not work with the specified model, {name}. Please choose different "
            "model and try again. You can learn more about which models can be used with each operation here: "
            "https://go.microsoft.com/fwlink/?linkid=2197993."
        )
        body = _compact({"error": {"code": "OperationNotSupported", "message": text}})
        return Refusal(400, _JSON, body, "operation not supported")
    if operation == "createEmbedding":
        body = _pretty("You are not allowed to generate embeddings from this model")
        return Refusal(403, _JSON, body, "operation not supported")
    if operation == "createResponse":
        body = _pretty(f"The requested model, '{name}' was not found.", "model", "model_not_found")
        return Refusal(400, _JSON, body, "operation not supported")
    if model.name.startswith(("text-embedding-3", "dall-e")):
        return Refusal(403, _JSON, _pretty("You are not allowed to sample from this model"), "operation not supported")
    text = "This is not a chat model and thus not supported in the v1/chat/completions endpoint. Did you mean to use v1/completions?"
    if model.chat_refusal == "responses":
        text = "This model is only supported in v1/responses and not in v1/chat/completions."
    return Refusal(404, _UTF8, _pretty(text, "model"), "operation not supported")


def _cannot(operation: str, model: Model) -> bool:
    if operation == "createEmbedding":
        return model.kind != "embedding"
    if operation == "createCompletion":
        return model.kind != "completion"
    return {"createChatCompletion": "chat", "createResponse": "responses"}.get(operation) in model.cannot


def firewall() -> Refusal:
    """Azure's 403 for a client that its network rules do not admit. Source: pasted whole, azure-sql-db-chatbot#3 (2025-04-23):
    90 bytes, a space after `"message":`."""
    headers = (*_JSON, ("policy-id", "ThrowExceptionDueToTrafficDenied"), ("x-content-type-options", "nosniff"))
    body = b'{"error":{"code":"403","message": "Access denied due to Virtual Network/Firewall rules."}}'
    return Refusal(403, headers, body, "firewall")


def role_missing() -> Refusal:
    """Azure's 401, not 403, for an identity without the role. Source: pasted, AzureAgentToM365#3 (2025-07-21)."""
    text = (
        "The principal `00000000-0000-0000-0000-000000000000` lacks the required data action "
        "`Microsoft.CognitiveServices/accounts/OpenAI/deployments/chat/completions/action` to perform "
        "`POST /openai/deployments/{deployment-id}/chat/completions` operation."
    )
    return Refusal(401, _JSON, _compact({"error": {"code": "PermissionDenied", "message": text}}), "role missing")


def token_expired() -> Refusal:
    """Azure's 401 for an invalid or expired Entra token, without an `error` around it. Source: pasted,
    llama_index#12484 (2024-04-02), azure-search-openai-demo#2219 (2024-12-10)."""
    text = (
        "Unauthorized. Access token is missing, invalid, audience is incorrect (https://cognitiveservices.azure.com), "
        "or have expired."
    )
    return Refusal(401, _JSON, _compact({"statusCode": 401, "message": text}), "token expired")


def context_length_exceeded() -> Refusal:
    """The 400 for a conversation that is too long; both backends' code and param, wording from reports
    (openai-python#1094)."""
    text = (
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 128042 tokens. "
        "Please reduce the length of the messages."
    )
    return Refusal(400, _JSON, _pretty(text, "messages", "context_length_exceeded"), "context length exceeded")


#: The words for an object that is not there, by its kind, each with its `param` and code. Source: response, item and file pasted
#: (agent-framework#6419, codex#10489, openai-dotnet's tests); the others documented, or like these.
_NOT_FOUND: dict[str, tuple[str, str | None, str | None]] = {
    "response": ("Response with id '{}' not found.", None, None),
    "item": ("Item with id '{}' not found.", "input", None),
    "conversation": ("Conversation with id '{}' not found.", None, None),
    "chat.completion": ("Chat completion with id '{}' not found.", None, None),
    "file": ("No such File object: {}", "id", None),
    "image": ("No such image: {}", None, None),
    "vector_store": ("Vector store with id '{}' not found.", None, None),
    "vector_store.file": ("No file found with id '{}'.", None, None),
    "vector_store.files_batch": ("No file batch found with id '{}'.", None, None),
    "batch": ("No batch found with id '{}'.", "id", "batch_not_found"),
}


def not_found(kind: str, name: str) -> Refusal:
    """The 404 for an object that is not there, or no longer."""
    words, param, code = _NOT_FOUND[kind]
    return Refusal(404, _JSON, _pretty(words.format(name), param, code), f"no {kind} {name}")


def conversation_not_found(name: str) -> Refusal:
    """The 404 for a conversation that cannot be continued."""
    body = _pretty(f"Conversation with id '{name}' not found.")
    return Refusal(404, _JSON, body, "no conversation", "previous-response")


def previous_not_found(name: str) -> Refusal:
    """The 400 for a response that cannot be continued. Source: agent-framework#6419, pasted whole."""
    words = f"Previous response with id '{name}' not found."
    body = _pretty(words, "previous_response_id", "previous_response_not_found")
    return Refusal(400, _JSON, body, "no previous response", "previous-response")


def item_not_kept(name: str) -> Refusal:
    """The 404 for an item of a response that was not to be stored. Source: openai-agents-python#919, codex#10489."""
    words = (
        f"Item with id '{name}' not found. Items are not persisted when `store` is set to false. Try again with `store` set "
        "to true, or remove this item from your input."
    )
    return Refusal(404, _JSON, _pretty(words, "input"), "item not kept", "item-not-found")


def no_json() -> Refusal:
    """The 400 for a body that is not a JSON object; wording from reports."""
    return Refusal(400, _JSON, _pretty("We could not parse the JSON body of your request."), "no JSON object")


def no_form() -> Refusal:
    """The 400 for a body that is no form; wording from reports."""
    return Refusal(400, _JSON, _pretty("Could not parse multipart form"), "no form")


def invalid(violation: Violation) -> Refusal:
    """The 400 for a request that breaks the contract, worded as its first violation. Source of the layout: 400s of both
    backends recorded 2025 (indent 2, no newline)."""
    body = _pretty(violation.message, violation.field or None, violation.code)
    because = f"invalid request, {violation.rule} {violation.field}".rstrip()
    return Refusal(violation.status, _JSON, body, because, violation.rule)


def _pretty(message: str, param: str | None = None, code: str | None = None) -> bytes:
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return json.dumps({"error": error}, indent=2, ensure_ascii=False).encode()


def _compact(body: object) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
