"""Prose for a chat where no model is asked: sensible to look at, of every shape the page can show, and visibly made up."""

from __future__ import annotations

import functools
import random
import re
from pathlib import Path
from typing import Any

import yaml

#: The last line of every made-up answer.
MADE_UP = "*Made up by the mock: no model was asked, and no recording fits this question.*"


def prose(prompt: str, seed: str) -> str:
    """An answer to a prompt in markdown: with code, a table or a list where it is asked for. Ends with `MADE_UP`."""
    chance = random.Random(seed)  # noqa: S311  no secret
    topic = " ".join(prompt.split())
    topic = topic if len(topic) <= 80 else f"{topic[:77].rstrip()}…"
    entry = next(each for each in _answers() if re.search(each["asked"], prompt, re.IGNORECASE))
    text = str(chance.choice(entry["says"])).replace("{topic}", topic or "nothing in particular")
    return f"{text.rstrip()}\n\n{MADE_UP}\n"


@functools.cache
def _answers() -> list[dict[str, Any]]:
    """What can be said, in the order in which it is tried; the last fits everything."""
    text = Path(__file__).with_name("prose.yaml").read_text(encoding="utf-8")
    return yaml.load(text, Loader=yaml.CSafeLoader)  # type: ignore[no-any-return]  # raw YAML
