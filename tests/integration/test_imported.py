"""Recordings of others, imported and replayed through the official SDK: parsed as their recorded bodies are.

Runs where DRESS_REHEARSAL_CORPUS names a folder of such recordings; a made-up one stands in for it elsewhere.
"""

from __future__ import annotations

import base64
import json
import os
import struct
from pathlib import Path
from typing import Any

import openai
import pytest
from click.testing import CliRunner

from mockserver.cassettes import cassette
from mockserver.cli import main
from mockserver.contract.operations import Address, AddressForm, address_of
from mockserver.exchange import Answer, Interaction
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import ModelOptions
from mockserver.matching.call import Call

CORPUS = os.environ.get("DRESS_REHEARSAL_CORPUS")

MADE_UP = """
interactions:
- request:
    method: POST
    uri: https://api.openai.com/v1/chat/completions
    headers: {content-type: [application/json]}
    body: '{"model": "m", "stream": true, "messages": [{"role": "user", "content": "Grüße"}]}'
  response:
    status: {code: 200, message: OK}
    headers: {content-type: [text/event-stream]}
    body:
      string: |+
        data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[]}

        data: [DONE]

- request:
    method: POST
    uri: https://tenant.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21
    body: '{"messages": [{"role": "user", "content": "Hi"}]}'
  response:
    status: {code: 429, message: Too Many Requests}
    headers: {content-type: [application/json]}
    body: {string: '{"error": {"code": "429", "message": "Later."}}'}
"""


def client_for(address: Address, url: str) -> Any:
    if address.form is AddressForm.AZURE_DATED:
        version = address.api_version
        return openai.AzureOpenAI(azure_endpoint=url, api_key="k", api_version=version, max_retries=0)
    return openai.OpenAI(base_url=f"{url}{address.form}", api_key="k", max_retries=0)


def asked_with_the_sdk(client: Any, address: Address, body: dict[str, Any]) -> Any:
    """The SDK's own object for an answer, or a list of them for a stream."""
    operation = address.operation.name if address.operation else ""
    named = {"model": address.deployment} if address.deployment else {}
    body = {**body, **named}
    first = {key: body.pop(key) for key in ("model", "messages", "input", "stream") if key in body}
    match operation:
        case "createChatCompletion":
            return client.chat.completions.create(**{"messages": openai.omit, **first}, extra_body=body)
        case "createResponse":
            return client.responses.create(**first, extra_body=body)
        case "compactResponse":
            return client.responses.compact(**first, extra_body=body)
        case "deleteModel":
            return client.models.delete(address.resource)
    encoding = body.pop("encoding_format", "float")  # else the SDK asks for base64
    return client.embeddings.create(**first, encoding_format=encoding, extra_body=body)


def recorded(answer: Answer) -> Any:
    if not answer.streams:
        return json.loads(answer.body)
    lines = [line.removeprefix("data:").strip() for line in answer.body.decode().splitlines()]
    return [json.loads(line) for line in lines if line.startswith("{")]


def decoded(value: Any) -> Any:
    """Embeddings as numbers, which is what the SDK makes of base64."""
    for each in value.get("data", ()) if isinstance(value, dict) else ():
        if isinstance(each.get("embedding"), str):
            data = base64.b64decode(each["embedding"])
            each["embedding"] = list(struct.unpack(f"<{len(data) // 4}f", data))
    return value


def replayed(interaction: Interaction, url: str) -> bool:
    """Whether the SDK makes of the replayed answer what it would have made of the recorded one."""
    request, answer = interaction.request, interaction.answer
    address = address_of(request.method, request.raw_path, request.query)
    try:
        got = asked_with_the_sdk(client_for(address, url), address, dict(Call(request).body or {}))
        parsed = [each.to_dict() for each in got] if answer.streams else got.to_dict()
    except openai.APIStatusError as error:
        return (error.status_code, error.response.content) == (answer.status, answer.body)
    return bool(decoded(parsed) == decoded(recorded(answer)))


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning")  # bodies the SDK's types do not foresee
@pytest.mark.timeout(300)
def test_what_was_imported_replays_as_it_was_recorded(tmp_path: Path) -> None:
    source = Path(CORPUS) if CORPUS else tmp_path / "source"
    if not CORPUS:
        source.mkdir()
        (source / "made-up.yaml").write_text(MADE_UP, encoding="utf-8")
    CliRunner().invoke(main, ["cassette", "import", str(source), "--to", str(tmp_path / "to")])
    wrong, count = [], 0
    for name, path in cassette.files([tmp_path / "to"]):
        with ModelEndpoint(ModelOptions((path,), speed=100_000)) as model:
            for number, interaction in enumerate(cassette.load(path).interactions, 1):
                count += 1
                wrong += [] if replayed(interaction, model.url) else [f"{name}#{number}"]
    print(f"{count - len(wrong)} of {count} interactions replay through the SDK as they were recorded")
    assert count >= 2
    assert wrong == []
