"""Conversations: items that responses continue and add to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mockserver.contract import refusals
from mockserver.exchange import Answer, json_answer
from mockserver.stored.items import stored_items
from mockserver.stored.store import NotStoredError
from mockserver.stored.stored_call import Handler, StoredCall, updated

KIND = "conversation"


@dataclass(slots=True)
class StoredConversation:
    """A conversation; its items are oldest first. `pending` are those to come, each with its time, `gone` the ids of those
    deleted."""

    shown: dict[str, Any]
    items: list[dict[str, Any]] = field(default_factory=list)
    pending: list[tuple[float, Callable[[], list[dict[str, Any]]]]] = field(default_factory=list)

    gone: set[str] = field(default_factory=set)

    def settle(self, now_s: float) -> None:
        """Add the items that are due: those of responses in the background come when they are done."""
        due = [items for at_s, items in self.pending if at_s <= now_s]
        self.pending = [each for each in self.pending if each[0] > now_s]
        for items in due:
            self.items += items()

    def has(self, name: str) -> bool:
        """Whether it has an item with that id."""
        return any(item.get("id") == name for item in self.items)

    def item(self, name: str) -> dict[str, Any]:
        """The item with that id.

        Raises:
            NotStoredError: it does not exist.
        """
        found = next((item for item in self.items if item.get("id") == name), None)
        if found is None:
            raise NotStoredError(refusals.not_found("item", name), deleted=name in self.gone)
        return found


def _found(say: StoredCall) -> StoredConversation:
    """The conversation of the path, with what responses in the background have added to it by now."""
    conversation: StoredConversation = say.find(KIND, make_up=_made_up)
    conversation.settle(say.at_s)
    return conversation


def _made_up(say: StoredCall, name: str) -> StoredConversation:
    return StoredConversation({"id": name, "object": KIND, "created_at": int(say.at_s), "metadata": {}})


def _create(say: StoredCall) -> Answer:
    ids = say.ids(KIND)
    shown: dict[str, Any] = {
        "id": f"conv_{ids.hex(48)}",
        "object": "conversation",
        "created_at": int(say.at_s),
        "metadata": updated(say.body.get("metadata")),
    }
    conversation = StoredConversation(shown, stored_items(say.body.get("items") or (), ids))
    say.store.put(KIND, shown["id"], conversation, len(say.call.request.body))
    return json_answer(200, shown)


def _get(say: StoredCall) -> Answer:
    return json_answer(200, _found(say).shown)


def _update(say: StoredCall) -> Answer:
    conversation = _found(say)
    conversation.shown["metadata"] = updated(say.body.get("metadata"))
    return json_answer(200, conversation.shown)


def _delete(say: StoredCall) -> Answer:
    return say.delete(KIND, "conversation.deleted")


def _add_items(say: StoredCall) -> Answer:
    added = stored_items(say.body.get("items") or (), say.ids("item"))
    _found(say).items += added
    say.store.grow(KIND, say.id, len(say.call.request.body))
    ends = {"first_id": added[0]["id"], "last_id": added[-1]["id"]} if added else {"first_id": "", "last_id": ""}
    return json_answer(200, {"object": "list", "data": added, **ends, "has_more": False})


def _items(say: StoredCall) -> Answer:
    return say.page(_found(say).items)


def _item(say: StoredCall) -> Answer:
    return json_answer(200, _found(say).item(say.call.address.item or ""))


def _delete_item(say: StoredCall) -> Answer:
    conversation = _found(say)
    item = conversation.item(say.call.address.item or "")
    conversation.items.remove(item)
    conversation.gone.add(item["id"])
    return json_answer(200, conversation.shown)


HANDLERS: dict[str, Handler] = {
    "createConversation": _create,
    "getConversation": _get,
    "updateConversation": _update,
    "deleteConversation": _delete,
    "createConversationItems": _add_items,
    "listConversationItems": _items,
    "getConversationItem": _item,
    "deleteConversationItem": _delete_item,
}
