"""Recordings of other tools, imported and replayed through the official SDK: the SDK parses what it would have parsed then.

DRESS_REHEARSAL_CORPUS names a folder of such recordings; without it, this uses two of its own.
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
from mockserver.contract.addresses import Address, AddressForm, address_of
from mockserver.exchange import Answer, Interaction
from mockserver.harness.model_endpoint import ModelEndpoint
from mockserver.harness.options import ModelOptions
from mockserver.matching.call import Call

CORPUS = os.environ.get("DRESS_REHEARSAL_CORPUS")

OWN_RECORDINGS = """
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


def sdk_answer(client: Any, address: Address, body: dict[str, Any]) -> Any:
    """The SDK's own object for an answer, or a list of them for a stream."""
    operation = address.operation.name if address.operation else ""
    if address.deployment:
        body = {**body, "model": address.deployment}
    named = {key: body.pop(key) for key in ("model", "messages", "input", "stream") if key in body}
    match operation:
        case "createChatCompletion":
            return client.chat.completions.create(**{"messages": openai.omit, **named}, extra_body=body)
        case "createResponse":
            return client.responses.create(**named, extra_body=body)
        case "compactResponse":
            return client.responses.compact(**named, extra_body=body)
        case "deleteModel":
            return client.models.delete(address.resource)
    encoding = body.pop("encoding_format", "float")  # otherwise the SDK asks for base64
    return client.embeddings.create(**named, encoding_format=encoding, extra_body=body)


def recorded(answer: Answer) -> Any:
    if not answer.streams:
        return json.loads(answer.body)
    lines = [line.removeprefix("data:").strip() for line in answer.body.decode().splitlines()]
    return [json.loads(line) for line in lines if line.startswith("{")]


def decoded(value: Any) -> Any:
    """The value with its embeddings as numbers, as the SDK decodes them from base64."""
    for item in value.get("data", ()) if isinstance(value, dict) else ():
        if isinstance(item.get("embedding"), str):
            data = base64.b64decode(item["embedding"])
            item["embedding"] = list(struct.unpack(f"<{len(data) // 4}f", data))
    return value


def replayed(interaction: Interaction, url: str) -> bool:
    """Whether the SDK parses the replayed answer as it would have parsed the recorded one."""
    request, answer = interaction.request, interaction.answer
    address = address_of(request.method, request.raw_path, request.query)
    try:
        got = sdk_answer(client_for(address, url), address, dict(Call(request).body or {}))
        parsed = [chunk.to_dict() for chunk in got] if answer.streams else got.to_dict()
    except openai.APIStatusError as error:
        return (error.status_code, error.response.content) == (answer.status, answer.body)
    return bool(decoded(parsed) == decoded(recorded(answer)))


@pytest.mark.filterwarnings(
    "ignore:Pydantic serializer warnings:UserWarning"
)  # bodies that the SDK's types do not expect
@pytest.mark.timeout(300)
def test_imported_recordings_replay_as_they_were_recorded(tmp_path: Path) -> None:
    source = Path(CORPUS) if CORPUS else tmp_path / "source"
    if not CORPUS:
        source.mkdir()
        (source / "own.yaml").write_text(OWN_RECORDINGS, encoding="utf-8")
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
