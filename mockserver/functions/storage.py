"""Azure Storage for bindings: blobs, queues and tables of Azurite on this machine, and of nothing else.

Source: what is read, sent and created, and how: azure-sdk-for-net, Microsoft.Azure.WebJobs.Extensions.Storage.Blobs and .Queues,
and Microsoft.Azure.WebJobs.Extensions.Tables; FunctionBinding of azure-functions-host.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any
from xml.etree.ElementTree import ParseError

from mockserver.exchange import parse_json
from mockserver.functions.entities import batches, entity_of, json_of
from mockserver.functions.expressions import ExpressionError, Known, bound, bound_filter, filled
from mockserver.functions.function import Binding, Function, kind_of, source_of, words_of

#: The ports of Azurite, and the packages that ask it.
_SERVICES = {
    "blob": (10000, "azure.storage.blob", "azure-storage-blob"),
    "queue": (10001, "azure.storage.queue", "azure-storage-queue"),
    "table": (10002, "azure.data.tables", "azure-data-tables"),
}
#: The account that every Azurite has, with its published key. Source: Microsoft Learn, Azurite.
_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_LOOPBACK = re.compile(r"https?://(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?(?:/[\w-]*)*", re.IGNORECASE)
#: One that every Azurite of the last years knows; those of newer packages are refused by an older one.
_API_VERSION = "2021-12-02"
_FIX = "UseDevelopmentStorage=true in it means Azurite"


class StorageError(Exception):
    """Something that cannot be read or written; says what, and why not."""


@dataclass(frozen=True, slots=True)
class BoundValue:
    """What a binding reads or writes, as the worker's protocol has it: `form` is string, bytes, json, int or double."""

    form: str
    content: Any


@dataclass(frozen=True, slots=True)
class StorageAccount:
    """An account of Azurite: the address of each of its services, its name and its key."""

    endpoints: Mapping[str, str]
    name: str
    key: str


