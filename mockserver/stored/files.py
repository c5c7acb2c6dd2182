"""Files: uploaded, listed, read back, deleted."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from mockserver.answers.authored.ids import Ids
from mockserver.contract import refusals
from mockserver.contract.violation import Violation
from mockserver.exchange import Answer, Event, Request, json_answer
from mockserver.stored.search import FileIndex
from mockserver.stored.store import NotStoredError, Store
from mockserver.stored.stored_call import Handler, StoredCall, refused

KIND, IMAGE = "file", "image"


@dataclass(slots=True)
class File:
    """A file, as it is shown and as it was sent."""

    shown: dict[str, Any]
    data: bytes
    index: FileIndex = field(init=False)

    def __post_init__(self) -> None:
        self.index = FileIndex(self.data)


def keep(say: StoredCall, name: str, data: bytes, purpose: str, **more: Any) -> dict[str, Any]:
    """A new file, as it is shown."""
    shown = {
        "id": f"file-{say.ids(KIND).letters(22)}",
        "object": "file",
        "bytes": len(data),
        "created_at": int(say.at_s),
        "filename": name,
        "purpose": purpose,
        "status": "processed",
        **more,
    }
    say.store.put(KIND, shown["id"], File(shown, data), len(data))
    return shown


def _create(say: StoredCall) -> Answer:
    uploaded = say.call.form.files["file"][0] if say.call.form and say.call.form.files.get("file") else None
    if uploaded is None:
        words = "Invalid type for 'file': expected a file, but got a string instead."
        return refused(Violation("file", "type", words, "invalid_type"))
    after = say.body.get("expires_after")
    seconds = after.get("seconds") if isinstance(after, dict) else None
    expires = {"expires_at": int(say.at_s) + seconds} if isinstance(seconds, int) else {}
    return json_answer(200, keep(say, uploaded.name, uploaded.data, str(say.body["purpose"]), **expires))


def _list(say: StoredCall) -> Answer:
    purposes = say.query.get("purpose")
    shown = [file.shown for file in say.store.all(KIND) if purposes is None or file.shown["purpose"] in purposes]
    return say.page(shown, limit=10_000, most=10_000)


def _get(say: StoredCall) -> Answer:
    return json_answer(200, say.find(KIND, make_up=made_up).shown)


def _content(say: StoredCall) -> Answer:
    file: File = say.find(KIND, make_up=made_up)
    if file.shown["purpose"] == "assistants":  # source: in these words in openai-python#1007 and reports since
        words = "Not allowed to download files of purpose: assistants"
        return refused(Violation("", "purpose", words))
    named = f"attachment; filename*=UTF-8''{quote(file.shown['filename'], safe='')}"  # RFC 6266, 4.3
    head = (("content-type", "application/octet-stream"), ("content-disposition", named))
    return Answer(200, head, (Event(0, file.data),), decided_by="stored")


def _generated_image(say: StoredCall) -> Answer:
    if (found := say.store.get(IMAGE, say.id)) is None:
        raise NotStoredError(refusals.not_found(IMAGE, say.id), deleted=True)
    data, kind = found
    return Answer(200, (("content-type", kind),), (Event(0, data),), decided_by="made up")


def publish(store: Store, request: Request, scheme: str, data: bytes, kind: str) -> str:
    """Keep a generated image; the address at which anybody finds it."""
    name = f"{Ids(hashlib.sha256(data).hexdigest()).hex(24)}.{kind.removeprefix('image/')}"
    store.put(IMAGE, name, (data, kind), len(data))
    return f"{scheme}://{request.header('host') or '127.0.0.1'}/v1/images/generated/{name}"


def made_up(say: StoredCall, name: str) -> File:
    """A file that nobody uploaded, empty."""
    shown = {"id": name, "object": "file", "bytes": 0, "created_at": int(say.at_s), "filename": f"{name}.txt"}
    return File({**shown, "purpose": "user_data", "status": "processed"}, b"")


def _delete(say: StoredCall) -> Answer:
    answer = say.delete(KIND, KIND)
    for vector_store in say.store.all("vector_store"):  # source: the published specification of deleteFile
        vector_store.files.pop(say.id, None)
    return answer


HANDLERS: dict[str, Handler] = {
    "createFile": _create,
    "listFiles": _list,
    "retrieveFile": _get,
    "downloadFile": _content,
    "deleteFile": _delete,
    "getGeneratedImage": _generated_image,
}
