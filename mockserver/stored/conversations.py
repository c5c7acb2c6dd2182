"""Conversations: items that responses continue and add to."""

from __future__ import annotations

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
    """A conversation; its items are oldest first."""

    shown: dict[str, Any]
    items: list[dict[str, Any]] = field(default_factory=list)

    def has(self, name: str) -> bool:
        """Whether it has an item with that id."""
        return any(item.get("id") == name for item in self.items)

    def item(self, name: str) -> dict[str, Any]:
        """The item with that id.

        Raises:
            NotStoredError: there is none.
        """
        found = next((item for item in self.items if item.get("id") == name), None)
        if found is None:
            raise NotStoredError(refusals.not_found("item", name), deleted=True)
        return found


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
    return json_answer(200, say.find(KIND).shown)


def _update(say: StoredCall) -> Answer:
    conversation = say.find(KIND)
    conversation.shown["metadata"] = updated(say.body.get("metadata"))
    return json_answer(200, conversation.shown)


def _delete(say: StoredCall) -> Answer:
    return say.delete(KIND, "conversation.deleted")


def _add_items(say: StoredCall) -> Answer:
    added = stored_items(say.body.get("items") or (), say.ids("item"))
    say.find(KIND).items += added
    ends = {"first_id": added[0]["id"], "last_id": added[-1]["id"]} if added else {"first_id": "", "last_id": ""}
    return json_answer(200, {"object": "list", "data": added, **ends, "has_more": False})


def _items(say: StoredCall) -> Answer:
    return say.page(say.find(KIND).items)


def _item(say: StoredCall) -> Answer:
    return json_answer(200, say.find(KIND).item(say.call.address.item or ""))


def _delete_item(say: StoredCall) -> Answer:
    conversation = say.find(KIND)
    conversation.items.remove(conversation.item(say.call.address.item or ""))
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
