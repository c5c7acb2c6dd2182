"""What one call of a function reads from services, and writes to them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any, Self
from urllib.parse import parse_qsl

from mockserver.exchange import Request, parse_json
from mockserver.functions.expressions import Known, properties
from mockserver.functions.function import Function
from mockserver.functions.messages import metadata
from mockserver.functions.storage import BoundValue, Storage, StorageError, is_of_storage


class Bindings:
    """The bindings of one call, but for its trigger and its HTTP answer. `known` is what expressions may name; `metadata` is what
    the worker gets beside a message, each as JSON."""

    def __init__(
        self,
        function: Function,
        storage: Storage,
        known: Callable[[], Known],
        message_metadata: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._function, self._storage, self._find, self.metadata = function, storage, known, message_metadata

    @classmethod
    def of_request(
        cls, function: Function, storage: Storage, request: Request, parameters: Mapping[str, str], body: bytes
    ) -> Self:
        """Those of a call by HTTP. Source: HttpTriggerAttributeBindingProvider: the body, the query, the route, in this order."""

        def known() -> Known:
            query, headers = _joined(tuple(parse_qsl(request.query, keep_blank_values=True))), _joined(request.headers)
            named = {name: value for name, value in query.items() if name.lower() != "code"}
            return _merged(
                properties(body.decode(errors="replace")), {"query": query, "headers": headers}, named, parameters
            )

        return cls(function, storage, known)

    @classmethod
    def of_message(cls, function: Function, storage: Storage, given: str) -> Self:
        """Those of a call with a message. Source: WorkerFunctionInvoker.TransformInput: its properties go before what is known of it."""
        beside = metadata(function)

        def known() -> Known:
            own = {name: json.loads(value) for name, value in beside.items()}
            if function.kind == "timer":
                return own
            return _merged(own, {str(function.trigger["type"]): given}, properties(given))

        return cls(function, storage, known, beside)

    @cached_property
    def _known(self) -> Known:
        return self._find()

    async def inputs(self) -> dict[str, BoundValue | None]:
        """What the function reads, by its parameters; None for what is not there.

        Raises:
            StorageError: something cannot be read.
        """
        return {
            str(each["name"]): await asyncio.to_thread(self._storage.read, each, lambda: self._known)
            for each in self._function.inputs
        }

    async def deliver(self, put: Mapping[str, BoundValue]) -> str:
        """Send what the function has put into its outputs, and returned as `$return`; why not, empty where all is sent."""
        written = _by_name(self._function, put)
        if unsent := self._function.unsent(set(written)):
            return unsent
        for output in self._function.outputs:
            value = written.get(str(output["name"]))
            if value is None or not is_of_storage(output):
                continue
            try:
                await asyncio.to_thread(self._storage.write, output, lambda: self._known, value)
            except StorageError as error:
                return str(error)
        return ""


def _by_name(function: Function, put: Mapping[str, BoundValue]) -> Mapping[str, BoundValue]:
    """What is written, by output. Source: WorkerFunctionInvoker.HandleOutputDictionary: without a `$return`, an object that is
    returned has a value for each output."""
    returned = put.get("$return")
    if returned is None or returned.form != "json" or any(each["name"] == "$return" for each in function.bindings):
        return put
    parsed = parse_json(str(returned.content).encode(errors="replace"))
    named = parsed if isinstance(parsed, dict) else {}
    return {
        **put,
        **{
            name: BoundValue("string", value) if isinstance(value, str) else BoundValue("json", json.dumps(value))
            for name, value in named.items()
            if value is not None
        },
    }


def _merged(*parts: Mapping[str, Any]) -> Known:
    """All in one, the last first; letters of either case are one name."""
    return {name.lower(): value for part in parts for name, value in part.items()}


def _joined(pairs: tuple[tuple[str, str], ...]) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in pairs:
        values[name] = f"{values[name]},{value}" if name in values else value
    return values
