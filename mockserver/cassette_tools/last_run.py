"""What pytest's last run in this folder wrote into pytest's cache: which stubs answered, and which requests were missed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mockserver.errors import UserError

#: Names of the stubs that answered.
USED = "mockserver/used"
#: Requests that no stub answered, as `miss_as_json` writes them.
MISSED = "mockserver/missed"


class NoRunError(UserError):
    """There was no run in this folder, or it wrote nothing of that kind."""


def last_run(key: str) -> list[Any]:
    """What the last run wrote under a key.

    Raises:
        NoRunError: nothing was written.
    """
    path = Path(".pytest_cache", "v", *key.split("/"))
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NoRunError(
            f"This needs pytest's last run, but {path} is missing: run the tests first, in this folder."
        ) from error
    return entries if isinstance(entries, list) else []
