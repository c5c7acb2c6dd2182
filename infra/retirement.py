"""The models that can be deployed, and when each retires; `models.json` is the only place that lists them.

Azure's own list of a region's models has the dates too, and goes before it: preflight asks for them.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

MODELS = Path(__file__).with_name("models.json")
#: A change of model takes a test of every prompt: warn this many days before the retirement.
WARNING_DAYS = 180
#: Microsoft changes its table every few weeks: what was read longer ago may be wrong.
FRESH_DAYS = 90


@dataclass(frozen=True, slots=True)
class ModelRetirement:
    """A model's version; after `retires` its deployments answer with errors. `price` is that of a million tokens read, and
    written, in US dollars; None where it is not known."""

    name: str
    version: str
    retires: date
    price: tuple[float, float] | None = None

    def days_left(self, today: date) -> int:
        """Days until it retires; negative after that."""
        return (self.retires - today).days


@functools.cache
def load_models() -> tuple[ModelRetirement, ...]:
    """All models, the recommended one first."""
    entries = json.loads(MODELS.read_text(encoding="utf-8"))["models"]
    return tuple(
        ModelRetirement(entry["name"], entry["version"], date.fromisoformat(entry["retires"]), tuple(entry["price"]))
        for entry in entries
    )


@functools.cache
def read_on() -> date:
    """The day on which Microsoft's table was read."""
    return date.fromisoformat(json.loads(MODELS.read_text(encoding="utf-8"))["read"])


def find_model(name: str, version: str) -> ModelRetirement | None:
    """The model with that name and version; None if the file does not list it."""
    return next((model for model in load_models() if (model.name, model.version) == (name, version)), None)
