"""What the model would see of a request: its canonical form, without what a project says does not count."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from mockserver.contract.addresses import Address, Backend
from mockserver.exchange import Request
from mockserver.matching.ignore import Ignore, without_ignored
from mockserver.redaction.exchanges import CREDENTIALS, clean_body
from mockserver.redaction.redaction import Redaction

#: Keys of a request body that change nothing in what the model sees.
IGNORED_KEYS = frozenset(
    {"metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "store", "user"}
)

#: What a cassette has in place of secrets. What only this process knows must not make a request's fingerprint another one.
_BY_FORM = Redaction(with_known=False)


@dataclass(frozen=True, slots=True)
class CanonicalRequest:
    """What the model would see; two requests with the same fingerprint get the same answer.

    `operation` is its name, or method and path where the address has none; `model` is a model or a deployment.
    """

    fingerprint: str
    backend: Backend
    operation: str
    model: str
    body: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Everything the fingerprint is made of."""
        return {
            "backend": self.backend.value,
            "operation": self.operation,
            "model": self.model,
            "body": self.body,
        }

    def __str__(self) -> str:
        facts = [self.model]
        if isinstance(messages := self.body.get("messages"), list):
            facts.append("1 message" if len(messages) == 1 else f"{len(messages)} messages")
        if self.body.get("stream"):
            facts.append("stream")
        return ", ".join(facts)


def canonical_request(
    request: Request, address: Address, body: Mapping[str, Any] | None, ignores: Iterable[Ignore] = ()
) -> CanonicalRequest:
    """The canonical form of a request; `body` is its JSON object, None if it has none.

    Key order, white space, the spelling of numbers, a text given as one text part, keys that are null or have the
    service's own default, and the three Azure address forms of one deployment make no difference; OpenAI and Azure
    never match each other. Secrets and names are redacted, as they are in a recording.
    """
    if body is None:
        canonical: Any = _plain_body(request)
    else:
        defaults = address.operation.defaults if address.operation else {}
        canonical = without_ignored(_BY_FORM.value(canonical_json(_significant(body, defaults))), tuple(ignores))
    backend, model = address.backend, _BY_FORM.text(model_name(address, body))
    operation = address.operation.name if address.operation else _BY_FORM.text(f"{request.method} {request.raw_path}")
    canonical |= _BY_FORM.value(_from_address(address, request.query))
    parts = {"backend": backend.value, "operation": operation, "model": model, "body": canonical}
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    fingerprint = hashlib.sha256(text.encode()).hexdigest()
    return CanonicalRequest(fingerprint, backend, operation, model, canonical)


def _plain_body(request: Request) -> dict[str, Any]:
    """A body that is no JSON object: the parts of a form, whatever divides them; a text; or the hash of anything else."""
    content_type = request.header("content-type") or ""
    boundary = re.search(r'boundary="?([^";]+)', content_type) if content_type.startswith("multipart/") else None
    if boundary is None:
        return {"text": _text_or_hash(clean_body(request, _BY_FORM))} if request.body else {}
    parts = request.body.split(b"--" + boundary[1].encode("latin-1"))[1:-1]
    return {"parts": [_text_or_hash(part.strip(b"\r\n")) for part in parts]}


def _text_or_hash(data: bytes) -> str:
    try:
        return _BY_FORM.data(data).decode()
    except UnicodeDecodeError:
        head, _, content = data.partition(b"\r\n\r\n")
        plain = head.decode("utf-8", "replace") if content else ""
        return f"{plain} sha256:{hashlib.sha256(content or data).hexdigest()}".strip()


def model_name(address: Address, body: Mapping[str, Any] | None) -> str:
    """The deployment or model in the address, else the model in the body; empty if neither names one."""
    in_path = address.resource if address.operation and "{model}" in address.operation.path else None
    return address.deployment or in_path or str((body or {}).get("model") or "")


def canonical_json(value: Any) -> Any:
    """JSON with whole numbers as integers; in messages and parts without nulls, and one text part as its text."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [canonical_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    result = {key: canonical_json(item) for key, item in value.items() if not ("role" in value and item is None)}
    match result.get("content"):
        case [{"type": "text" | "input_text", "text": str(text), **rest}] if not rest:
            result["content"] = text
    return result


def _from_address(address: Address, query: str) -> dict[str, Any]:
    """The ids in the path and the query, without Azure's api-version and without keys."""
    parameters = {
        key: values
        for key, values in (parse_qs(query) if query else {}).items()
        if key != "api-version" and not CREDENTIALS.fullmatch(key)
    }
    has_id = address.operation is not None and "{id}" in address.operation.path
    ids = ({"id": address.resource} if has_id else {}) | ({"item": address.item} if address.item is not None else {})
    return ids | ({"query": parameters} if parameters else {})


def _significant(body: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that count: known to the model, not null, and not at their default."""
    return {
        key: value
        for key, value in body.items()
        if key not in IGNORED_KEYS and key != "model" and value is not None and not _same(value, defaults.get(key))
    }


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal; 1 is 1.0, but not true."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)
