"""Valid inputs of every kind, to be changed: requests, forms, stubs, events, configurations, recordings, principals."""

from __future__ import annotations

import base64
import json
from typing import Any

TICKET_KEY = "k" * 32
SITE = "https://chat.example"
_PNG = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string", "minLength": 2, "pattern": "^[A-Z][a-z]+$"}, "days": {"type": "array", "items": {"$ref": "#/$defs/day"}, "minItems": 1, "maxItems": 3},
    "kind": {"enum": ["a", "b", 3]}, "count": {"type": "integer", "minimum": 1, "maximum": 9, "multipleOf": 2}, "ratio": {"type": ["number", "null"], "exclusiveMinimum": 0}, "at": {"type": "string", "format": "date-time"}, "one": {"anyOf": [{"type": "string"}, {"const": 4}]}},
    "required": ["city", "days", "kind", "count", "ratio", "at", "one"], "additionalProperties": False, "$defs": {"day": {"type": "object", "properties": {"name": {"type": "string"}, "next": {"anyOf": [{"$ref": "#/$defs/day"}, {"type": "null"}]}}, "required": ["name", "next"], "additionalProperties": False}}}  # fmt: skip
_TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "x",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]
_MESSAGES: list[dict[str, Any]] = [{"role": "system", "content": "Be brief."}, {"role": "user", "name": "u", "content": [{"type": "text", "text": "Call get_weather for Oslo"}, {"type": "image_url", "image_url": {"url": _PNG, "detail": "high"}},
    {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}, {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}}]},
    {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\": \"Oslo\"}"}}]}, {"role": "tool", "tool_call_id": "call_1", "content": "rain"}]  # fmt: skip
