"""Batches: each line of the input file is a request, answered as if its client had sent it alone."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from mockserver.contract.addresses import AddressForm
from mockserver.exchange import Answer, Request, json_answer, parse_json
from mockserver.stored import files
from mockserver.stored.stored_call import Handler, StoredCall, updated

KIND = "batch"
#: How long a batch is validated, and how long it takes; the service takes minutes to a day.
VALIDATED_AFTER_S, DONE_AFTER_S = 0.2, 1.0
#: How many requests are answered each time that a batch is looked at.
LINES_AT_ONCE = 200
_DAY_S = 86_400


@dataclass(slots=True)
class Batch:
    """A batch as it is shown, the request that made it, and the lines of its answers so far, each with whether it succeeded."""

    shown: dict[str, Any]
    made_by: Request
    at_s: float
    answers: list[tuple[bool, str]] = field(default_factory=list)


def _create(say: StoredCall) -> Answer:
    body = say.body
    say.find(files.KIND, str(body["input_file_id"]), files.made_up)
    shown = {
        "id": f"batch_{say.ids(KIND).hex(32)}",
        "object": KIND,
        "endpoint": body["endpoint"],
        "input_file_id": body["input_file_id"],
        "completion_window": body["completion_window"],
        "status": "validating",
        "created_at": int(say.at_s),
        "expires_at": int(say.at_s) + _DAY_S,
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
        "metadata": updated(body.get("metadata")),
    }
    say.store.put(KIND, shown["id"], Batch(shown, say.call.request, say.at_s), len(say.call.request.body))
    return json_answer(200, shown)


def _settle(say: StoredCall, batch: Batch) -> dict[str, Any]:
    """The batch as it is shown now; once its time has come, its requests are answered."""
    shown, age_s = batch.shown, say.at_s - batch.at_s
    if shown["status"] == "validating" and age_s >= VALIDATED_AFTER_S:
        lines, errors = _requests(say, shown)
        if errors:
            shown |= {"status": "failed", "failed_at": int(say.at_s), "errors": {"object": "list", "data": errors}}
        else:
            counts = {"total": len(lines), "completed": 0, "failed": 0}
            shown |= {"status": "in_progress", "in_progress_at": int(say.at_s), "request_counts": counts}
    if shown["status"] == "in_progress" and age_s >= DONE_AFTER_S:
        _run(say, batch, _requests(say, shown)[0])
    if shown["status"] == "cancelling" and age_s >= DONE_AFTER_S:
        shown |= {"status": "cancelled", "cancelled_at": int(say.at_s)}
    return shown


def _requests(say: StoredCall, shown: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The requests in the input file, and what is wrong with them. Source of the codes: guide “Batch API”, 2026-11."""
    file: files.File | None = say.store.get(files.KIND, shown["input_file_id"])
    lines, errors, names = [], [], set()
    for number, line in enumerate((file.data if file else b"").splitlines(), 1):
        if not line.strip():
            continue
        parsed = parse_json(line)
        code, problem = "", ""
        if not isinstance(parsed, dict) or not isinstance(parsed.get("body"), dict):
            code, problem = "invalid_json_line", "This line is not parseable as valid JSON."
        elif not isinstance(parsed.get("custom_id"), str):
            code, problem = "missing_required_parameter", "Missing required parameter: 'custom_id'."
        elif parsed.get("method") != "POST":
            code, problem = "invalid_method", f"The method must be 'POST', got {str(parsed.get('method'))[:20]!r}."
        elif parsed["body"].get("stream") is True:
            code, problem = "invalid_request", "The 'stream' parameter is not supported in a batch."
        elif parsed["custom_id"] in names:
            code, problem = "duplicate_custom_id", f"The custom_id '{parsed['custom_id']}' appears twice."
        elif parsed.get("url") != shown["endpoint"]:
            code, problem = "mismatched_url", f"The url '{parsed.get('url')}' is not the batch's endpoint."
        if code:
            errors.append({"code": code, "message": problem, "param": None, "line": number})
        else:
            names.add(parsed["custom_id"])
            lines.append(parsed)
    if not lines and not errors:
        errors = [{"code": "empty_file", "message": "The input file is empty.", "param": None, "line": None}]
    return lines, errors


def _run(say: StoredCall, batch: Batch, lines: list[dict[str, Any]]) -> None:
    """Answer the next lines; a long batch is looked at several times, so that it holds up no other request for long."""
    shown, start = batch.shown, len(batch.answers)
    for number, line in enumerate(lines[start : start + LINES_AT_ONCE], start):
        answer = say.ask(_request(say, batch, line))
        response = {"status_code": answer.status, "request_id": "", "body": parse_json(answer.body)}
        entry = {"id": f"{shown['id']}_{number}", "custom_id": line["custom_id"], "response": response, "error": None}
        batch.answers.append((answer.status == 200, json.dumps(entry)))
    succeeded = sum(each for each, _ in batch.answers)
    counts = {"total": len(lines), "completed": succeeded, "failed": len(batch.answers) - succeeded}
    shown["request_counts"] = counts
    if len(batch.answers) < len(lines):
        return
    for wanted, key, name in ((True, "output_file_id", "output"), (False, "error_file_id", "error")):
        if data := "".join(f"{line}\n" for each, line in batch.answers if each is wanted).encode():
            shown[key] = files.keep(say, f"{shown['id']}_{name}.jsonl", data, "batch_output")["id"]
    batch.answers.clear()
    shown |= {"status": "completed", "finalizing_at": int(say.at_s), "completed_at": int(say.at_s)}


def _request(say: StoredCall, batch: Batch, line: dict[str, Any]) -> Request:
    """A line as the request that its client would have sent. Azure takes its paths with and without `/v1`."""
    made_by, path, query = batch.made_by, "/" + str(line["url"]).lstrip("/").removeprefix("v1/"), ""
    match say.call.address.form:
        case AddressForm.AZURE_DATED:
            path, query = f"/openai/deployments/{line['body'].get('model')}{path}", made_by.query
            if path.endswith("/responses"):
                path = "/openai/responses"
        case AddressForm.AZURE_V1:
            path = f"/openai/v1{path}"
        case _:
            path = f"/v1{path}"
    headers = tuple(header for header in made_by.headers if header[0] not in ("content-length", "transfer-encoding"))
    return Request("POST", path, query, headers, json.dumps(line["body"]).encode())


def _get(say: StoredCall) -> Answer:
    return json_answer(200, _settle(say, say.find(KIND)))


def _list(say: StoredCall) -> Answer:
    return say.page([_settle(say, batch) for batch in list(say.store.all(KIND))])


def _cancel(say: StoredCall) -> Answer:
    batch = say.find(KIND)
    if _settle(say, batch)["status"] in ("validating", "in_progress"):
        batch.shown |= {"status": "cancelling", "cancelling_at": int(say.at_s)}
    return json_answer(200, batch.shown)


HANDLERS: dict[str, Handler] = {
    "createBatch": _create,
    "retrieveBatch": _get,
    "listBatches": _list,
    "cancelBatch": _cancel,
}
