"""A request about stored objects, with what its answer is made from; and the pages of lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs

from mockserver.answers.authored.ids import Ids
from mockserver.contract import refusals
from mockserver.contract.violation import Violation
from mockserver.exchange import BY_RULE, Answer, Event, Request, json_answer, whole_number
from mockserver.matching.call import Call
from mockserver.stored.store import NotStoredError, Store


@dataclass(frozen=True)
class StoredCall:
    """A request about stored objects. `ask` gives the answer to another request, for batches; with `makes_up`, files, vector
    stores and conversations that nobody made are made up."""

    call: Call
    store: Store
    at_s: float
    ask: Callable[[Request], Answer]
    makes_up: bool = False

    @cached_property
    def query(self) -> dict[str, list[str]]:
        """The query's parameters."""
        return parse_qs(self.call.request.query)

    @property
    def body(self) -> Mapping[str, Any]:
        """The JSON object, or the fields of the form; empty without either."""
        return self.call.body or {}

    @property
    def id(self) -> str:
        """The id in the path."""
        return self.call.address.resource or ""

    def ids(self, kind: str) -> Ids:
        """Ids for the next object of a kind: the same for the same requests in the same order."""
        return Ids(f"{kind} {self.store.next_number(kind)}")

    def find(self, kind: str, name: str | None = None, make_up: Callable[[StoredCall, str], Any] | None = None) -> Any:
        """The object of a kind with an id, that of the path unless another is given; else what `make_up` makes of its id.

        Raises:
            NotStoredError: it does not exist.
        """
        name = self.id if name is None else name
        if (found := self.store.get(kind, name)) is not None:
            return found
        deleted = self.store.was_deleted(kind, name)
        if make_up is not None and self.makes_up and not deleted:
            found = make_up(self, name)
            self.store.put(kind, name, found, 0, made_up=True)
            return found
        raise NotStoredError(refusals.not_found(kind, name), deleted=deleted)

    def delete(self, kind: str, deleted: str) -> Answer:
        """Delete the object of the path; `deleted` is what the answer calls it.

        Raises:
            NotStoredError: it does not exist.
        """
        if self.store.get(kind, self.id) is not None:
            self.store.delete(kind, self.id)
        elif not self.makes_up or self.store.was_deleted(kind, self.id):
            self.find(kind)
        return json_answer(200, {"id": self.id, "object": deleted, "deleted": True})

    def page(
        self, objects: Sequence[Mapping[str, Any]], *, order: str = "desc", limit: int = 20, most: int = 100
    ) -> Answer:
        """The page of a list that the query asks for. `objects` are in the order they were made; the default `order` and
        `limit` are the operation's, `most` is its largest page.

        Source: API reference, 2026-11: after, before, limit, order.
        """
        limit_text = self.query.get("limit", [str(limit)])[0]
        if (asked := whole_number(limit_text)) is None:
            words = "Invalid type for 'limit': expected an integer, but got a string instead."
            return refused(Violation("limit", "type", words, "invalid_type"))
        if not 1 <= (limit := asked) <= most:
            problem, sign = ("above maximum", f"<= {most}") if limit else ("below minimum", ">= 1")
            words = f"Invalid 'limit': integer {problem} value. Expected a value {sign}, but got {limit} instead."
            code = f"integer_{problem.replace(' ', '_').replace('imum', '')}_value"
            return refused(Violation("limit", "bounds", words, code))
        ordered = list(objects) if self.query.get("order", [order])[0] == "asc" else list(reversed(objects))
        names = [each["id"] for each in ordered]
        if (after := self.query.get("after", [""])[0]) in names:
            ordered = ordered[
                len(names) - names[::-1].index(after) :
            ]  # of equal ones the last, so that every list ends
        elif (before := self.query.get("before", [""])[0]) in names:
            ordered = ordered[: names.index(before)]
        shown = ordered[:limit]
        ends = {"first_id": shown[0]["id"], "last_id": shown[-1]["id"]} if shown else {"first_id": "", "last_id": ""}
        return json_answer(200, {"object": "list", "data": shown, **ends, "has_more": len(ordered) > limit})


Handler = Callable[[StoredCall], Answer]


def refused(violation: Violation) -> Answer:
    """The 400 for a request that the service refuses."""
    return answer_of(refusals.invalid(violation))


def answer_of(refusal: refusals.Refusal) -> Answer:
    """A refusal as an answer."""
    rule = ((BY_RULE, refusal.rule),) if refusal.rule else ()
    return Answer(refusal.status, (*refusal.headers, *rule), (Event(0, refusal.body),), decided_by=refusal.because)


def updated(metadata: object) -> dict[str, Any]:
    """The metadata of an object; empty without any."""
    return dict(metadata) if isinstance(metadata, Mapping) else {}
