"""What sets off a function that no request does, as the host gives it to a worker."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime

from mockserver.exchange import parse_json
from mockserver.functions.function import Function


def message(function: Function, given: str) -> tuple[str, str]:
    """The form, `json` or `string`, and the value of what a function gets; a timer gets its schedule, others the text `given`."""
    if function.kind == "timer":
        timer = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": None, "IsPastDue": False}
        return "json", json.dumps(timer)
    if function.kind in ("cosmosDB", "eventGrid"):
        return "json", given or ("[]" if function.kind == "cosmosDB" else "{}")
    if _has_many(function):
        return "json", json.dumps([parse_json(given.encode()) or given])
    return "string", given


def _has_many(function: Function) -> bool:
    return function.kind == "eventHub" and str(function.trigger.get("cardinality", "")).lower() == "many"


def metadata(function: Function) -> Mapping[str, str]:
    """What is known of a message that came from nowhere: each as JSON, by its name.

    Source: the converters of azure.functions read these of `trigger_metadata`.
    """
    now, number = datetime.now(UTC).isoformat(), str(uuid.uuid4())
    known: dict[str, dict[str, object]] = {
        "queue": {
            "Id": number,
            "DequeueCount": 1,
            "InsertionTime": now,
            "ExpirationTime": now,
            "NextVisibleTime": now,
            "PopReceipt": number,
        },
        "blob": {
            "BlobTrigger": function.source,
            "Uri": f"https://localhost/{function.source}",
            "Properties": {},
            "Metadata": {},
        },
        "serviceBus": {"UserProperties": {}, "MessageId": number, "DeliveryCount": 1},
        "eventHub": {"SystemPropertiesArray": [{}]} if _has_many(function) else {"SystemProperties": {}},
    }
    return {name: json.dumps(value) for name, value in known.get(function.kind, {}).items()}
