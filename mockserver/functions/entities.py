"""Entities of a table, from and to the JSON that a function writes and reads.

Source: azure-sdk-for-net, TablesExtensionConfigProvider and TableEntityWriter.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

#: The most that one transaction may have.
_MOST = 100
_KEYS = {"partitionkey": "PartitionKey", "rowkey": "RowKey"}


def _named(name: str) -> str:
    return _KEYS.get(name.lower(), name)


def entity_of(item: Any, partition_key: str, row_key: str) -> dict[str, Any]:
    """An entity; keys in the JSON go before those of the binding, and what is nested becomes text.

    Raises:
        ValueError: no JSON object, one without keys, or with a number beyond an Int64.
    """
    from azure.data.tables import EdmType, EntityProperty

    if not isinstance(item, dict):
        raise ValueError(f"an entity must be a JSON object, got {json.dumps(item, default=str)[:60]}")
    entity: dict[str, Any] = {"PartitionKey": partition_key, "RowKey": row_key}
    for name, value in item.items():
        if isinstance(value, dict | list):
            entity[name] = json.dumps(value, indent=2, ensure_ascii=False)
        elif isinstance(value, int) and not isinstance(value, bool):
            if not -(2**63) <= value < 2**63:
                raise ValueError(f"{name!r} is no Int64: {value}")
            entity[_named(name)] = EntityProperty(value, EdmType.INT64)
        elif value is not None:
            entity[_named(name)] = value
    if wrong := next((key for key in _KEYS.values() if not isinstance(entity[key], str) or not entity[key]), None):
        raise ValueError(f"the entity has no {wrong} that is a text, and its binding has none")
    return entity


def batches(entities: Sequence[Mapping[str, Any]]) -> Iterator[list[tuple[str, Mapping[str, Any]]]]:
    """Transactions: of one partition, of a hundred at most, and no row in it twice. Each entity must be new, as on Azure."""
    pending: dict[str, dict[str, Mapping[str, Any]]] = {}
    for entity in entities:
        rows = pending.setdefault(entity["PartitionKey"], {})
        if entity["RowKey"] in rows or len(rows) == _MOST:
            yield [("create", each) for each in rows.values()]
            rows.clear()
        rows[entity["RowKey"]] = entity
    yield from ([("create", each) for each in rows.values()] for rows in pending.values())


def json_of(entities: Sequence[Mapping[str, Any]]) -> str:
    """Entities as a JSON array, without their etags and timestamps."""
    rows = [{name: _plain(value) for name, value in entity.items()} for entity in entities]
    return json.dumps(rows, separators=(",", ":"), ensure_ascii=False)


def _plain(value: Any) -> Any:
    value = getattr(value, "value", value)  # of an EntityProperty
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        return value.isoformat()
    return value if value is None or isinstance(value, str | int | float) else str(value)
