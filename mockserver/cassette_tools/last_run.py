"""What pytest's last run in this folder left behind in pytest's own cache: what answered, and what was missed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mockserver.errors import UserError

#: Names of the stubs that answered.
USED = "mockserver/used"
#: Requests that no stub fitted, as `carry.as_json` writes them.
MISSED = "mockserver/missed"


class NoRunError(UserError):
    """There was no run here, or it left nothing of that kind."""


def last_run(key: str) -> list[Any]:
    """What the last run left under a key.

    Raises:
        NoRunError: nothing.
    """
    path = Path(".pytest_cache", "v", *key.split("/"))
    try:
        left = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NoRunError(
            f"This looks at pytest's last run, and there is no {path}: run the tests first, from this folder."
        ) from error
    return left if isinstance(left, list) else []
