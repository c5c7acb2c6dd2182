"""What a failed test leaves: its timeline as a page, and the same as HAR."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from mockserver.exchange import json_bytes
from mockserver.journal.entry import Entry
from mockserver.journal.har import har
from mockserver.journal.timeline import timeline


def write_result(folder: Path, test_id: str, entries: Sequence[Entry]) -> Path:
    """Write `TEST.html`, and `TEST.har` beside it; the page's path.

    Raises:
        OSError: they cannot be written.
    """
    name = re.sub(r"[^\w.-]+", "-", test_id.rpartition("/")[2]).strip("-")[:150]
    page = folder / f"{name}.html"
    folder.mkdir(exist_ok=True)
    page.write_text(timeline(test_id, entries), encoding="utf-8")
    page.with_name(f"{name}.har").write_bytes(json_bytes(har(entries)))
    return page
