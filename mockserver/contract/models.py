"""What is known of each model: a table of families with their limits and with what they refuse."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mockserver.contract.data_folder import data_folder

#: What an unknown name is taken for: the newest general model that refuses none of the common parameters.
ASSUMED = "gpt-4.1"
_DATED = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{4})$")


@dataclass(frozen=True, slots=True)
class Model:
    """A model, or several that follow the same rules: the keys of a row of `contracts/models.toml`, where they are explained.

    `context` and `output` are tokens, None where they are not known.
    """

    name: str
    kind: str
    context: int | None = None
    output: int | None = None
    since: str = ""
    form: str = "value"
    gate: str = "always"
    efforts: tuple[str, ...] = ()
    default_effort: str | None = None
    only_default: Mapping[str, Any] = field(default_factory=dict)
    refuses: tuple[str, ...] = ()
    refuses_roles: tuple[str, ...] = ()
    tools_in_chat: str = ""
    chat_refusal: str = ""
    cannot: tuple[str, ...] = ()
    dimensions: int | None = None
    top_p: float = 1.0
    foundry: bool = False
    grade: str = ""
    source: str = ""

    @property
    def reasons(self) -> bool:
        """Whether it thinks before it answers."""
        return self.kind == "reasoning"

    def reasons_with(self, effort: str | None) -> bool:
        """Whether it thinks before it answers a request with this effort; None leaves it to the model."""
        return self.reasons and (effort or self.default_effort) not in ("none", None)


def model_named(name: str) -> Model:
    """The model with a name, or with a known name in its deployment's name; else the one of `ASSUMED`."""
    return known_model(name) or _models()[ASSUMED]


@functools.lru_cache(maxsize=1000)
def known_model(name: str) -> Model | None:
    """The model with a name, else the one whose name is part of a deployment's name; None for an unknown name.

    Letters may be of either case, and a date may follow.
    """
    models, name = _models(), name.lower()
    whole = _DATED.sub("", name)
    if whole in models:
        return models[whole]
    found = _pattern().search(name)
    return models[found[0]] if found else None


def families() -> list[dict[str, Any]]:
    """The rows of the table, as in the file."""
    document = tomllib.loads((data_folder() / "models.toml").read_text(encoding="utf-8"))
    return document["family"]  # type: ignore[no-any-return]  # raw TOML


@functools.cache
def _models() -> dict[str, Model]:
    """Every model by its name in lower case."""
    return {name.lower(): _model(name, row) for row in families() for name in row["names"]}


def _model(name: str, row: dict[str, Any]) -> Model:
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    del values["names"]
    return Model(name, **values)


@functools.cache
def _pattern() -> re.Pattern[str]:
    """Finds the longest known name in a deployment's. One without a digit, as `whisper`, may be any word there."""
    longest_first = sorted((name for name in _models() if re.search(r"\d", name)), key=len, reverse=True)
    return re.compile(rf"(?<![a-z0-9.])(?:{'|'.join(map(re.escape, longest_first))})(?![a-z0-9.])")
