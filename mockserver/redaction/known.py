"""The secrets that this process knows: taken out of everything it writes or shows, whatever their form.

They belong to the process, as its environment does, so they are kept here and are not passed from function to function.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

#: A shorter text is a placeholder, and would be found everywhere.
SHORTEST = 8

_LOCK = threading.Lock()
_KNOWN: list[str] = []


def remember(secrets: Iterable[str]) -> None:
    """Take these out from now on."""
    with _LOCK:
        new = {secret for secret in secrets if len(secret) >= SHORTEST}
        _KNOWN[:] = sorted({*_KNOWN, *new}, key=lambda secret: (-len(secret), secret))


def known() -> tuple[str, ...]:
    """All of them, the longest first."""
    return tuple(_KNOWN)
