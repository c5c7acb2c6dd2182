"""The objects of one scope, by their ids: in memory, and bounded."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mockserver.contract.refusals import Refusal

#: The oldest objects are forgotten first: a day of use must not fill a laptop's memory.
MAX_OBJECTS, MAX_BYTES = 5_000, 256 << 20
MAX_DELETED = 5_000


class NotStoredError(Exception):
    """An object that is asked for and not there, as the service says it; `deleted` says that it was there once."""

    def __init__(self, refusal: Refusal, *, deleted: bool) -> None:
        super().__init__(refusal.because)
        self.refusal, self.deleted = refusal, deleted


@dataclass(frozen=True, slots=True)
class _Kept:
    value: Any
    size: int


class Store:
    """Objects by kind and id, oldest first. Whoever uses it holds the lock of its scopes."""

    def __init__(self) -> None:
        self._objects: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._deleted: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._made: Counter[str] = Counter()
        self._seen: OrderedDict[str, int] = OrderedDict()
        self._made_up: set[tuple[str, str]] = set()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._objects)

    def next_number(self, kind: str) -> int:
        """How many objects of a kind were made before; each call counts one more."""
        self._made[kind] += 1
        return self._made[kind] - 1

    def put(self, kind: str, name: str, value: Any, size: int, *, made_up: bool = False) -> None:
        """Keep an object of `size` bytes under its id, in place of one that had it; `made_up` is one that nobody made, and that
        is made up again after it was deleted."""
        self._remove((kind, name))
        if made_up:
            self._made_up.add((kind, name))
        self._deleted.pop((kind, name), None)
        self._objects[kind, name] = _Kept(value, size)
        self._bytes += size
        self._forget()

    def _forget(self) -> None:
        while len(self._objects) > MAX_OBJECTS or (self._bytes > MAX_BYTES and len(self._objects) > 1):
            self._remove(next(iter(self._objects)))

    def grow(self, kind: str, name: str, size: int) -> None:
        """Count `size` more bytes for an object."""
        if (kept := self._objects.get((kind, name))) is not None:
            self._objects[kind, name] = _Kept(kept.value, kept.size + size)
            self._bytes += size
            self._forget()

    def occurrence(self, fingerprint: str) -> int:
        """How often a request has been seen before; each call counts one more. The oldest are forgotten."""
        count = self._seen.pop(fingerprint, 0)
        self._seen[fingerprint] = count + 1
        if len(self._seen) > MAX_OBJECTS:
            self._seen.popitem(last=False)
        return count

    def get(self, kind: str, name: str) -> Any:
        """The object with that id; None if it does not exist."""
        kept = self._objects.get((kind, name))
        return kept and kept.value

    def all(self, kind: str) -> Iterator[Any]:
        """Every object of a kind, oldest first."""
        return (kept.value for (each, _), kept in self._objects.items() if each == kind)

    def delete(self, kind: str, name: str) -> None:
        """Remove an object; from now on it `was_deleted`, unless it was made up."""
        made_up = (kind, name) in self._made_up
        self._remove((kind, name))
        if made_up:
            return
        self._deleted[kind, name] = None
        while len(self._deleted) > MAX_DELETED:
            self._deleted.popitem(last=False)

    def was_deleted(self, kind: str, name: str) -> bool:
        """Whether an object of that id was there and was deleted."""
        return (kind, name) in self._deleted

    def clear(self) -> None:
        """Forget everything."""
        self._objects.clear()
        self._deleted.clear()
        self._made.clear()
        self._seen.clear()
        self._made_up.clear()
        self._bytes = 0

    def _remove(self, key: tuple[str, str]) -> None:
        self._made_up.discard(key)
        if (kept := self._objects.pop(key, None)) is not None:
            self._bytes -= kept.size
