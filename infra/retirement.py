"""The models that can be deployed anew, and when each retires: `models.json`, which is the one place that says so."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

MODELS = Path(__file__).with_name("models.json")
#: Changing a model takes a test of every prompt; this many days before it retires is when to begin.
WARNED_DAYS = 180


@dataclass(frozen=True, slots=True)
class ModelRetirement:
    """A model's version; after `retires` its deployments answer with errors."""

    name: str
    version: str
    retires: date

    def days_left(self, today: date) -> int:
        """How long it will answer; below zero, how long it has not."""
        return (self.retires - today).days


@functools.cache
def load_models() -> tuple[ModelRetirement, ...]:
    """All of them, the one to take first."""
    listed = json.loads(MODELS.read_text(encoding="utf-8"))["models"]
    return tuple(ModelRetirement(each["name"], each["version"], date.fromisoformat(each["retires"])) for each in listed)


def find_model(name: str, version: str) -> ModelRetirement | None:
    """The one of that name and version; None where the file has none."""
    return next((each for each in load_models() if (each.name, each.version) == (name, version)), None)