class Storage:
    """Reads and writes bindings. `plain_messages` sends a queue's messages as they are, not in base64."""

    def __init__(self, *, plain_messages: bool = False) -> None:
        self._plain_messages = plain_messages
        self._clients = dict[tuple[str, str, str], Any]()
        self._transport: Any = None

    def refusal(self, binding: Binding) -> str:
        """Why a binding cannot be read or written; empty where it can."""
        try:
            self.place(binding)
        except (StorageError, ExpressionError) as error:
            return str(error)
        return ""

    def place(self, binding: Binding) -> str:
        """The address of the Azurite that a binding leads to, without its account.

        Raises:
            StorageError, ExpressionError: it leads to none.
        """
        kind = kind_of(binding)
        address = _account(binding).endpoints[kind]
        _, module, package = _SERVICES[kind]
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise StorageError(f"{package} is not installed: .venv/bin/pip install {package}") from error
        return re.match(r"https?://[^/]+", address)[0]  # type: ignore[index]  # as _LOOPBACK says

    def described(self, function: Function) -> Iterator[str]:
        """What of a function is read from and written to Azurite, in lines."""
        for word, bindings in (("reads", function.inputs), ("writes", function.outputs)):
            for binding in bindings:
                kind = kind_of(binding)
                if kind in _SERVICES and not self.refusal(binding):
                    place = self.place(binding)
                    yield f"{kind:<10} {function.name} {word} {source_of(binding)} -> Azurite {place}"

    def read(self, binding: Binding, known: Callable[[], Known]) -> BoundValue | None:
        """What a binding reads; None for a blob that is not there.

        Raises:
            StorageError: it cannot be read.
        """
        with self._asked(binding, "reads"):
            return self._read_blob(binding, known) if kind_of(binding) == "blob" else self._read_table(binding, known)

    def write(self, binding: Binding, known: Callable[[], Known], value: BoundValue) -> None:
        """Write a value; containers, queues and tables are created where they are missing.

        Raises:
            StorageError: it cannot be written.
        """
        write = {"blob": self._write_blob, "queue": self._write_queue, "table": self._write_table}[kind_of(binding)]
        with self._asked(binding, "has written to"):
            write(binding, known, value)

    # --- blobs -------------------------------------------------------------------------------------------------------

    def _blob(self, binding: Binding, known: Callable[[], Known]) -> tuple[Any, Any]:
        """The clients of a binding's container and blob."""
        container, _, name = (path := bound(str(binding.get("path", "")), known)).partition("/")
        if not container or not name:
            raise StorageError(f"{path!r} is no path of a blob: it must be container/blob")
        clients = self._service(binding).get_container_client(container)
        return clients, clients.get_blob_client(name)

    def _read_blob(self, binding: Binding, known: Callable[[], Known]) -> BoundValue | None:
        from azure.core.exceptions import ResourceNotFoundError

        try:
            content: bytes = self._blob(binding, known)[1].download_blob().readall()
        except ResourceNotFoundError:  # source: ReadBlobArgumentBinding
            return None
        # Source: WorkerFunctionInvoker: a text without a dataType, whatever the function's parameter is declared to be.
        if str(binding.get("dataType", "")).upper() == "BINARY":
            return BoundValue("bytes", content)
        return BoundValue("string", content.decode("utf-8-sig", "replace"))

    def _write_blob(self, binding: Binding, known: Callable[[], Known], value: BoundValue) -> None:
        container, blob = self._blob(binding, known)
        content = _bytes_of(value)
        _made(lambda: blob.upload_blob(content, overwrite=True), container.create_container)

    # --- queues ------------------------------------------------------------------------------------------------------

    def _write_queue(self, binding: Binding, known: Callable[[], Known], value: BoundValue) -> None:
        from azure.storage.queue import BinaryBase64EncodePolicy

        queue = self._service(binding).get_queue_client(bound(str(binding.get("queueName", "")), known).lower())
        for item in _items(value):
            content = _message_of(item, unwrapped=value.form == "json")
            text = (
                content.decode(errors="replace") if self._plain_messages else BinaryBase64EncodePolicy().encode(content)
            )
            _made(partial(queue.send_message, text), queue.create_queue)

    # --- tables ------------------------------------------------------------------------------------------------------

    def _read_table(self, binding: Binding, known: Callable[[], Known]) -> BoundValue:
        """Entities as a JSON array. A `rowKey` selects none of them, as on Azure: azure-functions-python-worker#1231, #1725."""
        from azure.core.exceptions import ResourceNotFoundError

        name, key, _ = (
            bound(str(binding.get(field) or ""), known) for field in ("tableName", "partitionKey", "rowKey")
        )
        own, take = bound_filter(str(binding.get("filter") or ""), known), int(binding.get("take") or 0)
        partition = "PartitionKey eq '{}'".format(key.replace("'", "''")) if key else ""
        found = self._service(binding).get_table_client(name).query_entities(
            " and ".join(filter(None, (partition, own))), results_per_page=min(take, 1000) or None
        )  # fmt: skip
        try:
            return BoundValue("json", json_of(list(islice(found, take or None))))
        except ResourceNotFoundError as error:
            raise StorageError(f"there is no table {name!r}; an input creates none, here as on Azure") from error

    def _write_table(self, binding: Binding, known: Callable[[], Known], value: BoundValue) -> None:
        name, *keys = (bound(str(binding.get(field) or ""), known) for field in ("tableName", "partitionKey", "rowKey"))
        table = self._service(binding).get_table_client(name)
        try:
            entities = [entity_of(item, *keys) for item in _items(value)]
        except ValueError as error:
            raise StorageError(str(error)) from error
        for batch in batches(entities):
            _made(partial(table.submit_transaction, batch), table.create_table)

    # --- Azurite -----------------------------------------------------------------------------------------------------

    def _service(self, binding: Binding) -> Any:
        """The client of the service that a binding belongs to."""
        kind, account = kind_of(binding), _account(binding)
        whose = kind, account.endpoints[kind], account.key
        if (client := self._clients.get(whose)) is None:
            client = self._clients[whose] = self._client(kind, account)
        return client

    def _client(self, kind: str, account: StorageAccount) -> Any:
        from azure.core.credentials import AzureNamedKeyCredential

        options: dict[str, Any] = {"retry_total": 0, "permit_redirects": False, "logger": _QUIET}
        options["transport"] = self._transport_of_all()
        credential = AzureNamedKeyCredential(account.name, account.key)
        address = account.endpoints[kind]
        if kind == "table":
            from azure.data.tables import TableServiceClient

            return TableServiceClient(address, credential=credential, **options)
        if kind == "queue":
            from azure.storage.queue import QueueServiceClient

            return QueueServiceClient(address, credential=credential, api_version=_API_VERSION, **options)
        from azure.storage.blob import BlobServiceClient

        return BlobServiceClient(address, credential=credential, api_version=_API_VERSION, **options)

    def _transport_of_all(self) -> Any:
        """Connections to loopback: no proxy of the environment, and one for each thread."""
        import requests
        from azure.core.pipeline.transport import RequestsTransport

        if self._transport is None:
            session = requests.Session()
            session.trust_env = False
            session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=64))
            self._transport = RequestsTransport(
                session=session, session_owner=False, use_env_settings=False, connection_timeout=2, read_timeout=60
            )
        return self._transport

    @contextmanager
    def _asked(self, binding: Binding, word: str) -> Generator[None]:
        """Errors in sentences, which say what was asked, and where."""
        asked = f"it {word} {words_of(binding)}, and"
        try:
            place = self.place(binding)
            from azure.core.exceptions import AzureError, ServiceRequestError, ServiceResponseError

            try:
                yield
            except (ServiceRequestError, ServiceResponseError) as error:
                raise StorageError(f"Azurite does not answer at {place}; start it: npx azurite") from error
            except (ParseError, AttributeError) as error:  # the SDK's, where it cannot read an answer
                raise StorageError(f"what answers at {place} is not Azurite") from error
            except (AzureError, ValueError) as error:
                if isinstance(error, ExpressionError):
                    raise
                words = str(getattr(error, "message", "") or error).strip().partition("\n")[0]
                raise StorageError(f"Azurite at {place} says: {words or type(error).__name__}") from error
        except (StorageError, ExpressionError) as error:
            raise StorageError(f"{asked} {error}") from error