_ITEMS: list[dict[str, Any]] = [{"role": "user", "content": [{"type": "input_text", "text": "Use get_weather"}, {"type": "input_image", "image_url": _PNG, "detail": "low"}, {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}]},
    {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": "{}"}, {"type": "function_call_output", "call_id": "call_1", "output": "rain"}, {"type": "reasoning", "id": "rs_1", "summary": []}, {"type": "item_reference", "id": "msg_1"},
    {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed", "content": [{"type": "output_text", "text": "x", "annotations": []}]}]  # fmt: skip
VALID: dict[str, list[Any]] = {
    "createChatCompletion": [
        {"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}]},
        {"model": "gpt-4o", "messages": _MESSAGES, "tools": _TOOLS, "tool_choice": {"type": "function", "function": {"name": "get_weather"}}, "parallel_tool_calls": True, "n": 2, "seed": 1, "stop": ["x"], "user": "u"},
        {"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}], "stream": True, "stream_options": {"include_usage": True}, "logprobs": True, "top_logprobs": 2, "logit_bias": {"50": 1}, "max_tokens": 5, "temperature": 1, "top_p": 0.5, "presence_penalty": 0, "frequency_penalty": 0},
        {"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}], "response_format": {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": SCHEMA}}},
        {"model": "gpt-4o-audio-preview", "messages": [{"role": "user", "content": "x"}], "modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}, "store": True, "metadata": {"a": "b"}, "prediction": {"type": "content", "content": "x"}},
        {"model": "o3", "messages": [{"role": "developer", "content": "x"}, {"role": "user", "content": "x"}], "reasoning_effort": "low", "max_completion_tokens": 900, "service_tier": "auto", "web_search_options": {"user_location": {"type": "approximate", "approximate": {"city": "Oslo"}}}},
        {"messages": [{"role": "user", "content": "x"}], "data_sources": [{"type": "azure_search", "parameters": {"endpoint": "https://x.example", "index_name": "i", "authentication": {"type": "api_key", "key": "x"}}}]},
    ],
    "createResponse": [
        {"model": "gpt-4o", "input": "x"},
        {"model": "gpt-4o", "input": _ITEMS, "instructions": "Be brief.", "tools": [{"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": True}, {"type": "file_search", "vector_store_ids": ["vs_1"], "max_num_results": 3, "filters": {"type": "eq", "key": "a", "value": 1}}], "tool_choice": "auto"},
        {"model": "gpt-4o", "input": "x", "stream": True, "store": True, "metadata": {"a": "b"}, "max_output_tokens": 50, "top_logprobs": 2, "include": ["message.output_text.logprobs"], "truncation": "auto", "temperature": 1},
        {"model": "gpt-4o", "input": "x", "text": {"format": {"type": "json_schema", "name": "x", "strict": True, "schema": SCHEMA}, "verbosity": "low"}, "previous_response_id": "{id}"},
        {"model": "o3", "input": "x", "background": True, "reasoning": {"effort": "low", "summary": "auto"}, "conversation": {"id": "{id}"}, "prompt": {"id": "pmpt_1", "variables": {"a": "b"}}},
        {"model": "gpt-4o", "input": "x", "tools": [{"type": "web_search_preview", "user_location": {"type": "approximate", "country": "NO"}}, {"type": "code_interpreter", "container": {"type": "auto"}}, {"type": "image_generation", "size": "1024x1024", "partial_images": 2}, {"type": "mcp", "server_label": "x", "server_url": "https://x.example", "require_approval": "never"}, {"type": "custom", "name": "y", "format": {"type": "grammar", "syntax": "regex", "definition": "a+"}}], "stream": True, "tool_choice": "required"},
    ],
    "createEmbedding": [{"model": "text-embedding-3-small", "input": ["x", "y"], "dimensions": 3, "encoding_format": "float", "user": "u"}, {"model": "text-embedding-3-small", "input": [1, 2, 3]}, {"model": "text-embedding-3-small", "input": [[1, 2], [3]], "encoding_format": "base64"}],
    "updateChatCompletion": [{"metadata": {"a": "b"}}],
    "compactResponse": [{"model": "gpt-4o", "input": _ITEMS, "instructions": "x", "previous_response_id": "{id}"}],
    "countInputTokens": [{"model": "gpt-4o", "input": _ITEMS, "tools": [], "text": {"format": {"type": "text"}}}],
    "createCompletion": [{"model": "gpt-3.5-turbo-instruct", "prompt": ["x", "y"], "max_tokens": 5, "n": 2, "best_of": 2, "logprobs": 2, "echo": True, "suffix": "z", "stop": "q", "stream": False, "seed": 1}, {"model": "gpt-3.5-turbo-instruct", "prompt": [[1, 2]], "stream": True}],
    "createModeration": [{"model": "omni-moderation-latest", "input": [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": _PNG}}]}, {"input": ["x", "y"]}],
    "createConversation": [{"items": _ITEMS, "metadata": {"a": "b"}}],
    "updateConversation": [{"metadata": {"a": "b"}}],
    "createConversationItems": [{"items": _ITEMS}],
    "createVectorStore": [{"name": "x", "file_ids": ["{id}"], "expires_after": {"anchor": "last_active_at", "days": 3}, "chunking_strategy": {"type": "static", "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}}, "metadata": {"a": "b"}}],
    "modifyVectorStore": [{"name": "y", "expires_after": {"anchor": "last_active_at", "days": 3}, "metadata": {"a": "b"}}],
    "searchVectorStore": [{"query": ["x", "y"], "max_num_results": 5, "rewrite_query": True, "ranking_options": {"ranker": "auto", "score_threshold": 0.1}, "filters": {"type": "and", "filters": [{"type": "eq", "key": "a", "value": 1}, {"type": "in", "key": "b", "value": ["x"]}, {"type": "gt", "key": "a", "value": 0}]}}],
    "createVectorStoreFile": [{"file_id": "{id}", "attributes": {"a": 1, "b": "x"}, "chunking_strategy": {"type": "auto"}}],
    "updateVectorStoreFileAttributes": [{"attributes": {"a": 1, "b": "x", "c": True}}],
    "createVectorStoreFileBatch": [{"file_ids": ["{id}", "{id}"], "attributes": {"a": 1}}, {"files": [{"file_id": "{id}", "attributes": {"a": 2}}]}],
    "createBatch": [{"input_file_id": "{id}", "endpoint": "/v1/responses", "completion_window": "24h", "metadata": {"a": "b"}, "output_expires_after": {"anchor": "created_at", "seconds": 3600}}],
    "createSpeech": [{"model": "tts-1", "input": "x", "voice": "alloy", "response_format": "wav", "speed": 1.5, "stream_format": "audio", "instructions": "x"}, {"model": "gpt-4o-mini-tts", "input": "x", "voice": {"id": "v"}, "stream_format": "sse"}],
    "createImage": [{"model": "gpt-image-1", "prompt": "x", "size": "1024x1024", "n": 1, "output_format": "png", "output_compression": 50, "background": "transparent", "quality": "low"}, {"model": "gpt-image-1", "prompt": "x", "stream": True, "partial_images": 2}, {"model": "dall-e-2", "prompt": "x", "size": "256x256", "response_format": "b64_json", "n": 2}],
    "createImageEdit": [{"model": "gpt-image-1", "prompt": "x", "images": [{"image_url": _PNG}, {"file_id": "{id}"}], "mask": {"image_url": _PNG}, "size": "1024x1024", "stream": True}],
}  # fmt: skip
_IMAGE = base64.b64decode(_PNG.partition(",")[2])
_WAV = b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data\x00\x00\x00\x00"
FORMS: dict[str, dict[str, str | bytes]] = {
    "createFile": {"file": b'{"custom_id": "1", "method": "POST", "url": "/v1/responses", "body": {"model": "gpt-4o", "input": "x"}}\n', "purpose": "batch", "expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"},
    "createTranscription": {"file": _WAV, "model": "whisper-1", "response_format": "verbose_json", "timestamp_granularities[]": "word", "temperature": "0.5", "language": "en", "prompt": "x", "stream": "false", "include[]": "logprobs", "chunking_strategy": "auto"},
    "createTranslation": {"file": _WAV, "model": "whisper-1", "response_format": "srt", "temperature": "0"},
    "createImageEdit": {"image[]": _IMAGE, "mask": _IMAGE, "prompt": "x", "model": "gpt-image-1", "n": "1", "size": "1024x1024", "stream": "true", "partial_images": "1", "output_compression": "50"},
    "createImageVariation": {"image": _IMAGE, "response_format": "b64_json", "n": "2", "size": "256x256"},
}  # fmt: skip
STUBS: list[dict[str, Any]] = [
    {"when": {"prompt": "x"}, "say": "One two", "pace": {"first_ms": 1, "each_ms": 1}, "usage": {"input": 3, "cached": 1, "output": 4, "reasoning": 1}, "finish": "stop", "times": 2, "filter": "default", "headers": {"x-a": "b"}},
    {"say": "a [cited] text", "citations": [{"url": "https://x.example", "title": "t", "quote": "cited"}, {"file_id": "file-1", "title": "f"}], "reasoning": "because", "context": {"intent": "x", "citations": [{"content": "x"}]}},
    {"call": {"get_weather": {"city": "Oslo"}}, "say": "Let me see"}, {"call": [{"a": {"b": 1}}, {"a": {"b": 2}}], "refusal": "no"},
    {"when": {"contains": "x", "turn": 1, "operation": "createChatCompletion", "model": "gpt-4o", "path": "/v1/chat/completions", "system": "b"}, "refusal": "No."}, {"when": {"pattern": "x+"}, "error": {"message": "m", "code": "c"}, "status": 429, "headers": {"retry-after": "3"}},
    {"status": 503, "error": "down"}, {"body": {"a": [1]}, "status": 201}, {"body": "text", "headers": {"content-type": "text/html"}}, {"events": [{"type": "response.created", "x": 1}, "x", "data: y\n\n"], "pace": {"each_ms": 1}},
    {"fault": "rate_limited", "retry_after": "3s", "times": 1}, {"say": "One two three", "fault": "reset", "after": 1}, {"say": "x", "fault": "stall", "after": 1, "wait_ms": 1}, {"fault": "gateway_timeout"}, {"say": "x", "fault": "garbled", "after": 1},
]  # fmt: skip
EVENTS: list[dict[str, Any]] = [
    {"type": "session.update", "event_id": "e1", "session": {"type": "realtime", "instructions": "x", "tools": [{"type": "function", "name": "f", "parameters": SCHEMA}], "tool_choice": "auto", "output_modalities": ["text"], "max_output_tokens": 50, "audio": {"output": {"voice": "alloy", "format": {"type": "audio/pcm", "rate": 24000}}}, "turn_detection": {"type": "server_vad", "threshold": 0.5}}},
    {"type": "session.update", "session": {"modalities": ["text", "audio"], "voice": "alloy", "input_audio_format": "pcm16", "max_response_output_tokens": "inf"}},
    {"type": "conversation.item.create", "previous_item_id": None, "item": {"id": "i1", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}, {"type": "input_audio", "audio": "AAAA", "transcript": "y"}, {"type": "input_image", "image_url": _PNG}]}},
    {"type": "conversation.item.create", "previous_item_id": "root", "item": {"type": "function_call_output", "call_id": "c1", "output": "rain"}}, {"type": "conversation.item.create", "item": {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}},
    {"type": "conversation.item.delete", "item_id": "i1"}, {"type": "conversation.item.retrieve", "item_id": "i1"}, {"type": "conversation.item.truncate", "item_id": "i1", "content_index": 0, "audio_end_ms": 5},
    {"type": "input_audio_buffer.append", "audio": "AAAA"}, {"type": "input_audio_buffer.commit"}, {"type": "input_audio_buffer.clear"}, {"type": "response.cancel", "response_id": "r"},
    {"type": "response.create", "event_id": "e2", "response": {"instructions": "x", "output_modalities": ["text"], "tools": [{"type": "function", "name": "f", "parameters": {}}], "tool_choice": "required", "max_output_tokens": 9, "conversation": "none", "metadata": {"a": "b"}, "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]}]}},
    {"type": "response.create"}, {"type": "output_audio_buffer.clear"}, {"type": "transcription_session.update", "session": {}},
]  # fmt: skip
CONFIG: dict[str, Any] = {
    "routes": [{"route": "/admin*", "allowedRoles": ["admin"]}, {"route": "/old", "redirect": "/new", "statusCode": 301}, {"route": "/img/*.{png,jpg}", "headers": {"cache-control": "x"}, "methods": ["GET"]}, {"route": "/r", "rewrite": "/index.html"}, {"route": "/no", "statusCode": "404"}],
    "navigationFallback": {"rewrite": "/index.html", "exclude": ["/img/*.{png,jpg}"]}, "responseOverrides": {"401": {"redirect": "/.auth/login/aad?post_login_redirect_uri=.referrer", "statusCode": 302}, "404": {"rewrite": "/index.html"}},
    "globalHeaders": {"x-a": "b"}, "mimeTypes": {".x": "text/x"}, "trailingSlash": "auto", "platform": {"apiRuntime": "python:3.11"}, "networking": {"allowedIpRanges": ["10.0.0.0/8"]}, "forwardingGateway": {"requiredHeaders": {"x": "y"}, "allowedForwardedHosts": ["x.example"]},
    "auth": {"rolesSource": "/api/roles", "identityProviders": {"azureActiveDirectory": {"registration": {"openIdIssuer": "https://x.example", "clientIdSettingName": "A", "clientSecretSettingName": "B"}}, "customOpenIdConnectProviders": {"mine": {"registration": {}}}}},
}  # fmt: skip
SWA_CLI = {
    "configurations": {
        "app": {
            "appLocation": "app",
            "outputLocation": "dist",
            "apiLocation": "api",
            "apiPort": 7071,
            "run": "npm:dev",
            "appDevserverUrl": "http://localhost:3000",
            "apiDevserverUrl": "http://localhost:7071",
            "swaConfigLocation": ".",
            "port": 4280,
            "start": {"outputLocation": "x", "run": "npm run dev"},
        },
        "b": {},
    }
}
PERSONAS = {
    "alice": {
        "name": "Alice",
        "email": "a@example.com",
        "roles": ["invited"],
        "expires_in_s": 60,
        "scenario": "slow",
        "note": "n",
        "claims": {"a": "b"},
    },
    "bob": {},
}
STATES = [
    {"name": "Waiting", "state": "waiting", "ask": "x", "cause": "c", "scenario": "slow", "text": "t", "stop": True}
]
LOGIN = [
    {"persona": "alice", "expires_in_s": 60},
    {
        "principal": {
            "userDetails": "ada",
            "userId": "7",
            "identityProvider": "aad",
            "userRoles": ["admin"],
            "claims": [{"typ": "a", "val": "b"}],
        },
        "expires_in_s": "60",
    },
]
CHAT_BODY = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}]})
STREAM = (
    'data: {"choices":[{"delta":{"content":"x"}}]}\n\nevent: x\ndata: {"type":"response.completed"}\n\ndata: [DONE]\n\n'
)
CASSETTE = {"version": 1, "metadata": {"format": 1, "source": "recorded", "upstream": "https://api.openai.com/v1", "date": "2026-01-01", "tool": "x", "timing": "modelled", "allowed": ["x"]},
    "interactions": [{"request": {"method": "POST", "uri": "https://api.openai.com/v1/chat/completions", "headers": {"content-type": ["application/json"]}, "body": CHAT_BODY},
        "response": {"status": {"code": 200, "message": "OK"}, "headers": {"content-type": ["text/event-stream"], "date": ["Thu, 01 Jan 2026 00:00:00 GMT"]}, "body": {"string": STREAM}, "timing": {"head_ms": 1, "after_ms": [0, 1, 2], "end": "eof"}}}]}  # fmt: skip
EXCHANGE: dict[str, Any] = {**CASSETTE["interactions"][0]}  # type: ignore[index]  # a list
EXCHANGE["response"] = {key: value for key, value in EXCHANGE["response"].items() if key != "timing"}
RECORDINGS: list[Any] = [
    {"version": 1, "interactions": [EXCHANGE]}, {"http_interactions": [{"request": {**EXCHANGE["request"], "method": "post", "body": {"encoding": "UTF-8", "string": CHAT_BODY}}, "response": {"status": {"code": 200}, "headers": {}, "body": {"base64_string": "e30="}}}]},
    {"requests": [EXCHANGE["request"]], "responses": [EXCHANGE["response"]]}, EXCHANGE, {"version": 1, "interactions": [{"request": {"method": "POST", "uri": "https://x.openai.azure.com/openai/v1/responses", "headers": {}, "parsed_body": {"input": "x"}}, "response": {"status": {"code": 200}, "headers": {"content-encoding": ["gzip"]}, "parsed_body": {"a": 1}}}]},
    {"version": 1, "interactions": [{"request": {"method": "POST", "uri": "**REDACTED**", "headers": None, "body": CHAT_BODY}, "response": {"status_code": 200, "headers": [["content-type", "application/json"]], "content": "{}"}}]},
]  # fmt: skip
PRINCIPAL = {
    "identityProvider": "aad",
    "userId": "1",
    "userDetails": "alice@example.com",
    "userRoles": ["anonymous", "authenticated", "invited"],
    "claims": [{"typ": "a", "val": "b"}],
}
TICKET = {"sub": "1", "name": "alice@example.com", "roles": ["invited"], "origin": SITE, "sha256": "0" * 64, "exp": 9e9}
