"""Generated moderations: nothing is flagged, but a text that contains a category's name is, as that."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mockserver.answers.authored.ids import Ids
from mockserver.exchange import Answer, json_answer

#: Source: API reference, 2026-11.
CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)


#: Those that images are judged by too. Source: the published schema.
_OF_IMAGES = frozenset(
    {"self-harm", "self-harm/instructions", "self-harm/intent", "sexual", "violence", "violence/graphic"}
)


def moderation(body: Mapping[str, Any], seed: str) -> Answer:
    """The answer to a moderation request: one result for each text, one for all parts of a multimodal input."""
    given = body.get("input")
    texts = [given] if isinstance(given, str) else list(given or ())
    if any(isinstance(part, Mapping) for part in texts):
        parts = [part for part in texts if isinstance(part, Mapping)]
        kinds = ["image" if part.get("type") == "image_url" else "text" for part in parts]
        results = [_result(" ".join(str(part.get("text") or "") for part in parts), sorted(set(kinds)))]
    else:
        results = [_result(str(text), ["text"]) for text in texts]
    model = body.get("model") or "omni-moderation-latest"
    return json_answer(200, {"id": f"modr-{Ids(seed).letters(29)}", "model": model, "results": results})


def _result(text: str, kinds: list[str]) -> dict[str, Any]:
    found = {name for name in CATEGORIES if re.search(rf"(?<![\w/]){re.escape(name)}(?![\w/])", text, re.IGNORECASE)}
    return {
        "flagged": bool(found),
        "categories": {name: name in found for name in CATEGORIES},
        "category_scores": {name: 0.98 if name in found else 0.0001 for name in CATEGORIES},
        "category_applied_input_types": {
            name: [kind for kind in kinds if kind == "text" or name in _OF_IMAGES] for name in CATEGORIES
        },
    }
