"""Where a request goes: backend, operation, deployment and api-version, from its method, path and query."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qs, unquote

from mockserver.contract.operations import OPERATIONS, UNANSWERED, Operation


class Backend(StrEnum):
    """Whose wire format an address uses."""

    OPENAI = "openai"
    AZURE = "azure"


#: The host of requests in a cassette, in place of a tenant's resource or our own port.
CANONICAL_ORIGIN = {Backend.OPENAI: "https://api.openai.com", Backend.AZURE: "https://resource.openai.azure.com"}


class AddressForm(StrEnum):
    """How an address is written."""

    OPENAI = "/v1"
    AZURE_V1 = "/openai/v1"
    AZURE_DATED = "/openai/…?api-version="
    FOUNDRY = "/models"
    OTHER = "/"

    def has(self, operation: Operation, *, in_deployment: bool) -> bool:
        """Whether addresses of this form have the operation, with or without a deployment in the path."""
        match self:
            case AddressForm.OPENAI:
                return operation.on_openai
            case AddressForm.AZURE_V1:
                return operation.on_azure
            case AddressForm.AZURE_DATED:
                return operation.since is not None and operation.in_deployment == in_deployment
            case AddressForm.FOUNDRY:
                return operation.on_foundry
        return False


@dataclass(frozen=True, slots=True)
class Address:
    """Where a request goes. `operation` is None for a path or method that the form does not have; `deployment`, `project`,
    `resource` (a model or an id) and `item` (the id of one inside it) are those in the path, `api_version` the one in the
    query, or None. `first_step` is what the path begins with where there is no operation."""

    form: AddressForm
    operation: Operation | None = None
    deployment: str | None = None
    resource: str | None = None
    api_version: str | None = None
    item: str | None = None
    project: str | None = None
    first_step: str = ""

    @property
    def is_unanswered(self) -> bool:
        """Whether the service has such an operation, and the mock has not."""
        return self.operation is None and self.first_step in UNANSWERED

    @property
    def is_known(self) -> bool:
        """Whether this is an address of OpenAI, Azure OpenAI or Foundry at all."""
        return self.form is not AddressForm.OTHER

    @property
    def backend(self) -> Backend:
        """The backend that has this address."""
        return Backend.OPENAI if self.form in (AddressForm.OPENAI, AddressForm.OTHER) else Backend.AZURE


_PROJECT = r"(?:/api/projects/(?P<project>[^/]+))?"
#: Source: requests of openai 3.54.0's, azure-ai-inference 1.0's and azure-ai-projects 2's clients (2026-11), and recordings from
#: 2023 to 2026.
_PREFIXES = (
    (AddressForm.OPENAI, re.compile(r"/v1/(?P<path>.+)")),
    (AddressForm.AZURE_V1, re.compile(_PROJECT + r"/openai/v1/(?P<path>.+)")),
    (AddressForm.AZURE_DATED, re.compile(_PROJECT + r"/openai/(?:deployments/(?P<deployment>[^/]+)/)?(?P<path>.+)")),
    (AddressForm.FOUNDRY, re.compile(r"/models/(?P<path>.+)")),
)
_PLACES = {"{model}": "(?P<resource>[^/]+)", "{id}": "(?P<resource>[^/]+)", "{item}": "(?P<item>[^/]+)"}
_PATTERNS = {
    operation.name: re.compile(re.sub(r"\{\w+\}", lambda place: _PLACES[place[0]], operation.path))
    for operation in OPERATIONS
}


@functools.lru_cache(maxsize=1000)
def address_of(method: str, raw_path: str, query: str) -> Address:
    """The address that a method, a raw path and a query string name; a path that is nobody's is OpenAI's."""
    version = parse_qs(query).get("api-version", [None])[0]
    for form, prefix in _PREFIXES:
        if not (match := prefix.fullmatch(raw_path)):
            continue
        names: dict[str, Any] = {
            key: value and unquote(value) for key, value in match.groupdict().items() if key != "path"
        }
        for operation in OPERATIONS:
            if method == operation.method and form.has(operation, in_deployment=names.get("deployment") is not None):
                path = _PATTERNS[operation.name].fullmatch(match["path"])
                if path is not None:
                    names |= {key: unquote(value) for key, value in path.groupdict().items()}
                    return Address(form, operation, api_version=version, **names)
        return Address(form, api_version=version, first_step=match["path"].partition("/")[0], **names)
    return Address(
        AddressForm.AZURE_DATED if raw_path.startswith("/openai/") else AddressForm.OTHER, api_version=version
    )
