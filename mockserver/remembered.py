"""What is worked out once and remembered: the last things, within a bound of entries and bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

MAX_ENTRIES, MAX_BYTES, MAX_BYTES_EACH = 10_000, 32 << 20, 64 << 10

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Remembered(Generic[Key, Value]):
    """Values by their keys; the oldest are forgotten, and none of more than 64 kB is kept. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._bytes = 0

    def get(self, key: Key) -> Value | None:
        """The value of a key; None where it is not remembered."""
        found = self._values.get(key)
        return found[0] if found is not None else None

    def put(self, key: Key, value: Value, size: int) -> Value:
        """Remember a value of so many bytes."""
        if size > MAX_BYTES_EACH:
            return value
        with self._lock:
            if key not in self._values:
                self._values[key] = value, size
                self._bytes += size
            while len(self._values) > MAX_ENTRIES or self._bytes > MAX_BYTES:
                self._bytes -= self._values.popitem(last=False)[1][1]
        return value

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._values.clear()
            self._bytes = 0

    def __len__(self) -> int:
        return len(self._values)
