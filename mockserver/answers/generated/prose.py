"""Prose for generated answers, in every shape that the page can show, and marked as generated."""

from __future__ import annotations

import functools
import random
import re
from pathlib import Path
from typing import Any

import yaml

#: The last line of every generated answer.
MADE_UP = "*Made up by the mock: no model was asked, and no recording fits this question.*"


def prose(prompt: str, seed: str) -> str:
    """An answer to a prompt in Markdown, with code, a table or a list where the prompt asks for it. Ends with `MADE_UP`."""
    chance = random.Random(seed)  # noqa: S311  no secret
    topic = " ".join(prompt.split())
    topic = topic if len(topic) <= 80 else f"{topic[:77].rstrip()}…"
    entry = next(entry for entry in _entries() if re.search(entry["prompt"], prompt, re.IGNORECASE))
    text = str(chance.choice(entry["answers"])).replace("{topic}", topic or "nothing in particular")
    return f"{text.rstrip()}\n\n{MADE_UP}\n"


@functools.cache
def _entries() -> list[dict[str, Any]]:
    """The entries of `prose.yaml`, in order; the last one matches every prompt."""
    text = Path(__file__).with_name("prose.yaml").read_text(encoding="utf-8")
    return yaml.load(text, Loader=yaml.CSafeLoader)  # type: ignore[no-any-return]  # raw YAML