_QUIET = logging.getLogger("mockserver.functions.storage")
_QUIET.setLevel(logging.CRITICAL)  # what this host asks is none of the app's log


def is_of_storage(binding: Binding) -> bool:
    """Whether a binding is of Azure Storage."""
    return kind_of(binding) in _SERVICES


def _account(binding: Binding) -> StorageAccount:
    """The account that a binding's connection leads to.

    Raises:
        StorageError: it is not set, or not of this machine alone. The value is never told: it has a key.
    """
    connection = filled(str(binding.get("connection") or "Storage"), lambda name: f"{{{name}}}")
    # Source: IConfigurationExtensions.GetWebJobsConnectionString; an empty name is Storage.
    name = next(filter(os.environ.get, (f"AzureWebJobs{connection}", connection)), "")
    if not name:
        wanted = "AzureWebJobsStorage" if connection == "Storage" else connection
        raise StorageError(f"the app setting {wanted} is not set; {_FIX}")
    fields = {
        key.strip().lower(): text.strip()
        for key, _, text in (part.partition("=") for part in os.environ[name].split(";"))
        if text.strip()
    }
    if {key: text.lower() for key, text in fields.items()} == {"usedevelopmentstorage": "true"}:
        addresses = {kind: f"http://127.0.0.1:{port}/{_ACCOUNT}" for kind, (port, *_) in _SERVICES.items()}
        return StorageAccount(addresses, _ACCOUNT, _KEY)
    places = {key.removesuffix("endpoint"): text for key, text in fields.items() if key.endswith("endpoint")}
    if kind_of(binding) not in places or not all(map(_LOOPBACK.fullmatch, places.values())):
        raise StorageError(f"the app setting {name} names a server beyond this machine, which is never asked; {_FIX}")
    return StorageAccount(places, fields.get("accountname", ""), fields.get("accountkey", ""))


def _made(write: Callable[[], object], make: Callable[[], object]) -> None:
    """Write, and where what it is written to is missing, make that first."""
    from azure.core.exceptions import HttpResponseError, ResourceExistsError

    try:
        write()
    except HttpResponseError as error:
        if error.status_code != 404:
            raise
        with suppress(ResourceExistsError):  # another call was faster
            make()
        write()


def _items(value: BoundValue) -> list[Any]:
    """The messages or entities in a value. Source: FunctionBinding.ReadAsEnumerable: a text that looks like JSON is read as it."""
    looks = value.form == "string" and re.fullmatch(r"\s*(\{.*\}|\[.*\])\s*", value.content, re.DOTALL)
    if value.form != "json" and not looks:
        return [value.content]
    parsed = parse_json(value.content.encode(errors="replace"))
    if parsed is None and value.content.strip() != "null":
        raise StorageError("the text begins and ends as JSON, and is none; Azure fails at it too")
    return parsed if isinstance(parsed, list) else [parsed]


def _message_of(item: Any, *, unwrapped: bool) -> bytes:
    """A queue's message. Source: JToken.ToString; a func.QueueMessage is its body, by the tests of Microsoft's worker."""
    if unwrapped and isinstance(item, dict) and item.keys() == {"id", "body"}:
        item = item["body"]
    if isinstance(item, dict | list):
        return json.dumps(item, indent=2, ensure_ascii=False).encode(errors="replace")
    return item if isinstance(item, bytes) else ("" if item is None else str(item)).encode(errors="replace")


def _bytes_of(value: BoundValue) -> bytes:
    """A blob's content. Source: FunctionBinding.ConvertValueToStream."""
    if value.form == "json":
        return json.dumps(json.loads(value.content), separators=(",", ":"), ensure_ascii=False).encode(errors="replace")
    return value.content if isinstance(value.content, bytes) else str(value.content).encode(errors="replace")
