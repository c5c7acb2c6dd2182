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
#: Why it was no run of all tests, to their end; empty if it was.
PARTIAL = "mockserver/partial"


class NoRunError(UserError):
    """There was no run in this folder, or it wrote nothing of that kind."""


class PartialRunError(UserError):
    """The last run was not of all tests, so it does not tell what none of them uses."""


def require_whole_run() -> None:
    """Check that the last run was of all tests, to their end.

    Raises:
        PartialRunError: it was not.
    """
    if why := partial_run():
        raise PartialRunError(f"The last run was not of all tests ({why}): run all of them first, in this folder.")


def partial_run() -> str:
    """Why the last run was not of all tests, to their end; empty if it was."""
    try:
        return str(next(iter(last_run(PARTIAL)), ""))
    except NoRunError:
        return ""


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
