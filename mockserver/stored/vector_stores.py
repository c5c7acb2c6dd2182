"""Vector stores: files in them are searched by the words of their text, without a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mockserver.answers.authored.authored_answer import Found
from mockserver.contract import refusals
from mockserver.exchange import Answer, json_answer
from mockserver.stored import files, search
from mockserver.stored.search import FileIndex
from mockserver.stored.store import NotStoredError, Store
from mockserver.stored.stored_call import Handler, StoredCall, updated

KIND, FILE, BATCH = "vector_store", "vector_store.file", "vector_store.files_batch"
#: How long a file is in progress, so that clients have to wait for it as they have to for the service.
INDEXED_AFTER_S = 0.5


@dataclass(slots=True)
class VectorStoreFile:
    """A file in a vector store; its state follows from the time."""

    shown: dict[str, Any]
    name: str
    index: FileIndex
    at_s: float
    made_up: bool = False

    def at(self, now_s: float) -> dict[str, Any]:
        """The file as it is shown at a time."""
        if now_s < self.at_s + INDEXED_AFTER_S:
            return {**self.shown, "status": "in_progress", "usage_bytes": 0}
        return {**self.shown, "status": "completed"}


@dataclass(slots=True)
class VectorStore:
    """A vector store with its files by id, and the ids of each batch of files."""

    shown: dict[str, Any]
    files: dict[str, VectorStoreFile] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)

    def at(self, now_s: float) -> dict[str, Any]:
        """The vector store as it is shown at a time."""
        counts = counted(self.files.values(), now_s)
        used = sum(file.at(now_s)["usage_bytes"] for file in self.files.values())
        status = "in_progress" if counts["in_progress"] else "completed"
        return {**self.shown, "usage_bytes": used, "file_counts": counts, "status": status}

    def file(self, name: str) -> VectorStoreFile:
        """The file with that id.

        Raises:
            NotStoredError: it does not exist.
        """
        if name not in self.files:
            raise NotStoredError(refusals.not_found(FILE, name), deleted=True)
        return self.files[name]

    def batch(self, name: str) -> dict[str, Any]:
        """The batch with that id.

        Raises:
            NotStoredError: it does not exist.
        """
        if name not in self.batches:
            raise NotStoredError(refusals.not_found(BATCH, name), deleted=True)
        return self.batches[name]


def counted(each: Any, now_s: float) -> dict[str, int]:
    """How many files are in which state."""
    states = [file.at(now_s)["status"] for file in each]
    names = ("in_progress", "completed", "failed", "cancelled")
    return {name: states.count(name) for name in names} | {"total": len(states)}


def find(
    store: Store,
    names: Sequence[str],
    query: str,
    now_s: float,
    *,
    most: int = 20,
    condition: Any = None,
    least: float = 0,
) -> list[Found]:
    """The chunks of the files in vector stores that fit a query best, best first; each file once.

    `condition` is a filter on attributes, `least` the lowest score that counts.
    """
    candidates: list[tuple[VectorStoreFile, str]] = []
    counts: list[Counter[str]] = []
    for name in names:
        vector_store: VectorStore | None = store.get(KIND, name)
        for file in vector_store.files.values() if vector_store else ():
            if file.at(now_s)["status"] == "completed" and search.fits(file.shown["attributes"], condition):
                candidates += [(file, chunk) for chunk in file.index.chunks]
                counts += file.index.words
    scored = zip(search.scores(query, counts), candidates, strict=True)
    best: dict[str, Found] = {}
    for score, (file, chunk) in sorted(scored, key=lambda each: -each[0]):
        if score > 0 and score >= least and file.shown["id"] not in best:
            best[file.shown["id"]] = Found(file.shown["id"], file.name, score, chunk, file.shown["attributes"])
    return list(best.values())[: int(most)]


def _store(say: StoredCall) -> VectorStore:
    vector_store: VectorStore = say.find(KIND, make_up=lambda say, name: VectorStore(_shown(say, name, {})))
    return vector_store


def _chunking(asked: Any) -> dict[str, Any]:
    """How a file is cut, as it is said; it is cut in the service's default way."""
    if isinstance(asked, Mapping) and asked.get("type") == "static":
        return dict(asked)
    return {"type": "static", "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}}


def _create(say: StoredCall) -> Answer:
    vector_store = VectorStore(_shown(say, f"vs_{say.ids(KIND).hex(32)}", say.body))
    for name in say.body.get("file_ids") or ():
        _attach(say, vector_store, {"file_id": name})
    say.store.put(KIND, vector_store.shown["id"], vector_store, len(say.call.request.body))
    return json_answer(200, vector_store.at(say.at_s))


def _shown(say: StoredCall, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": name,
        "object": KIND,
        "created_at": int(say.at_s),
        "name": body.get("name") or "",
        "last_active_at": int(say.at_s),
        "expires_at": None,
        "metadata": updated(body.get("metadata")),
    }
    return shown | _expiry(say, body.get("expires_after"))


def _expiry(say: StoredCall, after: Any) -> dict[str, Any]:
    if not isinstance(after, Mapping):
        return {}
    return {"expires_after": after, "expires_at": int(say.at_s) + 86_400 * int(after["days"])}


def _attach(say: StoredCall, vector_store: VectorStore, body: Mapping[str, Any]) -> VectorStoreFile:
    file: files.File = say.find(files.KIND, str(body.get("file_id")), files.made_up)
    shown = {
        "id": file.shown["id"],
        "object": FILE,
        "usage_bytes": len(file.data),
        "created_at": int(say.at_s),
        "vector_store_id": vector_store.shown["id"],
        "last_error": None,
        "chunking_strategy": _chunking(body.get("chunking_strategy")),
        "attributes": updated(body.get("attributes")),
    }
    attached = VectorStoreFile(shown, file.shown["filename"], file.index, say.at_s)
    vector_store.files[file.shown["id"]] = attached
    return attached


def _list(say: StoredCall) -> Answer:
    return say.page([each.at(say.at_s) for each in say.store.all(KIND)])


def _get(say: StoredCall) -> Answer:
    return json_answer(200, _store(say).at(say.at_s))


def _modify(say: StoredCall) -> Answer:
    vector_store = _store(say)
    for key in ("name", "metadata"):
        if say.body.get(key) is not None:
            vector_store.shown[key] = say.body[key]
    vector_store.shown |= _expiry(say, say.body.get("expires_after"))
    return json_answer(200, vector_store.at(say.at_s))


def _delete(say: StoredCall) -> Answer:
    return say.delete(KIND, "vector_store.deleted")


def _search(say: StoredCall) -> Answer:
    _store(say)
    query, body = say.body["query"], say.body
    queries = [query] if isinstance(query, str) else query
    options = body.get("ranking_options") or {}
    found = find(
        say.store,
        [say.id],
        " ".join(queries),
        say.at_s,
        most=body.get("max_num_results") or 10,
        condition=body.get("filters"),
        least=options.get("score_threshold") or 0,
    )
    data = [
        {
            "file_id": each.file_id,
            "filename": each.filename,
            "score": each.score,
            "attributes": each.attributes,
            "content": [{"type": "text", "text": each.text}],
        }
        for each in found
    ]
    page = {"object": "vector_store.search_results.page", "search_query": queries, "data": data}
    return json_answer(200, {**page, "has_more": False, "next_page": None})


def _add_file(say: StoredCall) -> Answer:
    return json_answer(200, _attach(say, _store(say), say.body).at(say.at_s))


def _files(say: StoredCall) -> Answer:
    return _page_of(say, _store(say).files.values())


def _page_of(say: StoredCall, each: Any) -> Answer:
    shown = [file.at(say.at_s) for file in each]
    wanted = say.query.get("filter")
    return say.page([file for file in shown if wanted is None or file["status"] in wanted])


def _file(say: StoredCall) -> VectorStoreFile:
    vector_store, name = _store(say), say.call.address.item or ""
    if say.makes_up and name not in vector_store.files and not say.store.was_deleted(FILE, name):
        attached = _attach(say, vector_store, {"file_id": name})
        attached.made_up = True
        return attached
    return vector_store.file(name)


def _get_file(say: StoredCall) -> Answer:
    return json_answer(200, _file(say).at(say.at_s))


def _update_file(say: StoredCall) -> Answer:
    file = _file(say)
    file.shown["attributes"] = updated(say.body.get("attributes"))
    return json_answer(200, file.at(say.at_s))


def _delete_file(say: StoredCall) -> Answer:
    name = _file(say).shown["id"]
    if not _store(say).files.pop(name).made_up:
        say.store.delete(FILE, name)
    return json_answer(200, {"id": name, "object": f"{FILE}.deleted", "deleted": True})


def _file_content(say: StoredCall) -> Answer:
    data = [{"type": "text", "text": chunk} for chunk in _file(say).index.chunks]
    page = {"object": "vector_store.file_content.page", "data": data, "has_more": False, "next_page": None}
    return json_answer(200, page)


def _create_batch(say: StoredCall) -> Answer:
    vector_store = _store(say)
    entries = list(_entries(say.body))
    for entry in entries:  # before the first is attached
        say.find(files.KIND, str(entry.get("file_id")), files.made_up)
    names = [_attach(say, vector_store, entry).shown["id"] for entry in entries]
    name = f"vsfb_{say.ids(BATCH).hex(32)}"
    vector_store.batches[name] = {"created_at": int(say.at_s), "names": names}
    return json_answer(200, _batch(say, vector_store, name))


def _entries(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from body.get("files") or ()
    for name in body.get("file_ids") or ():
        yield {"file_id": name, "attributes": body.get("attributes")}


def _batch(say: StoredCall, vector_store: VectorStore, name: str) -> dict[str, Any]:
    if say.makes_up:
        vector_store.batches.setdefault(name, {"created_at": int(say.at_s), "names": []})
    batch = vector_store.batch(name)
    counts = counted((vector_store.files[each] for each in batch["names"] if each in vector_store.files), say.at_s)
    return {
        "id": name,
        "object": BATCH,
        "created_at": batch["created_at"],
        "vector_store_id": vector_store.shown["id"],
        "status": "cancelled" if batch.get("cancelled") else "in_progress" if counts["in_progress"] else "completed",
        "file_counts": counts,
    }


def _cancel_batch(say: StoredCall) -> Answer:
    """What is still in progress stays as it is; a batch that has ended too."""
    vector_store, name = _store(say), say.call.address.item or ""
    if _batch(say, vector_store, name)["status"] == "in_progress":
        vector_store.batch(name)["cancelled"] = True
    return json_answer(200, _batch(say, vector_store, name))


def _get_batch(say: StoredCall) -> Answer:
    return json_answer(200, _batch(say, _store(say), say.call.address.item or ""))


def _batch_files(say: StoredCall) -> Answer:
    vector_store = _store(say)
    name = say.call.address.item or ""
    _batch(say, vector_store, name)
    names = vector_store.batch(name)["names"]
    return _page_of(say, [vector_store.files[name] for name in names if name in vector_store.files])


HANDLERS: dict[str, Handler] = {
    "createVectorStore": _create,
    "listVectorStores": _list,
    "getVectorStore": _get,
    "modifyVectorStore": _modify,
    "deleteVectorStore": _delete,
    "searchVectorStore": _search,
    "createVectorStoreFile": _add_file,
    "listVectorStoreFiles": _files,
    "getVectorStoreFile": _get_file,
    "updateVectorStoreFileAttributes": _update_file,
    "deleteVectorStoreFile": _delete_file,
    "retrieveVectorStoreFileContent": _file_content,
    "createVectorStoreFileBatch": _create_batch,
    "getVectorStoreFileBatch": _get_batch,
    "cancelVectorStoreFileBatch": _cancel_batch,
    "listFilesInVectorStoreBatch": _batch_files,
}
