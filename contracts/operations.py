"""The operations of both backends and the addresses they are reached at."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qs, unquote


class Backend(StrEnum):
    """Whose wire format an address speaks."""

    OPENAI = "openai"
    AZURE = "azure"


#: What a cassette names as the host of a request, instead of a tenant's resource or our own port.
CANONICAL_ORIGIN = {Backend.OPENAI: "https://api.openai.com", Backend.AZURE: "https://resource.openai.azure.com"}


@dataclass(frozen=True, slots=True)
class Operation:
    """One endpoint's verb, as OpenAI's specification names it."""

    name: str
    method: str
    path: str


OPERATIONS = (Operation("createChatCompletion", "POST", "chat/completions"),)

#: An Azure address with a deployment takes an api-version; `/openai/v1` and OpenAI's own take the model from the body.
#: Source: requests of openai 3.54.0's clients, recorded 2026-11-22.
_FORMS = (
    (Backend.OPENAI, re.compile(r"/v1/(?P<path>.+)")),
    (Backend.AZURE, re.compile(r"/openai/v1/(?P<path>.+)")),
    (Backend.AZURE, re.compile(r"/openai/deployments/(?P<deployment>[^/]+)/(?P<path>.+)")),
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a request goes. `operation` is None for a path the backend does not know;
    `deployment` and `api_version` are None where the address form has none."""

    backend: Backend
    operation: Operation | None
    deployment: str | None = None
    api_version: str | None = None


def address_of(method: str, raw_path: str, query: str) -> Address:
    """The address a method, a raw path and a query string stand for; anything outside `/openai` speaks OpenAI."""
    version = parse_qs(query).get("api-version", [None])[0]
    for backend, form in _FORMS:
        if match := form.fullmatch(raw_path):
            path, deployment = match["path"], match.groupdict().get("deployment")
            operation = next((each for each in OPERATIONS if (each.method, each.path) == (method, path)), None)
            return Address(backend, operation, deployment and unquote(deployment), version)
    return Address(Backend.AZURE if raw_path.startswith("/openai/") else Backend.OPENAI, None, None, version)
