"""The models that can be deployed, and when each retires; `models.json` is the only place that lists them."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

MODELS = Path(__file__).with_name("models.json")
#: A change of model takes a test of every prompt: warn this many days before the retirement.
WARNING_DAYS = 180


@dataclass(frozen=True, slots=True)
class ModelRetirement:
    """A model's version; after `retires` its deployments answer with errors."""

    name: str
    version: str
    retires: date

    def days_left(self, today: date) -> int:
        """Days until it retires; negative after that."""
        return (self.retires - today).days


@functools.cache
def load_models() -> tuple[ModelRetirement, ...]:
    """All models, the recommended one first."""
    entries = json.loads(MODELS.read_text(encoding="utf-8"))["models"]
    return tuple(
        ModelRetirement(entry["name"], entry["version"], date.fromisoformat(entry["retires"])) for entry in entries
    )


def find_model(name: str, version: str) -> ModelRetirement | None:
    """The model with that name and version; None if the file does not list it."""
    return next((model for model in load_models() if (model.name, model.version) == (name, version)), None)
