"""The secrets that this process knows: taken out of everything it writes or shows, whatever their form.

They are the process's, like its environment: whoever gets hold of one says so here, and no way out can forget to ask.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

#: A shorter text is a placeholder, and would be found everywhere.
SHORTEST = 8

_lock = threading.Lock()
_known: tuple[str, ...] = ()


def remember(secrets: Iterable[str]) -> None:
    """Take these out from now on."""
    global _known  # noqa: PLW0603  see above
    with _lock:
        new = {secret for secret in secrets if len(secret) >= SHORTEST}
        _known = tuple(sorted({*_known, *new}, key=lambda secret: (-len(secret), secret)))


def known() -> tuple[str, ...]:
    """All of them, the longest first."""
    return _known
