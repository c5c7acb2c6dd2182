"""Where a request goes: backend, operation, deployment and api-version, from its method, path and query."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qs, unquote

from mockserver.contract.operations import OPERATIONS, Operation


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
    OTHER = "/"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a request goes. `operation` is None for a path or method that the form does not have; `deployment` and
    `resource` (a model or an id) are those in the path, `api_version` the one in the query, or None."""

    form: AddressForm
    operation: Operation | None = None
    deployment: str | None = None
    resource: str | None = None
    api_version: str | None = None

    @property
    def is_known(self) -> bool:
        """Whether this is an address of OpenAI or Azure OpenAI at all."""
        return self.form is not AddressForm.OTHER

    @property
    def backend(self) -> Backend:
        """The backend that has this address."""
        return Backend.OPENAI if self.form in (AddressForm.OPENAI, AddressForm.OTHER) else Backend.AZURE


#: Source: requests of openai 3.54.0's clients (2026-11-22) and of recordings from 2023 to 2026.
_PREFIXES = (
    (AddressForm.OPENAI, re.compile(r"/v1/(?P<path>.+)")),
    (AddressForm.AZURE_V1, re.compile(r"/openai/v1/(?P<path>.+)")),
    (AddressForm.AZURE_DATED, re.compile(r"/openai/(?:deployments/(?P<deployment>[^/]+)/)?(?P<path>.+)")),
)
_PATTERNS = {
    operation.name: re.compile(re.sub(r"\{\w+\}", "(?P<resource>[^/]+)", operation.path)) for operation in OPERATIONS
}


@functools.lru_cache(maxsize=1000)
def address_of(method: str, raw_path: str, query: str) -> Address:
    """The address that a method, a raw path and a query string name; any path outside `/openai` is OpenAI's."""
    version = parse_qs(query).get("api-version", [None])[0]
    for form, prefix in _PREFIXES:
        if match := prefix.fullmatch(raw_path):
            deployment = match.groupdict().get("deployment")
            for operation in OPERATIONS:
                if form is AddressForm.AZURE_DATED and operation.since is None:
                    continue
                inside = operation.in_deployment and form is AddressForm.AZURE_DATED
                path = _PATTERNS[operation.name].fullmatch(match["path"])
                if path and method == operation.method and inside == (deployment is not None):
                    resource = path.groupdict().get("resource")
                    return Address(
                        form, operation, deployment and unquote(deployment), resource and unquote(resource), version
                    )
            return Address(form, None, deployment and unquote(deployment), None, version)
    return Address(
        AddressForm.AZURE_DATED if raw_path.startswith("/openai/") else AddressForm.OTHER, api_version=version
    )
